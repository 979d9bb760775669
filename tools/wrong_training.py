"""Wrong programs in training, in what the systems are built of, and in what judges faces: a part of
``tools/wrong_programs.py``, in the same form. Those marked * were accepted by the tests that there were.
"""

from __future__ import annotations

from tools.wrong_form import Programs

BATCHES, TRAINER = "tests/training/test_batches.py", "tests/training/test_trainer.py"
SMALL_STEM, RECOGNISER = "tests/test_small_stem.py", "tests/systems/test_recogniser_network.py"
CHECKPOINTS = "tests/training/test_checkpoints.py"
DISTRIBUTED = "tests/training/test_trainer_distributed.py"
UNITS, LOSSES, BLOCKS = "tests/systems/test_action_units.py", "tests/test_losses.py", "tests/test_nn.py"

TRAINED: Programs = {
    "ferdis/training/batches.py": (
        (BATCHES,),
        {
            "the same order in every epoch": ("default_rng([self.seed, epoch])", "default_rng([self.seed, 0])"),
            "the last batch dropped": ("zip(starts, [*starts[1:], n], strict=True)", "zip(starts[:-1], starts[1:])"),
            "the rest twice": ("        starts.pop()\n", "        starts[-1] -= 1\n"),
            "weighted rows at most once": ("replace=True", "replace=False"),
            "* a batch of one row in a process": ("n - starts[-1] < 2 * world", "n - starts[-1] < 2"),
            "rows of a batch in no order": ("np.sort(order[a:b])[rank::world]", "order[a:b][rank::world]"),
            "no share of a batch but all of it": ("np.sort(order[a:b])[rank::world]", "np.sort(order[a:b])"),
        },
    ),
    "ferdis/training/checkpoints.py": (
        (CHECKPOINTS, TRAINER),
        {
            "a fresh optimiser when training goes on": ('{"state": state, "param', '{"state": {}, "param'),
            "* the learning rate of the beginning": (
                '"param_groups": groups}',
                '"param_groups": optimizer.state_dict()["param_groups"]}',
            ),
            "the best epoch's weights go on learning": ('.to("cpu", copy=True)', '.to("cpu")'),
            "running statistics left as they are": (
                "module.load_state_dict(found)",
                "module.load_state_dict(\n"
                "            {key: found[key] for key, _ in module.named_parameters()}, strict=False\n        )",
            ),
            "a module of a longer name is taken for it": ('prefix = f"{name}."', "prefix = name"),
            "tied weights share memory": (
                "tensor.clone() if storage in seen else tensor",
                "tensor",
            ),
            "numbers are not kept": (
                "dict(numbers or {})",
                "{}",
            ),
            "tensors of other shapes are taken": (
                "found[key].shape != expected[key].shape",
                "False",
            ),
            "names of the file that are unknown are left alone": (
                "(*expected, *sorted(found))",
                "expected",
            ),
            "missing tensors stay as they are": (
                "(*expected, *sorted(found)",
                "sorted(found",
            ),
            "states of other parameters": (
                "setdefault(int(index",
                "setdefault(len(state",
            ),
            "a moment lies as in the file": (
                "torch.empty_like(fits, dtype=value.dtype, device=value.device).copy_(value)",
                "value",
            ),
            "a snapshot that goes on": (
                '.to("cpu", copy=True)',
                "",
            ),
            "buffers may hold anything": (
                "is_floating_point()",
                "is_floating_point() and t.requires_grad",
            ),
            "infinity is finite": (
                "torch.isfinite(tensor",
                "(~torch.isnan(tensor)",
            ),
            "numbers of an optimiser are lost": ("scalars.setdefault(str(index), {})[name] = value", "pass"),
            "the last that is not finite": ("(~finite).nonzero()[0])]", "(~finite).nonzero()[-1])]"),
        },
    ),
    "ferdis/training/history.py": (
        ("tests/training/test_history.py", TRAINER),
        {
            "the first values in the place of the last": ("islice(reversed(recent), last)", "islice(recent, last)"),
            "sums of all epochs": (
                "        self._sums.clear()\n        self.rows.extend",
                "        self.rows.extend",
            ),
            "a mean over steps that measured nothing": ("math.fsum(values) / len(values)", "math.fsum(values) / last"),
            "last values of the stage before": ("        self._recent.clear()\n", ""),
            "forgets the last values when it goes on": (
                "deque(tensor.tolist(), maxlen=self.keep_recent)",
                "deque(maxlen=self.keep_recent)",
            ),
            "rows of the epochs before forgotten": ('for row in rest["rows"]]', 'for row in rest["rows"][:0]]'),
        },
    ),
    "ferdis/training/distributed.py": (
        ("tests/training/test_distributed.py", DISTRIBUTED, "tests/evaluation/test_runner_distributed.py"),
        {
            "processes weigh alike whatever their rows": (".new_ones(1)]) * rows", ".new_ones(1)])"),
            "statistics of all processes summed": (
                "all_reduce_sum(buffer) / rank_and_world()[1]",
                "all_reduce_sum(buffer)",
            ),
            "the rank within the machine": (
                'known.get("RANK", known.get("LOCAL_RANK", 0))',
                'known.get("LOCAL_RANK", 0)',
            ),
        },
    ),
    "ferdis/nn.py": (
        (BLOCKS, SMALL_STEM, "tests/test_weights.py"),
        {
            "images in [0, 1] expected": ("((images + 1) / 2 - self.mean)", "(images - self.mean)"),
            "mean and deviation of ImageNet swapped": (
                '(("mean", IMAGENET_MEAN), ("std", IMAGENET_STD))',
                '(("mean", IMAGENET_STD), ("std", IMAGENET_MEAN))',
            ),
            "blue for red in the standardisation": (
                "torch.tensor(values).repeat(",
                "torch.tensor(values[::-1]).repeat(",
            ),
            "statistics kept although frozen": ("layer.momentum = 0.0", "layer.momentum = layer.momentum"),
            "statistics frozen for good": ("            layer.momentum = momentum\n", "            pass\n"),
            "norm scales about 0": ("normal_(layer.weight, 1.0, std)", "normal_(layer.weight, 0.0, std)"),
            "another deviation": ("nn.init.normal_(layer.weight, 0.0, std)", "nn.init.normal_(layer.weight, 0.0, 0.2)"),
            "pooling after a small stem": ("    network.maxpool = nn.Identity()\n", ""),
            "channels repeated and not rescaled": (
                'timm.models.adapt_input_conv(own[f"{layer}.weight"].shape[1], first)',
                'first.repeat(1, own[f"{layer}.weight"].shape[1] // 3, 1, 1)',
            ),
            "stays in eval mode": ("module.train(before)", "module.eval()"),
        },
    ),
    "ferdis/losses.py": (
        (LOSSES,),
        {
            "mean over all images": ("/ known.sum().clamp(min=1)", "/ len(known)"),
            "squared differences": ("(truth - images).abs()", "(truth - images).square()"),
            "half precision kept": ("return value.float() if half else value", "return value"),
        },
    ),
    "ferdis/systems/action_units.py": (
        (UNITS, "tests/systems/test_eggan_losses.py"),
        {
            "intensities rounded down": ("0) + 0.5).floor()", "0)).floor()"),
            "mean over uncoded units too": (
                "(losses * known.flatten()).sum() / known.sum().clamp(min=1)",
                "(losses * known.flatten()).mean()",
            ),
            "the likeliest level": (".softmax(2) @ levels", ".argmax(2).to(levels.dtype)"),
            "levels from 1": ("torch.arange(LEVELS, dtype", "torch.arange(1, LEVELS + 1, dtype"),
            "what is not named is 0": (
                "np.where(np.isnan(action_units), rest, action",
                "np.where(np.isnan(action_units), 0, action",
            ),
            "* coded where all faces are": ("names[known.any(0)].tolist()", "names[known.all(0)].tolist()"),
            "* only faces without any unit have gaps": (
                "np.isnan(action_units).any(1).sum()",
                "np.isnan(action_units).all(1).sum()",
            ),
            "* a 5 is refused": ("(action_units > AU_MAXIMUM)", "(action_units >= AU_MAXIMUM)"),
        },
    ),
    "ferdis/systems/arguments.py": (
        ("tests/systems/test_base.py",),
        {
            "the least itself refused": ("getattr(system, name) < least", "getattr(system, name) <= least"),
            "more references than faces pass": ("len(faces) != len(references)", "len(faces) > len(references)"),
        },
    ),
    "ferdis/systems/conditions.py": (
        ("tests/systems/test_conditions.py", "tests/systems/test_icgan.py"),
        {
            "intensities told as they are": ("rows, 0) / AU_MAXIMUM", "rows, 0)"),
            "the mask says what is unknown": ("known.to(rows.dtype)], 1)", "(~known).to(rows.dtype)], 1)"),
            "mean over uncoded units too": (
                "square() * known).sum() / known.sum().clamp(min=1)",
                "square() * known).mean()",
            ),
            "classes as they come": (
                "classes = np.unique(expression)",
                "classes = np.array(list(dict.fromkeys(expression)))",
            ),
            "what is not named is 0": ("action_units_of(faces) if isinstance(au, Mapping) else 0.0", "0.0"),
            "coded and always coded swapped": ('("classes", "coded", "always")', '("classes", "always", "coded")'),
            "* one expression is enough": ("if len(classes) < 2:", "if len(classes) < 1:"),
            "* labels of the caller ignored": (
                "expression = expressions_of(faces, y)",
                "expression = expressions_of(faces)",
            ),
            "* faces may lack what training had": (
                "return action_units_as_trained(action_units_of(faces), self.coded, self.always).astype(np.float32)",
                "return action_units_of(faces).astype(np.float32)",
            ),
            "* what is asked may lack what training had": (
                "return action_units_as_trained(rows, self.coded, self.always).astype(np.float32)",
                "return rows.astype(np.float32)",
            ),
            "* any unit may be asked for": (
                "checked_action_units(au, len(faces), self.coded, rest)",
                "checked_action_units(au, len(faces), tuple(f'AU{k:02d}' for k in range(99)), rest)",
            ),
            "expressions take units": (
                "        if self.kind != ACTION_UNITS:\n            raise",
                "        if False:\n            raise",
            ),
        },
    ),
    "ferdis/systems/generator_blocks.py": (
        ("tests/systems/test_generator_blocks.py",),
        {
            "a norm at the input": ("if k in (0, last)", "if k == last"),
            "no norm after the second layer": ("if k in (0, last)", "if k in (0, 1, last)"),
            "instance norm without weights": ("(channels, affine=True)", "(channels)"),
            "maximum for average": ("nn.AvgPool2d(2)", "nn.MaxPool2d(2)"),
            "another slope": ("[]), nn.LeakyReLU(0.2))", "[]), nn.LeakyReLU(0.01))"),
            "no Tanh": ("nn.Conv2d(before, 3, 3, 1, 1), nn.Tanh())", "nn.Conv2d(before, 3, 3, 1, 1))"),
        },
    ),
    "ferdis/systems/person_mean.py": (
        ("tests/systems/test_person_mean.py",),
        {
            "the mean of all images of a person": ("counted = neutral | ~has[person]", "counted = neutral | True"),
            "nothing subtracted without a neutral image": ("counted = neutral | ~has[person]", "counted = neutral"),
            "features not scaled at test": ("means[place]) / self.scale_", "means[place])"),
            "the mean of another person": ("means[place]) /", "means[place - 1]) /"),
            "both: the difference twice": (
                "np.concatenate([features, features - means], 1)",
                "np.concatenate([features - means, features - means], 1)",
            ),
            "the difference whatever is asked for": ('if self.features == "difference" else', "if True else"),
            "two classes exchanged": ("[-model.coef_, model.coef_]", "[model.coef_, -model.coef_]"),
            "two classes twice as sure": (
                "model.coef_]) / (2 if two else 1)",
                "model.coef_])",
            ),
            "no intercept": (" @ self.coef_.T + self.intercept_", " @ self.coef_.T"),
            "the seed of the estimator ignored": ("inner.set_params(seed=self.seed)", "inner.set_params(seed=0)"),
        },
    ),
    "ferdis/systems/recogniser_network.py": (
        (RECOGNISER,),
        {
            "two images twice as bright": ("repeat(1, images, 1, 1) / images", "repeat(1, images, 1, 1)"),
            "the part below 0 lost": ("= 1.0, -1.0", "= 1.0, 0.0"),
            "* pixels skipped in large images": ("if grey.shape[-1] > 2 * SIDE", "if grey.shape[-1] > 20 * SIDE"),
            "grey of blue, green and red": (
                "(image * self.luma[:, None, None])",
                "(image.flip(1) * self.luma[:, None, None])",
            ),
            "a row of the class beside": (
                "(own, SEVEN_EXPRESSIONS.index(name))",
                "(own, SEVEN_EXPRESSIONS.index(name) - 1)",
            ),
            "frame not by the crop": ("place[0, 0] / inner", "place[0, 0]"),
        },
    ),
    "ferdis/zoo/networks.py": (
        ("tests/zoo/test_networks.py", "tests/zoo/test_zoo.py", RECOGNISER),
        {
            "temperature multiplied": (".log() / self.temperature)", ".log() * self.temperature)"),
            "the same view for the mirror image": ("torch.cat([seen, seen.flip(3)])", "torch.cat([seen, seen])"),
            "turned upside down for the mirror image": ("seen.flip(3)", "seen.flip(2)"),
            "the mean of scores": (
                "scores.softmax(1).reshape(2 * len(self.grids), -1, scores.shape[1]).mean(0)",
                "scores.reshape(2 * len(self.grids), -1, scores.shape[1]).mean(0).softmax(1)",
            ),
            "the sum of networks' units": ("units / len(self.networks) * AU_SCALE", "units * AU_SCALE"),
            "* flat images blown up": (".clamp_min(8.0)", ".clamp_min(1e-3)"),
            "* one mean for all channels": (
                "mean = images.mean(dim=(2, 3), keepdim=True)",
                "mean = images.mean(dim=(1, 2, 3), keepdim=True)",
            ),
            "grey not rounded": ("@ self.luma).round()[:", "@ self.luma)[:"),
            "* across and down swapped": (
                "[[inner * size, 0, across], [0, inner * size, down]]",
                "[[inner * size, 0, down], [0, inner * size, across]]",
            ),
            "views twice as far": ("inner = SIDE / STORED", "inner = STORED / SIDE"),
            "* no dropout": ("self.heads(self.dropout(features.flatten(1)))", "self.heads(features.flatten(1))"),
        },
    ),
    "ferdis/weights.py": (
        ("tests/test_weights.py",),
        {
            "* half precision stays": ("tensor.float() if tensor.is_floating_point() else tensor for", "tensor for"),
            "NaN is taken": ("    check_finite(tensors, path)\n", ""),
            "tensors too many are passed over": (
                "for name in tensors if name not in own]",
                "for name in tensors if name not in own and not own]",
            ),
        },
    ),
    "ferdis/training/memory.py": (
        ("tests/training/test_memory.py",),
        {
            "every collection looks at everything": ("            gc.freeze()\n", ""),
            "objects stay set aside": ("            gc.unfreeze()\n", "            pass\n"),
            "after an error they stay": (
                "    try:\n        yield collect\n    finally:\n        if set_aside:\n            gc.unfreeze()",
                "    yield collect\n    if set_aside:\n        gc.unfreeze()",
            ),
            "what others set aside comes back": ("if first and not gc.get_freeze_count():", "if first:"),
            "nothing is collected": ("        gc.collect()\n", ""),
            "only the young are collected": ("gc.collect()\n", "gc.collect(0)\n"),
        },
    ),
}
