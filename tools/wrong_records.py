"""Wrong programs in faces, tables and action units from files: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs

INSIDE = "tests/datasets/test_inside_files.py"
UNITS = "tests/datasets/test_au_files.py"
MANIFEST = "tests/datasets/test_manifest.py"
FACES = "tests/test_faces.py"
CROSS = "tests/protocol/test_cross_dataset.py"
CHECK = "tests/datasets/test_check.py"
ORIGINALS = "tests/preprocess/test_originals.py"

RECORDS: Programs = {
    "ferdis/faces.py": (
        (FACES, ORIGINALS),
        {
            "a part of a part begins at the whole": (
                "index = rows if self._index is None else self._index[rows]",
                "index = rows",
            ),
            "pixels of a part are the whole's": (
                "return np.asarray(self._images[rows if self._index is None else self._index[rows]])",
                "return np.asarray(self._images[rows])",
            ),
            "classes in the order of the rows": (
                "tuple(sorted(set(self.expression)))",
                "tuple(dict.fromkeys(self.expression))",
            ),
            "grey images in the red channel": (
                "np.repeat(np.asarray(images)[..., None], 3, axis=3)",
                "np.pad(np.asarray(images)[..., None], ((0, 0), (0, 0), (0, 0), (0, 2)))",
            ),
            "blinks are unit 43": ("20, 23, 25, 26, 45)", "20, 23, 25, 26, 43)"),
            "units by number of columns": (
                'AU_COLUMNS = tuple(f"AU{unit:02d}" for unit in ACTION_UNITS)',
                'AU_COLUMNS = tuple(f"AU{unit:02d}" for unit in range(1, 18))',
            ),
            "intensities above E pass": (
                "(values < 0) | (values > AU_MAXIMUM)",
                "(values < 0) | (values > AU_MAXIMUM + 1)",
            ),
            "intensities below 0 pass": ("(values < 0) | (values > AU_MAXIMUM)", "(values > AU_MAXIMUM)"),
            "intensities as text pass": (" | (values.isna() & table[name].notna())", ""),
            "the digest reads the first images alone": (
                "np.linspace(0, len(self) - 1, min(_DIGEST_IMAGES, len(self)))",
                "np.linspace(0, min(_DIGEST_IMAGES, len(self)) - 1, min(_DIGEST_IMAGES, len(self)))",
            ),
            "the digest ignores who it is": (
                '_NOT_DIGESTED = ("detection_probability", "au_confidence")',
                '_NOT_DIGESTED = ("detection_probability", "au_confidence", "subject")',
            ),
            "joined sets are posed if one is": (
                "if all(part.attrs.get(name) == value for part in parts)",
                "if any(part.attrs.get(name) == value for part in parts)",
            ),
            "rows of another order": (
                "place[slice(None) if other._index is None else other._index] = np.arange(len(other))",
                "place[slice(None) if other._index is None else np.sort(other._index)] = np.arange(len(other))",
            ),
            "crops of any kind of number": (
                " and images.dtype == np.uint8:\n",
                ":\n            images = images.astype(np.uint8)\n",
            ),
            "the part keeps the numbers of the whole": (
                "self._table.iloc[rows].reset_index(drop=True), dict(self.attrs))",
                "self._table.iloc[rows], dict(self.attrs))",
            ),
            "a part with its own notes changes the whole's": (
                "reset_index(drop=True), dict(self.attrs))",
                "reset_index(drop=True), self.attrs)",
            ),
            "the table handed out is the record's own": ("return self._table.copy()", "return self._table"),
        },
    ),
    "ferdis/_image_arrays.py": (
        (FACES, ORIGINALS),
        {
            "the first row of a part is the one before's": (
                'owner = np.searchsorted(self.ends, rows, side="right")',
                'owner = np.searchsorted(self.ends, rows, side="left")',
            ),
            "the first original of a part is the one before's": (
                'owner = np.searchsorted(images.ends, rows, side="right")',
                'owner = np.searchsorted(images.ends, rows, side="left")',
            ),
            "originals part by part": (
                "return [found[place] for place in range(len(rows))]",
                "return list(found.values())",
            ),
            "rows from the end one off": (
                "np.where(array < 0, array + length, array)",
                "np.where(array < 0, array + length - 1, array)",
            ),
            "a single row of a view is the whole's": (
                "self.base[self.index[np.array([key])]]",
                "self.base[np.array([key])]",
            ),
            "a view as an array is the whole": (
                "return np.asarray(self.base[self.index], dtype=dtype)",
                "return np.asarray(self.base[np.arange(len(self))], dtype=dtype)",
            ),
            "originals of a view are the whole's": (
                "map_originals_of(function, images.base, images.index[rows])",
                "map_originals_of(function, images.base, rows)",
            ),
            "rows in ascending order": ("return np.flatnonzero(array)", "return np.flatnonzero(array)[::-1]"),
            "a mask of another length": ("if array.shape != (length,):", "if array.ndim != 1:"),
        },
    ),
    "ferdis/_tables.py": (
        ("tests/test_tables.py", MANIFEST),
        {
            "n/a is a value": ('"na", "n/a", "<na>"', '"na", "<na>"'),
            "capitals are values": (".str.strip().str.casefold().isin(MISSING)", ".str.strip().isin(MISSING)"),
            "blanks are values": ("column.str.strip().str.casefold()", "column.str.casefold()"),
            "blanks before a value kept": (", skipinitialspace=True, **arguments)", ", **arguments)"),
            "the first column of a name": (
                "if name and seen.setdefault(name, place) != place:",
                "if name and seen.setdefault(name, place) > place:",
            ),
        },
    ),
    "ferdis/datasets/au_files.py": (
        (UNITS, INSIDE),
        {
            "presence for intensity": ('_OPENFACE = {f"{name}_r": name', '_OPENFACE = {f"{name}_c": name'),
            "units shifted by one": (
                "        table[ours] = _numbers(raw[theirs], path)",
                "        table[AU_COLUMNS[AU_COLUMNS.index(ours) - 1]] = _numbers(raw[theirs], path)",
            ),
            "py-feat's scale not brought to five": (
                "table[columns] = values * (AU_MAXIMUM / scale)",
                "table[columns] = values",
            ),
            "failed rows keep their values": (
                "units.loc[failed | unsure, list(AU_COLUMNS)] = np.nan",
                "units.loc[unsure, list(AU_COLUMNS)] = np.nan",
            ),
            "sure enough is not enough": (
                '(units["confidence"] < min_confidence)',
                '(units["confidence"] <= min_confidence)',
            ),
            "the least confident face": (
                'sort_values(["usable", "confidence"], ascending=False',
                'sort_values(["usable", "confidence"], ascending=[False, True]',
            ),
            "a failed face is the confident one": (
                'sort_values(["usable", "confidence"]',
                'sort_values(["confidence", "usable"]',
            ),
            "frames shifted the other way": (
                'from_arrays([units["source"], units["frame"] + offset])',
                'from_arrays([units["source"], units["frame"] - offset])',
            ),
            "faces of a frame numbered over the file": (
                'table.groupby(["source", "frame"], dropna=False).cumcount()',
                'table.groupby(["source"], dropna=False).cumcount()',
            ),
            "sources by their last name alone": (
                "if all(a == b for a, b in zip(reversed(parts), reversed(other), strict=False))",
                "if parts[-1] == other[-1]",
            ),
            "sources by how they begin": (
                "zip(reversed(parts), reversed(other), strict=False)",
                "zip(parts, other, strict=False)",
            ),
            "a face without a row has the last one's": (
                "joined = units.reset_index(drop=True).reindex(row)",
                "joined = units.reset_index(drop=True).iloc[row]",
            ),
            "dropped faces leave a failed row's": (
                "keep = found & table[list(AU_COLUMNS)].notna().any(axis=1).to_numpy()",
                "keep = found",
            ),
            "confidence is the score of another program": (
                '"confidence": ("confidence", "FaceScore")',
                '"confidence": ("confidence",)',
            ),
            "every face of a frame": (
                'drop_duplicates(["source", "frame"]).sort_index()',
                'drop_duplicates(["source", "frame", "face_id"]).sort_index()',
            ),
            "one face for the whole video": (
                'drop_duplicates(["source", "frame"]).sort_index()',
                'drop_duplicates(["source"]).sort_index()',
            ),
            "the largest value may be above five": (
                "outside = (values < 0) | (values > scale)",
                "outside = values < 0",
            ),
        },
    ),
    "ferdis/datasets/sources.py": (
        (CROSS,),
        {
            "every set in its own size": (
                'size = {"image_size": sets[0].shape[1]} if sets and',
                'size = {"image_size": sets[0].shape[1]} if not sets and',
            ),
            "arguments of a line before its own": (
                "{**size, **shared, **source.arguments}",
                "{**source.arguments, **size}",
            ),
            "a set keeps its own name": ('{**faces.attrs, "dataset": source.label}', "{**faces.attrs}"),
            "the loader's name is the label": (
                "return Source(label, there.name,",
                "return Source(there.name, there.name,",
            ),
            "the last tested set": ('found["test"] = found["test"][0]', 'found["test"] = list(sets.values())[0]'),
        },
    ),
    "ferdis/datasets/check.py": (
        (CHECK,),
        {
            "mirrored copies have one digest": (
                "{self.fingerprint.key}{self.fingerprint.mirrored:d}",
                "{self.fingerprint.key}",
            ),
            "* height and width swapped": ("height, width = pixels.shape[:2]", "width, height = pixels.shape[:2]"),
            "* rows of a split are not counted": ('(table["split"] == group if parts else False)', "False"),
            "* the least alike first": ("np.argsort(-pairs.similarity", "np.argsort(pairs.similarity"),
            "* rows counted without the unreadable": (
                "rows[pairs.first[order]], rows[pairs.second[order]]",
                "pairs.first[order], pairs.second[order]",
            ),
            "* classes nine to one are unbalanced": ("_IMBALANCE = 10.0", "_IMBALANCE = 1.0"),
            "* ten people are too few": ("    if people < _FOLDS:", "    if people <= _FOLDS:"),
            "* images of a class for its people": (
                'in_class = table.groupby("expression")["subject"].nunique()',
                'in_class = table.groupby("expression")["subject"].count()',
            ),
            "* crops for whole images": (
                "return face.map_originals(lambda image: image)[0]",
                "return face.pixels()[0]",
            ),
            "* near-duplicates across splits go unsaid": (
                '("subject", "split") if name in table',
                '("subject",) if name in table',
            ),
            "* sequences with two expressions go unsaid": (
                "several[several.map(len) > 1]",
                "several[several.map(len) > 2]",
            ),
        },
    ),
}
