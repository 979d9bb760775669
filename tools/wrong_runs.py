"""Wrong programs in runs and what is made of them: a part of ``tools/wrong_programs.py``."""

from __future__ import annotations

TUNED, ESTIMATE = "tests/evaluation/test_tuned_parameters.py", "tests/evaluation/test_runtime_estimate.py"
ONE, VERIFIED = "tests/evaluation/test_one_fit.py", "tests/evaluation/test_verify_checks.py"
AFTERWARDS, EVERYBODY = "tests/evaluation/test_finishing.py", "tests/evaluation/test_fit_of_everybody.py"
WORKERS = "tests/evaluation/test_worker_pool.py"

RUNS: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]] = {
    "ferdis/evaluation/runner.py": (
        ("tests/evaluation/test_what_is_passed_on.py",),
        {
            "* systems do not check themselves": (
                "        if isinstance(estimator, ChecksItself):\n            estimator.check()\n",
                "",
            ),
            "* people counted by images": (
                '"people": len(set(faces.subject)) if faces.has_subjects',
                '"people": len(faces.subject) if faces.has_subjects',
            ),
            "departures from a published protocol forgotten": (
                'return about | ({"departures": departures} if departures else {})',
                "return about",
            ),
            "the name of the data set ignored": (
                'dataset or str(faces.attrs.get("dataset", "unnamed"))',
                'str(faces.attrs.get("dataset", "unnamed"))',
            ),
            "* leaking folds counted, not leaks": (
                "sum(len(report.leaks) for report in leaking)",
                "len(leaking)",
            ),
            "arguments of the caller not kept": (
                "_fold_lists(run, faces, folds), arguments, report)",
                "_fold_lists(run, faces, folds), None, report)",
            ),
            "partitions ignored": ("seeds, partitions\n    )", "seeds, 1\n    )"),
            "* name spaces of winners always refused": (
                "systems, faces, mine, allow_overlap=allow_overlap)",
                "systems, faces, mine)",
            ),
            "stress not asked for": ("    if stressed:\n", "    if False:\n"),
            "stress always": ("    if stressed:\n", "    if True:\n"),
            "rows of all systems under one digest": (
                'digest(deciding_parameters(record["systems"][name])) for name',
                'digest(deciding_parameters(next(iter(record["systems"].values())))) for name',
            ),
            "time of one fit at a time told": (
                "tell_estimate(pending, workers.n_jobs)",
                "tell_estimate(pending, 1)",
            ),
            "finished fits estimated as well": (
                "tell_estimate(pending, workers.n_jobs)",
                "tell_estimate(jobs, workers.n_jobs)",
            ),
            "shared seconds of every fold added": (
                "max(shared.get(outcome.task.system, 0.0), outcome.shared_seconds)",
                "shared.get(outcome.task.system, 0.0) + outcome.shared_seconds",
            ),
            "failures in the order of their end": ("        failed.sort(key=lambda item: item.task)\n", ""),
            "as many finished as were to do": (
                "the other {len(jobs) - len(failed)} are",
                "the other {len(jobs)} are",
            ),
            "a failed fit looks like another": (
                'f"{outcome.task} FAILED" if outcome.error else str(outcome.task)',
                "str(outcome.task)",
            ),
            "a finished fold is locked": (
                "for job in ours if not run.is_done(job.task)]",
                "for job in ours]",
            ),
            "one protocol too few is only noticed by zip": ("if len(parts) != len(seeds):", "if False:"),
            "devices of a system overlooked": (
                'getattr(system, "devices", 1) not in (1, "1")',
                'getattr(system, "device", 1) not in (1, "1")',
            ),
        },
    ),
    "ferdis/evaluation/fit_and_score.py": (
        (ONE,),
        {
            "the first of all classes, not of the images given": (
                'kind = f"{given.classes[0]} "',
                'kind = f"{faces.classes[0]} "',
            ),
            "as many as there are people": (
                "most = int(pd.Series(given.subject).value_counts().max())",
                "most = int(pd.Series(given.subject).nunique())",
            ),
            "said to have been given without asking": (
                'reference_name(job.faces, job.fold) if uses_reference(estimator) else "none"',
                "reference_name(job.faces, job.fold)",
            ),
            "* every fit counts as gone on": ("resumed = training.exists()", "resumed = True"),
            "* validation people counted that chose nothing": (
                'len(job.fold.validation) if job.selection == "validation" else 0',
                "len(job.fold.validation)",
            ),
            "* notes of the system lost": (
                '*(estimator.describe().get("notes", []) if isinstance(estimator, Describes) else []),\n',
                "",
            ),
            "* scoring counted as fitting": (
                '"fit_seconds": round(fitted - start, 3)',
                '"fit_seconds": round(scored - start, 3)',
            ),
            "* a column of the table in the place of ours": (
                'rows[f"table_{name}" if name in rows or name.startswith("p_") else name]',
                "rows[name]",
            ),
            "* columns of the table like probabilities": (
                'if name in rows or name.startswith("p_") else name]',
                "if name in rows else name]",
            ),
            "what a fit left lies on": ("        if item.is_file():\n            item.unlink()\n", "        pass\n"),
            "an error of before is kept": (
                '    (job.folder / "error.txt").unlink(missing_ok=True)\n',
                "",
            ),
            "shared seconds since the process began": (
                "shared_seconds=seconds_spent() - before)",
                "shared_seconds=seconds_spent())",
            ),
            "random_state left alone": ('for name in ("seed", "random_state"):', 'for name in ("seed",):'),
            "unknown classes let pass": ("unknown = sorted(set(fitted) - set(classes))", "unknown = []"),
            "the name of one set for all rows": (
                'table["dataset"].to_numpy(str) if "dataset" in table else job.dataset',
                "job.dataset",
            ),
        },
    ),
    "ferdis/evaluation/fold_batches.py": (
        ("tests/evaluation/test_batch_of_fits.py",),
        {
            "each fold of a batch has a line": ("job.lines and job is batch.jobs[0]", "job.lines"),
            "one fit of a batch that died is told": (
                "(replace(ended, task=job.task) for job in known[ended.task].jobs)",
                "(ended,)",
            ),
            "what died is told under one name": (
                "(replace(ended, task=job.task) for job in known[ended.task].jobs)",
                "(ended for job in known[ended.task].jobs)",
            ),
            "batches one after the other": (
                "if workers.n_jobs == 1 or len(batches) == 1:",
                "if True:",
            ),
            "the choice told unasked": ("if tell and line:", "if line:"),
            "all cores for the timing": (
                "joblib.cpu_count() // workers.n_jobs) if workers.n_jobs > 1 else None)",
                "joblib.cpu_count()) if workers.n_jobs > 1 else None)",
            ),
            "the timed fits draw bars": ('(("progress", False), ("logger", None))', '(("logger", None),)'),
            "the timed fits write logs": ('(("progress", False), ("logger", None))', '(("progress", False),)'),
            "test people timed": ("fit(job.faces[job.fold.train])", "fit(job.faces[job.fold.test])"),
        },
    ),
    "ferdis/evaluation/workers.py": (
        (WORKERS,),
        {
            "a whole GPU refused": ("not 0 < self.gpus_per_fold <= 1:", "not 0 < self.gpus_per_fold < 1:"),
            "every worker uses all cores": (
                "threads = max(1, joblib.cpu_count() // n_jobs)",
                "threads = joblib.cpu_count()",
            ),
            "no thread where processes are many": (
                "threads = max(1, joblib.cpu_count() // n_jobs)",
                "threads = joblib.cpu_count() // n_jobs",
            ),
            "threads not passed on": (
                'sys.modules["torch"].set_num_threads(threads)',
                'sys.modules["torch"].set_num_threads(1)',
            ),
            "workers write on the terminal": (
                'os.environ["TTY_COMPATIBLE"] = "0"',
                'os.environ["TTY_COMPATIBLE"] = "1"',
            ),
            "a death too many": ("if deaths[some[0].task] > RETRIES:", "if deaths[some[0].task] > RETRIES + 1:"),
            "never alone": ("alone = broken >= RETRIES", "alone = False"),
            "alone at once": ("alone = broken >= RETRIES", "alone = True"),
            "whoever is first is blamed": (
                "deaths[some[0].task] += alone",
                "deaths[some[0].task] += 1",
            ),
            "what is finished is done again": (
                "                del left[outcome.task]\n                yield outcome",
                "                yield outcome\n            left.clear()",
            ),
            "Ctrl-C is ignored from then on": ("        signal.signal(signal.SIGINT, before)\n", "        pass\n"),
            "GPUs not shared out": (
                "_in_processes(function, jobs, self.n_jobs, self.gpus_per_fold)",
                "_in_processes(function, jobs, self.n_jobs, None)",
            ),
            "processors and GPUs of Ray swapped": (
                "jobs, self.cpus_per_fold, self.gpus_per_fold)",
                "jobs, self.gpus_per_fold, self.cpus_per_fold)",
            ),
            "a process takes a GPU twice": ("    while not _taken:", "    while True:"),
            "the same GPU for all": (
                'os.environ["CUDA_VISIBLE_DEVICES"] = device\n',
                'os.environ["CUDA_VISIBLE_DEVICES"] = devices[0]\n',
            ),
        },
    ),
    "ferdis/evaluation/ray_workers.py": (
        ("tests/evaluation/test_ray_asked.py",),
        {
            "faces sent with every job": ("if id(value) not in self._sent:", "if True:"),
            "a job keeps its faces": ("folder=folder, faces=None, estimator=None)", "folder=folder, estimator=None)"),
            "a folder relative to the node": ("folder = job.folder.absolute()", "folder = job.folder"),
            "one try less": ("if deaths[job.task] <= RETRIES:", "if deaths[job.task] < RETRIES:"),
            "deaths of all jobs together": ("deaths[job.task] += 1", "deaths.update(job.task for job in jobs)"),
            "what died is forgotten": ("                    running[submit(job)] = job\n", ""),
            "the GPU of a fit not reserved": ('"num_gpus": gpus_per_fold or 0', '"num_gpus": 0'),
            "as many processors as GPUs": ('"num_cpus": cpus_per_fold', '"num_cpus": gpus_per_fold or 1'),
            "the cache stays at home": ("    os.environ.update(settings)\n", ""),
            "one thread on each node": ("    prepare_worker(threads)\n", "    prepare_worker(1)\n"),
            "nodes that are gone counted": ('for node in ray.nodes() if node["Alive"]]', "for node in ray.nodes()]"),
            "processors of all nodes together": (
                "most = max((node.get(kind, 0) for node in nodes), default=0)",
                "most = sum(node.get(kind, 0) for node in nodes)",
            ),
            "just enough is refused": ("        if wanted > most:", "        if wanted >= most:"),
            "an address without a port is knocked at": ("    if not colon:\n        return\n", ""),
            "a connection of others is closed": ("    if ray.is_initialized():\n        yield\n        return\n", ""),
        },
    ),
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
    "ferdis/evaluation/runtime_estimate.py": (
        (ESTIMATE,),
        {
            "* images of the first fold": (
                "mean_images = float(np.mean([len(fold.train) for fold in folds]))",
                "mean_images = float(len(folds[0].train))",
            ),
            "* more processes than fits": ("/ min(n_jobs, fits)", "/ n_jobs"),
            "one fit of each system": (
                "sum(counts[name] * value for name, value in seconds.items() if value is not None)",
                "sum(value for name, value in seconds.items() if value is not None)",
            ),
            "* counts not passed": ("n_jobs=n_jobs, counts=counts)", "n_jobs=n_jobs)"),
            "* the process that waits needs nothing": (
                "processes = 1 if self.n_jobs == 1 else self.n_jobs + 1",
                "processes = self.n_jobs",
            ),
            "* one accelerator's memory": (
                "{self.n_jobs * self.accelerator_gb:.1f} GB",
                "{self.accelerator_gb:.1f} GB",
            ),
            "* what an estimator knows is for all images": (
                "estimator.estimate_seconds(train)) * images / len(train)",
                "estimator.estimate_seconds(train))",
            ),
            "epochs of decay counted": ('startswith(("decay", "pretrain"))', 'startswith("pretrain")'),
            "* timed on four batches": ("min(_SLICE, 2 * batch if", "min(_SLICE, 4 * batch if"),
            "* warming up counted": (
                "    _time_fit(estimator, few, ones)  # the first fit",
                "    pass  # the first fit",
            ),
            "single epochs counted twice": ("return total - min(stages, once)", "return total"),
            "* classes as they come": ("order = np.lexsort((train.expression, turn))", "order = np.arange(len(train))"),
            "* fewer than two of a class": ("max(count, 2 * len(train.classes))", "count"),
            "* threads not given back": ("        torch.set_num_threads(before)\n", "        pass\n"),
            "* bytes for kilobytes": (
                '(1e9 if sys.platform == "darwin" else 1e6)',
                '(1e6 if sys.platform == "darwin" else 1e9)',
            ),
            "validation people idle though they choose": (
                'if selection != "last" or not held:',
                "if not held:",
            ),
            "idle people as a share of the training part": (
                "len(fold.validation) / (len(fold.train) + len(fold.validation))",
                "len(fold.validation) / len(fold.train)",
            ),
            "* an error of the estimate stops the run": (
                "    except Exception as error:\n        print",
                "    except KeyError as error:\n        print",
            ),
            "remarks said once for each system": ("return list(dict.fromkeys(lines))", "return lines"),
            "* a pretraining of systems without one": (
                'if parameters.get("pretrain") is None:\n        return 0.0',
                "if False:\n        return 0.0",
            ),
        },
    ),
    "ferdis/evaluation/tuned_parameters.py": (
        (TUNED,),
        {
            "people of the winner's sets let pass": (
                "            if not allow_overlap:\n",
                "            if allow_overlap:\n",
            ),
            "* the file not named": ("f' ({own.source})' if own.source else ''", "''"),
            "* digests of 6 digits": ("_DIGITS = 12", "_DIGITS = 6"),
            "the source is recorded": ('if name != "source"}', "}"),
            "* images counted as one person": (
                "return faces.subject if faces.has_subjects else row_names(faces)",
                'return faces.subject if faces.has_subjects else np.full(len(faces), "")',
            ),
            "* notes of the loader lost": ('*kept.attrs.get("notes", []),\n', ""),
            "* images set aside counted": ('f"{out.sum()} people', 'f"{out[person].sum()} people'),
            "* the first of several winners": ("    if len(own) != 1:", "    if not own:"),
            "advice for folds where people were set aside": (
                "    if winner.fold is None:\n        return",
                "    if winner.fold is not None:\n        return",
            ),
            "* a name space is like itself": ("tested & (group - {tuned})", "tested & group"),
            "* any part of a name is its space": (
                'name.split("/", 1)[0] for name in names if "/" in name',
                'name.split("/", 1)[0] for name in names',
            ),
            "unknown entries are taken": (
                "if unknown := sorted(set(record) - known):",
                "if unknown := sorted(known - set(record) - known):",
            ),
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
