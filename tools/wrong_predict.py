"""Wrong programs in prediction, export, preprocessing, and around evaluations, sweeps and reports: a part of
``tools/wrong_programs.py``, in the same form. Those marked * were accepted by the tests that there were.
"""

from __future__ import annotations

TABLE, PREDICTOR, COMMAND = (f"tests/predict/test_{name}.py" for name in ("table", "predictor", "command"))
DEFAULT, DRAWING = "tests/predict/test_without_a_model.py", "tests/predict/test_drawing.py"
DIFFERENCES, EXPORT = "tests/export/test_differences.py", "tests/export/test_export.py"
MODELS = "tests/test_saved_models.py"
WORKERS, TOGETHER = "tests/evaluation/test_workers.py", "tests/evaluation/test_fold_batches.py"
ESTIMATE, RUNNER = "tests/evaluation/test_runtime_estimate.py", "tests/evaluation/test_runner.py"
FRONT, SWEEP = "tests/test_front_door.py", "tests/sweep/test_sweep.py"
CACHE, PIPELINE = "tests/preprocess/test_cache.py", "tests/preprocess/test_pipeline.py"
STORE, IMAGES = "tests/preprocess/test_image_store.py", "tests/preprocess/test_images.py"
LEAKAGE, REPORT = "tests/protocol/test_leakage.py", "tests/report/test_report.py"
NOTES, EXTRAS = "tests/report/test_report_notes.py", "tests/report/test_report_extras.py"
TABLES = "tests/reproduce/test_tables.py"

PREDICTED: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]] = {
    "ferdis/predict/predictor.py": (
        (TABLE, PREDICTOR, DEFAULT),
        {
            "names of the first sixteen again": ("named[start + place] for", "named[place] for"),
            "names of the first sixteen faces again": ('"image": names[start + row]', '"image": names[row]'),
            "a PIL image as blue, green, red": (
                'np.array(image.convert("RGB"))',
                'np.array(image.convert("RGB"))[:, :, ::-1]',
            ),
            "abstains at the very probability": ("sure >= self.abstain_below", "sure > self.abstain_below"),
            "abstains by the expression before": ("probability[faces].max(1, initial=0)", "probability[faces].mean(1)"),
            "left and top swapped": (
                '_BOX = ("left", "top", "right", "bottom")',
                '_BOX = ("top", "left", "bottom", "right")',
            ),
            "crops of the network's size": (
                'self.preprocessing.get("image_size", [size])[0]',
                "size",
            ),
            "the last face of an image for all": (
                "for points in some.landmarks",
                "for points in some.landmarks[-1:].repeat(len(some.landmarks), 0)",
            ),
            "probabilities in the order of the file": (
                'answers["probabilities"], units',
                'answers["probabilities"][:, ::-1], units',
            ),
            "a grey image is red": (
                "np.repeat(image[:, :, None], 3, axis=2)",
                "image[:, :, None] * np.array([1, 0, 0], np.uint8)",
            ),
        },
    ),
    "ferdis/predict/command.py": (
        (TABLE, COMMAND, DEFAULT),
        {
            "frames one too few": ("limit), seen):", "limit and limit - 1), seen):"),
            "every n-th frame or all": ("islice(_frames(sources, every), limit)", "islice(_frames(sources, 1), limit)"),
            "sureness for accuracy": (
                "about['accuracy']:.0%} of the time",
                "about['mean_confidence']:.0%} of the time",
            ),
            "readable images counted with the others": ("self.images - len(self.unreadable)", "self.images"),
            "faces of all frames drawn in each": ('rows[rows["image"] == frame.name], classes)', "rows, classes)"),
        },
    ),
    "ferdis/predict/writing.py": (
        (TABLE, COMMAND, DEFAULT),
        {
            "a head for every sixteen images": ("index=False, header=not self.started", "index=False, header=True"),
            "faces from 0 for people": ("{row['face'] + 1:>4}", "{row['face']:>4}"),
            "the least probable first": ('key=lambda name: -row[f"p_{name}"]', 'key=lambda name: row[f"p_{name}"]'),
            "formulas in cells": ("guarded(rows).to_csv", "rows.to_csv"),
        },
    ),
    "ferdis/predict/drawing.py": (
        (DRAWING, COMMAND),
        {
            "boxes in pixels of the image": ("zoom * row[name], 0.0", "row[name], 0.0"),
            "limits of height and width swapped": (
                "(image.width - 1, image.height - 1) * 2",
                "(image.height - 1, image.width - 1) * 2",
            ),
            "the least probable shown": ("key=lambda name: -probability[name]", "key=lambda name: probability[name]"),
            "panels over faces": ("taken, places = list(boxes), []", "taken, places = [], []"),
        },
    ),
    "ferdis/predict/sources.py": (
        (TABLE, COMMAND),
        {
            "frames counted that are left out": ("-(-count_frames(self.name) // every)", "count_frames(self.name)"),
            "images of one name over each other": ("        while place in taken:\n", "        while False:\n"),
            "a video is an image": ("if name.lower().endswith(VIDEO_SUFFIXES)", "if name.endswith(VIDEO_SUFFIXES[:1])"),
        },
    ),
    "ferdis/onnx_model.py": (
        (EXPORT, "tests/zoo/test_zoo.py", DEFAULT),
        {
            "the first rows for all parts": ("given[start : start + _BATCH] for", "given[:_BATCH] for"),
            "outputs by name": (
                "zip(self.outputs, zip(*parts",
                "zip(sorted(self.outputs, reverse=True)[::-1], zip(*parts",
            ),
            "threads of the caller ignored": ("int(given) if threads is None else threads", "int(given or 0)"),
            "files of a newer version read": (
                'int(metadata["ferdis_format"]) > FORMAT',
                'int(metadata["ferdis_format"]) > FORMAT + 1',
            ),
        },
    ),
    "ferdis/export/__init__.py": (
        (DIFFERENCES, EXPORT),
        {
            "NaN is written": ("if not gap <= limit:", "if gap > limit:"),
            "other training faces compared": ("training.digest() != system.training_digest_", "not training.digest()"),
            "accuracies of test and training faces swapped": (
                '{"the fold\'s test people": test, "the training people": training}',
                '{"the fold\'s test people": training, "the training people": test}',
            ),
            "calibrated on the first faces": (
                "inputs_for(graph, spread(training, _CALIBRATION).pixels())",
                "inputs_for(graph, training[:2].pixels())",
            ),
        },
    ),
    "ferdis/export/differences.py": (
        (DIFFERENCES, EXPORT),
        {
            "the change the other way round": ("100 * (self.file - self.system)", "100 * (self.system - self.file)"),
            "the mean in the place of the largest": (
                "float(gap.max()), float(gap.mean())",
                "float(gap.mean()), float(gap.mean())",
            ),
            "the least probable class compared": (
                "found.argmax(1) == expected.argmax(1)",
                "found.argmin(1) == expected.argmin(1)",
            ),
            "system and file swapped": ("for predicted in (before, after)]", "for predicted in (after, before)]"),
            "the first faces alone": (
                "faces[np.unique(np.linspace(0, len(faces) - 1, min(count, len(faces))).astype(int))]",
                "faces[:count]",
            ),
        },
    ),
    "ferdis/export/writing.py": (
        (DIFFERENCES, EXPORT),
        {
            "calibrated on one batch": ("iter(range(0, count, _CALIBRATION_BATCH))", "iter([0])"),
            "the resize quantised too": ("nodes_to_exclude=_resizing(onnx.load(source))", "nodes_to_exclude=[]"),
            "eight bits of weights": ("reduce_range=True", "reduce_range=False"),
        },
    ),
    "ferdis/export/graph.py": (
        (EXPORT,),
        {
            "blue for red": ("planes = faces.permute(0, 3, 1, 2)", "planes = faces.flip(3).permute(0, 3, 1, 2)"),
            "height and width swapped": ("height @ planes @ width.T", "width @ planes @ height.T"),
            "images in [-1, 1]": ("((result + 1) / 2).clamp(0, 1)", "result.clamp(-1, 1)"),
            "shrunk without a filter": ("/ step.clamp(min=1)).clamp(min=0)", "/ 1.0).clamp(min=0)"),
            "the system itself put into eval mode and moved": (
                "copy.deepcopy(module).cpu().eval()",
                "module.cpu().eval()",
            ),
        },
    ),
    "ferdis/saved_models.py": (
        (MODELS,),
        {
            "accuracy of all folds for this model": ('tested=pooled[pooled["fold"] == fold]', "tested=pooled"),
            "people of all folds": ('part = lists[lists["fold"] == fold]', "part = lists"),
            "training and test people swapped": (
                'training_people=people.get("train")',
                'training_people=people.get("test")',
            ),
            "a changed set taken for the run's": (
                'faces.digest() != run_folder.read_record(self.run)["faces"]["digest"]',
                "not faces.digest()",
            ),
            "test faces for training faces": (
                "return faces[fold.train], faces[fold.test]",
                "return faces[fold.test], faces[fold.train]",
            ),
            "deviation over images": (
                'metrics.fold_accuracies(self.pooled)["accuracy"]',
                '(self.pooled["true"] == self.pooled["predicted"]).astype(float)',
            ),
        },
    ),
    "ferdis/evaluation/workers.py": (
        (WORKERS,),
        {
            "two fits on the first GPU first": ("tuple(known * each)[:n_jobs]", "tuple(sorted(known * each))[:n_jobs]"),
            "a third of a GPU is a half": ("each = int(1 / gpus_per_fold + 1e-9)", "each = round(1 / gpus_per_fold)"),
            "one death too many": ("if deaths[some[0].task] > RETRIES:", "if deaths[some[0].task] > RETRIES + 1:"),
            "threads of all cores in each process": (
                "threads = max(1, joblib.cpu_count() // n_jobs)",
                "threads = joblib.cpu_count()",
            ),
        },
    ),
    "ferdis/evaluation/result.py": (
        (FRONT,),
        {
            "one matrix for all systems": (
                'figures.confusion_matrix(self.rows[self.rows["system"] == name])',
                "figures.confusion_matrix(self.rows)",
            ),
            "the first system unasked": ("system is None and len(names) == 1", "system is None"),
            "shares in the place of per cent": ("{100 * line.accuracy:.1f} %", "{line.accuracy:.1f} %"),
        },
    ),
    "ferdis/evaluation/finishing.py": (
        (RUNNER,),
        {
            "seconds of the fit alone": ('(done["fit_seconds"] + done["predict_seconds"])', '(done["fit_seconds"])'),
            "averages of training faces": (
                "figures.average_faces(estimator, job.faces[job.fold.test]",
                "figures.average_faces(estimator, job.faces[job.fold.train]",
            ),
            "histories under the first fold": ('"fold": job.task.fold}', '"fold": jobs[0].task.fold}'),
        },
    ),
    "ferdis/evaluation/afterwards.py": (
        (RUNNER, "tests/report/test_report_noise.py"),
        {"tables made again": ('if not (job.folder / f"{name}.csv").exists()]', "]")},
    ),
    "ferdis/evaluation/runtime_estimate.py": (
        (ESTIMATE,),
        {
            "the images of the slice": ("total += epoch * epochs * images / len(few)", "total += epoch * epochs"),
            "once for each process": ("if value is not None) / min(n_jobs, fits)", "if value is not None)"),
            "a pretraining for each fold": ("total + shared if known", "total + fits * shared if known"),
            "single epochs twice": ("return total - min(stages, once)", "return total"),
            "the memory of one process": ('f"about {processes * self.memory_gb:.1f}', 'f"about {self.memory_gb:.1f}'),
        },
    ),
    "ferdis/evaluation/fold_batches.py": (
        (TOGETHER,),
        {
            "the slower way": ("if fused < apart:", "if fused > apart:"),
            "one kind whatever the arguments": ("return job.task.system, job.parameters", 'return job.task.system, ""'),
            "a large batch and a small one": (
                "cuts = [len(some) * number // count for",
                "cuts = [min(size * number, len(some)) for",
            ),
        },
    ),
    "ferdis/sweep/search_space.py": (
        ("tests/sweep/test_search_space.py",),
        {
            "a logarithmic scale drawn evenly": ("step=self.step, log=self.log)", "step=self.step, log=False)"),
            "the highest whole number never": (
                "int(self.low), int(self.high), step",
                "int(self.low), int(self.high) - 1, step",
            ),
            "steps of whole numbers ignored": ("step=int(self.step or 1)", "step=1"),
            "one condition is enough": (
                "if all(other in drawn and drawn[other] in values",
                "if not item.when or any(other in drawn and drawn[other] in values",
            ),
            "lists drawn as text": (
                "return texts[trial.suggest_categorical(name, list(texts))]",
                "return trial.suggest_categorical(name, list(texts))",
            ),
            "whole numbers for an argument that is none": (
                "integer = whole and not isinstance(now, float)",
                "integer = whole",
            ),
        },
    ),
    "ferdis/sweep/shared_study.py": (
        (SWEEP,),
        {
            "the worst wins": ('direction="maximize"', 'direction="minimize"'),
            "the same proposals in every trial": ("derived_seed(self._seed, number)", "derived_seed(self._seed, 0)"),
            "one trial too many": (
                "len(held) + len(self.failed()) < self._trials",
                "len(held) + len(self.failed()) <= self._trials",
            ),
            "living trials taken away": ("<= GRACE_SECONDS:", "<= 0:"),
            "a divergence is a failure": (
                'trial.set_user_attr("diverged", one_line(error))',
                'trial.set_user_attr("error", one_line(error))',
            ),
        },
    ),
    "ferdis/preprocess/cache.py": (
        (CACHE, PIPELINE),
        {
            "a changed file of the same size": (
                "key_of(self.path, self.bytes, self.mtime_ns)",
                "key_of(self.path, self.bytes, 0)",
            ),
            "one store for all parameters": ('for name in ("version", "params")}', 'for name in ("version",)}'),
            "boxes for landmarks": ("values[:, 1:5], values[:, 5:].reshape", "values[:, :4], values[:, 5:].reshape"),
            "faces not found are found": (
                "Detections(~np.isnan(values[:, 0])",
                "Detections(~np.isnan(values[:, 0]) | True",
            ),
            "lost crops of changed images": ("if Source.of(source.path) != source:", "if False:"),
        },
    ),
    "ferdis/preprocess/images.py": (
        (IMAGES,),
        {
            "as the camera lay": ("ImageOps.exif_transpose(image, in_place=True)", "ImageOps.exif_transpose(image)"),
            "transparent is black": ("_WHITE = (255, 255, 255)", "_WHITE = (0, 0, 0)"),
            "sixteen bits cut off": ("/ _SIXTEEN_BIT_STEP).astype", "/ 256.0).astype"),
            "height and width swapped": (".resize((width, height),", ".resize((height, width),"),
            "the left square": (
                "top, left = (height - side) // 2, (width - side) // 2",
                "top, left = (height - side) // 2, 0",
            ),
            "ties downwards": ("(images + (0.5 + 2.0**-20))", "(images + (0.5 - 2.0**-20))"),
            "no antialiasing": ('mode="bilinear", antialias=True', 'mode="bilinear", antialias=False'),
            "shares of the neighbours swapped": (
                "[(index, 1 - share), (np.minimum(index + 1, length - 1), share)]",
                "[(index, share), (np.minimum(index + 1, length - 1), 1 - share)]",
            ),
        },
    ),
    "ferdis/preprocess/pipeline.py": (
        (PIPELINE,),
        {
            "the first rows stay": (
                "table = table.iloc[kept].reset_index",
                "table = table.iloc[: len(kept)].reset_index",
            ),
            "faces found named as missed": (
                'table.loc[~table["detected"], "path"]',
                'table.loc[table["detected"], "path"]',
            ),
            "centre squares not cut": (
                "resize(centre_crop(read_image(self.files[row])), self.shape[1])",
                "resize(read_image(self.files[row]), self.shape[1])",
            ),
        },
    ),
    "ferdis/preprocess/database.py": (
        (STORE,),
        {
            "half a transaction stays": ('connection.execute("ROLLBACK")', 'connection.execute("COMMIT")'),
            "carried over a fork": ("    for database in list(_OPEN):\n        database.close()\n", "    pass\n"),
        },
    ),
    "ferdis/preprocess/image_store.py": (
        (STORE, CACHE),
        {
            "the newest images make room": (
                "FROM pixels ORDER BY place LIMIT ?",
                "FROM pixels ORDER BY place DESC LIMIT ?",
            ),
            "damaged pixels taken": ("and pixels_crc == self._pixels_crc(key, data)", "and pixels_crc"),
            "held images in the order of their keys": (
                "return self.held[self.which[rows]]",
                "return self.held[wanted][: len(rows)]",
            ),
        },
    ),
    "ferdis/preprocess/mtcnn.py": (
        ("tests/preprocess/test_mtcnn.py",),
        {
            "points as pairs": ("reshape(-1, 2, 5).swapaxes(1, 2)", "reshape(-1, 5, 2)"),
            "the first threshold for all": ("THRESHOLDS = (0.6, 0.7, 0.7)", "THRESHOLDS = (0.6, 0.6, 0.6)"),
            "black outside": ("GREY = 128", "GREY = 0"),
            "overlap counted twice in the union": ("area[rest] - shared) <= overlap", "area[rest]) <= overlap"),
            "the share of the larger box": ("overlap * np.minimum(area[first]", "overlap * np.maximum(area[first]"),
        },
    ),
    "ferdis/preprocess/restore.py": (
        (PREDICTOR,),
        {
            "turned faces upright": ('turned="turned" in params', "turned=False"),
            "drawn faces at this ferdis's template": (
                "return Aligner(device, template=_template(record, model))",
                "return Aligner(device)",
            ),
            "another alignment taken": ('if record.get("digest") != aligner.digest:', 'if not record.get("digest"):'),
            "outside of this ferdis": ("outside=outside_of(params))", 'outside="fade")'),
        },
    ),
    "ferdis/protocol/audit_report.py": (
        (LEAKAGE,),
        {
            "a share of all images": ("self.seen_slots / self.test_slots if", "self.seen_slots / self.images if"),
            "one finding too many": ("others = len(self.leaks) - 1", "others = len(self.leaks)"),
            "missing classes let pass": ("self.let_pass = bool(self.leaks)\n        if", "return\n        if"),
        },
    ),
    "ferdis/protocol/look_alikes.py": (
        ("tests/protocol/test_look_alikes.py",),
        {
            "small and capital letters differ": (".casefold())", ")"),
            "rows counted once": ("(int(rows[place]), int(count))", "(int(rows[place]), 1)"),
            "parts of other folds": (
                "theirs = _rows_of(getattr(fold, second), subject",
                "theirs = _rows_of(getattr(folds[0], second), subject",
            ),
            "decimals are blanks": (r"(?:\.0*)?", r"(?:\.\d*)?"),
        },
    ),
    "ferdis/protocol/published.py": (
        ("tests/protocol/test_published.py",),
        {
            "carved off images missing": ('0 if "validation" in self.images else len(fold.validation)', "0"),
            "RAF-DB's parts swapped": ('{"train": 12271, "test": 3068}', '{"train": 3068, "test": 12271}'),
            "any 118 people": (' or not all(name.startswith("ck/") for name in names)', ""),
            "folds by chance": ('] = "id-ascending"\n', '] = "stratified"\n'),
        },
    ),
    "ferdis/reproduce/verdict.py": (
        (TABLES,),
        {
            "the measured figure in its own interval": ("if low <= published <= high:", "if low <= measured <= high:"),
            "the whole width for the half": ("half = (high - low) / 2", "half = high - low"),
            "the gap the other way round": ("gap = measured - published", "gap = published - measured"),
        },
    ),
    "ferdis/reproduce/tables.py": (
        (TABLES,),
        {
            "population deviation over folds": ('"std": folds.std(ddof=1)', '"std": folds.std(ddof=0)'),
            "the difference the other way round": (
                '"difference": measured - printed',
                '"difference": printed - measured',
            ),
            "the first people test": ("[-max(1, options.people // 5) :]", "[: max(1, options.people // 5)]"),
        },
    ),
    "ferdis/reproduce/run.py": (
        (TABLES,),
        {
            "a column's set trains with itself": ("if one in given and one != own]", "if one in given]"),
            "one run folder for all columns": ('place = out / f"{name}-{own}', 'place = out / f"{name}'),
            "fewer epochs ignored": ("(), small, epochs, dry_run or 20", "(), small, None, dry_run or 20"),
        },
    ),
    "ferdis/reproduce/plans.py": (
        (TABLES,),
        {"what is given is missing": ("        if name not in given:\n", "        if name in given:\n")},
    ),
    "ferdis/report/record.py": (
        ("tests/report/test_report_record.py", EXTRAS),
        {
            "the change the other way round": ('"change": other - one', '"change": one - other'),
            "outside one of the intervals": ("else all(sides)", "else any(sides)"),
            "each in its own interval": (
                "_outside(one, new[system], figure), _outside(other, old[system], figure)",
                "_outside(one, old[system], figure), _outside(other, new[system], figure)",
            ),
            "another protocol unsaid": (', ("protocol", "another protocol"))', ",)"),
        },
    ),
    "ferdis/report/sections.py": (
        (NOTES, "tests/report/test_report_definitions.py", REPORT),
        {
            "the best by accuracy": (
                'summary.sort_values("uar", ascending=False',
                'summary.sort_values("accuracy", ascending=False',
            ),
            "better than chance by its mean": (
                'order.loc[order["uar_low"] <= chance',
                'order.loc[order["uar"] <= chance',
            ),
            "a lead with the sign of the table": ('sign = 1 if pair["first"] == best else -1', "sign = 1"),
            "uncorrected p": ('p = pair["uar_holm"]', 'p = pair["uar_p"]'),
        },
    ),
    "ferdis/report/page.py": (
        (REPORT,),
        {
            "markup obeyed": ('{"html": False}', '{"html": True}'),
            "images fetched": ('.disable(["image", "link", "autolink", "reference"])', '.disable(["autolink"])'),
        },
    ),
    "ferdis/_io.py": (
        ("tests/test_io.py",),
        {
            "a seal of other content": ("if sealed(record)[_SEAL] != record[_SEAL]:", "if False:"),
            "the order of keys decides a digest": (
                "json.dumps(plain(record), sort_keys=True)",
                "json.dumps(plain(record))",
            ),
            "the first block alone": (
                "        while block := file.read(_BLOCK):\n",
                "        if block := file.read(_BLOCK):\n",
            ),
            "formulas stay": (
                'return f"\'{text}" if re.match(_FORMULA, text) and not _is_number(text) else text',
                "return text",
            ),
            "half a file stays": (
                "            partial.replace(path)\n        finally:",
                "        finally:\n            partial.replace(path)",
            ),
        },
    ),
}
