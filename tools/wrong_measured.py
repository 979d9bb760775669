"""Wrong programs in what is measured of systems: representations, transfers, held-out people, a filter's verdict.

A part of ``tools/wrong_programs.py``, in its form.
"""

from __future__ import annotations

from tools.wrong_form import Programs

AUGMENTED = ("tests/augmentation/test_augmented.py", "tests/augmentation/test_augmented_wiring.py")
DISENTANGLED = "tests/disentanglement/test_report.py"
REPRESENTATIONS = "tests/disentanglement/test_representations.py"
TRANSFER = "tests/disentanglement/test_transfer.py"

MEASURED: Programs = {
    "ferdis/metrics/images.py": (
        ("tests/metrics/test_images.py",),
        {
            "* FID in single precision": (
                "    metric.set_dtype(torch.float64)\n",
                "    metric.set_dtype(torch.float32)\n",
            ),
            "subsets by the number of real images": ("min(subset_size, len(a), len(b))", "min(subset_size, len(a))"),
            "the seed of the subsets ignored": ("torch.manual_seed(seed)", "torch.manual_seed(0)"),
            "deviation for mean": ("return float(mean), float(std)", "return float(std), float(mean)"),
            "LPIPS of images in [0, 1]": (".float() / 127.5 - 1", ".float() / 255"),
            "LPIPS of images lying on their side": (
                "torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()",
                "torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 2, 1).float()",
            ),
            "Inception sees blue for red": (
                "return network(torch.from_numpy(np.ascontiguousarray(images))",
                "return network(torch.from_numpy(np.ascontiguousarray(images[..., ::-1]))",
            ),
        },
    ),
    "ferdis/evaluators/held_out.py": (
        ("tests/evaluators/test_held_out.py", "tests/evaluators/test_judges.py"),
        {
            "* the same people whatever the seed": (
                "default_rng(seed).permutation(people)",
                "default_rng(0).permutation(people)",
            ),
            "a share of images": (
                "held = max(least, round(share * len(people)))",
                "held = max(least, round(share * len(faces)))",
            ),
            "the share rounded down": ("round(share * len(people))", "int(share * len(people))"),
            "one person is enough to learn from": ("len(people) - held < least", "len(people) - held < 1"),
            "* a used seed": ("    while seed in used:\n", "    if seed in used:\n"),
        },
    ),
    "ferdis/disentanglement/representations.py": (
        (REPRESENTATIONS,),
        {
            "source and target swapped": (
                '"swap_source": metrics.representation_cosine(after[name], representation[sources], centre)',
                '"swap_source": metrics.representation_cosine(after[name], representation[targets], centre)',
            ),
            "cosines about 0": ("centre = representation.mean(axis=0)", "centre = 0 * representation.mean(axis=0)"),
            "agreement with the target": (
                "== estimator.predict(faces[sources])",
                "== estimator.predict(faces[targets])",
            ),
            "another person or another expression": (
                ") & (expression != expression[target])",
                ") | (expression != expression[target])",
            ),
            "noise forgiven": ("<= chance + _NAIVE * noise", "<= chance - _NAIVE * noise"),
            "* a black frame": ('mode="edge"', 'mode="constant"'),
            "the frame on one side": ("before = (size - side) // 2", "before = size - side"),
            "* the first images of each": ("random.choice(rows, images, replace=False)", "rows[:images]"),
            "* population deviation over folds": ("groups[name].std(ddof=1)", "groups[name].std(ddof=0)"),
            "shares of the whole accuracy": (
                'against = base[name] - base["identity_chance"]',
                "against = base[name]",
            ),
            "identity of single images too": (
                "_identity(representation[several], faces.subject[several]",
                "_identity(representation, faces.subject",
            ),
        },
    ),
    "ferdis/disentanglement/transfer.py": (
        (TRANSFER,),
        {
            "distances in [0, 1]": (".mean(axis=3) / 127.5", ".mean(axis=3) / 255"),
            "pixels pooled over images": (
                "return float(each.mean())",
                "return float((apart * masks).sum() / masks.sum())",
            ),
            "gain the other way round": (
                "1 - self.distance / self.distance_identity_baseline",
                "1 - self.distance_identity_baseline / self.distance",
            ),
            "the image itself among the others": (
                "total[subject[row]] - embeddings[row] for",
                "total[subject[row]] for",
            ),
            "home and away swapped": (
                "home, away = _others(persons, faces.subject, targets)",
                "away, home = _others(persons, faces.subject, targets)",
            ),
            "* the target's regions alone": (
                "in (region_masks(truth), region_masks(target))",
                "in (region_masks(target),)",
            ),
            "the target's expression asked for": ("wanted = references.expression", "wanted = onto.expression"),
            "the oracle does nothing": (
                "distance_oracle=region_distance(best,",
                "distance_oracle=region_distance(nothing,",
            ),
            "a crop from the corner": (
                "    start = (size - side) // 2\n    return np.asarray(",
                "    start = 0\n    return np.asarray(",
            ),
            "* truth read off the transfers": (
                'expression_of_truth=read(crops["truth"])',
                "expression_of_truth=read(made)",
            ),
            "* one seed of the pairs": ("swap_pairs(faces, seed)", "swap_pairs(faces, 0)"),
            "* the expression judge may know the people": (
                "for judge in (expressions, identities):",
                "for judge in (identities,):",
            ),
            "* masks by the corners of pixels": (
                "((np.arange(size) + 0.5) * whole.shape[1] / size)",
                "(np.arange(size) * whole.shape[1] / size)",
            ),
            "* judges' errors swapped": (
                "expression_judge=expressions.own,\n        identity_judge=identities.own",
                "expression_judge=identities.own,\n        identity_judge=expressions.own",
            ),
            "* printed beside the best for doing nothing": (
                'f"({self.distance_identity_baseline:.3f}); given the truth itself: {self.distance_oracle:.3f}"',
                'f"({self.distance_oracle:.3f}); given the truth itself: {self.distance_identity_baseline:.3f}"',
            ),
            "* a share where the truth is not read": (
                'if self.expression_of_truth else float("nan")',
                "if self.expression_of_truth else 0.0",
            ),
            "* distance of the target as it is drawn": (
                'distance_of_the_target=region_distance(crops["target"],',
                "distance_of_the_target=region_distance(nothing,",
            ),
            "* identity printed for its upper bound": (
                'on true counterparts {100 * self.identity_of_truth:.1f} %"',
                'on true counterparts {100 * self.identity:.1f} %"',
            ),
            "* expression's upper bound printed as read": (
                "on true counterparts {100 * self.expression_of_truth:.1f} %",
                "on true counterparts {100 * self.expression:.1f} %",
            ),
            "identity of truth of the transfers": (
                'identity_of_truth=nearer(crops["truth"])',
                "identity_of_truth=nearer(made)",
            ),
            "doing nothing is the transfer": (
                "expression_doing_nothing=read(nothing)",
                "expression_doing_nothing=read(made)",
            ),
        },
    ),
    "ferdis/disentanglement/leak.py": (
        ("tests/disentanglement/test_leak.py",),
        {
            "error for area": ('"verification_auc": found.auc', '"verification_auc": found.eer'),
            "* a logistic reader": ('reader="mlp"', 'reader="logistic"'),
        },
    ),
    "ferdis/disentanglement/report.py": (
        ("tests/disentanglement/test_report_tables.py", DISENTANGLED),
        {
            "people of the run among the further ones": ("first_person=1 + max(", "first_person=max("),
            "those measured on may be the run's": (
                "if shared := sorted(set(faces.subject) & seen_people(run)):",
                "if shared := '':",
            ),
            "* compared with the last system": (
                "return fit.system\n    return None",
                "found = fit.system\n    return found",
            ),
            "figures of one representation swapped": (
                '_share(line.get("identity_ratio")),\n            _percent(line["expression"], line["expression_std"]), _percent(line["expression_nearest"])',  # noqa: E501
                '_share(line.get("identity_ratio")),\n            _percent(line["expression_nearest"]), _percent(line["expression"], line["expression_std"])',  # noqa: E501
            ),
            "chances swapped": (
                "identity {_percent(chance['identity_chance'])} %",
                "identity {_percent(chance['expression_chance'])} %",
            ),
            "further people of normal difficulty": (
                "        difficulty=difficulty,\n        seed=int",
                '        difficulty="normal",\n        seed=int',
            ),
            "further people at full intensity": (
                "intensity=None if intensity is None else float(intensity)",
                "intensity=None",
            ),
            "further people of another folder": ('**({"root": root} if root else {}),', "**{},"),
            "probes of one seed": (
                "representation_records(fit.system, estimator, measured, seed=seed)",
                "representation_records(fit.system, estimator, measured)",
            ),
            "pairs of one seed": (
                "judge = _judge(fits, chosen(fits[0]), seed)",
                "judge = _judge(fits, chosen(fits[0]), 0)",
            ),
            "images of one seed": (
                "further_people(run, people, images, seed)\n        what",
                "further_people(run, people, images)\n        what",
            ),
            "faces that a run does not list are not named": (" + _further_training(root)", ""),
            "no share of the baseline's": ("table = summary(rows, baseline)", "table = summary(rows, None)"),
            "judges of seven expressions": ('classes = 8 if "contempt" in faces.classes else 7', "classes = 7"),
            "completeness and informativeness swapped": (
                'keys = ("mig", "disentanglement", "completeness", "informativeness", "sap")',
                'keys = ("mig", "disentanglement", "informativeness", "completeness", "sap")',
            ),
            "cosines with source and target swapped": (
                'for key in ("swap_source", "swap_target"))',
                'for key in ("swap_target", "swap_source"))',
            ),
            "doing nothing and the truth swapped": (
                'f"{mean.distance:.3f}", f"{mean.distance_identity_baseline:.3f}", _share',
                'f"{mean.distance:.3f}", f"{mean.distance_oracle:.3f}", _share',
            ),
            "judges swapped": (
                "The expression judge itself: {last['expression_judge']}",
                "The expression judge itself: {last['identity_judge']}",
            ),
            "rates on true counterparts swapped": (
                "_percent(mean.expression_of_truth), _share",
                "_percent(mean.identity_of_truth), _share",
            ),
            "a target shows any expression": (
                'key=lambda row: (faces.expression[row] != "neutral", row))',
                "key=lambda row: row)",
            ),
        },
    ),
    "ferdis/augmentation/filtering.py": (
        AUGMENTED,
        {
            "accepts strangers": ("return shown, cosine >= least", "return shown, cosine <= least"),
            "rare classes are rarer still": (
                "predict_proba(generated) / self.shares_",
                "predict_proba(generated) * self.shares_",
            ),
            "probabilities that do not sum to 1": (
                "        probabilities /= probabilities.sum(1, keepdims=True)\n",
                "",
            ),
            "the least of its own ignored": (
                "self.embedder_.threshold_ if self.minimum_cosine is None else self.minimum_cosine",
                "self.embedder_.threshold_",
            ),
            "* any likely class passes": (
                "np.where(names[None] == generated.expression[:, None], probabilities, 0).sum(1)",
                "probabilities.max(1)",
            ),
            "* a class without faces is impossible": (
                "np.maximum(shares, 1 / len(faces))",
                "np.maximum(shares, 1e-12)",
            ),
            "compared with itself": ("self.embedder_.embed(sources)", "self.embedder_.embed(generated)"),
        },
    ),
}
