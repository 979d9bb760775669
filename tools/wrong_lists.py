"""Wrong programs in lists, folders and trees of images, and in names of expressions.

A part of ``tools/wrong_programs.py``, in its form.
"""

from __future__ import annotations

from tools.wrong_datasets import CKPLUS, LAYOUTS
from tools.wrong_form import Programs

FACES = "tests/test_faces.py"
FOLDER = "tests/datasets/test_folder.py"
MANIFEST = "tests/datasets/test_manifest.py"
REGISTRY = "tests/datasets/test_registry.py"
TREE = "tests/datasets/test_tree.py"

LISTS: Programs = {
    "ferdis/datasets/folder.py": (
        (FOLDER,),
        {
            "sequences of two people are one": (
                'row["sequence"] = f"{self.title}/{person}/{groups[\'sequence\']}"',
                'row["sequence"] = f"{self.title}/{groups[\'sequence\']}"',
            ),
            "the person without the set": ('"subject": f"{self.title}/{person}"}', '"subject": person}'),
            "the deepest folder is the class": (
                "level = depths.pop() if len(depths) == 1 else 0 if not depths else -1",
                "level = depths.pop() if len(depths) == 1 else -1",
            ),
            "frames as text": (
                'difference(["path", "expression", "subject", "sequence", "split"])',
                'difference(["path", "expression", "subject", "sequence", "split", "frame"])',
            ),
            "an image in two classes is of the first": (
                "            elif len(names) > 1:\n",
                "            elif len(names) > 2:\n",
            ),
            "* the folder before the expression in the name": (
                'if pattern is not None and "expression" in pattern.groupindex:',
                'if pattern is not None and "expression" in pattern.groupindex and not names:',
            ),
            "an image without a class is left out": (
                '                wrong.add("none", f"{file} lies in no folder',
                '                str(f"{file} lies in no folder',
            ),
            "an image without a person is left out": (
                '            wrong.add("subject", f"{self.root / path}: {what}; change '
                'the expression or the file name", [path])\n            return None',
                "            return None",
            ),
            "the whole match for the only group": (
                "match.group(1 if pattern.groups == 1 else 0)",
                "match.group(0)",
            ),
            "* labels ignored": (
                "(depth, expression_of(part, self.labels) or (self.labels or {}).get(part))",
                "(depth, expression_of(part))",
            ),
            "further groups lost": (
                "row = {**groups, **row, ",
                "row = {**row, ",
            ),
            "two groups without a name": (
                'if pattern.groups and "subject" not in pattern.groupindex and '
                "(pattern.groups > 1 or pattern.groupindex):",
                "if False:",
            ),
            "a wrong expression is a traceback": (
                "    except re.error as error:",
                "    except KeyError as error:",
            ),
            "no person is not said": (
                "        if pattern is None:\n            notes.append",
                "        if pattern is not None:\n            notes.append",
            ),
            "other files go unsaid": (
                '        if others:\n            notes.append(f"files that are',
                '        if not others:\n            notes.append(f"files that are',
            ),
            "the namespace ignored": (
                "return self.namespace or self.root.resolve().name",
                "return self.root.resolve().name",
            ),
            "the file is searched for the person alone": (
                "        match = pattern.search(path)\n        groups =",
                '        match = pattern.search(path.rpartition("/")[2])\n        groups =',
            ),
            "* a group named path wins": (
                "row = {**groups, **row, ",
                "row = {**row, **groups, ",
            ),
        },
    ),
    "ferdis/datasets/manifest.py": (
        (MANIFEST,),
        {
            "sequences of two people are one": (
                'table["sequence"] = (table["subject"] + "/" + table["sequence"])',
                'table["sequence"] = (self.title + "/" + table["sequence"])',
            ),
            "frames as text": (
                '_TEXT_COLUMNS = ("path", "expression", "subject", "sequence", "split")',
                '_TEXT_COLUMNS = ("path", "expression", "subject", "sequence", "split", "frame")',
            ),
            "line numbers from 0": ("raw.index = raw.index + 2", "raw.index = raw.index + 1"),
            "not coded is 0": (
                "table[name] = numbers.astype(float)",
                "table[name] = numbers.astype(float).fillna(0.0)",
            ),
            "an empty subject is a person": (
                '    if "subject" in raw:\n        rows.refuse(',
                '    if "subject" not in raw:\n        rows.refuse(',
            ),
            "intensities of 6 pass": (
                "values.between(0, AU_MAXIMUM)",
                "values.between(0, 2 * AU_MAXIMUM)",
            ),
            "* negative intensities pass": (
                "values.between(0, AU_MAXIMUM)",
                "values.le(AU_MAXIMUM)",
            ),
            "an image listed twice": (
                "        file.duplicated(),\n",
                "        file.isna(),\n",
            ),
            "the first of a pair is refused": (
                "file.duplicated(),",
                'file.duplicated(keep="last"),',
            ),
            "a backslash is part of a name": (
                'posixpath.normpath(path.replace("\\\\", "/"))',
                "posixpath.normpath(path)",
            ),
            "a dot hides a second row": (
                'return posixpath.normpath(path.replace("\\\\", "/"))',
                'return path.replace("\\\\", "/")',
            ),
            "the way back into the folder hides a second row": (
                '    if not path.startswith(("/", "..")):\n        return path\n',
                "    if True:\n        return path\n",
            ),
            "missing files in large folders pass": (
                "                absent[row] = True\n",
                "                absent[row] = False\n",
            ),
            "frames of a video are no files": (
                "files = [file_of(os.path.join(folder, paths[row]))",
                "files = [str(os.path.join(folder, paths[row]))",
            ),
            "numbers in quotes are text": (
                "present.any() and numbers[present].notna().all()",
                "False",
            ),
            "* a column with one word is numbers": (
                "present.any() and numbers[present].notna().all()",
                "numbers[present].notna().any()",
            ),
            "capitals in the header": (
                "raw.columns = [known.get(name.lower(), name)",
                "raw.columns = [known.get(name, name)",
            ),
            "* blanks stay": (
                'raw = raw.fillna("").apply(lambda column: column.str.strip())',
                'raw = raw.fillna("")',
            ),
            "empty lines are rows": (
                'return raw[(raw != "").any(axis=1)]',
                "return raw",
            ),
            "people not known, though said": (
                'if self.without_subjects and "subject" in raw and missing(raw["subject"]).all():',
                'if "subject" in raw and missing(raw["subject"]).all():',
            ),
            "* half-known people dropped": (
                'and missing(raw["subject"]).all():',
                'and missing(raw["subject"]).any():',
            ),
            "the namespace ignored": (
                "return self.namespace or self.root.resolve().name",
                "return self.root.resolve().name",
            ),
            "problems in the order of causes": (
                "sorted(self.wrong, key=lambda item: item[1][0])",
                "self.wrong",
            ),
            "* own labels not told": (
                'table.attrs["own_labels"] = names.declared',
                'table.attrs["own_labels"] = ()',
            ),
            "a second mistake of a row told too": (
                "np.flatnonzero(np.asarray(which, dtype=bool) & self.right)",
                "np.flatnonzero(np.asarray(which, dtype=bool))",
            ),
        },
    ),
    "ferdis/datasets/tree.py": (
        (TREE, LAYOUTS, CKPLUS),
        {
            "the second copy wins": (
                "other = first.setdefault(tuple(row[name] for name in key), row)",
                "first[tuple(row[name] for name in key)] = other = row",
            ),
            "neutral first frames counted": ("self.compare(table[~firsts], published", "self.compare(table, published"),
            "what was dropped is not said": (
                "if len(dropped) and tuple(keep) not in _RULES:",
                "if len(dropped) and tuple(keep) in _RULES:",
            ),
            "patterns see the path below the root alone": (
                "pattern.search(self._above + path)",
                "pattern.search(path)",
            ),
            "files that are known are left over": (
                "                self._known.add(path)\n",
                "",
            ),
            "images of other names go unsaid": (
                '        if others:\n            self.notes.append(f"pictures not named',
                '        if not others:\n            self.notes.append(f"pictures not named',
            ),
            "labels of the set ignored": (
                "name = expression_of(label, labels)\n",
                "name = expression_of(label)\n",
            ),
            "an unknown label is dropped in silence": (
                '            self.problem(path, f": {quoted(label)} is no expression of this set; {known}")\n',
                "",
            ),
            "* each file of a cause in its own line": (
                "self.problems.add(cause or what, f",
                "self.problems.add(path + what, f",
            ),
            "* no row of the choice is an empty set": (
                "        if len(dropped) and not kept:\n",
                "        if False:\n",
            ),
            "* what frames were chosen is not said": (
                "            self.notes += [frames.remark] if frames.remark else []\n",
                "",
            ),
            "published counts not kept": (
                'table.attrs["published"] = dict(published or {})',
                'table.attrs["published"] = {}',
            ),
            "rows of the first key alone": (
                "tuple(row[name] for name in key), row)",
                "tuple(row[name] for name in key[:1]), row)",
            ),
            "an empty folder is an empty set": (
                "        if not rows and not self.problems:\n",
                "        if not rows and self.problems:\n",
            ),
            "* units of images without a row are an error": (
                'read_units(units), missing="nan", **how)',
                "read_units(units), **how)",
            ),
            "problems collected are raised": (
                "tree.problems.settle(problems, f",
                "tree.problems.settle(None, f",
            ),
            "missing people go unsaid": (
                "            self.notes += missing(table, expected)\n",
                "            pass\n",
            ),
        },
    ),
    "ferdis/datasets/labels.py": (
        (REGISTRY, MANIFEST, CKPLUS),
        {
            "eight are seven": ('"8": EXPRESSIONS}', '"8": tuple(sorted(seven))}'),
            "seven in words has contempt": (
                'numbered["seven"] = SEVEN_EXPRESSIONS',
                'numbered["seven"] = tuple(sorted(seven))',
            ),
            "chosen classes in the order given": (
                "return tuple(sorted(set(names)))",
                "return tuple(dict.fromkeys(names))",
            ),
            "own labels after the usual spellings": (
                "text = labels[text.strip()]\n    return",
                "text = text if known_expression(text) else labels[text.strip()]\n    return",
            ),
            "all classes without neutral": (
                "    if expressions is None:\n        return EXPRESSIONS\n",
                "    if expressions is None:\n        return seven\n",
            ),
            "own classes in the order given": ("return tuple(sorted(names))", "return tuple(names)"),
            "declared names misspelt all the same": ("        if text not in declared\n", ""),
        },
    ),
    "ferdis/labels.py": (
        (REGISTRY, MANIFEST, FACES),
        {
            "the scared are surprised": ('"fear": ("fearful", "afraid", "scared")', '"fear": ("fearful", "afraid")'),
            "mad is disgust": ('"anger": ("angry", "mad")', '"anger": ("angry",)'),
            "contemptuous is disgust": ('"contempt": ("contemptuous",)', '"contempt": ()'),
            "joyful forgotten": ('("happy", "joy", "joyful")', '("happy", "joy")'),
            "hyphens matter": ('.replace("_", " ").replace("-", " "))', '.replace("_", " "))'),
            "seven with contempt": (
                'SEVEN_EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")',
                'SEVEN_EXPRESSIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")',
            ),
        },
    ),
}
