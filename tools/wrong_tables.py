"""Wrong programs in the tables of experiments: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs

ROWS, AUGMENTED = "tests/test_four_rows.py", "tests/augmentation/test_augmentation_experiments.py"
PROBING = "tests/test_probing_experiments.py"

TABLES: Programs = {
    "experiments/four_rows.py": (
        (ROWS,),
        {
            "control and system exchanged": ('for who in (system, "control"))', 'for who in ("control", system))'),
            "spread over folds of a whole population": (
                ".mean().std(ddof=1)\n        if part",
                ".mean().std(ddof=0)\n        if part",
            ),
            "spread over folds of all partitions together": (
                "right.groupby([part.seed, part.fold])",
                "right.groupby(part.fold)",
            ),
            "spread over partitions of a whole population": (
                "right.groupby(part.seed).mean().std(ddof=1)",
                "right.groupby(part.seed).mean().std(ddof=0)",
            ),
            "no spread over two partitions": ("if part.seed.nunique() > 1:", "if part.seed.nunique() > 2:"),
            "accuracy as a share": ("100 * (part.true == part.predicted)", "1.0 * (part.true == part.predicted)"),
            "UAR as a share": ("100 * uar(part.true", "uar(part.true"),
            "the further people compared the other way": (
                "((who[1], who[0]) for who",
                "((who[0], who[1]) for who",
            ),
            "interval turned round": (
                "[{line['low']:+.1f}, {line['high']:+.1f}]",
                "[{line['high']:+.1f}, {line['low']:+.1f}]",
            ),
            "floor for spread": ('"spread": f"{line[\'spread\']', '"spread": f"{line[\'floor\']'),
            "spread for floor": ('"floor": f"{line[\'floor\']', '"floor": f"{line[\'spread\']'),
            "seeds for partitions": (
                '"partitions": f"{line[\'over_partitions\']',
                '"partitions": f"{line[\'over_seeds\']',
            ),
            "the control starts from the weights, the system does not": (
                "mine = system.small(**{**start, **own})",
                "mine = system.small(**own)",
            ),
            "the control starts from random weights": (
                "plain = control.small(**{**start, **others})",
                'plain = control.small(**{**start, **others, "weights": None})',
            ),
            "the system's arguments for the control": (
                "(options.arguments, options.control_arguments)",
                "(options.arguments, options.arguments)",
            ),
            "a frozen code counts as learning labels": (
                ' and getattr(system, "finetune_encoder", False)',
                "",
            ),
            "without the linear layer too": (
                'if getattr(system, "names_weight", 0) and',
                "if True and",
            ),
            "steps of the control not stretched": (
                'for name in ("epochs", "min_steps", "steps_per_image")',
                'for name in ("epochs",)',
            ),
            "one training whatever is asked for": ("seeds=range(options.seeds)", "seeds=range(1)"),
            "one partition whatever is asked for": ("partitions=options.partitions", "partitions=1"),
            "validation people who train nothing": (
                "SubjectKFold(options.folds, validation_folds=0)",
                "SubjectKFold(options.folds)",
            ),
        },
    ),
    "experiments/augmentation_table.py": (
        (AUGMENTED,),
        {
            "accuracy of the rare for all": (
                '"accuracy": 100 * accuracy(true, predicted)',
                '"accuracy": 100 * uar(true, predicted)',
            ),
            "rare: the mean over all classes": ("found[list(rare)].mean()", "found.mean()"),
            "a rare class under another's name": (
                "100 * found[name] for name in rare",
                "100 * found[found.index[0]] for name in rare",
            ),
            "compared with real faces": (
                'compare(rows, system, "classic", "uar")',
                'compare(rows, system, "real", "uar")',
            ),
            "compared by accuracy": (
                'compare(rows, system, "classic", "uar")',
                'compare(rows, system, "classic", "accuracy")',
            ),
            "the difference turned round": (
                'compare(rows, system, "classic", "uar")',
                'compare(rows, "classic", system, "uar")',
            ),
            "p-values as they are": ('table["p (Holm)"] = holm(table["p"])', 'table["p (Holm)"] = table["p"]'),
            "classes below the mean are rare": ("RARE = 0.5", "RARE = 1.0"),
            "classes are rare by the largest": (
                "n < RARE * len(faces) / len(counts)",
                "n < RARE * counts.max()",
            ),
            "validation people who train nothing": (
                'SubjectKFold(options.folds or column["folds"], validation_folds=0)',
                'SubjectKFold(options.folds or column["folds"])',
            ),
            "the filter always": ("None if options.no_filter else QualityFilter()", "QualityFilter()"),
            "steps of the plan whatever is asked for": (
                'options.steps or plan["classifier_steps"], "progress"',
                'plan["classifier_steps"], "progress"',
            ),
            "further stages of a generator as long as ever": (
                'stretched = {"expression_epochs": 1, "mlp_epochs": 1, "identity_epochs": 1}',
                "stretched = {}",
            ),
            "steps by the number of images": (
                "min_steps=steps, steps_per_image=0.0",
                "min_steps=steps",
            ),
            "people of the plan whatever is asked for": (
                "elif options.people:",
                "elif False:",
            ),
            "one training whatever seeds are asked for": ("seeds=options.seeds,", "seeds=[0],"),
            "balanced where multiplied is planned": ('strategy=column["strategy"]', 'strategy="balance"'),
            "the zoo's start for the classifier": (
                "ResNetClassifier.small(weights=None, **changes)",
                "ResNetClassifier.small(**changes)",
            ),
        },
    ),
    "experiments/ifgan_identity.py": (
        (PROBING,),
        {
            "tested on people who train": ("first_person=options.people, **drawn", "first_person=0, **drawn"),
            "the average of another class": (
                "averages[name] for name in faces.expression",
                "averages[name] for name in faces.expression[::-1]",
            ),
            "the corner for the middle": (
                "start = (ifgan.image_size - ifgan.crop_size) // 2",
                "start = 0",
            ),
            "squared distances": ("np.abs(image - truth).mean() / 127.5", "np.square(image - truth).mean() / 127.5"),
            "distances of pixels from 0 to 1": (".mean() / 127.5}", ".mean() / 255}"),
            "a constant picture of the first class": (
                "np.mean(list(averages.values()), axis=0)[None]",
                "list(averages.values())[0][None]",
            ),
            "one probe for all": (
                "identity_probe(values, faces.subject, reader=reader, seed=seed)",
                "identity_probe(values, faces.subject, seed=seed)",
            ),
            "people for expressions": (
                "expression_probe(values, faces.expression, faces.subject, seed=seed)",
                "expression_probe(values, faces.subject, faces.subject, seed=seed)",
            ),
            "features of the baseline for IF-GAN's": (
                '"IF-GAN\'s features": ifgan.transform(unseen)',
                '"IF-GAN\'s features": resnet.transform(unseen)',
            ),
            "the face for the generated one": (
                '"IF-GAN\'s generated face": pixel_rows(generated)',
                '"IF-GAN\'s generated face": pixel_rows(unseen.pixels())',
            ),
            "chance of the training people": ("1 / options.test_people:.1%", "1 / options.people:.1%"),
            "arguments of IF-GAN ignored": ("**(options.arguments or {})}", "**{}}"),
        },
    ),
    "experiments/gradient_shares.py": (
        (PROBING,),
        {
            "terms without their weights": (
                "norms[name] = weight * sum(",
                "norms[name] = sum(",
            ),
            "squared norms": ("if g is not None) ** 0.5", "if g is not None)"),
            "a step too late": ("if self.step in self.steps:", "if self.step - 1 in self.steps:"),
            "a step too many": ("if self.step > max(self.steps):", "if self.step > max(self.steps) + 1:"),
            "shares of the largest": ("total = sum(norms.values()) or 1.0", "total = max(norms.values()) or 1.0"),
            "one network for all": (
                "self._measure(network, getattr(modules, network), terms)",
                "self._measure(network, getattr(modules, self.phase.updates[0]), terms)",
            ),
            "any phase": (
                "terms=Measured(one, steps, rows)) if one.name == phase else one",
                "terms=Measured(one, steps, rows)) if one.name != phase else one",
            ),
        },
    ),
    "ferdis/preprocess/threads.py": (
        ("tests/preprocess/test_threads.py",),
        {
            "everything at once": ("len(items), _AHEAD * threads)", "len(items), len(items))"),
            "the last items lost": ("range(0, len(items), _AHEAD", "range(0, len(items) - threads, _AHEAD"),
            "one thread": ("ThreadPoolExecutor(threads,", "ThreadPoolExecutor(1,"),
            "threads within an item": ("initializer=limit, initargs=(1,)", "initializer=limit, initargs=(threads,)"),
            "one item on all threads": ("            limit(1)\n            yield", "            yield"),
            "threads not given back": ("        limit(threads)  #", "        limit(1)  #"),
            "0 threads of the environment": ("given.isdigit() and int(given) > 0", "given.isdigit()"),
            "all cores of the machine": (
                'len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else',
                "",
            ),
        },
    ),
}
