"""Wrong programs in what the systems share: the second part of ``tools/wrong_programs.py``, in the same form."""

from __future__ import annotations

from tools.wrong_form import Programs

ARGUMENTS, PHASES = "tests/systems/test_arguments_wiring.py", "tests/systems/test_phases_wiring.py"
TRAINING = ("tests/training/test_trainer.py", "tests/training/test_batches.py")
TOGETHER = ("tests/training/test_fused.py",)

SHARED: Programs = {
    "ferdis/systems/classifier.py": (
        ("tests/systems/test_classifier_wiring.py", ARGUMENTS, "tests/systems/test_ifgan_wiring.py"),
        {
            "mirrored at test without being asked": (
                "if self.test_flip else [centre]",
                "if not self.test_flip else [centre]",
            ),
            "validated on the training faces": (
                "images, truth = resized(validation, self.image_size), validation.expression",
                "images, truth = resized(validation[:2], self.image_size), validation.expression[:2]",
            ),
            "class weights inverted": ("counts.sum() / (len(counts) * counts)", "counts / counts.mean()"),
            "balanced sampler inverted": ("rows = (counts**-power)[labels]", "rows = (counts**power)[labels]"),
            "logits averaged instead of probabilities": (
                "[1].float().softmax(1) for view in self._test_views(faces)]\n        ).mean(0)",
                "[1].float() for view in self._test_views(faces)]\n        ).mean(0).softmax(1)",
            ),
            "features for probabilities": ("self._forward_features(images)[0])", "self._forward_features(images)[1])"),
            "decay not stretched": (
                "max(1, round(self.decay_epochs * epochs / self.epochs))",
                "self.decay_epochs",
            ),
            "extra faces count as target faces": ("extra=len(labels) - len(faces)", "extra=0"),
            "labels ignored": ("expressions_of(faces, y)", "expressions_of(faces)"),
            "operations of two images": ("torch.zeros(1, 3, self.crop_size", "torch.zeros(2, 3, self.crop_size"),
            "thousands for thousand millions": ("self.flops() / 1e9:.2f}", "self.flops() / 1e6:.2f}"),
            "the score ignores weights": ("truth, weights=sample_weight))", "truth))"),
            "the score ignores other labels": (
                "truth = faces.expression if y is None else np.asarray(y, dtype=str)",
                "truth = faces.expression",
            ),
            "the rate rises over a fifth": ("round(0.1 * epochs)", "round(0.2 * epochs)"),
            "the square root is the whole": ('"square-root": 0.5', '"square-root": 1.0'),
            "dropped faces are not counted": ("if dropped := len(extra) - len(kept):", "if dropped := 0:"),
            "a crop larger than the image": ("if self.crop_size > self.image_size:", "if False:"),
            "no epoch of pretraining": ('for name in ("epochs", "pretrain_epochs"):', 'for name in ("epochs",):'),
            "weights of unknown classes": (
                "if unknown := sorted(set(choice) - set(self.classes_)):",
                "if unknown := []:",
            ),
            "people by the faces' number": (
                "return 1 / (faces[place.ravel()] * classes[people])",
                "return 1 / faces[place.ravel()]",
            ),
        },
    ),
    "ferdis/systems/base.py": (
        ("tests/systems/test_base_wiring.py", ARGUMENTS, "tests/systems/test_ifgan_wiring.py"),
        {
            "networks not seeded": ("torch.manual_seed(self.seed)\n            self.modules_", "self.modules_"),
            "clip not passed": ('"seed", "gradient_clip", "logger"', '"seed", "logger"'),
            "trained in eval mode and read in training mode": (
                "with modules_in_eval_mode(self.modules_):\n            for start",
                "if True:\n            for start",
            ),
            "epoch chosen in the first stage": (
                "stages[-1] = replace(stages[-1], validate",
                "stages[0] = replace(stages[0], validate",
            ),
            "random state leaks": (
                "with torch.random.fork_rng():\n            torch.manual_seed(self.seed)\n            self.m",
                "if True:\n            torch.manual_seed(self.seed)\n            self.m",
            ),
            "another run's weights for these parameters": (
                'logger", "progress")  # par',
                'logger", "progress", "learning_rate")  # par',
            ),
            "the first faces alone are resized": ("range(0, len(faces), _RESIZE_BATCH)", "range(0, 1, _RESIZE_BATCH)"),
            "pixels cut off, not rounded": (
                "whole_pixels(resize_batch(chunk.permute(0, 3, 1, 2).double(), size))",
                "resize_batch(chunk.permute(0, 3, 1, 2).double(), size)",
            ),
            "width before height": ('list(faces.shape[1:3]), "dataset"', 'list(faces.shape[2:0:-1]), "dataset"'),
            "the data set is not named": ('"dataset": faces.attrs.get("dataset")}', '"dataset": None}'),
            "rows of each batch begin anew": ("torch.stack([next(following) for _ in batch])", "rows[: len(batch)]"),
            "a saved system was the last epoch's": ('"selection": self.selection_', '"selection": "last"'),
            "notes are not saved": (
                '            "notes": list(getattr(self, "notes_", [])),\n        }\n        write_json',
                '            "notes": [],\n        }\n        write_json',
            ),
            "lists stay lists": ("if isinstance(value, list) and isinstance(known[name], tuple):", "if False:"),
            "faces come back as their digest": ('None if isinstance(v, Mapping) and "faces_digest" in v else v', "v"),
            "parameters of an older version are an error": (
                'about["parameters"].items() if name in known}',
                'about["parameters"].items()}',
            ),
            "weights of an epoch may be of any network": (
                "load_weights(Path(path), self.modules_)\n        return self",
                "return self",
            ),
            "what is not fitted is": ('return hasattr(self, "modules_")', "return True"),
            "pretrained weights are not looked for": (
                "            check_pretrained(name, weights)",
                "            pass",
            ),
            "arguments are not checked beforehand": (
                "        self._check_parameters()\n        self.training_epochs(1)",
                "        self.training_epochs(1)",
            ),
            "anything is learned from": ("if not isinstance(faces, Faces):", "if False:"),
            "the digest of other faces": (
                "self.training_digest_, self.preprocessing_ = faces.digest()",
                "self.training_digest_, self.preprocessing_ = faces[:1].digest()",
            ),
            "numbers of numpy in a record": (
                "return value.item() if isinstance(value, np.generic) else value",
                "return value",
            ),
            "mappings keep their Faces": ("return {str(key): jsonable(item) for", "return {str(key): item for"),
        },
    ),
    "ferdis/systems/saved.py": (
        ("tests/systems/test_saved.py",),
        {
            "* a model without a seal is taken": ('and about["format"] > 1:', "and False:"),
            "* an old model without a seal is refused": ('and about["format"] > 1:', "and True:"),
            "* models of the first format are too new": ('about["format"] > FORMAT:', 'about["format"] != FORMAT:'),
            "* blocks of any number": ('("depth", "layer", "block")', '("depth", "layer")'),
            "* negative widths": ("not 0 <= abs(number) <= most", "not number <= most"),
            "* lists within lists may ask for anything": (
                "return [number for item in value for number in _numbers(item)]",
                "return [item for item in value if isinstance(item, int | float)]",
            ),
            "* a model without a digest of its weights is refused": (
                "if digest and file_digest(path) != digest:",
                "if file_digest(path) != digest:",
            ),
            "* tensors that are not there": (
                "if found.get(name) != needed[name]]",
                "if found.get(name, needed[name]) != needed[name]]",
            ),
        },
    ),
    "ferdis/systems/presets.py": (
        (ARGUMENTS, "tests/systems/test_base_wiring.py", "tests/systems/test_classifier.py"),
        {
            "min_steps ignored": ("max(self.epochs, -(-self._least_steps(images) // steps))", "self.epochs"),
            "few steps for any set": (
                "return min(self.min_steps, max(math.ceil(self.steps_per_image * images)",
                "return max(1, max(math.ceil(0 * images)",
            ),
            "no least number of steps": ("-(-self.min_steps // _FEWEST)))", "1))"),
        },
    ),
    "ferdis/systems/triplets.py": (
        (
            "tests/systems/test_triplets.py",
            "tests/systems/test_relgan_wiring.py",
            "tests/systems/test_decgan_wiring.py",
        ),
        {
            "identity of the source": ('"identity": self.people[target]', '"identity": self.people[source]'),
            "expression of the target": (
                '"expression": self.training.labels[source]',
                '"expression": self.training.labels[target]',
            ),
            "one view for both": ('"target_view": random.integers(PATCH_VIEWS, size=n)', '"target_view": view'),
            "truth has the target's expression": (
                "self._keys(self.people[target], self.training.labels[source])",
                "self._keys(self.people[target], self.training.labels[target])",
            ),
            "truth at the target's place": ("first, last, self.places[source])", "first, last, self.places[target])"),
            "truth anywhere in the sequence": (
                "if self.places is not None:\n            first",
                "if False:\n            first",
            ),
            "truths of self-transfers kept": ("= source[own], -1", "= source[own], truth[own]"),
            "views never mirrored": (
                "return row, random.integers(PATCH_VIEWS, size=n)",
                "return row, random.integers(PATCH_VIEWS // 2, size=n)",
            ),
            "the same epoch every time": (
                "random = np.random.default_rng([self.seed, epoch])\n        source",
                "random = np.random.default_rng([self.seed, 0])\n        source",
            ),
            "the same views of every epoch": (
                "random = np.random.default_rng([self.seed, epoch])\n        row, view",
                "random = np.random.default_rng([self.seed, 0])\n        row, view",
            ),
            "one seed for all views": (
                "random = np.random.default_rng([self.seed, epoch])\n        row, view",
                "random = np.random.default_rng([0, epoch])\n        row, view",
            ),
            "counterparts of one seed": ("[self.seed, 2**31]", "[0, 2**31]"),
            "further faces are at the peak": (
                "places = np.full(len(training), np.nan)",
                "places = np.zeros(len(training))",
            ),
            "a sequence of one frame has no place": ("position / longest.clip(lower=1)", "position / longest"),
            "pairs of what is not posed": (
                'return "pairs" if training.faces.attrs.get("posed") and training.people is not None',
                'return "pairs" if training.people is not None',
            ),
            "posed faces without subjects are paired": (
                'training.faces.attrs.get("posed") and training.people is not None',
                'training.faces.attrs.get("posed")',
            ),
            "counterparts where pairs are asked for": (
                'if ground_truth != "auto":',
                'if ground_truth != "auto" and not training.faces.has_counterparts:',
            ),
            "a note says that people are not named": (
                "if self.training.people is None:\n            text",
                "if self.training.people is not None:\n            text",
            ),
            "a note says that the pixel term does not run": ("if share == 0:", "if share < 1:"),
            "patches that five poolings cannot halve": (
                "if self.crop_size % 32 or len",
                "if self.crop_size % 16 or len",
            ),
        },
    ),
    "ferdis/preprocess/align.py": (
        ("tests/preprocess/test_align.py", "tests/preprocess/test_searches.py"),
        {
            "* the last search wins": (
                "face if best is None or face.probability > best.probability else best",
                "face",
            ),
            "* one search alone": ("    for search in PASSES:\n", "    for search in PASSES[:1]:\n"),
            "* other faces of one search alone": (
                "for search in PASSES if faces",
                "for search in PASSES[:1] if faces",
            ),
            "* the template of a system not passed": (
                "size, self.template, self.outside)",
                "size, TEMPLATE, self.outside)",
            ),
            "* what lies outside not passed": ("size, self.template, self.outside)", "size, self.template)"),
            "* share of the larger box": ("max(min(np.prod(box[2:]", "max(max(np.prod(box[2:]"),
            "* the digest forgets the template": (
                '"template": self.template.tolist(),\n            "landmarks"',
                '"landmarks"',
            ),
            "height and width swapped in turns": (
                "before = width if turn % 2 else height",
                "before = height if turn % 2 else width",
            ),
            "the far face is prominent": ("area - CENTRE_WEIGHT *", "area + CENTRE_WEIGHT *"),
            "size alone is prominent": ("score = area - CENTRE_WEIGHT * (", "score = area - 0 * ("),
            "doubtful faces among the sure": ("score[~confident] = -np.inf", "score[~confident] = score[~confident]"),
            "* centre as (y, x)": ("image.shape[1::-1]", "image.shape[:2]"),
            "boxes moved before they are scaled back": (
                "((boxes.reshape(-1, 2, 2) - offset) / scale)",
                "(boxes.reshape(-1, 2, 2) / scale - offset)",
            ),
            "* points left on the canvas": ("(points - offset) / scale, strict", "points / scale, strict"),
            "offset as (y, x)": ("np.array([left, top])", "np.array([top, left])"),
        },
    ),
    "ferdis/preprocess/warp.py": (
        ("tests/preprocess/test_align.py",),
        {
            "a similarity that mirrors": ("((s - s_mean).conj() *", "((s - s_mean) *"),
            "one sample a pixel when it shrinks": ("samples = 2 if shrink > 1 else 1", "samples = 1"),
            "* no average when it shrinks": ("factor = max(1, int(shrink))", "factor = 1"),
            "* two landmarks decide": (
                "similarity(landmarks[:, :_POINTS], template * size)",
                "similarity(landmarks[:, :2], template[:2] * size)",
            ),
        },
    ),
    "ferdis/training/phases.py": (
        (*TRAINING, PHASES),
        {
            "weights ignored": (
                "terms[name].float() * weight if weight != 1 else",
                "terms[name].float() if weight != 1 else",
            ),
            "decay over the first half": ("min(1.0, 2 * (1 - done / epochs))", "min(1.0, 1 - done / epochs)"),
            "a phase first waits": (
                "self.waited = self.every if self.waited is None",
                "self.waited = 1 if self.waited is None",
            ),
            "weights of the next epoch": ("float(some(epoch) if callable", "float(some(epoch + 1) if callable"),
            "a phase begins a round late": (
                "waited = self.every if self",
                "waited = 0 if self",
            ),
            "every second of every": (
                "waited < self.every",
                "waited <= self.every",
            ),
            "weights of the first epoch": (
                "float(some(epoch) if callable",
                "float(some(0) if callable",
            ),
            "a weight is left out of the sum": (
                " * weight if weight != 1 else terms[name].float()",
                "",
            ),
            "all terms are summed": (
                "weight for name, weight in weights.items() if weight",
                "weights.get(name, 1.0) for name in terms",
            ),
            "terms of any shape": (
                "     if term.ndim:",
                "     if False:",
            ),
            "a missing term is left out": (
                "weighted.keys() - terms.keys",
                "set",
            ),
            "the rate falls from the start": (
                "min(1.0, 2 * (1 - done / epochs))",
                "1 - done / epochs",
            ),
            "the rate falls to half": (
                "2 * (1 - done / epochs)",
                "1.5 - done / epochs",
            ),
            "schedules stand still": (
                "self.schedule.step()",
                "pass",
            ),
            "a resume may have another clip": (
                '        "gradient_clip": gradient_clip,\n',
                "",
            ),
            "a resume may have other arguments": (
                'arguments": extra,',
                'arguments": "",',
            ),
            "a resume may have other weights": (
                "name, phase.weights_in(0), phase.weights_in(stage.epochs - 1)",
                "name",
            ),
            "a loss without a gradient": (
                "not loss.requires_grad",
                "False",
            ),
            "frozen modules need no name": (
                "[*stage.frozen, *(name",
                "[*(name",
            ),
        },
    ),
    "ferdis/training/stacked.py": (
        TOGETHER,
        {
            "gradient of another fold": (
                "return None if found is None else found[row]",
                "return None if found is None else found[row - 1]",
            ),
            "statistics of some folds not put back": (
                "whole.data.index_copy_(0, chosen, buffers[name])",
                "whole.data.index_copy_(0, chosen, whole.index_select(0, chosen))",
            ),
            "one mask for all folds": (
                "            state.put_torch()\n            masks",
                "            states[0].put_torch()\n            masks",
            ),
            "masks drawn again and again": (
                "            state.take_torch()\n        return rows",
                "        return rows",
            ),
            "tensors of the first fold's function for all": (
                "_with_tensors(functions[0], iter(own))",
                "functions[0]",
            ),
            "rows of a batch in another order": (
                "for row, part in enumerate(whole.unbind()):",
                "for row, part in enumerate(reversed(whole.unbind())):",
            ),
            "some folds' networks taken for all folds'": ("if some := len(rows) < self.count:", "if some := False:"),
            "stacked once and for all": (
                "return all(tensor.data_ptr() == place for tensor, place in self._places)",
                "return True",
            ),
        },
    ),
    "ferdis/training/turns.py": (
        TOGETHER,
        {
            "one random state for all": ("        self.random.put()\n        self._since", "        self._since"),
            "NumPy's state shared": ("            self.numpy = copy.deepcopy(self.numpy)", "            pass"),
        },
    ),
    "ferdis/training/fused.py": (
        TOGETHER,
        {
            "weights of the first fold for all": ("if all(some == weights[0] for some in weights):", "if True:"),
            "who is ahead goes on first": ("first = min((request.place", "first = max((request.place"),
            "gradients of the step before added": ("    stack.forget_gradients()\n\n\ndef _remark", "\n\ndef _remark"),
            "alike without being compared": ('return found[0] if look is compared else found, ""', 'return None, ""'),
            "statistics kept of what failed": (
                "                whole.data.copy_(buffers[name])",
                "                pass",
            ),
            "masks of what failed not drawn again": (
                "                random.torch, random.cuda = state",
                "                pass",
            ),
            "the callers' random state not put back": (
                "            turn.stop()\n        ours.put()",
                "            turn.stop()",
            ),
            "a graph used up by the first of two groups": (
                "loss.backward(retain_graph=retain)",
                "loss.backward(retain_graph=False)",
            ),
            "a failed step of all is nobody's": ("return [error] * len(group)", "return [None] * len(group)"),
        },
    ),
    "ferdis/training/shared.py": (
        TOGETHER,
        {
            "others wait for a lock that is held": (
                "with _counted(), undisturbed(), FileLock",
                "with _counted(), FileLock",
            )
        },
    ),
    "ferdis/training/trainer.py": (
        TRAINING,
        {
            "all parameters require gradients": ("self._require_gradients(live.ids)\n", "pass\n"),
            "frozen modules in training mode": ("stage.modules[name].eval()", "stage.modules[name].train()"),
            "eval mode after the first epoch": (
                "for module in stage.modules.values():\n            module.train()",
                "for module in stage.modules.values():\n            module.train(self.epoch == 1)",
            ),
            "gradients add up": ("live.raw.zero_grad(set_to_none=True)", "pass"),
            "every epoch has the same seed": ("self.index, self.epoch, self.fabric", "self.index, 1, self.fabric"),
            "every epoch has the same batches": ("stage.batches(self.epoch - 1)", "stage.batches(0)"),
            "schedule never stepped": (
                "            live.step_schedule()\n        if trainer",
                "            pass\n        if trainer",
            ),
            "last epoch kept instead of the best": ("if self.best:\n", "if False:\n"),
            "worst epoch kept": ("if score > self.best_score:", "if score < self.best_score or not self.best:"),
            "after_step before the step": (
                "        live.optimizer.step()\n        if phase.after_step is not None:\n"
                "            with torch.no_grad():\n"
                "                phase.after_step(self.modules, batch, all_reduce_sum)",
                "        if phase.after_step is not None:\n"
                "            with torch.no_grad():\n"
                "                phase.after_step(self.modules, batch, all_reduce_sum)\n        live.optimizer.step()",
            ),
        },
    ),
    "ferdis/evaluators/judge_network.py": (
        ("tests/evaluators/test_evaluators_wiring.py",),
        {
            "exposure not taken out": ("images = (images - mean) / images.std(", "images = images / images.std("),
            "no margin": ("_SCALE * (cosine - _MARGIN *", "_SCALE * (cosine - 0 *"),
            "margin everywhere": ("_MARGIN * F.one_hot(person, len(directions))", "_MARGIN"),
        },
    ),
    "ferdis/augmentation/generating.py": (
        ("tests/augmentation/test_augmented_wiring.py",),
        {
            "labelled by the source": ('"expression": like.expression', '"expression": onto.expression'),
            "person of the reference": ('table["subject"] = onto.subject', 'table["subject"] = like.subject'),
            "transfer in the other order": (
                "generator.transfer(faces, references)",
                "generator.transfer(references, faces)",
            ),
            "judged against the reference": (
                "filter.verdict(drawn, faces[sources])",
                "filter.verdict(drawn, faces[references])",
            ),
            "rejected faces kept": ("parts.append(drawn[kept])", "parts.append(drawn)"),
        },
    ),
}
