"""Wrong programs in the audit of folds: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs
from tools.wrong_protocol import CALIBRATED, LEAKAGE, PARTS

LOOK_ALIKES, PUBLISHED = "tests/protocol/test_look_alikes.py", "tests/protocol/test_published.py"

AUDITS: Programs = {
    "ferdis/protocol/leakage.py": (
        (LEAKAGE, CALIBRATED, LOOK_ALIKES, PARTS, PUBLISHED),
        {
            "* near-duplicates of reference images let pass": (
                '= PARTS.index("test")  #',
                "= -1  #",
            ),
            "validation and test not compared": (
                '("train", "test"), ("validation", "test"))',
                '("train", "test"))',
            ),
            "training and validation not compared": (
                '(("train", "validation"), ("train',
                '(("train',
            ),
            "training and reference not compared": (
                '(("train", "reference"), ("validation", "reference"))',
                '(("validation", "reference"),)',
            ),
            "reference and test images not compared": (
                '("picture", "duplicate")',
                '("picture",)',
            ),
            "classes missing from the test part refused": (
                "np.setdiff1d(classes, expression[fold.train])",
                "np.setdiff1d(classes, expression[fold.test])",
            ),
            "twice tested is well": (
                "if (times > 1).any():",
                "if (times > 2).any():",
            ),
            "rows without a sequence are of one": (
                'fillna(alone.astype("string"))',
                'fillna("")',
            ),
            "parameters may hold validation people": (
                'for part in ("test", "validation"):',
                'for part in ("test",):',
            ),
            "faces in a list of parameters overlooked": (
                "isinstance(value, list | tuple)",
                "isinstance(value, tuple)",
            ),
            "faces of inner estimators overlooked": (
                "get_params(deep=True))",
                "get_params(deep=False))",
            ),
            "one direction of sets that may overlap": (
                "for name in sorted(group):",
                "for name in sorted(group)[:1]:",
            ),
            "the threshold of the audit not passed": (
                "similar(prints, prints, threshold, ",
                "similar(prints, prints, NEAR_DUPLICATE, ",
            ),
            "near pairs counted with equal ones": (
                " int((~same).sum())",
                " len(same)",
            ),
            "equal images are near-duplicates too": (
                "path, pairs, ~same)",
                "path, pairs, same | True)",
            ),
            "duplicates not compared": (
                (
                    '    report.leaks += _shared(folds, key, names.path, "duplicate", lambda row:'
                    ' "the same image (as it is or mirrored)")\n'
                ),
                "",
            ),
            "sequences not compared": (
                (
                    'report.leaks += _shared(folds, code, names.path, "sequence", lambda row: f"the'
                    ' same sequence {sequence[row]}")'
                ),
                "pass",
            ),
            "people not compared": (
                (
                    'report.leaks += _shared(folds, code, names.path, "person", lambda row: f"the'
                    ' same person {subject[row]}")'
                ),
                "pass",
            ),
            "rows not compared": (
                ('report.leaks += _shared(folds, np.arange(n), names.path, "picture", lambda row: "the same image")'),
                "pass",
            ),
            "seen in testing, not in training": (
                "test], subject[fold.train",
                "train], subject[fold.test",
            ),
            "look-alikes allowed always": (
                "            report.leaks += _look_alikes(folds, names.path, subject)\n",
                "",
            ),
            "overlap allowed always": (
                "            report.leaks += _overlapping(folds, names.path, subject)\n",
                "",
            ),
            "overlap never allowed": (
                "if not allow_overlap:",
                "if True:",
            ),
            "a leak is reported alone": (
                "if raise_on_leak:\n        report.raise_on_leak()\n    return report\n\n\ndef audit_list",
                "return report\n\n\ndef audit_list",
            ),
            "a list's leaks raise": (
                "bool = False,\n) -> AuditReport",
                "bool = True,\n) -> AuditReport",
            ),
            "empty test parts pass": (
                'train", "test"):\n    ',
                'train",):\n    ',
            ),
            "empty training parts pass": (
                '"train", "test"):\n',
                '"test",):\n',
            ),
            "classes missing from training pass": (
                "classes, expression[fold.train]",
                "expression[fold.train], classes",
            ),
            "reference images are never tested": (
                "(times == 0) & ~given",
                "times == 0",
            ),
            "one fold must test all": (
                "folds) > 1 and (untested",
                "folds) > 0 and (untested",
            ),
            "matches of the first part": (
                "theirs[np.isin(code[theirs], code[ours",
                "ours[np.isin(code[ours], code[theirs",
            ),
            "an example of another pair": (
                "code[ours] == code[hit[0]]][0",
                "0",
            ),
            "sets by their whole names": (
                'name.split("/", 1)[0]',
                "name",
            ),
            "a name without a slash is a set": (
                ' if "/" in name else ""',
                "",
            ),
            "the least alike is shown": (
                "np.argmax(similarity[hit",
                "np.argmin(similarity[hit",
            ),
            "similarities of pairs left out": (
                "pairs.similarity[kept]",
                "pairs.similarity",
            ),
            "pairs within a person count": (
                "2 - int((sizes * (sizes - 1) // 2).sum())",
                "2",
            ),
            "faces in mappings overlooked": (
                "isinstance(value, Mapping):",
                "isinstance(value, str):",
            ),
            "images of parameters not compared": (
                "        links += _links_by_image(known(extra), known(faces), near_duplicates, threshold)\n",
                "",
            ),
            "near images of parameters not compared": (
                "   if near:\n      ",
                "   if False:\n      ",
            ),
            "look-alikes in parameters pass": (
                (
                    '    yield _Link("look-alike", first, second, f"{parameter} holds a name that'
                    " may be an evaluated person's,\")\n"
                ),
                "",
            ),
            "people in parameters pass": (
                '    yield _Link("person", first, second, f"{parameter} holds a person who is evaluated,")\n',
                "",
            ),
            "sets in parameters pass": (
                'yield _Link("may overlap", first, second, what)',
                "pass",
            ),
            "the first row of a parameter shown": (
                "array([earliest[name] for name in ours.subject[second]]",
                "zeros(len(second)",
            ),
            "a list's people by row": (
                'row] = table["subject"].to_numpy(dtype=str)',
                ':] = table["subject"].to_numpy(dtype=str)[: len(path)]',
            ),
            "people half known are taken": (
                'table and not (table["subject"].isna() | (table["subject"] == "")).any()',
                "table",
            ),
            "faces in the order of the list": (
                "rows[getattr(fold, name)]",
                "getattr(fold, name)",
            ),
            "unknown people are leaks": (
                "else:  # two frames of one film are no leak that could be told from one here",
                "elif False:  # two frames",
            ),
        },
    ),
}
