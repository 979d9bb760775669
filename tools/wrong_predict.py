"""Wrong programs in prediction, export, search spaces and published tables: a part of
``tools/wrong_programs.py``, in the same form. Those marked * were accepted by the tests that there were.
"""

from __future__ import annotations

from tools.wrong_form import Programs

TABLE, PREDICTOR, COMMAND = (f"tests/predict/test_{name}.py" for name in ("table", "predictor", "command"))
DEFAULT, DRAWING = "tests/predict/test_without_a_model.py", "tests/predict/test_drawing.py"
DIFFERENCES, EXPORT = "tests/export/test_differences.py", "tests/export/test_export.py"
TABLES = "tests/reproduce/test_tables.py"

PREDICTED: Programs = {
    "ferdis/predict/predictor.py": (
        (TABLE, PREDICTOR, DEFAULT),
        {
            "* names of the first sixteen again": ("named[start + place] for", "named[place] for"),
            "* names of the first sixteen faces again": ('"image": names[start + row]', '"image": names[row]'),
            "a PIL image as blue, green, red": (
                'np.array(image.convert("RGB"))',
                'np.array(image.convert("RGB"))[:, :, ::-1]',
            ),
            "* abstains at the very probability": ("sure >= self.abstain_below", "sure > self.abstain_below"),
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
            "* the least probable shown": ("key=lambda name: -probability[name]", "key=lambda name: probability[name]"),
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
            "* the least probable class compared": (
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
    "ferdis/sweep/search_space.py": (
        ("tests/sweep/test_search_space.py",),
        {
            "* a logarithmic scale drawn evenly": ("step=self.step, log=self.log)", "step=self.step, log=False)"),
            "* the highest whole number never": (
                "int(self.low), int(self.high), step",
                "int(self.low), int(self.high) - 1, step",
            ),
            "* steps of whole numbers ignored": ("step=int(self.step or 1)", "step=1"),
            "* one condition is enough": (
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
    "ferdis/protocol/look_alikes.py": (
        ("tests/protocol/test_look_alikes.py",),
        {
            "small and capital letters differ": (".casefold())", ")"),
            "rows counted once": ("(int(rows[place]), int(count))", "(int(rows[place]), 1)"),
            "* parts of other folds": (
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
            "* RAF-DB's parts swapped": ('{"train": 12271, "test": 3068}', '{"train": 3068, "test": 12271}'),
            "* any 118 people": (' or not all(name.startswith("ck/") for name in names)', ""),
            "folds by chance": ('] = "id-ascending"\n', '] = "stratified"\n'),
            "any number of folds is the published list": (
                '(self.n_splits, self.validation_folds, self.scheme) != (10, 0, "id-ascending")',
                '(self.validation_folds, self.scheme) != (0, "id-ascending")',
            ),
            "sequences are not counted": (
                '(count := faces.table["sequence"].nunique()) != self.sequences:',
                '(count := faces.table["sequence"].nunique()) > self.sequences:',
            ),
            "departures unsaid": ("return [] if departures is None else list(departures(faces))", "return []"),
            "arguments not passed on": ("        return cls(**arguments)\n", "        return cls()\n"),
            "SFEW's sizes swapped": ('{"train": 958, "test": 436}', '{"train": 436, "test": 958}'),
            "more than published is no departure": (
                "            if there[part] != count\n",
                "            if there[part] < count\n",
            ),
            "Liu's folds of nine": ("    n_splits: int = 10\n", "    n_splits: int = 9\n"),
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
            "* the first people test": ("[-max(1, options.people // 5) :]", "[: max(1, options.people // 5)]"),
        },
    ),
    "ferdis/reproduce/run.py": (
        (TABLES,),
        {
            "a column's set trains with itself": ("if one in given and one != own]", "if one in given]"),
        },
    ),
}
