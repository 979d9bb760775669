"""Wrong programs in published tables, recipes and packed runs, turns and shared seconds.

A part of ``tools/wrong_programs.py``, in its form.
"""

from __future__ import annotations

from tools.wrong_finished import EVERYBODY
from tools.wrong_form import Programs

BARS = "tests/test_progress.py"
FOLDER = "tests/test_run_folder.py"
TABLES = "tests/reproduce/test_what_is_run.py"

REPRODUCED: Programs = {
    "ferdis/reproduce/run.py": (
        (TABLES,),
        {
            "fewer people than asked for": ("epochs, dry_run or 20, jobs", "epochs, 20, jobs"),
            "one fit at a time": ("dry_run or 20, jobs, None", "dry_run or 20, 1, None"),
            "epochs not passed": ("small, epochs, dry_run", "small, None, dry_run"),
            "weights not passed": ('{"weights": weights} if weights else None', "None"),
            "columns of one table": ("for column in _columns(name, given", "for column in _columns(tables[0], given"),
            "small and full runs share a folder": (
                "place = out / f\"{name}-{own}{'-small' * shared.small}\"",
                'place = out / f"{name}-{own}"',
            ),
            "columns share a folder": (
                "place = out / f\"{name}-{own}{'-small' * shared.small}\"",
                "place = out / f\"{name}{'-small' * shared.small}\"",
            ),
            "the set's name for the column's": (
                "replace(shared, dataset=column, root",
                "replace(shared, dataset=own, root",
            ),
            "all folders are the first's": ('further = [f"{one}={given[one]}"', 'further = [f"{one}={given[own]}"'),
            "the paper's cost for the small": ('["small" if small else "paper"]', '["paper" if small else "paper"]'),
            "only the last column is kept": ("pd.concat(found, ignore_index=True)", "found[-1]"),
        },
    ),
    "ferdis/reproduce/tables.py": (
        (TABLES,),
        {
            "changes not passed on": ("**(options.changes or {})}", "}"),
            "the extra faces do not train": (
                "estimators = ROWS[name](options.small, extra, changes)",
                "estimators = ROWS[name](options.small, None, changes)",
            ),
            "jobs not passed on": ("n_jobs=options.jobs,", "n_jobs=1,"),
            "* the protocol's settings not passed on": (
                'PROTOCOLS[plan["protocol"]["name"]](**settings)',
                'PROTOCOLS[plan["protocol"]["name"]]()',
            ),
            "figures of the other paper": ('(published.paper == plan["paper"]) & (', "("),
            "figures of another table": (' & (published.table == plan["table"])', ""),
            "other numbers of images not said": ('if len(faces) != column["images"]:', "if False:"),
            "other numbers of people not said": ('people != column["people"]:', 'people == column["people"]:'),
            "with and without swapped": (
                'further["without" if extra is None else "with"]',
                'further["with" if extra is None else "without"]',
            ),
            "notes of the loader left out": (
                '    lines += [f"the loader says: {note}" for note in faces.attrs.get("notes", ())]\n',
                "",
            ),
            "folds always ours": ('    if plan["protocol"]["name"] == "subject-kfold":\n', "    if True:\n"),
            "people of a dry run train again": (
                "image_size=faces.shape[1], seed=2000",
                "image_size=faces.shape[1], seed=0",
            ),
            "framed as drawn": ('"drawn" if faces.attrs.get("aligned") == "drawn" else "aligned"', '"drawn"'),
            "one number for all folds": ('f"{min(n):,} to {max(n):,}" for n', 'f"{max(n):,}" for n'),
            "differences not written": (
                '    (Path(out) / "differences.md").write_text(unlike, encoding="utf-8")',
                "    pass",
            ),
            "an error is no error": ("        return 2\n", "        return 0\n"),
            "small networks not said": ('"small networks" * options.small', '"small networks" * (not options.small)'),
            "the official set at its own size": ('**{"image_size": faces.shape[1], **chosen}', "**chosen"),
            "columns of the plan not loaded with its arguments": (
                'root=options.root, **column["arguments"])',
                "root=options.root)",
            ),
        },
    ),
    "ferdis/reproduce/plans.py": (
        (TABLES,),
        {
            "training sets not named": (
                'list(dict.fromkeys([*(column["dataset"] for column in about["columns"].values()), *further]))',
                'list(dict.fromkeys(column["dataset"] for column in about["columns"].values()))',
            ),
            "sets named twice": ("return list(dict.fromkeys([*(column", "return list(([*(column"),
            "what is there is missing": ("        if name not in given:", "        if name in given:"),
            "where to get it not said": ("{there.layout}; {there.where}", "{there.layout}"),
            "all for training only": ("if name in tested else f", "if name not in tested else f"),
            "costs swapped": (
                "{about['cost']['paper']}; --small: {about['cost']['small']}",
                "{about['cost']['small']}; --small: {about['cost']['paper']}",
            ),
        },
    ),
    "ferdis/run_folder/recipe.py": (
        (EVERYBODY,),
        {
            "true and predicted swapped": (
                'rows["true"].map(number), rows["predicted"].map(number)]',
                'rows["predicted"].map(number), rows["true"].map(number)]',
            ),
            "rows of all systems": ('rows = run.rows[run.rows["system"] == system]', "rows = run.rows"),
            "each seed another recipe": ('_SEEDS = ("seed", "random_state")', '_SEEDS = ("random_state",)'),
            "settings that change no row tell recipes apart": (
                "left_out = (*_SEEDS, *NON_REPRODUCIBILITY_PARAMS)",
                "left_out = _SEEDS",
            ),
            "a record without a seal is taken": (
                "    if not check_seal(path, record, mend=_MEND):",
                "    if check_seal(path, record, mend=_MEND) is None:",
            ),
            "a record of another model is taken": (
                'or file_digest(folder / "estimator.json") != record["estimator_sha256"]',
                "or False",
            ),
            "what was measured not checked": ('    if record.get("measured") is not None:\n', "    if False:\n"),
            "sealed or not": ('"sealed": run.sealed', '"sealed": True'),
        },
    ),
    "ferdis/run_folder/packing.py": (
        ("tests/test_packing.py",),
        {
            "the weights always": ("if weights or name in _TABLES]", "]"),
            "nothing said of weights left out": (
                'left_out = [] if weights else ["weights"]',
                "left_out: list[str] = []",
            ),
            "pictures go in": ('not in (".png", ".jpg", ".jpeg")]', 'not in (".jpg", ".jpeg")]'),
            "capitals hide a picture": (".suffix.lower() not in", ".suffix not in"),
            "folds of seeds left out": ('    chosen += root.glob("seed-*/folds.csv")\n', ""),
            "an earlier pack goes in": ("set(chosen) - {root / PACK}", "set(chosen)"),
            "hidden files go in": (' and not path.name.startswith(".")', ""),
            "runs packed unchecked": ("    read_run(root)\n", ""),
            "any place below the root": (
                'if place.is_absolute() or ".." in place.parts or',
                'if ".." in place.parts or',
            ),
            "the time of packing": (
                "            info = zipfile.ZipInfo(name, _TIME)\n",
                "            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, len(name) % 60))\n",
            ),
            "files as they are, not packed": ("            info.compress_type = zipfile.ZIP_DEFLATED\n", ""),
            "a folder named by a path": ('.replace("/", "-")', ""),
        },
    ),
    "ferdis/run_folder/machine.py": (
        (FOLDER,),
        {
            "changes not said": ('return f"{head[:12]}+changes" if _git', "return head[:12] if _git"),
            "* files that git does not know are changes": (', "--untracked-files=no"', ""),
            "* versions as they were asked for": ("return importlib.metadata.version(package)", "return package"),
            "* a package that is absent stops the run": (
                "except importlib.metadata.PackageNotFoundError:",
                "except KeyError:",
            ),
            "* local time": ("datetime.datetime.now(datetime.timezone.utc)", "datetime.datetime.now()"),
            "* the processor by its first line": (
                'if line.startswith("model name"):',
                'if line.startswith("vendor_id"):',
            ),
            "* megabytes": ("/ 1e9, 1)", "/ 1e6, 1)"),
            "* cores for threads": ('"torch_threads": torch.get_num_threads()', '"torch_threads": joblib.cpu_count()'),
        },
    ),
    "ferdis/training/turns.py": (
        ("tests/training/test_turns.py",),
        {
            "Python's state not kept": (
                "        self.python = random.getstate()\n",
                '        self.python = getattr(self, "python", random.getstate())\n',
            ),
            "Python's state not put back": ("        random.setstate(self.python)\n", ""),
            "an error answers": ("        if isinstance(answer, BaseException):\n            raise answer\n", ""),
            "an error is a result": ("        if self._error is not None:\n            raise self._error\n", ""),
            "waiting counts": ("return self.seconds + time.perf_counter() - self._since", "return time.perf_counter()"),
            "the last turn's seconds": (
                "self.seconds += time.perf_counter() - self._since",
                "self.seconds = time.perf_counter() - self._since",
            ),
            "a turn ends undisturbed": ("        _thread.turn = before\n", "        pass\n"),
            "remarks of each alone": (
                "self.remarks = [] if remarks is None else remarks",
                "self.remarks: list[str] = []",
            ),
            "stopped functions go on": (
                "        self._its.acquire()\n        if self._stopping:\n            raise Stopped\n",
                "        self._its.acquire()\n",
            ),
        },
    ),
    "ferdis/training/shared.py": (
        ("tests/training/test_shared_seconds.py",),
        {
            "epochs not counted": ("return max(step, 0.0) * steps * stage.epochs", "return max(step, 0.0) * steps"),
            "steps of the few": (
                "return max(step, 0.0) * steps * stage.epochs",
                "return max(step, 0.0) * _MORE * stage.epochs",
            ),
            "the first of several stages": (
                "sum(_seconds(stage, ahead.arguments) for stage in ahead.stages)",
                "_seconds(ahead.stages[0], ahead.arguments)",
            ),
            "all batches timed": (
                "return list(islice(self.batches(epoch), self.count))",
                "return list(self.batches(epoch))",
            ),
            "negative seconds": ("return max(step, 0.0) * steps", "return step * steps"),
            "what is there is trained again": (
                "        if not weights.is_file():\n            Trainer",
                "        if True:\n            Trainer",
            ),
            "a look that never ends": ("    finally:\n        _looking = False", "    finally:\n        pass"),
            "bars of the timed steps": ('{**arguments, "progress": False}', "arguments"),
            "every training under one name": ("default_directory() / kind / signature", "default_directory() / kind"),
            "the wait of an error not counted": (
                "    try:\n        yield\n    finally:\n        _spent += time.monotonic() - start",
                "    yield\n    _spent += time.monotonic() - start",
            ),
        },
    ),
    "ferdis/progress.py": (
        (BARS,),
        {
            "* lines of the block go on": ("        _told.reset(before)\n", "        pass\n"),
            "time left of all steps": (
                'return f"{text}, about {duration(each * (self.total - self.done))} left"',
                'return f"{text}, about {duration(each * self.total)} left"',
            ),
            "* steps done before make it faster": ("/ (self.done - self._before)", "/ self.done"),
            "what is apart is added": (
                "time.monotonic() - self._start - self.apart",
                "time.monotonic() - self._start + self.apart",
            ),
            "a total that becomes known is forgotten": (
                "self.total = self.total if total is None else total",
                "self.total = self.total",
            ),
            "* one step whatever the count": (
                "self.update(self.done + count, name=name)",
                "self.update(self.done + 1, name=name)",
            ),
            "* a name is a step": ("return moved and (self.each or", "return (self.each or"),
            "lines where none are wanted": (
                "self.lines, self.apart = shown or lines, 0.0",
                "self.lines, self.apart = True, 0.0",
            ),
            "* bars stay when a short thing ends": ("transient=not self.each", "transient=self.each"),
            "a bar on the screen for what is finished": (" and not finished:", ":"),
        },
    ),
}
