"""Wrong programs in runs, up to their rows: a part of ``tools/wrong_programs.py``."""

from __future__ import annotations

from tools.wrong_form import Programs

TUNED, ESTIMATE = "tests/evaluation/test_tuned_parameters.py", "tests/evaluation/test_runtime_estimate.py"
ONE, WORKERS = "tests/evaluation/test_one_fit.py", "tests/evaluation/test_worker_pool.py"

RUNS: Programs = {
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
    "ferdis/evaluation/runtime_estimate.py": (
        (ESTIMATE,),
        {
            "a wrapped system's pretraining counted again": (
                "in {id(system): system for system in systems.values()}.items()",
                "in [(id(system), system) for system in systems.values()]",
            ),
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
}
