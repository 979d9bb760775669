"""Wrong programs in the protocols: a part of ``tools/wrong_programs.py``, in the same form.

Those marked * were accepted by the tests that the module had of its own.
"""

from __future__ import annotations

from tools.wrong_form import Programs

SPLITTERS = "tests/protocol/test_splitters.py"
CROSS, CALIBRATED = "tests/protocol/test_cross_dataset.py", "tests/protocol/test_calibrated.py"
PARTS = "tests/protocol/test_parts.py"
LEAKAGE, ALIKE = "tests/protocol/test_leakage.py", "tests/protocol/test_near_duplicates.py"

PROTOCOL: Programs = {
    "ferdis/protocol/dealing.py": (
        (PARTS, SPLITTERS, CROSS),
        {
            "the test subset validates": (
                "validation = (turn >= 1) & (turn <= n_validation)",
                "validation = (turn >= 0) & (turn < n_validation)",
            ),
            "the last validation subset trains too": (
                "np.flatnonzero(turn > n_validation)",
                "np.flatnonzero((turn > 0) & (turn >= n_validation))",
            ),
            "the subset before the test part validates": ("turn = (subset - index)", "turn = (index - subset)"),
            "the seed of the dealing ignored": ('f"{seed}:{name}".encode()', 'f"0:{name}".encode()'),
            "images are carved off, not people": (
                "faces.subject if faces.has_subjects else row_names(faces)",
                "row_names(faces)",
            ),
            "the seed of the carving ignored": ("pieces, seed)\n    return (piece", "pieces, 0)\n    return (piece"),
            "a small share carves off nobody": ("min(max(round(share * pieces), 1), pieces - 1)", "round(share * 5)"),
            "rare classes weigh as little as frequent ones": (
                "weights = _UNIT // np.maximum(counts.sum(axis=0), 1) ** 2",
                "weights = np.ones(counts.shape[1], dtype=np.int64)",
            ),
            "to the subset that overlaps most": ("overlap))[0]", "overlap))[-1]"),
            "numbers inside ids as text": ("int(piece) if odd % 2 else piece", "piece if odd % 2 else piece"),
            "a seed for what has none": (
                '"seed" not in self.get_params()',
                "False",
            ),
            "a share of all": (
                "<= validation < 1:",
                "<= validation <= 1:",
            ),
            "no share carves off one": (
                "    if share == 0:\n        return np.zeros(len(faces), dtype=bool)\n",
                "",
            ),
            "one person validates": (
                "people) < 2:\n       ",
                "people) < 1:\n       ",
            ),
            "those not carved off": (
                "piece < taken)[person",
                "piece >= taken)[person",
            ),
            "sizes do not count": (
                "counts.sum(axis=1)",
                "0",
            ),
            "exact weights decide": (
                "row].bit_length(), chance",
                "row], chance",
            ),
            "light people first": (
                "(-weight[row].bit_length",
                "(weight[row].bit_length",
            ),
            "subsets forget who they hold": (
                "        held[subset[row]] += counts[row]\n",
                "",
            ),
            "chance by Python's hash": (
                'hashlib.sha256(f"{seed}:{name}".encode()).digest',
                "str(hash((seed, name))).encode",
            ),
            "validation from the other side": (
                "1) & (turn <= n_validation",
                "n_subsets - n_validation) & (turn > 0",
            ),
            "names that begin alike": (
                'd+)", name))], name',
                'd+)", name))][:2], name',
            ),
        },
    ),
    "ferdis/protocol/splitters.py": (
        (PARTS, SPLITTERS, CALIBRATED),
        {
            "every partition deals with one seed": ("[first + number for", "[first + 0 * number for"),
            "trainings are numbered by the number of seeds": (
                '.get("seed", 0), max(seeds) + 1',
                '.get("seed", 0), len(seeds)',
            ),
            "ascending ids in blocks": (
                "np.arange(len(people)) % self.n_splits",
                "np.arange(len(people)) * self.n_splits // len(people)",
            ),
            "reference images are tested as well": ("test=fold.test[~chosen[fold.test]]", "test=fold.test"),
            "the seed of the partition draws the reference images": (
                "chance(self.reference_seed,",
                "chance(self.seed,",
            ),
            "the seed of the reference images ignored": ("chance(self.reference_seed,", "chance(0,"),
            "* one left out, by the order of text": ("number[ascending(people)]", "number[np.arange(len(people))]"),
            "those carved off train as well": ("= train[~chosen], train[chosen]", "= train, train[chosen]"),
            "the seed of an official split ignored": ("self.validation, self.seed)\n", "self.validation, 0)\n"),
            "partitions begin anew at 0": (
                'protocol.get_params().get("seed", 0)',
                "0",
            ),
            "trainings share numbers": (
                "0), max(seeds) + 1",
                "0), max(seeds)",
            ),
            "each training deals anew": (
                "part in dealt for _ in seeds",
                "_ in seeds for part in dealt",
            ),
            "one subset": (
                "self.n_splits < 2:",
                "self.n_splits < 1:",
            ),
            "no training": (
                "self.n_splits - 2:",
                "self.n_splits - 1:",
            ),
            "fewer people than folds": (
                "< self.n_splits:\n ",
                "< 2:\n ",
            ),
            "ids descending": (
                "subset[ascending(people)",
                "subset[ascending(people)[::-1]",
            ),
            "images dealt, not people": (
                "rotate(subset[person], self",
                "rotate(np.arange(len(X)) % self.n_splits, self",
            ),
            "people without a neutral image pass": (
                "  if without:\n    ",
                "  if False:\n    ",
            ),
            "people of references alone pass": (
                "   if alone:\n     ",
                "   if False:\n     ",
            ),
            "all images are given": (
                "mine[: self.images or None]",
                "mine",
            ),
            "the first rows are given": (
                "order[fits[order] & (X.subject[order] == person)]",
                "np.flatnonzero(fits & (X.subject == person))",
            ),
            "any image is given": (
                ' if self.expression == "any" else X.expression == self.expression',
                "",
            ),
            "too few people to leave one out": (
                "people) < 2 + self.validation_subjects",
                "people) < 1 + self.validation_subjects",
            ),
            "an official validation part is dealt anew": (
                "not len(validation)",
                "True",
            ),
            "split names as they are written": (
                "str.strip().str.lower().replace",
                "replace",
            ),
            "other splits are left out": (
                "~part.isin(PARTS).to_numpy(dtype",
                "np.zeros(len(part), dtype",
            ),
            "parts may be empty": (
                "if not len(rows):\n ",
                "if False:\n ",
            ),
        },
    ),
    "ferdis/protocol/across_datasets.py": (
        (
            PARTS,
            CROSS,
        ),
        {
            "validation people train as well": ("rows[~chosen], rows[chosen]", "rows, rows[chosen]"),
            "the tested set trains": ("[name for name in names if name != test]", "names"),
            "validation from every set": (
                "rows = np.flatnonzero(np.isin(origin, train))\n",
                "rows = np.flatnonzero(np.isin(origin, [*train, test]))\n",
            ),
            "* test set trains": (
                "any(item is self.test or (isinstance(item, str) and item == self.test) for item in self.train)",
                "any(item is self.test for item in self.train)",
            ),
            "a set twice": (
                "for other in self.datasets[:k])",
                "for other in self.datasets[:0])",
            ),
            "names and faces mixed": (
                "if len({isinstance(item, str) for item in given}) > 1:",
                "if False:",
            ),
            "* seed 0 whatever is asked": (
                "chosen = carve(faces[rows], validation, seed)",
                "chosen = carve(faces[rows], validation, 0)",
            ),
            "nobody validates": (
                "chosen = carve(faces[rows], validation, seed)",
                "chosen = carve(faces[rows], 0.0, seed)",
            ),
            "a set without rows is tested": (
                "        if not (origin == name).any():\n",
                "        if False:\n",
            ),
            "the first fold's number for all": (
                "_across(faces, origin, number, [name",
                "_across(faces, origin, 0, [name",
            ),
            "one fold too few": (
                "return len(self.datasets)\n",
                "return len(self.datasets) - 1\n",
            ),
            "faces given are ignored": (
                "faces = self.faces if X is None else X\n        *train",
                "faces = self.faces\n        *train",
            ),
            "* all of the others test": (
                "np.flatnonzero(origin == test))",
                "np.flatnonzero(~np.isin(origin, train)))",
            ),
        },
    ),
    "ferdis/protocol/cross_dataset.py": (
        (
            PARTS,
            CROSS,
        ),
        {
            "classes of either side": ("} & set(test.classes)", "} | set(test.classes)"),
            "classes of any set": ("set.intersection(*", "set.union(*"),
            "all images of unknown people show one person": (
                'table["path"].str.replace("/", "/picture of an unknown person: ", n=1)',
                "name",
            ),
            "paths without their set": ('f"{name}/" + paths', "paths"),
        },
    ),
    "ferdis/protocol/folds.py": (
        (PARTS, SPLITTERS, LEAKAGE, CROSS),
        {
            "rows found by position": ("rows.to_numpy().astype(np.int64)", "np.arange(len(table)) % len(faces)"),
            "people compared by position": ('faces.subject[table["row"]])', "faces.subject[np.arange(len(table))])"),
            "rows of a fold unsorted": (
                "sort(np.asarray(getattr(self, part), dtype=np.int64).ravel()",
                "asarray(getattr(self, part), dtype=np.int64).ravel().copy(",
            ),
            "rows can be written": (
                "            rows.flags.writeable = False\n",
                "",
            ),
            "cross_val_score is given validation": (
                "train, self.test))",
                "train, self.validation))",
            ),
            "folds of any reference are equal": (
                "self.index == other.index and same",
                "same",
            ),
            "two rows of one path": (
                "if twice.any():",
                "if False:",
            ),
            "references are not written": (
                "(*PARTS, REFERENCE):\n             ",
                "PARTS:\n             ",
            ),
            "subjects of other rows": (
                "row], names[row]) for row in rows",
                "k], names[row]) for k, row in enumerate(rows)",
            ),
            "images not there are left out": (
                " if missing.any():\n",
                " if missing.all():\n",
            ),
            "another person's image is taken": (
                '_check_people(path, table, faces.subject[table["row"]])',
                "pass",
            ),
            "validation and test exchanged": (
                "*PARTS, REFERENCE))\n        folds",
                '"train", "test", "validation", REFERENCE))\n        folds',
            ),
            "folds by text": (
                'table.groupby("fold',
                'table.assign(fold=table["fold"].astype(str)).groupby("fold',
            ),
            "faces in no test part go unsaid": (
                "len(folds) > 1 and len(tested) < len(faces)",
                "False",
            ),
            "reference counts as untested": (
                "test, fold.reference)]",
                "test,)]",
            ),
            "val is no part": (
                '.replace({"val": "validation"})',
                "",
            ),
            "fold 1.5": (
                "| (number % 1 != 0)",
                "",
            ),
            "line numbers without the head": (
                "line {row + 2}: {what}",
                "line {row + 1}: {what}",
            ),
            "no namespace, no person": (
                " & (listed != bare)",
                "",
            ),
            "any person with that end": (
                'name.rsplit("/", 1)[-1',
                "name[-1:",
            ),
        },
    ),
    "ferdis/protocol/near_duplicates.py": (
        (PARTS, ALIKE, LEAKAGE, "tests/protocol/test_copies_of_files.py"),
        {
            "mirrored copies have keys of their own": ("image[:, ::-1] if mirrored else image)", "image)"),
            "upside down instead of mirrored": ("image[:, ::-1] if mirrored", "image[::-1] if mirrored"),
            "images of two shapes share a key": ("hashlib.sha256(repr(image.shape).encode())", "hashlib.sha256()"),
            "mirrored: the second alone decides": (
                "mirrored=prints.mirrored[first] != prints.mirrored[second]",
                "mirrored=prints.mirrored[second]",
            ),
            "* least alike first": ("np.argsort(-pairs.similarity", "np.argsort(pairs.similarity"),
            "prints of the whole set for some of its rows": ("return prints[rows]", "return prints[: len(rows)]"),
        },
    ),
    "ferdis/protocol/image_matching.py": (
        (
            PARTS,
            ALIKE,
        ),
        {
            "* mirror images not near by sketch": ("theirs[part, odd].T).abs_()", "theirs[part, odd].T)"),
            "* the surroundings stay": (
                "detail = luminance - smooth @ luminance @ smooth.T",
                "detail = luminance - luminance.mean()",
            ),
            "* contrast stays": (
                "detail / (contrast + _QUIET)",
                "detail / _QUIET",
            ),
            "the mirrored way of the first": (
                "flipped = (mirrored > plain).numpy()[row, likeliest]",
                "flipped = (mirrored > plain).numpy()[row, place]",
            ),
            "mirrored ways swapped": (
                "flipped = (mirrored > plain)",
                "flipped = (mirrored < plain)",
            ),
            "plain copies alone": (
                "torch.maximum(plain, mirrored).topk",
                "plain.topk",
            ),
            "rows of a later block are those of the first": (
                "        row = row + top\n",
                "",
            ),
            "columns of a later block are those of the first": (
                "torch.cat([column, place + left], dim=1)",
                "torch.cat([column, place], dim=1)",
            ),
            "one group is compared": (
                "score.masked_fill_(codes[0][:, None] == codes[1][None, part], -2.0)",
                "score.masked_fill_(codes[0][:, None] != codes[1][None, part], -2.0)",
            ),
            "the mean of the windows": (
                "agreed = _weighted_median(correlation.flatten(1), weight.flatten(1))",
                "agreed = (correlation * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1e-6)",
            ),
            "* all windows alike": (
                "weight = centre * (share > 0.5)",
                "weight = torch.ones_like(centre) * (share > 0.5)",
            ),
            "* flat windows asked": (
                " * (torch.maximum(energy, energy_theirs) > _FLAT**2)",
                "",
            ),
            "* not registered at full resolution": (
                "_register(ours, theirs, move[alike], _STEPS_LEFT)",
                "move[alike]",
            ),
            "moved the other way": (
                "move = move @ torch.linalg.inv(step)",
                "move = move @ step",
            ),
            "* moves of the first pairs": (
                "_register(ours, theirs, move[alike],",
                "_register(ours, theirs, move[: len(alike)],",
            ),
            "* large residuals pull": (
                "(seen - ours).clamp(-_RESIDUAL, _RESIDUAL)",
                "(seen - ours)",
            ),
            "* the limit is never reached": (
                "        if total >= limit:\n            break\n",
                "",
            ),
            "more than the limit": (
                "np.concatenate(column)[:limit]",
                "np.concatenate(column)",
            ),
            "turned upside down for mirrored": (
                "theirs.flip(3), theirs)",
                "theirs.flip(2), theirs)",
            ),
            "* covered or not": (
                " & (covered > _COVERED)",
                "",
            ),
            "slopes of x and y swapped": (
                "for d in (2, 1))",
                "for d in (1, 2))",
            ),
        },
    ),
}
