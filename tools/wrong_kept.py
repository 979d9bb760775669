"""Wrong programs in files, seals, run folders and saved models: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs

RUNS = "tests/test_runs_by_hand.py"
FOLDER = "tests/test_run_folder.py"
SEALS = "tests/test_seals.py"

KEPT: Programs = {
    "ferdis/saved_models.py": (
        ("tests/test_saved_models.py",),
        {
            "figures of this fold alone": (
                'glob(f"fold-*/{folder.name',
                "glob(f\"fold-{int(done['fold']):02d}/{folder.name",
            ),
            "figures of every system": (
                'f"fold-*/{folder.name}',
                '"fold-*/*',
            ),
            "tested on all": (
                'pooled[pooled["fold"] == fold]',
                "pooled",
            ),
            "tests counted as training people": (
                'people.get("train"),',
                'people.get("test"),',
            ),
            "people of every fold": (
                'lists[lists["fold"] == fold]',
                "lists",
            ),
            "a changed set is taken": (
                'faces.digest() != run_folder.read_record(self.run)["faces"]["digest"]',
                "False",
            ),
            "training and test exchanged": (
                "train], faces[fold.test",
                "test], faces[fold.train",
            ),
            "another fold's people": (
                "fold for fold in read_folds(self.fold_list, faces) if fold.index == self.fold",
                "iter(read_folds(self.fold_list, faces))",
            ),
            "sealed always": (
                'run_folder.is_sealed(root, "resolved.json") and all("files" in fit for fit in fits.values())',
                "True",
            ),
            "population's deviation": (
                'metrics.mean_std(metrics.fold_accuracies(self.pooled)["accuracy"]',
                (
                    '(float(metrics.fold_accuracies(self.pooled)["accuracy"].mean()),'
                    ' float(metrics.fold_accuracies(self.pooled)["accuracy"].std(ddof=0))'
                ),
            ),
            "changed training faces are taken": (
                "faces.digest() != digest",
                "False",
            ),
            "a changed model in a run is taken": (
                "folder, whole=True)\n",
                "folder)\n",
            ),
            "selection always the last": (
                'str(record["selection"])',
                '"last"',
            ),
            "another seed's record": (
                ' int(done["seed"]),',
                " 0,",
            ),
            "the deviation is always known": (
                "None if pd.isna(std) else std",
                "std",
            ),
            "people of everybody left out": (
                "training_people=fit",
                "training_people=measured",
            ),
        },
    ),
    "ferdis/_io.py": (
        ("tests/test_io.py",),
        {
            "a digest by the order of keys": (
                "record), sort_keys=True)",
                "record))",
            ),
            "a digest of the first block": (
                "while block := file.read(_BLOCK):\n            sha.update(block",
                "sha.update(file.read(_BLOCK)",
            ),
            "a seal of nothing": (
                "_SEAL: digest(rest, length",
                "_SEAL: digest({}, length",
            ),
            "another seal passes": (
                "sealed(record)[_SEAL] != record[_SEAL]",
                "len(sealed(record)[_SEAL]) != len(record[_SEAL])",
            ),
            "numbers below 0 are guarded": (
                "and not _is_number(text) else",
                "else",
            ),
            "true is a whole number": (
                "not isinstance(value, bool) and abs",
                "abs",
            ),
            "counts below 0": (
                "value) and value >= 0",
                "value)",
            ),
            "names of anything": (
                "isinstance(value, str))",
                "True)",
            ),
            "infinite seconds": (
                "0 <= value < 1e12",
                "0 <= value",
            ),
            "an apostrophe stays": (
                "text[1:] if re.match(_GUARDED, text) else text",
                "text",
            ),
            "any apostrophe goes": (
                "r\"''*[=+\\-@\\t\\r\\n]\"",
                'r"\'"',
            ),
            "nested without end": (
                "_is_deeper(record, _MOST_NESTED)",
                "False",
            ),
            "null anywhere": (
                'not (value is None and kind.endswith("?"))',
                "value is not None",
            ),
        },
    ),
    "ferdis/run_folder/folder.py": (
        (FOLDER, SEALS, RUNS),
        {
            "other folds taken for the same": (
                "path.read_bytes() != fresh.read_bytes()",
                "len(path.read_bytes()) != len(fresh.read_bytes())",
            ),
            "systems of one fold share a folder": (
                '02d}" / task.system',
                '02d}"',
            ),
            "seeds share a folder": (
                'root / f"seed-{seed}" if self.several_seeds else self.root',
                "root",
            ),
            "a marker is believed": (
                "read_fit(folder)\n        return",
                "return",
            ),
            "two runs at once": (
                "timeout=wait)\n      ",
                "timeout=wait) if wait else None\n      ",
            ),
            "another run goes on": (
                "if key is not None:\n",
                "if False:\n",
            ),
            "a folder of something else is taken": (
                ('any(not item.name.startswith(".") and item.name != "config.yaml" for item in self.root.iterdir())'),
                "False",
            ),
            "other folds are taken": (
                "path.exists() and path.read_bytes() != fresh.read_bytes()",
                "False",
            ),
            "tables are not sealed": (
                "\n        seal(self.root, *paths)",
                "",
            ),
            "text is not sealed": (
                "\n        seal(self.root, self.root / name)",
                "",
            ),
            "folds are not sealed": (
                "config, *folds, self.root",
                "config, self.root",
            ),
            "earlier machines are forgotten": (
                "*(earlier if isinstance(earlier, list) else ()), before",
                "before",
            ),
            "keys of the new alone": (
                "[*old, *(name for name in new if name not in old)]",
                "new",
            ),
            "keys of the old alone": (
                "[*old, *(name for name in new if name not in old)]",
                "old",
            ),
            "the seed changes nothing": (
                'NON_REPRODUCIBILITY_PARAMS = ("attrs",',
                'NON_REPRODUCIBILITY_PARAMS = ("seeds", "attrs",',
            ),
            "every key is ignored inside": (
                "found = first_difference",
                "found = None if isinstance(old.get(name), dict) else first_difference",
            ),
            "records changed since are gone on with": (
                (
                    "            check_sealed(self.root, path.name, *(() if arguments is not None"
                    " else (config.name,)))\n"
                ),
                "",
            ),
        },
    ),
    "ferdis/run_folder/reading.py": (
        (FOLDER, SEALS, RUNS),
        {
            "fits by system first": (
                '(item[1]["seed"], item[1]["fold"], item[1]["system"])',
                '(item[1]["system"], item[1]["seed"], item[1]["fold"])',
            ),
            "007 is 7": (
                'dataset", "subject", "path',
                'dataset", "path',
            ),
            "NA is missing": (
                "keep_default_na=False, na_values",
                "na_values",
            ),
            "seeds of any kind": (
                'len(rows) and rows[name].dtype.kind != "i"',
                "False",
            ),
            "a changed record is read": (
                "check_sealed(root, path.name)\n    record",
                "record",
            ),
            "a changed configuration is read": (
                "check_sealed(root, path.name)\n    return",
                "return",
            ),
            "fits in the order of the disk": (
                'sorted(found, key=lambda item: (item[1]["seed"], item[1]["fold"], item[1]["system"]))',
                "found",
            ),
            "fold 10 before fold 2": (
                ', item[1]["fold"], item',
                ', str(item[1]["fold"]), item',
            ),
            "digits as they are rounded": (
                "_AGAIN, dtype=str, keep_default_na=False) for",
                "_AGAIN) for",
            ),
            "negative seeds have no folds": (
                'fullmatch(r"seed-(-?\\d+)"',
                'fullmatch(r"seed-(\\d+)"',
            ),
            "unfinished runs are read": (
                "len(fits) < expected",
                "not fits",
            ),
            "one system's fits are enough": (
                ' * len(record["systems"])',
                "",
            ),
            "rows of others are taken": (
                "sorted(found.columns) != sorted(made.columns) or _sorted(found[made.columns]) != _sorted",
                "len(found) != len",
            ),
            "a run is sealed if its record is": (
                ' and all("files" in done for _, done in fits)',
                "",
            ),
            "a seed without folds": (
                'None not in lists and (missing := [seed for seed in record["seeds"] if seed not in lists',
                "False and (missing := [",
            ),
            "changed tables are read": (
                "check_sealed(root)\n    tables",
                "tables",
            ),
        },
    ),
}
