"""Wrong programs in what is made of finished fits: a part of ``tools/wrong_programs.py``."""

from __future__ import annotations

from tools.wrong_form import Programs
from tools.wrong_runs import ONE

VERIFIED, AFTERWARDS = "tests/evaluation/test_verify_checks.py", "tests/evaluation/test_finishing.py"
EVERYBODY = "tests/evaluation/test_fit_of_everybody.py"

FINISHED: Programs = {
    "ferdis/evaluation/finishing.py": (
        (AFTERWARDS,),
        {
            "seed and fold of histories swapped": (
                '"seed": job.task.seed, "fold": job.task.fold}',
                '"seed": job.task.fold, "fold": job.task.seed}',
            ),
            "NA of a history is missing": ("read_csv(path, dtype=str, keep_default_na=False)", "read_csv(path)"),
            "seconds of all folds": ('.groupby(done["system"]).mean()', '.groupby(done["system"]).sum()'),
            "seconds without the scoring": (
                '(done["fit_seconds"] + done["predict_seconds"])',
                'done["fit_seconds"]',
            ),
            "seconds by position": ('table["system"].map(seconds).round(1)', "seconds.round(1).to_numpy()"),
            "width and height swapped": ('map(str, faces["size"]))', 'map(str, faces["size"][::-1]))'),
            "the last fit is shown": ("for job in reversed(jobs)}", "for job in jobs}"),
            "the confusion of all systems": (
                'figures.confusion_matrix(rows[rows["system"] == name])',
                "figures.confusion_matrix(rows)",
            ),
            "losses of all systems": ('loss_curves(losses[losses["system"] == name]', "loss_curves(losses"),
            "training faces shown as test faces": (
                "job.faces[job.fold.test], averages",
                "job.faces[job.fold.train], averages",
            ),
            "averages of the people shown": (
                "class_averages(job.faces[job.fold.train])",
                "class_averages(job.faces[job.fold.test])",
            ),
            "own averages not shown": ('getattr(estimator, "averages_", None) or ', ""),
        },
    ),
    "ferdis/evaluation/afterwards.py": (
        (AFTERWARDS,),
        {
            "all is done again": (
                'if not (job.folder / f"{name}.csv").exists()]',
                "]",
            ),
            "failures are passed over": ("            if outcome.error is not None:", "            if False:"),
            "an error leaves no trace": (
                '            run_folder.write_text(job.folder / "error.txt", traceback.format_exc())',
                "            pass",
            ),
            "only what is new is joined": (
                "columns, **reading) for job in jobs]",
                "columns, **reading) for job in pending or jobs]",
            ),
            "how to read is not passed on": ("columns, **reading) for job", "columns) for job"),
            "tables without their columns are taken": (
                'f"{name}.csv", columns, **reading)',
                'f"{name}.csv", **reading)',
            ),
        },
    ),
    "ferdis/evaluation/result.py": (
        (AFTERWARDS,),
        {
            "the confusion of all systems": (
                'self.rows[self.rows["system"] == name])',
                "self.rows)",
            ),
            "the first system for want of a name": (
                "if system is None and len(names) == 1 else system",
                "if system is None else system",
            ),
            "shares, not per cent": ("{100 * line.accuracy:.1f} %", "{line.accuracy:.1f} %"),
            "the report always into the run": ("if out is None else out)", ")"),
            "the page linked is the folder's": ("(pages or [self.folder])[0].as_posix()", "self.folder.as_posix()"),
        },
    ),
    "ferdis/evaluation/model_card.py": (
        ("tests/evaluation/test_model_card.py",),
        {
            "the last epoch is the best": (
                "'the last epoch' if evidence.selection == 'last' else",
                "'the last epoch' if evidence.selection != 'last' else",
            ),
            "people who chose the epoch not said": ('chose = fit.get("validation_people")', "chose = None"),
            "recalls of predicted classes": (
                'metrics.recalls(part["true"], part["predicted"], evidence.classes)',
                'metrics.recalls(part["predicted"], part["true"], evidence.classes)',
            ),
            "images by answer": (
                '[part["true"].value_counts() for part in parts]',
                '[part["predicted"].value_counts() for part in parts]',
            ),
            "few is few enough": ("if count < _FEW]", "if count > _FEW]"),
            "synthetic people not said": (
                'preprocessing.get("name") == "drawn"',
                'preprocessing.get("name") == "aligned"',
            ),
            "unsealed runs look sealed": ("    if not evidence.sealed:", "    if evidence.sealed:"),
            "notes of the system left out": (
                'return [*lines, *(f"- {note}" for note in system.notes_)]',
                "return lines",
            ),
            "other images not said": (
                'lines += [f"- {evidence.others}."] if evidence.others else []',
                "",
            ),
            "the model's accuracy is the protocol's": (
                "Accuracy of this model: {100 * evidence.fold_accuracy:.2f} %",
                "Accuracy of this model: {100 * mean:.2f} %",
            ),
            "a share in the place of per cent": ("UAR {100 * evidence.uar:.2f} %", "UAR {evidence.uar:.2f} %"),
            "what draws is said to classify": ("    if draws:\n", "    if not draws:\n"),
        },
    ),
    "ferdis/evaluation/peeking.py": (
        (ONE,),
        {
            "epochs by their place": ('"epoch": _epoch_number(path)', '"epoch": len(records)'),
            "what was kept lies on": (
                '    shutil.rmtree(job.folder / "training" / "epochs", ignore_errors=True)',
                "    pass",
            ),
            "no reference images": (
                "class_probabilities(estimator, test, job.faces.classes, reference)",
                "class_probabilities(estimator, test, job.faces.classes)",
            ),
            "wrong answers counted": ("(predicted == truth)", "(predicted != truth)"),
            "digits of the name from the end": (
                'int("".join(filter(str.isdigit, path.stem)))',
                "int(path.stem[-1])",
            ),
        },
    ),
    "ferdis/evaluation/verify.py": (
        (VERIFIED,),
        {
            "* packed digests not compared": ('{**names, **(packed or {}).get("files", {})}', "names"),
            "* files without a digest let pass": ("        if names and name not in names:", "        if False:"),
            "fits of the first seed": (
                '    for seed in run.record["seeds"]:\n        for fold in sorted',
                '    for seed in run.record["seeds"][:1]:\n        for fold in sorted',
            ),
            "rows of the first seed": (
                '    for seed in run.record["seeds"]:\n        table = run',
                '    for seed in run.record["seeds"][:1]:\n        table = run',
            ),
            "ties are wrong": ("    if (wrong & ~ties).any():", "    if wrong.any():"),
            "leaks that were let pass are faults": (
                'allowed = bool(run.record.get("audit", {}).get("leaks"))',
                "allowed = False",
            ),
            "all leaks let pass": ('allowed = bool(run.record.get("audit", {}).get("leaks"))', "allowed = True"),
            "another selection not looked at": (
                'if set(run.rows["selection"]) - {run.record["selection"]} and run',
                "if False and run",
            ),
            "images not audited": ("        if report.leaks and not run.record", "        if False and not run.record"),
            "the audit's options not passed on": ("**options, raise_on_leak=False)", "raise_on_leak=False)"),
            "one row of each fit": ("each = -(-sample // max(len(fits), 1))", "each = 1"),
            "the first fits alone": (".permutation(len(fits))[:sample]", ".permutation(len(fits))[:1]"),
            "a set that cannot be loaded stops all": (
                "        except Exception as error:  # whatever is wrong with the images",
                "        except KeyError as error:  # whatever is wrong with the images",
            ),
            "other versions not said": (
                "if name in here and here[name] != version]",
                "if name in here and here[name] == version]",
            ),
            "unchecked counts as failed": (
                "return all(finding.state != FAILED for finding in self.findings)",
                "return all(finding.state == OK for finding in self.findings)",
            ),
            "labels of another set": (
                'if faces.digest() != run.record["faces"]["digest"]:',
                'if len(faces) != run.record["faces"]["images"]:',
            ),
            "reference images not given": (
                'faces[place[rows["path"]].to_numpy()], classes, given)',
                'faces[place[rows["path"]].to_numpy()], classes)',
            ),
            "parameters of tuned runs compared": ('    if run.record.get("tuned"):\n', "    if False:\n"),
        },
    ),
    "ferdis/evaluation/final_fit.py": (
        (EVERYBODY,),
        {
            "validation people not passed": (
                '{} if validation is None else {"validation": validation}',
                "{}",
            ),
            "the name of the data set ignored": (
                'dataset or str(faces.attrs.get("dataset", "unnamed"))',
                'str(faces.attrs.get("dataset", "unnamed"))',
            ),
            "arguments not kept": ("write_provenance(out, arguments or recipe)", "write_provenance(out, recipe)"),
            "checkpoints lie on": ("    shutil.rmtree(out / _TRAINING, ignore_errors=True)\n", ""),
            "a stopped fit starts anew": ('options["run_dir"] = out / _TRAINING', 'options["run_dir"] = out / "again"'),
            "a stopped fit is something else": ("stopped = (out / _TRAINING).is_dir()", "stopped = False"),
            "systems do not check themselves": (
                "    if isinstance(estimator, ChecksItself):\n        estimator.check()\n",
                "",
            ),
            "the winner's arguments forgotten": (
                '{**run.record["systems"][system], **common_winner(run, system)}',
                'run.record["systems"][system]',
            ),
            "the first of several winners": ("    if len(own) > 1:", "    if False:"),
            "winners of other systems": ("if winner.system == system]", "]"),
            "validation images not counted": ("Faces.concat([faces, validation])", "faces"),
            "images counted as people": (
                "return len(np.unique(faces.subject)) if faces.has_subjects else len(faces)",
                "return len(faces)",
            ),
            "the validation people do not tell models apart": (
                '"validation_digest": None if validation is None else validation.digest()',
                '"validation_digest": None',
            ),
        },
    ),
}
