"""Wrong programs in the rivals and baselines, the judges, and augmentation: a part of ``tools/wrong_programs.py``."""

from __future__ import annotations

from tools.wrong_form import Programs
from tools.wrong_shared_parts import ARGUMENTS, PHASES

RIVALS: Programs = {
    "ferdis/systems/stargan.py": (
        ("tests/systems/test_stargan.py", PHASES, ARGUMENTS),
        {
            "the generator is told its own condition": ("told(target, kind))}", "told(own, kind))}"),
            "edited face attached in the critic's step": (
                'batch["image"], batch["edited"].detach()',
                'batch["image"], batch["edited"]',
            ),
            "the critic's head learns from edited faces": (
                "    fake, _ = modules.critic(edited)\n",
                "    fake, found = modules.critic(edited)\n",
            ),
            "back to the target's condition": (
                "modules.generator(edited, own)",
                'modules.generator(edited, told(batch["target"], kind))',
            ),
            "the generator is read against its own condition": (
                'generated_domain_loss(found, batch["target"], kind)',
                'generated_domain_loss(found, batch["condition"], kind)',
            ),
            "the sign of the critic": ("return fake.mean() - real.mean()", "return real.mean() - fake.mean()"),
            "rows of prediction reversed": (
                "told(torch.from_numpy(rows), self.condition_.kind)\n",
                "told(torch.from_numpy(rows), self.condition_.kind).flip(0)\n",
            ),
            "critic_steps ignored": (", every=self.critic_steps)", ")"),
            "scale about 0": (
                "maps * (1 + scale) + shift",
                "maps * scale + shift",
            ),
            "scale and shift exchanged": (
                "scale, shift = self",
                "shift, scale = self",
            ),
            "blocks without what they are given": (
                "return maps + self.second",
                "return self.second",
            ),
            "a ReLU behind the second norm of a block": ("for relu in (True, False)", "for relu in (True, True)"),
            "a change is half as large": ("(faces + 2 * drawn)", "(faces + drawn)"),
            "the critic's slope of the other systems": ("SLOPE = 0.01", "SLOPE = 0.2"),
            "styled norms have a scale of their own too": ("affine=not told_width)", "affine=True)"),
            "sides that G cannot halve": ("2 ** max(2, self.critic_layers)", "2**self.critic_layers"),
            "no layer of the critic": ('"critic_steps", "critic_layers", "gen', '"critic_steps", "gen'),
            "no channel of the generator": ('"generator_channels", "critic_channels"\n', '"critic_channels"\n'),
            "an exported graph is told of units that nobody coded": (
                "told(au.where(coded, torch.nan), ACTION_UNITS)",
                "told(au, ACTION_UNITS)",
            ),
        },
    ),
    "ferdis/systems/icgan.py": (
        ("tests/systems/test_icgan.py", PHASES, ARGUMENTS),
        {
            "D is told the asked condition of real faces": (
                'modules.discriminator(batch["image"], batch["own"])',
                'modules.discriminator(batch["image"], batch["asked"])',
            ),
            "drawn face attached in D's step": ('batch["drawn"].detach()', 'batch["drawn"]'),
            "E_z learns from real faces": (
                'modules.latent_encoder(batch["drawn"])',
                'modules.latent_encoder(batch["image"])',
            ),
            "E_y learns from drawn faces": (
                'modules.condition_encoder(batch["image"])',
                'modules.condition_encoder(batch["drawn"])',
            ),
            "the face's own condition in use": (
                "self._map(resized(references, self.image_size)",
                "self._map(resized(faces, self.image_size)",
            ),
            "G goes on learning with the encoders": ('frozen=("generator",)', "frozen=()"),
            "E_y's shares for intensities": ("AU_MAXIMUM * found.clip(0, 1), np", "found.clip(0, 1), np"),
            "intensities out of range": ("AU_MAXIMUM * found.clip(0, 1), np", "AU_MAXIMUM * found, np"),
            "a discriminator of any depth": (
                '            ("discriminator_channels", 4 * 2 ** len(self.discriminator_channels)),\n',
                "",
            ),
            "no noise at all": ('"encoder_epochs", "code_width")', '"encoder_epochs")'),
            "no epoch": ('check_at_least(1, self, "epochs", ', "check_at_least(1, self, "),
            "first weights of torch": ("            initialise_normal(modules[name])\n", ""),
            "no norm between the linear layers": ("nn.BatchNorm1d(hidden), nn.ReLU()", "nn.ReLU()"),
            "no slope after D's first convolution": (
                "4, 2, 1), nn.LeakyReLU(0.2))\n        layers",
                "4, 2, 1))\n        layers",
            ),
            "another slope of D": (
                "nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]",
                "nn.BatchNorm2d(after), nn.LeakyReLU(0.01)]",
            ),
            "real faces taken for drawn are right": ("(real > 0).float()", "(real < 0).float()"),
            "drawn faces taken for real are right": ("(fake < 0).float()", "(fake > 0).float()"),
            "LeakyReLU in G and the encoders": (
                "nn.BatchNorm2d(channels), nn.ReLU()]",
                "nn.BatchNorm2d(channels), nn.LeakyReLU(0.2)]",
            ),
        },
    ),
    "ferdis/systems/homointerpgan.py": (
        ("tests/systems/test_homointerpgan.py", PHASES, ARGUMENTS),
        {
            "features attached in the critic's step": (
                'batch["features"].detach(), batch["on_the_way"].detach()',
                'batch["features"], batch["on_the_way"]',
            ),
            "the walk is read against the start": (
                'group_loss(read, batch["wanted"])',
                'group_loss(read, batch["attributes"])',
            ),
            "the walk goes back": ("apart = there - here", "apart = here - there"),
            "the rest changes too": ("        strength[:, -1] = 0\n", ""),
            "half strength in the homomorphic term": ("full = held.new_ones(", "full = 0.5 * held.new_ones("),
            "shallow maps before their ReLU": ("_RELU3_1 = 12", "_RELU3_1 = 11"),
            "the walk starts at the other face": (
                "modules.interpolator(features, features[order], strength)",
                "modules.interpolator(features[order], features, strength)",
            ),
            "features walk at other strengths than attributes": (
                "modules.interpolator(features, features[order], strength)",
                "modules.interpolator(features, features[order], strength.flip(1))",
            ),
            "walks of half the strength": (
                "strength = torch.rand(n, max(groups) + 2,",
                "strength = 0.5 * torch.rand(n, max(groups) + 2,",
            ),
            "one place of the penalty for all": (
                "torch.rand(len(real), 1, 1, 1, device=real.device)",
                "torch.rand((), device=real.device)",
            ),
            "the penalty at real features": (
                "at = torch.lerp(real.float(), fake.float(), ",
                "at = torch.lerp(real.float(), real.float(), ",
            ),
            "steps crowd at the start": ("torch.linspace(0, 1, steps)", "torch.linspace(0, 1, steps) ** 2"),
            "the decoder's depths in the encoder's order": ("depths[-2::-1]", "depths[:-1]"),
            "instance norm without weights": ("nn.InstanceNorm2d(hidden, affine=True)", "nn.InstanceNorm2d(hidden)"),
            "another slope of the critic": ("nn.LeakyReLU(0.2)]", "nn.LeakyReLU(0.01)]"),
            "weights of torch": (
                '    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")  # no norms would restore the variance\n',  # noqa: E501
                "",
            ),
            "the teacher's statistics move": ("Teacher(self.weights).eval()", "Teacher(self.weights)"),
            "no epoch": (
                'check_at_least(1, self, "epochs", "critic_steps")',
                'check_at_least(1, self, "critic_steps")',
            ),
            "no norm in the decoder": (
                "nn.Conv2d(before, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU()]",
                "nn.Conv2d(before, after, 3, 1, 1), nn.ReLU()]",
            ),
            "an exported graph walks with the rest too": (
                "strength = self._groups_alone(1).to(here)",
                "strength = 1 + 0 * self._groups_alone(1).to(here)",
            ),
            "drawn beyond what an image can hold": ("strength)).clamp(-1, 1)", "strength))"),
        },
    ),
    "ferdis/systems/normalised.py": (
        ("tests/systems/test_normalised.py", PHASES, ARGUMENTS),
        {
            "each face keeps its person": (
                "modules.identity_encoder(centre_crop(modules.target.picture[None], crop_size))",
                "modules.identity_encoder(faces)",
            ),
            "the classifier sees faces as they are": (
                '{"code": normalised(modules, face, crop_size)',
                '{"code": face',
            ),
            "the generator goes on learning": ('frozen = (*_GENERATOR, "target")', 'frozen = ("target",)'),
            "nearest by absolute distance": ("np.square(pixels - pixels.mean(0))", "np.abs(pixels - pixels.mean(0))"),
            "a discriminator of one seed": (
                "torch.manual_seed(self.seed)\n            discriminator",
                "torch.manual_seed(0)\n            discriminator",
            ),
            "momentum cycles": ("            cycle_momentum=False,\n", ""),
            "the recogniser frames the face as the whole image": (
                "small_stem=self.small_stem, inner=self.crop_size / self.image_size,",
                "small_stem=self.small_stem,",
            ),
        },
    ),
    "ferdis/systems/identity_reversal.py": (
        ("tests/systems/test_identity_reversal.py", PHASES, ARGUMENTS),
        {
            "people of other faces": ('"person": batch["person"]}', '"person": batch["person"].flip(0)}'),
            "the probe does not learn": ('updates=(*phase.updates, "person_probe"),', "updates=phase.updates,"),
            "the factor is not passed": (
                "width, self.identity_reversal, self.probe_hidden",
                "width, 1.0, self.probe_hidden",
            ),
            "the probe has one seed": ("self.probe_hidden, self.seed)", "self.probe_hidden, 0)"),
        },
    ),
    "ferdis/systems/person_probe.py": (
        ("tests/systems/test_identity_reversal.py", "tests/systems/test_ifgan_departures.py"),
        {
            "the generator helps the probe": ("return -context.factor * gradient", "return context.factor * gradient"),
            "the factor ignored": ("return -context.factor * gradient", "return -gradient"),
            "the generator left alone": (
                "self.layers(_Reversed.apply(images, self.reversal))",
                "self.layers(images.detach())",
            ),
            "a probe without ReLU": (
                "layers += [nn.Linear(before, after), nn.ReLU()]",
                "layers += [nn.Linear(before, after)]",
            ),
            "an image probe without slopes": ("nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]", "nn.BatchNorm2d(after)]"),
            "one seed of the feature probe": (
                "torch.manual_seed(seed)\n        return FeatureProbe",
                "torch.manual_seed(0)\n        return FeatureProbe",
            ),
            "one seed of the image probe": (
                "torch.manual_seed(seed)\n        return PersonProbe",
                "torch.manual_seed(0)\n        return PersonProbe",
            ),
            "three halvings": (
                "nn.Conv2d(before, after, 3, 2, 1, bias=False)",
                "nn.Conv2d(before, after, 3, 2 if before > 3 else 1, 1, bias=False)",
            ),
        },
    ),
    "ferdis/systems/baselines.py": (
        ("tests/systems/test_ifgan_wiring.py", "tests/systems/test_relgan_wiring.py", PHASES, ARGUMENTS),
        {
            "* ResNet baseline without its island term": (
                '{"softmax": self.softmax_weight, "island": self.island_weight}',
                '{"softmax": self.softmax_weight}',
            ),
            "* its centres never moved": ("            after_step=move_centres,\n", ""),
            "* lambda3 and lambda4 swapped": (
                '{"softmax": self.softmax_weight, "island": self.island_weight}',
                '{"softmax": self.island_weight, "island": self.softmax_weight}',
            ),
            "encoder not in the CNN's optimiser": ('("encoder", "classifier"),', '("classifier",),'),
            "augment ignored": ("if not augment:", "if False:"),
            "mirrored at test": (
                'return self.modules_["classifier"](images)',
                'return self.modules_["classifier"](images.flip(-1))',
            ),
            "CNN's views ignored": ("Patches(training, self.views,", 'Patches(training, "random",'),
            "CNN's schedule ignored": (
                "betas=self.betas, fused=True),\n            self._scheduler(epochs, decay_epochs),",
                "betas=self.betas, fused=True),",
            ),
            "weight decay not passed": (
                "betas=self.betas, weight_decay=self.weight_decay, fused",
                "betas=self.betas, fused",
            ),
            "classes without a centre push": (", alpha, reduction, centres.known)", ", alpha, reduction)"),
            "the recogniser frames the face as the whole image": (
                "            small_stem=self.small_stem, inner=self.crop_size / self.image_size,\n",
                "            small_stem=self.small_stem,\n",
            ),
            "weights fetched for a model that has its own": (
                "n_classes, weights = len(self.classes_), self.weights if pretrained else None",
                "n_classes, weights = len(self.classes_), self.weights",
            ),
            "the encoder of the CNN as torch begins it": ("        initialise_blocks(encoder)\n", ""),
            "the CNN's feature is its logits": (
                'return code, self.modules_["classifier"](code)',
                'logits = self.modules_["classifier"](code)\n        return logits, logits',
            ),
            "accuracy of the others": (
                '"accuracy": accuracy(logits, batch["label"])',
                '"accuracy": 1 - accuracy(logits, batch["label"])',
            ),
        },
    ),
    "ferdis/evaluators/judges.py": (
        ("tests/evaluators/test_evaluators_wiring.py", "tests/evaluators/test_judges.py", PHASES, ARGUMENTS),
        {
            "learns from the people held out": ("learned, unseen = hold_out(", "unseen, learned = hold_out("),
            "mirror image not read": ("network(images.flip(-1))], 1)", "network(images)], 1)"),
            "people's directions not learned": ("            tuple(modules),\n", '            ("network",),\n'),
            "dropout ignored": ("side * side, outputs, self.dropout)", "side * side, outputs, 0.2)"),
            "* nearest of two and EER swapped": (
                "nearest of two {100 * found['nearest_of_two']:.1f} %, EER {100 * found['eer']:.1f} %",
                "nearest of two {100 * found['eer']:.1f} %, EER {100 * found['nearest_of_two']:.1f} %",
            ),
            "* expressions that nobody showed it count as wrong": (
                "        unseen = unseen[np.isin(unseen.expression, self.classes_)]\n",
                "",
            ),
            "* confusion of predicted and true": (
                "confusion(unseen.expression, predicted, list",
                "confusion(predicted, unseen.expression, list",
            ),
            "* accuracy for the mean over classes": ('"uar": uar(unseen', '"uar": accuracy(unseen'),
            "* whoever is not opposite is the same person": (
                "> self.threshold_).mean()), self.own)",
                "> 0).mean()), self.own)",
            ),
            "* the rate for the threshold": ("eer, self.threshold_ = equal", "self.threshold_, eer = equal"),
            "* ties are nearer": (
                "np.searchsorted(strangers, own).mean()",
                'np.searchsorted(strangers, own, side="right").mean()',
            ),
            "* judges of both kinds share a folder": (
                "judge-{getattr(judge, 'kind', type(judge).__name__)}-{digest",
                "judge-{digest",
            ),
            "* a judge trained elsewhere is trained again": (
                'unlike = (*NON_REPRODUCIBILITY_PARAMS, "accelerator")',
                "unlike = NON_REPRODUCIBILITY_PARAMS",
            ),
            "* recipes are not told apart": (
                "digest([RECIPE, parameters, faces.digest()])",
                "digest([parameters, faces.digest()])",
            ),
            "* judging people of seven expressions": (
                "        expressions=expressions,\n        images",
                "        expressions=7,\n        images",
            ),
            "* judging people of normal difficulty": (
                "        difficulty=difficulty,\n        seed=seed,\n    )\n    judges",
                '        difficulty="normal",\n        seed=seed,\n    )\n    judges',
            ),
            "* images of each judging person": (
                "images_per_expression=images_per_expression,",
                "images_per_expression=4,",
            ),
        },
    ),
    "ferdis/evaluators/au_estimator.py": (
        ("tests/evaluators/test_evaluators_wiring.py", "tests/evaluators/test_au_estimator.py", PHASES, ARGUMENTS),
        {
            "learns from the people held out": ("learned, unseen = hold_out(", "unseen, learned = hold_out("),
            "mirror image not read": (
                "expected_action_units(network(images.flip(-1)))",
                "expected_action_units(network(images))",
            ),
            "no weight decay": ("weight_decay=self.weight_decay, fused", "fused"),
            "no cycle": ('_terms, {"action_units": 1.0}, adam, cycle)', '_terms, {"action_units": 1.0}, adam)'),
            "* the score ignores other codes": ("action_units_of(faces) if y is None else y", "action_units_of(faces)"),
            "* consistency for correlation": ("self.predict(faces)).pcc", "self.predict(faces)).icc"),
            "* earlier notes are lost": ('[*faces.attrs.get("notes", []), f"action', '[f"action'),
            "* the set's attributes are lost": ('{**faces.attrs, "notes": notes}', '{"notes": notes}'),
            "* known people are judged": (
                '        refuse_known_people("the AUEstimator", self.people_, faces)\n',
                "        pass\n",
            ),
            "* nothing turned": ("_DEGREES = 5.0", "_DEGREES = 0.0"),
            "* codes are replaced without being asked": (
                "if coded.any() and not overwrite:",
                "if coded.all() and not overwrite:",
            ),
            "faces with some codes are replaced": (".notna().any(axis=1)", ".notna().all(axis=1)"),
        },
    ),
    "ferdis/evaluators/embedders.py": (
        ("tests/evaluators/test_embedders.py",),
        {
            "the smaller of two maps": ("torch.maximum(first, second)", "torch.minimum(first, second)"),
            "maps compete with their neighbours": (
                "first, second = self.filter(x).chunk(2, 1)",
                "first, second = self.filter(x)[:, ::2], self.filter(x)[:, 1::2]",
            ),
            "no way past a block": ("return x + self.conv2", "return self.conv2"),
            "* grey of blue, green and red": ("[0.299, 0.587, 0.114]", "[0.114, 0.587, 0.299]"),
            "* grey in 0..255": (".sum(1, keepdim=True) / 255", ".sum(1, keepdim=True)"),
            "* standardised to [-1, 1]": ("(images - 127.5) / 128 ", "(images - 127.5) / 127.5 "),
            "embeddings of any length": ("F.normalize(network(", "(network("),
            "read in training mode": (
                "with eval_mode(self.network) as network, torch.inference_mode():",
                "with eval_mode(self.network) as network, torch.inference_mode():\n            network.train()",
            ),
            "* the first batch alone": ("range(0, len(images), _BATCH)", "range(0, min(len(images), _BATCH), _BATCH)"),
            "* images on their side": ("chunk.permute(0, 3, 1, 2).float()", "chunk.permute(0, 3, 2, 1).float()"),
            "* FaceNet's layer over its people is an error": ('_standardised, ("logits.",))', "_standardised, ())"),
            "* groups begin with 3x3 convolutions": (
                "MaxFeatureMap(before, before, 1), MaxFeatureMap(before, after)",
                "MaxFeatureMap(before, before), MaxFeatureMap(before, after)",
            ),
            "* a first convolution of 3x3": ("MaxFeatureMap(1, 48, 5)", "MaxFeatureMap(1, 48, 3)"),
            "* means for maxima of places": (
                "x = F.max_pool2d(self.conv1(images), 2)",
                "x = F.avg_pool2d(self.conv1(images), 2)",
            ),
            "* the file is not named": ('f"{name} with {weights}; its', 'f"{name}; its'),
        },
    ),
    "ferdis/augmentation/augmented.py": (
        ("tests/augmentation/test_augmented_wiring.py",),
        {
            "* generator given validation people": (
                "_fit(self._fresh(self.generator), faces, run_dir",
                "_fit(self._fresh(self.generator), faces if validation is None else Faces.concat([faces, validation]), "
                "run_dir",
            ),
            "* filter given validation people": (
                "self._fresh(self.filter).fit(faces)",
                "self._fresh(self.filter).fit(faces if validation is None else Faces.concat([faces, validation]))",
            ),
            "* references given validation people": (
                "made = generate(self.generator_, faces, wanted",
                "made = generate(self.generator_, faces if validation is None else Faces.concat([faces, validation]), "
                "wanted",
            ),
            "estimator of units given validation people": (
                "faces = self._with_units(faces)",
                "faces = self._with_units(faces if validation is None else Faces.concat([faces, validation]))[: len(faces)]",  # noqa: E501
            ),
            "classifier given validation people to learn from": (
                "both = faces if made.faces is None else Faces.concat([faces, made.faces])",
                "both = Faces.concat([faces, *([] if made.faces is None else [made.faces]), "
                "*([] if validation is None else [validation])])",
            ),
            "validation never reaches the classifier": (
                "given = {} if validation is None else",
                "given = {} if True else",
            ),
            "filter not used": ("wanted, filter=self.filter_, seed", "wanted, filter=None, seed"),
            "seed not passed": ("filter=self.filter_, seed=self.seed)", "filter=self.filter_)"),
            "real faces left out": ("else Faces.concat([faces, made.faces])", "else made.faces"),
            "estimated units for all faces": (
                "table.loc[~known, list(AU_COLUMNS)] =",
                "table.loc[:, list(AU_COLUMNS)] = 0 * ",
            ),
            "seeds of scikit-learn's parts left alone": ('in ("seed", "random_state")]', 'in ("seed",)]'),
            "checkpoints of a finished fit stay": (
                'for part in ("generator", "classifier"):\n                shutil',
                'for part in ("generator",):\n                shutil',
            ),
            "the score ignores weights": ("truth, weights=sample_weight))", "truth))"),
            "the score ignores other labels": (
                "truth = faces.expression if y is None else np.asarray(y, dtype=str)",
                "truth = faces.expression",
            ),
            "the classifier's history alone": (
                "self.history_ = _joined_history(self.generator_, self.classifier_)\n        if",
                "self.history_ = _joined_history(self.classifier_)\n        if",
            ),
            "callbacks are not passed": ('given["callbacks"] = callbacks', "pass"),
            "notes of the parts are lost": (
                '"notes": [*getattr(self, "notes_", []), *notes]}',
                '"notes": [*getattr(self, "notes_", [])]}',
            ),
            "features are probabilities": (
                "return self.classifier_.transform(faces)",
                "return self.classifier_.predict_proba(faces)",
            ),
            "newer formats are read": ("if version > FORMAT:", "if False:"),
            "unknown classes": ('if about["class"] not in known:', "if False:"),
            "faces of other sizes": (
                "Faces(np.asarray(resized(self.au_train, size)), self.au_train.table, self.au_train.attrs)",
                "self.au_train",
            ),
        },
    ),
    "ferdis/augmentation/generated_set.py": (
        ("tests/augmentation/test_generated_set.py",),
        {
            "* a seed that does not reach the generator": ("        model.set_params(seed=seed)\n", "        pass\n"),
            "* faces of one seed": ("filter=judge, seed=seed)", "filter=judge, seed=0)"),
            "* the caller's generator is fitted": ("model = clone(generator)", "model = generator"),
            "* the caller's filter is fitted": ("clone(filter).fit(faces)", "filter.fit(faces)"),
            "* notes of the generator are lost": ('        *getattr(model, "notes_", []),\n', ""),
            "* the first part of a name is the set's": ('name.rpartition("/") for', 'name.partition("/") for'),
            "* source and reference swapped on the sheet": (
                'faces.pixels([row_of[str(line["source"])]])',
                'faces.pixels([row_of[str(line["reference"])]])',
            ),
            "* the first face again and again on the sheet": (
                "generated.table.iloc[row]",
                "generated.table.iloc[rows[0]]",
            ),
            "* the sheet as wide as its rarest class": (
                "max((generated.expression == name).sum()",
                "min((generated.expression == name).sum()",
            ),
            "* faces without subjects have a name": ('    if not faces.has_subjects:\n        return faces, ""\n', ""),
            "the filter is not named": (
                '*([] if judge is None else [f"filtered',
                '*([] if judge is not None else [f"filtered',
            ),
        },
    ),
}
