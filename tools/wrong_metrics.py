"""Wrong programs in the metrics: a part of ``tools/wrong_programs.py``, in the same form.

Those marked * were accepted by the tests that the module had of its own.
"""

from __future__ import annotations

from tools.wrong_form import Programs

REPORTED = "tests/report/test_report_definitions.py"
RECOGNITION, COMPARISON = "tests/metrics/test_recognition.py", "tests/metrics/test_comparison.py"
NOISE, SPREADS = "tests/metrics/test_noise_floor.py", "tests/metrics/test_spreads.py"
DEFINITIONS = "tests/metrics/test_definitions.py"

METRICS: Programs = {
    "ferdis/metrics/recognition.py": (
        (DEFINITIONS, RECOGNITION),
        {
            "UAR weighted by class sizes": (
                'recall_score(true, predicted, labels=present, average="macro"',
                'recall_score(true, predicted, labels=present, average="weighted"',
            ),
            "UAR over predicted classes too": ("present = np.unique(np.asarray(true))", "present = None"),
            "micro F1": ('f1_score(true, predicted, average="macro"', 'f1_score(true, predicted, average="micro"'),
            "* recall over predicted classes": ("total = matrix.sum(axis=1)\n", "total = matrix.sum(axis=0)\n"),
            "a confusion matrix normalised by columns": (
                "table.div(table.sum(axis=1).replace(0, np.nan), axis=0)",
                "table.div(table.sum(axis=0).replace(0, np.nan), axis=1)",
            ),
            "ddof 0": ("known.std(ddof=1)", "known.std(ddof=0)"),
            "seeds as further folds": (
                'mean_std(table.groupby("fold")["accuracy"].mean())',
                'mean_std(table["accuracy"])',
            ),
            "std over the folds of all seeds": (
                "return float(np.mean([mean for mean, _ in each])), float(np.mean([std for _, std in each]))",
                'return mean_std(table["accuracy"])',
            ),
            "* a sequence by its surest frame": (
                'table["true"]], sort=True).mean()',
                'table["true"]], sort=True).max()',
            ),
            "sequences of two people joined": (
                "if has_people(table):  # two people",
                "if not len(table):  # two people",
            ),
            "bins open above": (
                "np.ceil(confidence * bins).astype(int) - 1",
                "np.floor(confidence * bins).astype(int)",
            ),
            "bins not weighted": (
                'gap.sum() / table["n"].sum()',
                '(gap / table["n"]).mean()',
            ),
            "gaps cancel": (
                '(table["accuracy"] - table["confidence"]).abs()',
                '(table["accuracy"] - table["confidence"])',
            ),
            "confidence of the true class": (
                "confidence = values.max(axis=1) if",
                "confidence = values[np.arange(len(values)), np.searchsorted(classes, np.asarray(true))] if",
            ),
            "* calibration against labels by position": (
                "true[probability.index], list",
                "true.iloc[: len(probability)], list",
            ),
            "bootstrap over images": (
                "counts_by(rows, person_of(rows),",
                'counts_by(rows, rows["path"].to_numpy(str),',
            ),
            "* an interval of twice the level": ("[(1 - level) / 2, (1 + level) / 2]", "[1 - level, level]"),
            "* the seed of the interval ignored": (
                "draws(len(people), replicates, seed)",
                "draws(len(people), replicates, 0)",
            ),
            "images counted once a seed": ('"n": rows["path"].nunique()', '"n": len(rows)'),
        },
    ),
    "ferdis/metrics/resampling.py": (
        (DEFINITIONS, RECOGNITION, COMPARISON, SPREADS, NOISE),
        {
            "classes that are absent count as 0 in the UAR": (
                "where=shown).sum(axis=1) / shown.sum(axis=1)",
                "where=shown).mean(axis=1)",
            ),
            "true and predicted swapped": (
                "= matrix.sum(axis=2), matrix.sum(axis=1)",
                "= matrix.sum(axis=1), matrix.sum(axis=2)",
            ),
            "* classes that are absent count as 0 in F1": (
                "f1.sum(axis=1) / (either > 0).sum(axis=1)",
                "f1.mean(axis=1)",
            ),
            "half of the people drawn": (
                "generator.multinomial(people, share",
                "generator.multinomial((people + 1) // 2, share",
            ),
            "images are the clusters": ('rows["subject" if has_people(rows) else "path"]', 'rows["path"]'),
            "people of a training by position": (
                "matrices[k, np.searchsorted(names, present)] = counts",
                "matrices[k, : len(present)] = counts",
            ),
            "one arrangement drawn for all people": ("size=(size, people))", "size=(size, 1)).repeat(people, 1)"),
        },
    ),
    "ferdis/metrics/comparison.py": (
        (DEFINITIONS, REPORTED, COMPARISON),
        {
            "people of the two systems drawn apart": (
                "[gap(times @ first, times @ second) for times in draws(people, replicates, seed)]",
                "[gap(times @ first, other @ second) for times, other in "
                "zip(draws(people, replicates, seed), draws(people, replicates, seed + 1), strict=True)]",
            ),
            "one-sided": ("np.abs(swapped) >= abs(difference) - _ROUNDING", "swapped >= difference - _ROUNDING"),
            "* the observed arrangement not counted": (
                "drawn_in = 0 if exhaustive(people, replicates) else 1",
                "drawn_in = 0",
            ),
            "only larger differences count": (">= abs(difference) - _ROUNDING", "> abs(difference) + _ROUNDING"),
            "an interval of twice the level": ("[(1 - level) / 2, (1 + level) / 2]", "[1 - level, level]"),
            "* seeds counted as images": ("counts / _seeds(one), counts_other / _seeds(other)", "counts, counts_other"),
            "the plain t test": ("np.sqrt(1 / len(values) + test_share)", "np.sqrt(1 / len(values))"),
            "the spread of differences with ddof 0": ("values.std(ddof=1)\n", "values.std(ddof=0)\n"),
            "one degree of freedom too many": (
                "stats.t.sf(abs(t), len(values) - 1)",
                "stats.t.sf(abs(t), len(values))",
            ),
            "one tail of t": ("float(2 * stats.t.sf", "float(stats.t.sf"),
            "median of p, not twice": (
                "min(1.0, 2 * float(np.median(p_values)))",
                "min(1.0, float(np.median(p_values)))",
            ),
            "one tail of McNemar": (
                "stats.binomtest(first_only, unlike)",
                'stats.binomtest(first_only, unlike, alternative="greater")',
            ),
            "Holm from the largest": ("np.arange(len(order), 0, -1)", "np.arange(1, len(order) + 1)"),
            "Bonferroni": ("np.arange(len(order), 0, -1)", "np.full(len(order), len(order))"),
            "Holm not monotone": ("np.maximum.accumulate(values[order] * times)", "values[order] * times"),
            "Holm counts what is not known": (
                "known = np.flatnonzero(~np.isnan(values))",
                "known = np.arange(len(values))",
            ),
            "test images over all images": (
                "float((each / rest)[rest > 0].mean())",
                "float((each / (rest + each)).mean())",
            ),
            "* given shares of another fold": ("given[(int(seed), int(fold))] for", "given[min(given)] for"),
            "differences over seeds under folds of one seed": (
                'values = values.groupby(level="fold").mean()',
                'values = values.groupby(level="fold").first()',
            ),
        },
    ),
    "ferdis/metrics/spreads.py": (
        (DEFINITIONS, SPREADS),
        {
            "* people of the first training alone": ("_figure(counts.mean(axis=0), times", "_figure(counts[0], times"),
            "the share of seeds left in the partitions": (
                "between**2 - within**2 / _harmonic(partition)",
                "between**2",
            ),
            "the whole of the seeds taken off the partitions": ("within**2 / _harmonic(partition)", "within**2"),
            "trainings with ddof 0": ("each.std(ddof=1)", "each.std(ddof=0)"),
            "total as a plain sum": ("np.hypot(people, trainings)", "people + trainings"),
            "arithmetic mean of the trainings": (
                "1 / np.mean(1 / np.unique(partition, return_counts=True)[1])",
                "np.mean(np.unique(partition, return_counts=True)[1])",
            ),
            "standard error of images": (
                'statistic_of("accuracy")(counts) / times.sum(axis=1)',
                'statistic_of("accuracy")(counts) / len(counts) ** 2',
            ),
        },
    ),
    "ferdis/metrics/noise_floor.py": (
        (DEFINITIONS, NOISE, SPREADS),
        {
            "people of the first training alone": ("_interval(counts.mean(axis=1)", "_interval(counts[:, 0]"),
            "the plain percentile interval": ("[outside, 1 - outside]", "[(1 - level) / 2, (1 + level) / 2]"),
            "spread with ddof 0": ("spread = float(each.std(ddof=1))", "spread = float(each.std(ddof=0))"),
            "partitions with ddof 0": ("for group in groups], ddof=1)", "for group in groups], ddof=0)"),
            "degrees of freedom within partitions": ("len(each) - len(groups)", "len(each) - 1"),
            "the floor is the smaller of the two": ("spread * max(1.0,", "spread * min(1.0,"),
            "the floor of few trainings is one deviation": (
                "spread * max(1.0, float(stats.t.ppf((1 + level) / 2, n - 1)) / np.sqrt(n))",
                "spread",
            ),
            "seeds of one partition are independent": ("_means(each, partition), level)", "each, level)"),
            "t of one side for both sources": (
                "half = float(stats.t.ppf((1 + level) / 2, n - 1)",
                "half = float(stats.t.ppf(level, n - 1)",
            ),
            "spread of one training, not of the mean": (
                "independent.std(ddof=1) / np.sqrt(n))",
                "independent.std(ddof=1))",
            ),
            "half-widths swapped": (
                "difference - float(np.hypot(difference - low, half)), difference + float(np.hypot(high - difference",
                "difference - float(np.hypot(high - difference, half)), difference + float(np.hypot(difference - low",
            ),
            "half-widths added": ("float(np.hypot(difference - low, half))", "(difference - low + half)"),
            "both sources never asked": (' if both[0] <= 0 <= both[1] else ""', ' if both[0] > both[1] else ""'),
            "a loss below the floor": ("abs(difference) <= floor", "difference <= floor"),
            "every seed a partition": (
                "np.unique(dealt, axis=1, return_inverse=True)[1].reshape(len(seeds))",
                "np.arange(len(seeds))",
            ),
            "people weigh by their images": (
                "times @ (value(counts[0]) - value(counts[1])) / times.sum(axis=1)",
                "value(times @ counts[0]) - value(times @ counts[1])",
            ),
        },
    ),
    "ferdis/metrics/selective.py": (
        (DEFINITIONS, "tests/report/test_report_extras.py"),
        {
            "fitted on the fold itself": ('part.index[part["fold"] != fold]', 'part.index[part["fold"] == fold]'),
            "fitted on every fold": ('part.index[part["fold"] != fold]', "part.index"),
            "fitted on the rows of other trainings": (
                'part.index[part["fold"] != fold]',
                'rows.index[rows["fold"] != fold]',
            ),
            "heated instead of cooled": (
                "np.maximum(probability, _SMALL)) / temp",
                "np.maximum(probability, _SMALL)) * temp",
            ),
            "temperatures by the order of folds": (
                'temperature.loc[pd.MultiIndex.from_frame(rows[["seed", "fold"]])].to_numpy()',
                "np.resize(temperature.to_numpy(), len(rows))",
            ),
            "least confident first": ("np.argsort(-confidence", "np.argsort(confidence"),
            "ties in the order of rows": ('.groupby(level, sort=False).transform("mean").to_numpy()', ".to_numpy()"),
            "one answer too many": (
                "np.floor(coverage * len(accuracy) + 1e-9)",
                "np.ceil(coverage * len(accuracy) + 1e-9)",
            ),
        },
    ),
    "ferdis/metrics/verification.py": (
        ("tests/metrics/test_verification.py", "tests/metrics/test_leak.py"),
        {
            "images paired with themselves": ("np.triu_indices(len(unit), k=1)", "np.triu_indices(len(unit), k=0)"),
            "rates compared the wrong way": ("np.abs(accepted - (1 - kept))", "np.abs(accepted - kept)"),
            "the threshold at the first rejected": (
                "(thresholds[nearest] + thresholds[nearest + 1]) / 2)",
                "thresholds[nearest + 1])",
            ),
            "* accepted above the threshold alone": ("(edited >= threshold)", "(edited > threshold)"),
            "real accuracy of all pairs": ("(cosines[same] >= threshold)", "(cosines >= threshold)"),
            "* cosines of all pairs as those of two people": ("cosines[~same].mean()", "cosines.mean()"),
            "* error of one kind": ("(accepted[nearest] + 1 - kept[nearest]) / 2", "accepted[nearest]"),
            "lengths kept": ("return values / length", "return values"),
        },
    ),
    "ferdis/metrics/leak.py": (
        ("tests/metrics/test_leak.py",),
        {
            "the mean kept": ("pair_cosines(values - values.mean(0), names)", "pair_cosines(values, names)"),
            "scored on the half that it was fitted on": (
                "probe.decision_function(values[score])",
                "probe.decision_function(values[fit])",
            ),
            "* truths of the fitted half": ("found_truths.append(person[score])", "found_truths.append(person[fit])"),
            "two people swapped": ("[-found / 2, found / 2]", "[found / 2, -found / 2]"),
            "logits as they are": ("scaled = logits * np.exp(scale)", "scaled = logits * 1.0"),
        },
    ),
    "ferdis/metrics/action_units.py": (
        ("tests/metrics/test_action_units.py",),
        {
            "raters taken for random": (
                "residual = ratings - rows[:, None] - columns[None, :] + mean",
                "residual = ratings - rows[:, None]",
            ),
            "ICC of the mean of the raters": ("total = between + (k - 1) * error", "total = between"),
            "a constant answer has no correlation": (
                "if b.std() > _VARIES else 0.0",
                'if b.std() > _VARIES else float("nan")',
            ),
            "mean over values, not action units": (
                'float(self.table["mse"].mean())',
                'float(np.average(self.table["mse"], weights=self.table["n"]))',
            ),
            "* gaps of the answer are compared": (
                "known = ~np.isnan(target[:, column]) & ~np.isnan(found[:, column])",
                "known = ~np.isnan(target[:, column])",
            ),
            "* values are averaged": ('"n": self.table["n"].sum()', '"n": self.table["n"].mean()'),
            "one value is enough": ("if len(a) < 2:", "if len(a) < 1:"),
            "constant answers are left out": ("elif a.std() < _VARIES:", "elif b.std() < _VARIES:"),
            "root of the squares": ("np.square(a - b).mean()", "np.sqrt(np.square(a - b).mean())"),
            "absolute differences": ("np.square(a - b).mean()", "np.abs(a - b).mean()"),
            "ICC of one more item": ("np.square(rows - mean).sum() / (n - 1)", "np.square(rows - mean).sum() / n"),
            "ICC of absolute agreement": (
                "residual = ratings - rows[:, None] - columns[None, :] + mean",
                "residual = ratings - rows[:, None] - mean + mean",
            ),
            "raters for items": (
                "np.square(residual).sum() / ((n - 1) * (k - 1))",
                "np.square(residual).sum() / (n * (k - 1))",
            ),
            "the correlation's square": ("float(np.corrcoef(a, b)[0, 1])", "float(np.corrcoef(a, b)[0, 1] ** 2)"),
            "* why is not said": ('f"\\nleft out: {name} ({why})"', 'f"\\nleft out: {name}"'),
            "names of another number": (" or target.shape[1] != len(names):", ":"),
            "PCC for ICC": ('return float(self.table["icc"].mean())', 'return float(self.table["pcc"].mean())'),
        },
    ),
    "ferdis/metrics/disentanglement.py": (
        ("tests/metrics/test_disentanglement.py",),
        {
            "expressions read across images, not people": ("groups=place)", "groups=np.arange(len(place)))"),
            "identity scored on the fitted half": (
                "subject[fit], representations[score], seed)\n        right.append(found == subject[score])",
                "subject[fit], representations[fit], seed)\n        right.append(found == subject[fit])",
            ),
            "* chance of equal classes": (
                "float(counts.max() / len(expression))",
                "float(1 / len(names))",
            ),
            "the gap to the smallest": ("(found[-1] - found[-2]) / entropy", "(found[-1] - found[0]) / entropy"),
            "not over the entropy": ("(found[-1] - found[-2]) / entropy", "(found[-1] - found[-2])"),
            "disentangled and complete swapped": (
                "return float((weight * disentangled).sum()), float(complete.mean())",
                "return float(complete.mean()), float((weight * disentangled).sum())",
            ),
            "dimensions weigh alike": ("float((weight * disentangled).sum())", "float(disentangled.mean())"),
            "dimensions about zero": ("centred = values - values.mean(axis=0)", "centred = values - 0"),
            "representations not centred": (
                "one, other = one - middle, other - middle",
                "one, other = one - 0, other - 0",
            ),
            "* one halving five times": ("random_state=seed + halving)", "random_state=seed)"),
            "* halvings of one seed": ("random_state=seed + halving)", "random_state=halving)"),
            "* chance of the rarest person": (
                "float(counts.max() / len(subject))",
                "float(counts.min() / len(subject))",
            ),
            "* five folds of fewer people": ("GroupKFold(min(_PARTS, len(people)))", "GroupKFold(_PARTS)"),
            "* folds of people in one order": (
                "np.random.default_rng(seed).permutation(len(people))",
                "np.random.default_rng(0).permutation(len(people))",
            ),
            "* one expression to learn from is right": (
                "right.append(expression[score] == expression[fit][0])",
                "right.append(np.ones(len(score), bool))",
            ),
            "* neighbours weigh alike": ('weights="distance"', 'weights="uniform"'),
            "* all dimensions are read": ("if representations.shape[1] > _WIDTH:", "if False:"),
            "* components of as many as there are": (
                "PCA(min(_WIDTH, len(representations) - 1), random",
                "PCA(_WIDTH, random",
            ),
            "* bins ignored in MIG": (
                "mutual_information(representations, factors, bins=bins).to_numpy()",
                "mutual_information(representations, factors).to_numpy()",
            ),
            "* bins of the factor ignored": (
                "known = _checked_factors(representations, factors)\n    entropy = np.array([mutual_info_score(level, level) for level in (_levels(f, bins)",  # noqa: E501
                "known = _checked_factors(representations, factors)\n    entropy = np.array([mutual_info_score(level, level) for level in (_levels(f, _BINS)",  # noqa: E501
            ),
            "* the largest value in a bin of its own": (
                "/ (high - low) * bins).astype(int), 0, bins - 1)",
                "/ (high - low) * bins).astype(int), 0, bins)",
            ),
            "worse than nothing is counted": (
                "r2_score(factor[score], found), 0.0)",
                "r2_score(factor[score], found), -1e9)",
            ),
            "accuracy for accuracy above chance": (
                "return float((np.mean(true == predicted) - chance) / max(1 - chance, 1e-12))",
                "return float(np.mean(true == predicted))",
            ),
            "* rare classes weigh less in a tree": (', class_weight="balanced", random_state', ", random_state"),
            "a tree of two leaves": ("max_leaf_nodes=max(leaves, 2)", "max_leaf_nodes=2"),
            "labels that do not match": ("if len(representations) != len(labels) or len", "if len"),
        },
    ),
}
