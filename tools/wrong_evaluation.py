"""Wrong programs in evaluation, run folders, reports and sweeps: a part of ``tools/wrong_programs.py``."""

from __future__ import annotations

from tools.wrong_form import Programs

SCORED, DEFINITIONS = "tests/evaluation/test_what_is_scored.py", "tests/report/test_report_definitions.py"
OBJECTIVE = "tests/sweep/test_objective.py"
RUNNER = "tests/evaluation/test_runner.py"
TUNED = "tests/evaluation/test_tuned_parameters.py"
CALIBRATED = "tests/protocol/test_calibrated.py"
TABLES, EXTRAS = "tests/report/test_report_tables.py", "tests/report/test_report_extras.py"
NOTES, REPORT = "tests/report/test_report_notes.py", "tests/report/test_report.py"
SWEEP = "tests/sweep/test_sweep.py"

EVALUATION: Programs = {
    "ferdis/evaluation/final_fit.py": (
        ("tests/evaluation/test_final_fit.py",),
        {
            "* the seed of the fit ignored": ("seeded_clone(estimator, seed)", "seeded_clone(estimator, 0)"),
            "* cited whatever chose the epoch": ('if rule != run.record["selection"]:', "if not rule:"),
            "* cited with other classes": ("if list(faces.classes) != list(", "if len(faces.classes) != len("),
            "other images not said": ('others = "" if same else ', 'others = "" if len(here) else '),
        },
    ),
    "ferdis/evaluation/verify.py": (
        ("tests/evaluation/test_verify.py",),
        {
            "any probability will do": ("TOLERANCE = 1e-3", "TOLERANCE = 1.0"),
            "* as many rows, whichever": (
                "len(tested) != len(set(tested)) or set(tested) != listed",
                "len(tested) != len(listed)",
            ),
            "* a row twice": (
                "len(tested) != len(set(tested)) or set(tested) != listed",
                "set(tested) != listed",
            ),
            "* labels by position": (
                'given = run.rows["path"].map(truth)',
                "given = pd.Series(np.resize(truth.to_numpy(), len(run.rows)))",
            ),
            "* the mean difference of probabilities": ("abs(made - told).max()", "abs(made - told).mean()"),
            "accuracy alone follows": (
                '("accuracy", "uar", "macro_f1", "accuracy_mean", "uar_low", "uar_high")',
                '("accuracy",)',
            ),
            "* sums of probabilities not looked at": (
                "(abs(known.sum(axis=1) - 1) > TOLERANCE).any()",
                "(known.sum(axis=1) < 0).any()",
            ),
            "the person of a row not looked at": (
                'mine["subject"].fillna("")).any()',
                'mine["subject"].fillna("")).all()',
            ),
        },
    ),
    "ferdis/evaluation/stress.py": (
        ("tests/report/test_report_extras.py",),
        {
            "the images as they are": ("stressed(pixels, kind, strength, names)", "pixels"),
            "strength 1 alone": (
                "stressed(pixels, kind, strength, names)",
                "stressed(pixels, kind, STRENGTHS[0], names)",
            ),
            "wrong answers counted": ("(predicted == test.expression)", "(predicted != test.expression)"),
        },
    ),
    "ferdis/run_folder/seals.py": (
        ("tests/test_seals.py",),
        {
            "tables never looked at": ("(whole or name in _TABLES) and", "whole and"),
            "models never looked at": ("(whole or name in _TABLES) and", "name in _TABLES and"),
            "earlier seals lost": ('{"files": {**_seals(root), **files}}', '{"files": files}'),
            "rows not compared before they are joined": (
                'if not _is(Path(folder) / "rows.csv", done["rows_sha256"]):',
                'if not (Path(folder) / "rows.csv").is_file():',
            ),
            "histories unsealed": (
                '    "done.json",\n    "error.txt",',
                '    "done.json",\n    "history.csv",\n    "error.txt",',
            ),
            "a fit in the place of another": ('.endswith(f"/{place}")', '.endswith("")'),
        },
    ),
    "ferdis/evaluation/fit_and_score.py": (
        (SCORED, RUNNER, CALIBRATED),
        {
            "probabilities in the estimator's order of classes": (
                "probability[:, columns] = given",
                "probability[:, : len(columns)] = given",
            ),
            "the estimator's classes taken for sorted": (
                "[str(name) for name in estimator.classes_]",
                "sorted(str(name) for name in estimator.classes_)",
            ),
            "the test part validates": ("job.faces[job.fold.validation]", "job.faces[job.fold.test]"),
            "validation people passed unasked": (
                'if job.selection == "validation":\n',
                "if len(job.fold.validation):\n",
            ),
            "validation people train as well": (
                "estimator.fit(job.faces[job.fold.train],",
                "estimator.fit(job.faces[np.union1d(job.fold.train, job.fold.validation)],",
            ),
            "the seed of the task ignored": (
                "seeded_clone(job.estimator, job.task.seed)",
                "seeded_clone(job.estimator, 0)",
            ),
            "the estimator itself is fitted": ("clone = sklearn.base.clone(estimator)", "clone = estimator"),
            "names of the first rows": ('"path": names[job.fold.test]', '"path": names[: len(job.fold.test)]'),
            "labels of reference images shown": (
                "else without_labels(given)",
                "else given",
            ),
        },
    ),
    "ferdis/evaluation/runner.py": (
        (SCORED, RUNNER, TUNED, "tests/protocol/test_published.py", CALIBRATED, EXTRAS),
        {
            "folds of the first seed alone audited": (
                "for seed in first.values():",
                "for seed in list(first.values())[:1]:",
            ),
            "allow_overlap lets any leak pass": (
                'tolerant = of_others and options["allow_overlap"]',
                'tolerant = options["allow_overlap"]',
            ),
            "all seeds take the folds of the first": (
                "_checked(part.split(faces), sel",
                "_checked(parts[0].split(faces), sel",
            ),
            "the digest covers the seed": ('("seed", "random_state", *run', '("random_state", *run'),
            "the threshold does not reach the audit": (
                '"threshold": threshold, "allow',
                '"threshold": NEAR_DUPLICATE, "allow',
            ),
            "parameters that hold faces not audited": (
                "audit_parameters(estimator, faces, folds[seed], **options, known=known)",
                "pass",
            ),
            "some seeds without reference images": (
                "given = all(len(fold.reference)",
                "given = any(len(fold.reference)",
            ),
        },
    ),
    "ferdis/evaluation/tuned_parameters.py": (
        (SCORED, TUNED),
        {
            "all winners' people set aside": (
                "for winner in winners if winner.fold is None for",
                "for winner in winners for",
            ),
            "names, not digests": ('f"ferdis person {name}".encode()', 'f"ferdis person {name[:3]}".encode()'),
        },
    ),
    "ferdis/evaluation/peeking.py": (
        (SCORED, RUNNER),
        {
            "the last epoch is scored for every one": ("        estimator.load_epoch(path)\n", ""),
            "epochs scored on training people": ("test = job.faces[job.fold.test]", "test = job.faces[job.fold.train]"),
        },
    ),
}

REPORTS: Programs = {
    "ferdis/report/joining.py": (
        (DEFINITIONS, NOTES, REPORT, CALIBRATED),
        {
            "the same seeds are further ones": (' and not set(there["seed"]) & set(mine["seed"])', ""),
            "other parameters are further seeds": (
                'set(there["parameters"]) == set(mine["parameters"]) and not',
                "not",
            ),
            "strict beside calibrated": ('if ("reference" in one.rows) != ("reference" in other.rows):', "if False:"),
            "other folds are paired": (
                "    if tested[0] == tested[1]:\n",
                "    if {item[1:] for item in tested[0]} == {item[1:] for item in tested[1]}:\n",
            ),
            "other labels are paired": (
                'run.rows["path"], run.rows["true"], strict=True)',
                'run.rows["path"], run.rows["path"], strict=True)',
            ),
            "trained and validated swapped": (
                '(("train", "trained"), ("validation", "validated"))',
                '(("train", "validated"), ("validation", "trained"))',
            ),
            "other validation images go unsaid": (
                '(("train", "trained"), ("validation", "validated"))',
                '(("train", "trained"),)',
            ),
            "other rules of choice go unsaid": ("    if rules[0] != rules[1]:\n", "    if rules[0] is None:\n"),
            "rules of the two runs swapped": (
                'by "{rules[0]}", {first.name} by "{rules[1]}"',
                'by "{rules[1]}", {first.name} by "{rules[0]}"',
            ),
            "fits of a joined run under its own names": ('run.fits.replace({"system": names})', "run.fits"),
            "the images of both are of the other": (
                "({both} of its {len(paths[1])} are among the {len(paths[0])}",
                "({both} of its {len(paths[0])} are among the {len(paths[1])}",
            ),
            "joined with the last group": ("_add(groups[reasons.index(None)], run)", "_add(groups[-1], run)"),
            "parts of any fold": (
                'return set(zip(lines["fold"], lines["path"], strict=True))',
                'return set(zip(lines["path"], lines["path"], strict=True))',
            ),
        },
    ),
    "ferdis/report/mistakes.py": (
        (DEFINITIONS, TABLES),
        {
            "seeds not averaged": (
                'mean = known.groupby(rows.loc[known.index, "path"]).mean()',
                'mean = known.groupby(rows.loc[known.index, "path"]).first()',
            ),
            "images by position": (
                '.reindex(table["path"]).dropna().astype(int)',
                '[: len(table)].set_axis(table["path"])',
            ),
        },
    ),
    "ferdis/report/noise.py": (
        ("tests/report/test_report_noise.py", EXTRAS, NOTES),
        {
            "a gain of the other sign": ("(gains[other, best], -1.0)", "(gains[other, best], 1.0)"),
            "gains of systems with other seeds": (
                "if seeds[0] == seeds[1] and len(seeds[0]) > 1:",
                "if len(seeds[0]) > 1:",
            ),
        },
    ),
    "ferdis/report/robustness.py": (
        ("tests/report/test_report_noise.py", EXTRAS),
        {
            "images pooled over classes": (
                'float((counts["right"] / counts["images"]).mean())',
                'float(counts["right"].sum() / counts["images"].sum())',
            ),
            "means of classes and people": (
                'part.groupby("true")[["images"',
                'part.groupby(["true", "subject"])[["images"',
            ),
        },
    ),
    "ferdis/report/confidence.py": (
        (DEFINITIONS, EXTRAS),
        {
            "before and after swapped": ("for values in (known, cooled)", "for values in (cooled, known)"),
            "the mean temperature": ("{each.median():.2f} (", "{each.mean():.2f} ("),
            "range of temperatures reversed": (
                "({each.min():.2f} to {each.max():.2f})",
                "({each.max():.2f} to {each.min():.2f})",
            ),
            "confidence before for after": ("percent(cooled.max(axis=1).mean())", "percent(known.max(axis=1).mean())"),
            "the same share in each column": (
                "selective_accuracy(right, confidence, coverage)",
                "selective_accuracy(right, confidence, COVERAGES[0])",
            ),
            "the least confident answers": (
                "known.max(axis=1).to_numpy()\n        shares",
                "-known.max(axis=1).to_numpy()\n        shares",
            ),
            "axes of the curve swapped": (
                "axes.plot(100 * coverage, 100 * accuracy,",
                "axes.plot(100 * accuracy, 100 * coverage,",
            ),
            "diagrams of all systems in each": ("figures.reliability(mine)", "figures.reliability(rows)"),
        },
    ),
    "ferdis/report/tables.py": (
        (DEFINITIONS, TABLES, EXTRAS, REPORT),
        {
            "the same draws for both groups": ("replicates, number)]", "replicates, 0)]"),
            "an interval of 90 % for gaps": ("[0.025, 0.975]", "[0.05, 0.95]"),
            "gaps of groups with other classes": (' & (part["classes"] == part["classes"].max())]', "]"),
            "gaps of a few people": ('(part["people"] >= FEW_PEOPLE) & ', '(part["people"] >= 0) & '),
            "test over all images for t": (
                '(fits["test_images"] / fits["train_images"])',
                '(fits["test_images"] / (fits["train_images"] + fits["test_images"]))',
            ),
            "precision of each class": (
                'shown = rows[rows["true"] == name]',
                'shown = rows[rows["predicted"] == name]',
            ),
            "low and high swapped": ("[{words(low)}, {words(high)}]", "[{words(high)}, {words(low)}]"),
            "the spread in the place of the mean": (
                'with_spread(line["accuracy_mean"], line["accuracy_std"], digits)',
                'with_spread(line["accuracy"], line["accuracy_std"], digits)',
            ),
            "p of Holm in the column of p": ('p_text(line[f"{statistic}_p"])', 'p_text(line[f"{statistic}_holm"])'),
            "a birthday belongs to the former decade": (
                "pd.cut(numbers, AGES, right=False,",
                "pd.cut(numbers, AGES, right=True,",
            ),
            "groups in the order of text": (
                "for group in sorted(set(values), key=_natural):",
                "for group in sorted(set(values)):",
            ),
            "unknown before known": (
                'return text == "not known", float(digits), text',
                'return text != "not known", float(digits), text',
            ),
            "McNemar's p is t's": (
                'cells["p, McNemar"] = p_text(line["mcnemar_p"])',
                'cells["p, McNemar"] = p_text(line["t_p"])',
            ),
            "only first and only second swapped": (
                "{number(line['first_only'])} / {number(line['second_only'])}",
                "{number(line['second_only'])} / {number(line['first_only'])}",
            ),
            "images counted for each system": ('"images": str(shown["path"].nunique())', '"images": str(len(shown))'),
            "confidence less accuracy swapped": ("signed(confidence - right)", "signed(right - confidence)"),
            "calibration over 10 bins": (
                "known, list(known))\n        lines.append",
                "known, list(known), bins=10)\n        lines.append",
            ),
            "worst less best": ("np.quantile(drawn[0] - drawn[1]", "np.quantile(drawn[1] - drawn[0]"),
            "interval of all rows": (
                'bracketed(value, *metrics.interval(part, "accuracy"))',
                'bracketed(value, *metrics.interval(rows, "accuracy"))',
            ),
            "* sequences' accuracy not shown": (
                'summary["sequence_accuracy"].notna().any()',
                'summary["sequence_accuracy"].isna().any()',
            ),
            "few people go unsaid": (
                '(records["people"] < FEW_PEOPLE)][',
                '(records["people"] < 0)][',
            ),
        },
    ),
    "ferdis/report/notes.py": (
        (DEFINITIONS, SCORED, NOTES, RUNNER),
        {
            "the best fold, not the mean of the best": (
                '["test_accuracy"].max().mean()',
                '["test_accuracy"].max().max()',
            ),
            "the best of all epochs for all": (
                'one.groupby("epoch")["test_accuracy"].mean().max()',
                'one["test_accuracy"].max()',
            ),
            "chance of two classes": ("100 / len(record['faces']['classes'])", "100 / 2"),
            "shares of a leak in tens": ('f"{100 * share:.1f} % of its', 'f"{10 * share:.1f} % of its'),
            "systems that were given nothing were given it": (
                '        if line.reference != "none"\n',
                '        if line.reference == "none"\n',
            ),
            "resumed fits are all fits": ("f\"{fits['resumed'].sum()} fits were", 'f"{len(fits)} fits were'),
            "many seeds in a row though one lacks": (
                "len(seeds) > 5 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))",
                "len(seeds) > 5",
            ),
            "departures of the published list unsaid": (
                "    return [*([leak] if leak else []), *found]",
                "    return [*([leak] if leak else [])]",
            ),
            "a leaking list is not said": ("    return [*([leak] if leak else []), *found]", "    return found"),
            "tuned on all folds": (
                'where = "all folds" if winner["fold"] is None',
                'where = "all folds" if not winner["fold"]',
            ),
            "people of the first system": (
                'each = rows.drop_duplicates(["system", "reference"])',
                'each = rows.drop_duplicates(["reference"])',
            ),
            "one system's notes for all": (
                '*(str(note) for system in record["systems"].values() for note in system.get("notes", [])),',
                "",
            ),
            "the set's notes lost": ('        *map(str, record["faces"]["attrs"].get("notes", [])),\n', ""),
        },
    ),
    "ferdis/sweep/sweep.py": (
        (OBJECTIVE, SWEEP),
        {
            "scored on those it trained on": (
                "part.faces[fold.train], part.faces[fold.test], watch",
                "part.faces[fold.train], part.faces[fold.train], watch",
            ),
            "the best epoch, whatever the selection": (
                'max(self.scores) if selection == "validation" else self.scores[-1]',
                "max(self.scores)",
            ),
            "the best inner fold": (
                "earned += watch.score(plan.selection)",
                "earned = n * watch.score(plan.selection)",
            ),
            "the sum of inner folds": ("return earned / n\n", "return earned\n"),
            "the seed of inner folds ignored": ("validation_folds=0, seed=plan.seed)", "validation_folds=0, seed=0)"),
            "the seed of the fits ignored": ("seeded_clone(candidate, plan.seed)", "seeded_clone(candidate, 0)"),
            "proposals alike in every fold": ("derived_seed(plan.seed, fold or 0)", "derived_seed(plan.seed, 0)"),
            "those set aside by the order of names": (
                'key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())',
                ")",
            ),
            "steps of all inner folds alike": ("earned, n, k * _FOLD_STEPS)", "earned, n, 0)"),
            "reported without the folds before": ("self.report(self.earned + value,", "self.report(value,"),
        },
    ),
}
