"""Wrong programs in what meets the user: command line, figures, pages, sets of images, shared studies, exported files.

A part of ``tools/wrong_programs.py``, in the same form.
"""

from __future__ import annotations

FIGURES = "tests/test_figures.py"
STRESS = "tests/preprocess/test_stress.py"
INSIDE = "tests/datasets/test_inside_files.py"
STORE = "tests/preprocess/test_image_store.py"
ORIGINALS = "tests/preprocess/test_originals.py"
KNOWN = "tests/cli/test_known.py"
LINE = "tests/cli/test_arguments.py"
KFOLD = "tests/cli/test_kfold.py"
NOTES = "tests/report/test_report_notes.py"
TABLES = "tests/report/test_report_tables.py"
LEAKAGE = "tests/protocol/test_leakage.py"
REGISTRY = "tests/datasets/test_registry.py"
GRAPH = "tests/export/test_graph.py"

FRONT: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]] = {
    "ferdis/report/__init__.py": (
        ("tests/report/test_report.py",),
        {"columns are refused when the folder is there": ("        groups_of(group.rows, by)", "        pass")},
    ),
    "ferdis/figures.py": (
        (FIGURES,),
        {
            "* shares written in transposed cells": ("axes.text(j, i - 0.13", "axes.text(i, j - 0.13"),
            "* folds of two seeds pooled": ('one.groupby(["seed", "fold"])', 'one.groupby("fold")'),
            "* chance of the classes that occur": (
                "chance = 100 / len(classes_of(rows))",
                'chance = 100 / rows["true"].nunique()',
            ),
            "* title promises new people where one is not known": (
                'bool((rows["subject"] != "").all())',
                'bool((rows["subject"] != "").any())',
            ),
            "* confidence and accuracy swapped in the diagram": (
                'axes.plot(filled["confidence"], filled["accuracy"], "o"',
                'axes.plot(filled["accuracy"], filled["confidence"], "o"',
            ),
            "* images per bin are accuracies": (
                'below.bar(table["low"], table["n"]',
                'below.bar(table["low"], table["accuracy"]',
            ),
            "* calibration error of another number of bins": (
                "list(known), bins=bins)\n    axes.set_title",
                "list(known))\n    axes.set_title",
            ),
            "* interval ends at the value": ("[100 * line.low, 100 * line.high]", "[100 * line.low, 100 * line.uar]"),
            "* a group's images for its people": ("({first['people'] or first['images']})", "({first['images']})"),
            "* all systems in one colour": (
                'height, "o", color=COLOURS[k % len(COLOURS)]',
                'height, "o", color=COLOURS[0]',
            ),
            "* transfers in transposed cells": ("place = i * len(references) + k", "place = k * len(faces) + i"),
            "* references under the faces' names": ("references.expression[k])", "faces.expression[k % len(faces)])"),
            "* map of unscaled representations": (
                "scaled = StandardScaler().fit_transform(np.asarray(representations, dtype=np.float64))",
                "scaled = np.asarray(representations, dtype=np.float64)",
            ),
            "* map of seed 0 whatever is asked": ("random_state=seed)", "random_state=0)"),
            "* averages cut, not rounded": ("np.rint(total / len(rows)).astype", "(total / len(rows)).astype"),
            "* average of the last block": ("total += faces.pixels", "total = faces.pixels"),
            "* a third stage starts where the second alone ended": (
                "start += float(epochs.max())",
                "start = float(epochs.max())",
            ),
        },
    ),
    "ferdis/preprocess/stress.py": (
        (STRESS,),
        {
            "* seed ignored": ('f"{seed}:{kind}:{name}"', 'f"{kind}:{name}"'),
            "* blur by the height": ("_BLUR[level] * min(image.shape[:2])", "_BLUR[level] * image.shape[0]"),
            "* blur over colours": ("(sigma, sigma, 0)", "sigma"),
            "* a share of the side under the square": ("share = np.sqrt(_COVERED[level])", "share = _COVERED[level]"),
            "* square in the upper left corner": (
                "int(random.random() * (height - tall + 1)), int(random.random() * (width - wide + 1))",
                "0, 0",
            ),
            "* the square's sides swapped": (
                "max(1, round(share * height)), max(1, round(share * width))",
                "max(1, round(share * width)), max(1, round(share * height))",
            ),
            "* low light without noise": (
                "np.sqrt(np.maximum(light, 0) / 2000 + 1e-5)",
                "0 * np.sqrt(np.maximum(light, 0) / 2000 + 1e-5)",
            ),
            "* width and height of the small image swapped": (
                "(max(2, round(width * _RESOLUTION[level])), max(2, round(height * _RESOLUTION[level])))",
                "(max(2, round(height * _RESOLUTION[level])), max(2, round(width * _RESOLUTION[level])))",
            ),
            "* noise of one image on another's seed": ("_random(seed, kind, name)", "_random(seed, kind, names[0])"),
            "* values cut, not rounded": ("np.clip(np.rint(values), 0, 255)", "np.clip(values, 0, 255)"),
            "* grey noise": (
                "random.normal(0, 255 * _NOISE[level], image.shape)",
                "random.normal(0, 255 * _NOISE[level], (*image.shape[:2], 1))",
            ),
            "* the fourth strength is the fifth": (
                "np.asarray(image), strength - 1,",
                "np.asarray(image), min(strength, 4),",
            ),
        },
    ),
    "ferdis/preprocess/containers.py": (
        (INSIDE,),
        {
            "* rotation marks turned the other way": (
                'format="rgb24"), _quarter_turns(frame))',
                'format="rgb24"), -_quarter_turns(frame))',
            ),
            "* rotation marks ignored": ('format="rgb24"), _quarter_turns(frame))', 'format="rgb24"), 0)'),
            "first of every n skipped": ("if number % every == 0:", "if (number + 1) % every == 0:"),
            "a frame that cannot be decoded has no number": (
                "            number += 1\n            continue\n",
                "            continue\n",
            ),
            "* a changed video is the former one": ("_video(place.file, status.st_mtime_ns)", "_video(place.file, 0)"),
            "* a changed CSV is the former one": (
                "_csv_pictures(place.file, status.st_mtime_ns)",
                "_csv_pictures(place.file, 0)",
            ),
            "* videos without a count have no frames": (
                "int(stream.frames) or sum(1 for packet in container.demux(stream) if packet.size)",
                "int(stream.frames)",
            ),
            "* the empty last packet counted": ("container.demux(stream) if packet.size)", "container.demux(stream))"),
            "* the row after the last": ("if place.number >= len(rows):", "if place.number > len(rows):"),
            "capital suffixes are no videos": ('))#(\\d+)", re.IGNORECASE)', '))#(\\d+)")'),
            "* large by its width alone": ("stream.width * stream.height > MAX_PIXELS", "stream.width > MAX_PIXELS"),
            "* sound is a video": ("if not container.streams.video:", "if not container.streams:"),
            "* the first rows of a long CSV": ("flat = np.concatenate(parts)", "flat = parts[0]"),
            "* blue for red": ('to_ndarray(format="rgb24")', 'to_ndarray(format="bgr24")'),
            "seconds are numbers of frames": (
                "yield Picture(number, frame.time,",
                "yield Picture(number, float(number),",
            ),
            "* the number of a camera on a Mac is a Linux device": (
                'if sys.platform.startswith("linux") else (camera, "avfoundation")',
                'if True else (camera, "avfoundation")',
            ),
            "* an address is a camera's name on Windows": (
                'elif sys.platform == "win32" and "://" not in camera:',
                'elif sys.platform == "win32":',
            ),
        },
    ),
    "ferdis/preprocess/database.py": (
        (STORE,),
        {
            "* the oldest file counts": ("self.folder / max(names) if names", "self.folder / min(names) if names"),
            "* a new file may be older than the damaged one": (
                'max(time.time_ns(), 1 + int(old.stem.removeprefix("images-"), 16) if old else 0)',
                "time.time_ns()",
            ),
            "* drafts of the killed stay": ("            draft.unlink()\n", "            pass\n"),
            "* half a write stays": ('connection.execute("ROLLBACK")', 'connection.execute("COMMIT")'),
            "* a locked file is damaged": ('"is full", "locked", "disk i/o"', '"is full", "disk i/o"'),
            "* a full disk is damage": ('("readonly", "is full",', '("readonly",'),
            "* writes to a removed file": ("(not write or _inode(self._file) == self._inode)", "True"),
            "* nothing is rescued": ("                    self.rescue(damaged, new)\n", "                    pass\n"),
            "* a file that another has mended is replaced again": ("if self._newest() != damaged:", "if False:"),
            "* a read-only file system is no reason": (
                "if code in (errno.EACCES, errno.EPERM, errno.EROFS) or",
                "if code in (errno.EACCES, errno.EPERM) or",
            ),
        },
    ),
    "ferdis/preprocess/originals.py": (
        (ORIGINALS,),
        {
            "* the first thousands of files": (
                "for start in range(0, len(alone), _AHEAD):",
                "for start in range(0, min(len(alone), _AHEAD), _AHEAD):",
            ),
        },
    ),
    "ferdis/cli/known.py": (
        (KNOWN,),
        {
            "augment starts from the systems of kfold": ('{"augment": ["--system", "decgan"]}.get(verb, [])', "[]"),
            "short names do not count as given": ("given.add(SHORT.get(option, option))", "given.add(option)"),
            "a home folder does not exist": ("not Path(root).expanduser().exists()", "not Path(root).exists()"),
            "runs below the home folder do not exist": (
                "not Path(word).expanduser().exists()",
                "not Path(word).exists()",
            ),
            "the second run is not looked for": (
                "name = names[min(number, len(names) - 1)]  # the last may be several\n",
                "if number >= len(names):\n            break\n        name = names[number]\n",
            ),
            "generators are swept": (
                'if generators and verb in ("kfold", "sweep"):',
                'if generators and verb == "kfold":',
            ),
            "several generators": ('verb in ("fit", "sweep", "augment")', 'verb in ("fit", "sweep")'),
            "a folder that may not be written passes": ("if not os.access(ancestor, os.W_OK):", "if False:"),
            "two values for one": ("    if len(values) != 1:\n        return False\n", ""),
            "infinity is a number of epochs": ("return math.isfinite(float(text)) and (kind", "return (kind"),
            "1e3 is a whole number": (
                '(kind == "float" or re.fullmatch(r"[+-]?[\\d_]+", text) is not None)',
                '(kind == "float" or float(text).is_integer())',
            ),
            "values of a choice in quotes alone": ("text in [str(value) for value", "text in [repr(value) for value"),
            "arguments of a run's own words not required": (
                'needed = "required" in given if name[0] == "-" else not any_number',
                'needed = "required" in given',
            ),
            "a joint protocol takes one data set": ('            del groups["dataset"]\n', ""),
            "* missing arguments of the data set found late": (
                'for key in {"dataset", "protocol"} & set(there.groups) - braces:',
                'for key in {"protocol"} & set(there.groups) - braces:',
            ),
        },
    ),
    "ferdis/cli/chosen.py": (
        (KNOWN,),
        {
            "training and test sets swapped": (
                '"--train": "--protocol.train",\n    "--test": "--protocol.test"',
                '"--train": "--protocol.test",\n    "--test": "--protocol.train"',
            ),
            "the preset is not told of arguments for all": ('owner in (label, "system")}', "owner == label}"),
            "a label may be another argument": (
                "if label in RESERVED or not label.isidentifier():",
                "if not label.isidentifier():",
            ),
            "a label may be anything": ("if label in RESERVED or not label.isidentifier():", "if label in RESERVED:"),
            "a joint protocol lets a data set pass": (
                "if protocol in JOINT and any(",
                "if protocol not in JOINT and protocol in JOINT and any(",
            ),
            "an argument for all goes to the first": (
                'return [f"--{label}.{argument}" for label in has]',
                'return [f"--{label}.{argument}" for label in has[:1]]',
            ),
            "the presets forgotten": (
                "names.protocol, names.preset, given)",
                'names.protocol, DEFAULTS["preset"], given)',
            ),
            "further values lost": ("line += [token, *values[1:]]", "line += [token]"),
        },
    ),
    "ferdis/cli/arguments.py": (
        (LINE,),
        {
            "the first of two values counts": (
                "return next((values[-1] for option, values in options(argv)",
                "return next((values[0] for option, values in options(argv)",
            ),
            "negative numbers are options": (
                'if token.startswith("--") or token == "-h":',
                'if token.startswith("-"):',
            ),
            "a value with an equals sign is cut": (
                'option, equals, value = token.partition("=")\n            option = f',
                'option, equals, value = token.rpartition("=")\n            option = f',
            ),
            "the file before the line": (
                "line += with_present_names(tokens(configuration(Path(values[0]))), tell=tell)",
                "line = [*with_present_names(tokens(configuration(Path(values[0]))), tell=tell), *line]",
            ),
            "one seed is no list": ('    "--seeds",\n', ""),
            "no list is a list of null": (' and values != ["null"]', ""),
            "flags need a value": ('values = ["true"]\n', "values = []\n"),
            "winners of the first fold": (
                'for record in records.values() for winner in record["tuned"]]',
                'for record in list(records.values())[:1] for winner in record["tuned"]]',
            ),
            "a run's record is not looked into": (
                'if isinstance(record, dict) and isinstance(record.get("arguments"), dict):',
                "if False:",
            ),
            "blanks in a list stay": ('part.strip(" \\"\'")', 'part.strip("\\"\'")'),
            "nested arguments as a whole": (
                'if isinstance(value, dict) and prefix == "--":',
                'if isinstance(value, dict) and prefix != "--":',
            ),
            "words after an option lead": ('if token.startswith("-")), len(argv))', 'if token == "--"), len(argv))'),
        },
    ),
    "ferdis/cli/signatures.py": (
        (KNOWN,),
        {
            "defaults of the wrong arguments": (
                "ast.unparse(arguments.defaults[number - missing])",
                "ast.unparse(arguments.defaults[missing - number - 1])",
            ),
            "an argument without a default has one": (
                "yield item, REQUIRED if value is None else ast.unparse(value)",
                'yield item, "None" if value is None else ast.unparse(value)',
            ),
            "the first of several names is described": (
                'for name in names.split(",")}',
                'for name in names.split(",")[:1]}',
            ),
            "the last base first": ("for base in reversed(node.bases):", "for base in node.bases:"),
            "the base's words before the class's own": (
                "texts.get(name, a.help)) for name",
                "a.help or texts.get(name, a.help)) for name",
            ),
            "constants of a class are arguments": ('if not kind.startswith("ClassVar"):', "if True:"),
        },
    ),
    "ferdis/cli/building.py": (
        (KNOWN,),
        {
            "the first of several sets": ("for item in given])", "for item in given[:1]])"),
            "parameters looked at late": ("        system.check()\n", "        pass\n"),
            "what the verb refuses passes": (
                "    if look is not None:\n",
                "    if look is None and look is not None:\n",
            ),
            "faces of an argument not loaded": (
                "arguments[name] = build_faces(arguments[name])",
                "arguments[name] = arguments[name]",
            ),
            "arguments of the protocol not passed on": (
                "imported(PROTOCOLS[chosen.protocol])(**without_name(folds))",
                "imported(PROTOCOLS[chosen.protocol])()",
            ),
            "* folds that cannot be made are found late": (
                "            _refuse_folds(chosen.dataset, data, protocol)\n",
                "            pass\n",
            ),
        },
    ),
    "ferdis/cli/parsers.py": (
        (KNOWN,),
        {
            "the preset does not make room": ("cls.preset_beside(chosen.given_to(label))", "cls.preset_beside(set())"),
            "bars over bars": ('{f"{label}.progress": False}', '{f"{label}.progress": True}'),
            "the preset of everybody is the papers'": ('if chosen.preset == "small":', "if False:"),
        },
    ),
    "ferdis/cli/kfold.py": (
        (KFOLD,),
        {
            "the same folds for each seed": (
                'if settings.pop("new_folds"):',
                'if settings.pop("new_folds") and False:',
            ),
            "no system less its person's mean": (
                'if settings.pop("person_mean"):',
                'if settings.pop("person_mean") and False:',
            ),
            "winners forgotten": ("        tuned=winners,\n", "        tuned=(),\n"),
            "settings forgotten": ("        **settings,\n", '        seeds=settings["seeds"],\n'),
            "an arrow in the name of a folder": (".replace('->', '-to-')", ""),
            "where and how fast are what": ("if key not in NON_REPRODUCIBILITY_PARAMS}", "if key}"),
            "what the sweep has chosen is overridden": ("    _refuse_overrides(argv, winners)\n", ""),
        },
    ),
    "ferdis/report/sections.py": (
        (NOTES,),
        {
            "seconds of fitting alone": (
                '(group.fits["fit_seconds"] + group.fits["predict_seconds"])',
                '(group.fits["fit_seconds"])',
            ),
            "seconds of all folds": ('.groupby(group.fits["system"]).mean()', '.groupby(group.fits["system"]).sum()'),
            "every answer is an image": (
                "f\"{group.title}: {rows['path'].nunique()} test images",
                'f"{group.title}: {len(rows)} test images',
            ),
            "best by accuracy": (
                'summary.sort_values("uar", ascending=False',
                'summary.sort_values("accuracy", ascending=False',
            ),
            "chance of the classes of the first rows": (
                "chance = 1 / len(group.runs[0].record",
                "chance = 0.5 / len(group.runs[0].record",
            ),
            "below chance by its value": ('order["uar_low"] <= chance', 'order["uar"] <= chance'),
            "sign of a gap": ('sign = 1 if pair["first"] == best else -1', 'sign = -1 if pair["first"] == best else 1'),
            "a gap by p before Holm": ('p = pair["uar_holm"]', 'p = pair["uar_p"]'),
            "shown at one in ten": ("ALPHA = 0.05", "ALPHA = 0.5"),
            "what is not shown is": ("    if gain.shown:\n", "    if not gain.shown:\n"),
            "accuracies of the single seeds": (
                '(system, metrics.uar(part["true"], part["predicted"]))',
                '(system, metrics.accuracy(part["true"], part["predicted"]))',
            ),
            "sealed runs are unsealed": (
                "        if not run.sealed\n",
                "        if run.sealed\n",
            ),
            "leaks of the first run alone": (
                "for run in group.runs]\n    lines =",
                "for run in group.runs[:1]]\n    lines =",
            ),
            "leaks are not said first": (
                "    lines = list(dict.fromkeys(filter(None, leaks)))\n",
                "    lines: list[str] = []\n",
            ),
            "nobody trained on though folds leak": (
                "if has_people(group.rows) and not lines:",
                "if has_people(group.rows):",
            ),
            "published figures beside those of across sets": (
                'protocol.get("class") == "CrossDataset":',
                'protocol.get("class") == "":',
            ),
            "* published beside pooled accuracy": (
                'with_spread(measured["accuracy_mean"], measured["accuracy_std"], 2)',
                'with_spread(measured["accuracy"], measured["accuracy_std"], 2)',
            ),
            "losses of a system by its label": (
                'own = history[history["system"] == system]',
                'own = history[history["system"] == label]',
            ),
            "true transfers drawn twice": (
                'if kind != "transfer" or not path.name.startswith("transfer-truth-"):',
                "if True:",
            ),
            "commit of the first rows": (
                'dict.fromkeys(run.rows["commit"].astype(str))',
                'dict.fromkeys(run.rows["commit"].astype(str)[:1])',
            ),
            "remarks of joined runs lost": (
                "[*group.remarks, *_single_seeds(group.rows)]",
                "_single_seeds(group.rows)",
            ),
            "gaps are not given": (
                "*([] if gaps is None else [gaps])",
                "*([] if gaps is None or True else [gaps])",
            ),
            "the worst of all systems under each name": (
                "wrong = {str(system): worst(rows, count) for",
                "wrong = {str(system): worst(group.rows, count) for",
            ),
            "corrected though there is one comparison": (
                '", Holm-corrected" if len(compared) > 1',
                '", Holm-corrected" if len(compared)',
            ),
        },
    ),
    "ferdis/report/page.py": (
        (TABLES,),
        {
            "foreign markup obeyed": ("jinja2.Environment(autoescape=True,", "jinja2.Environment(autoescape=False,"),
            "figures wider than they are": (
                "round(96 * figure.get_figwidth())",
                "round(figure.dpi * figure.get_figwidth())",
            ),
            "empty parts are shown": ('if name not in ("title", "anchor"))', 'if name != "anchor")'),
            "parts of one kind alone are empty": ("return any(value for name", "return all(value for name"),
            "the columns of the first table": ('f"{part.anchor}-{table.name}"', 'f"{table.name}"'),
        },
    ),
    "ferdis/protocol/audit_report.py": (
        (LEAKAGE,),
        {
            "* missing classes are well": (
                "return not self.leaks and not self.missing_classes",
                "return not self.leaks",
            ),
            "* share of all images": (
                "return self.seen_slots / self.test_slots if",
                "return self.seen_slots / self.images if",
            ),
            "* no test slots divide": (
                "if self.people is not None and self.test_slots else",
                "if self.people is not None else",
            ),
            "* unknown people are not seen": ('else float("nan")', "else 0.0"),
            "* missing classes let pass": (
                "        self.let_pass = bool(self.leaks)\n        if self.missing_classes:",
                "        self.let_pass = bool(self.leaks)\n        if False:",
            ),
            "* nothing is let pass and said so": ("self.let_pass = bool(self.leaks)", "self.let_pass = True"),
            "* one more than there are": ("and_more(self.count - 1)", "and_more(self.count)"),
            "* findings without missing classes": (
                "count = len(self.leaks) + len(self.missing_classes)",
                "count = len(self.leaks)",
            ),
            "* other findings counted with the first": ("others = len(self.leaks) - 1", "others = len(self.leaks)"),
            "* the rest is all": ("and_more(len(refused) - SHOWN)", "and_more(len(refused))"),
            "* leaks let pass are refused": ('word = "leak" if self.let_pass', 'word = "leak" if not self.let_pass'),
            "* duplicates that were not looked for are none": (
                "if self.duplicate_groups is not None:",
                "if self.duplicate_groups:",
            ),
        },
    ),
    "ferdis/datasets/__init__.py": (
        (REGISTRY,),
        {
            "* RAF-DB is posed": ('subject_namespace="rafd",\n', 'subject_namespace="rafd",\n        posed=True,\n'),
            "* JAFFE is not posed": ('subject_namespace="jaffe",\n        posed=True,', 'subject_namespace="jaffe",'),
            "a model is no model": (
                'path.suffix == ".onnx" or (path / "estimator.json").is_file()',
                'path.suffix == ".onnx"',
            ),
            "* a run is a folder": (
                '    if (path / "resolved.json").is_file():',
                '    if (path / "resolve.json").is_file():',
            ),
            "* folders with a list are of classes": (
                'kind = "manifest" if any(path.glob("*.csv")) else "folder"',
                'kind = "folder" if any(path.glob("*.csv")) else "manifest"',
            ),
        },
    ),
    "ferdis/datasets/common.py": (
        (REGISTRY,),
        {
            "* a home folder does not exist": ("folder = Path(root).expanduser()", "folder = Path(root)"),
            "* numbers of rows kept": ("return table[kept].reset_index(drop=True)", "return table[kept]"),
        },
    ),
    "ferdis/datasets/base.py": (
        (REGISTRY,),
        {
            "* cache not passed on": ("            cache=self.cache,\n", ""),
            "* device not passed on": ("            device=self.device,\n", ""),
            "* align ignored": (
                "self.prepared(*self.table(), align=self.align)",
                "self.prepared(*self.table(), align=True)",
            ),
            "* notes of reading lost": (
                'attrs["notes"] = [*notes, *faces.attrs.get("notes", [])]',
                'attrs["notes"] = [*notes]',
            ),
            "* notes printed all the same": ("for note in notes if self.progress else ():", "for note in notes:"),
            "* a home folder does not exist": ("self.root = Path(root).expanduser()", "self.root = Path(root)"),
        },
    ),
    "ferdis/report/record.py": (
        ("tests/report/test_report_record.py",),
        {
            "then and now swapped": (
                '"then": one, "now": other}',
                '"then": other, "now": one}',
            ),
            "* only now and only earlier swapped": (
                '((set(new) - set(old), "only now"), (set(old) - set(new), "only earlier"))',
                '((set(old) - set(new), "only now"), (set(new) - set(old), "only earlier"))',
            ),
            "* further groups overlooked": (
                "            remarks.append(f\"{group['title']}: the earlier report has no such group.\")\n",
                "",
            ),
            "* compared with the first group": (
                'before = then["groups"][number]',
                'before = then["groups"][0]',
            ),
            "* ends of an interval swapped": (
                '"low": gain.both_low, "high": gain.both_high',
                '"low": gain.both_high, "high": gain.both_low',
            ),
            "* the first system in both places": (
                '{"first": one, "second": other,',
                '{"first": one, "second": one,',
            ),
            "* zero is unknown": (
                "if one is None or other is None:",
                "if not one or not other:",
            ),
            "* the names of runs are their systems": (
                "[run.name for run in group.runs]",
                "[run.name for run in group.runs[:1]]",
            ),
            "* what is not known is 0": (
                "return None if isinstance(value, float) and value != value else value",
                "return 0.0 if isinstance(value, float) and value != value else value",
            ),
            "* another file's record": (
                'path / "report.json" if path.is_dir() else path.with_suffix(".json")',
                'path / "report.json" if path.is_dir() else path',
            ),
            "a change in shares": (
                "{100 * line.change:+.1f}",
                "{line.change:+.1f}",
            ),
        },
    ),
    "ferdis/sweep/shared_study.py": (
        ("tests/sweep/test_shared_study.py",),
        {
            "all workers draw the same": (
                "seed = derived_seed(self._seed, number) % 2**32",
                "seed = self._seed",
            ),
            "the trial's own numbers forgotten": (
                "        self._tpe = self._fresh(trial.number)\n",
                "        pass\n",
            ),
            "the lowest score is best": (
                'direction="maximize"',
                'direction="minimize"',
            ),
            "one trial more": (
                "< self._trials else None",
                "<= self._trials else None",
            ),
            "running trials not counted": (
                "TrialState.PRUNED, TrialState.RUNNING)",
                "TrialState.PRUNED)",
            ),
            "failed trials not counted": (
                "len(held) + len(self.failed()) <",
                "len(held) <",
            ),
            "pruned trials are no end": (
                "[*self._select(TrialState.COMPLETE, TrialState.PRUNED), *self.failed()]",
                "[*self._select(TrialState.COMPLETE), *self.failed()]",
            ),
            "an interrupted trial is lost": (
                '            self._requeue(trial, trial.user_attrs.get("deaths", 0))\n',
                "",
            ),
            "an interrupted trial has died": (
                'self._requeue(trial, trial.user_attrs.get("deaths", 0))',
                'self._requeue(trial, trial.user_attrs.get("deaths", 0) + 1)',
            ),
            "an interruption goes unsaid": (
                'trial.user_attrs.get("deaths", 0))\n            raise\n',
                'trial.user_attrs.get("deaths", 0))\n',
            ),
            "deaths forgotten": (
                "self._requeue(trial, deaths + 1)",
                "self._requeue(trial, 0)",
            ),
            "one death is the end": (
                "            if deaths < RETRIES:\n",
                "            if deaths < 1:\n",
            ),
            "the living are taken for dead": (
                "<= GRACE_SECONDS:",
                ">= GRACE_SECONDS:",
            ),
            "a trial without a beat is dead": (
                "trial.datetime_start.timestamp() if trial.datetime_start else time.time()",
                "0.0",
            ),
            "other arguments in the queue": (
                'self.study.enqueue_trial(trial.params, user_attrs={"deaths": deaths})',
                'self.study.enqueue_trial({}, user_attrs={"deaths": deaths})',
            ),
            "another sweep goes on": (
                '            raise ValueError(f"{where} holds another',
                '            print(f"{where} holds another',
            ),
            "no pruning": (
                "pruner=pruner or optuna",
                "pruner=optuna",
            ),
            "a password is shown": (
                "hide_password=True",
                "hide_password=False",
            ),
            "divergence is a failure": (
                "        except ArithmeticError as error:",
                "        except ZeroDivisionError as error:",
            ),
            "an error of the trial ends all": (
                '            trial.set_user_attr("error", with_kind(error))\n'
                "            self._tell(trial, state=TrialState.FAIL)\n",
                "            raise\n",
            ),
        },
    ),
    "ferdis/preprocess/restore.py": (
        (
            "tests/preprocess/test_align.py",
            "tests/predict/test_predictor.py",
        ),
        {
            "* device of the detector ignored": (
                "aligner = Aligner(device, turned",
                'aligner = Aligner("cpu", turned',
            ),
            "* device of drawn faces ignored": (
                "return Aligner(device, template=_template(record, model))",
                'return Aligner("cpu", template=_template(record, model))',
            ),
            "* turning forgotten": (
                'turned="turned" in params, ',
                "",
            ),
            "the filling outside forgotten": (
                ", outside=outside_of(params))",
                ")",
            ),
            "digests not compared": (
                'if record.get("digest") != aligner.digest:',
                "if False:",
            ),
            "* a record without a size is whole": (
                'if name is None or "image_size" not in record:',
                "if name is None:",
            ),
            "* there and here swapped": (
                'there, here = record.get("params", {}), aligner.params',
                'here, there = record.get("params", {}), aligner.params',
            ),
            "* lists and tuples differ": (
                "return [_plain(item) for item in value] if isinstance(value, list | tuple) else value",
                "return value",
            ),
            "drawn faces at the template of photographs": (
                "return Aligner(device, template=_template(record, model))",
                "return Aligner(device)",
            ),
            "another way of aligning is this one": (
                "if name != aligner.name:",
                "if False:",
            ),
        },
    ),
    "ferdis/cli/help.py": (
        (KNOWN,),
        {
            "short help for all": (
                'return "all" if "--help_all" in names',
                'return "all" if "--help_al" in names',
            ),
            "required arguments look optional": (
                'if argument.default else " (required)"',
                'if argument.default else ""',
            ),
            "completion of values of the last option but one": (
                "for token in reversed(before[1:])",
                "for token in before[1:]",
            ),
            "all classes of a choice": (
                "return sorted(name for name in found if name.startswith(last))",
                "return sorted(found)",
            ),
        },
    ),
    "ferdis/cli/fit.py": (
        ("tests/cli/test_fit.py",),
        {
            "nobody held out as in the run": (
                'if measured.record["selection"] == "validation":',
                'if measured.record["selection"] == "last" and False:',
            ),
            "held out of the last fold": (
                ".split(faces)[0]",
                ".split(faces)[-1]",
            ),
            "held-out people are fitted on": (
                "return faces[[row for row in range(len(faces)) if row not in chosen]], faces[fold.validation]",
                "return faces, faces[fold.validation]",
            ),
            "test people choose the epoch": (
                "chosen = set(fold.validation.tolist())",
                "chosen = set(fold.test.tolist())",
            ),
            "seed 0 whatever is asked": (
                'seed=settings["seed"], dataset',
                "seed=0, dataset",
            ),
            "* the sweep's winner forgotten": (
                "estimator.set_params(**common_winner(measured, label))\n        ",
                "",
            ),
            "the run's preset forgotten": (
                'record.get("preset", "paper")',
                '"paper"',
            ),
            "the run's arguments forgotten": (
                "{label: record.get(label, {})}",
                "{label: {}}",
            ),
            "the validation part not passed on": (
                "validation=validation, seed",
                "validation=None, seed",
            ),
            "the line before the run": (
                "return [*tokens(chosen | {label: record.get(label, {})}), *rest], run_folder",
                "return [*rest, *tokens(chosen | {label: record.get(label, {})})], run_folder",
            ),
            "the recipe is nobody's": (
                "faces, out, like=like, system=label",
                "faces, out, like=None, system=label",
            ),
            "the first system of several": (
                'or (labels[0] if len(labels) == 1 else "")',
                "or labels[0]",
            ),
        },
    ),
    "ferdis/predict/command.py": (
        ("tests/predict/test_command_parts.py",),
        {
            "* system not passed on": (
                "system=system, faces=faces, crops=crops, device=device",
                "faces=faces, crops=crops, device=device",
            ),
            "* device not passed on": (
                "crops=crops, device=device, **options",
                "crops=crops, **options",
            ),
            "* the threshold not passed on": (
                '{"abstain_below": abstain_below, "action_units": action_units}',
                '{"action_units": action_units}',
            ),
            "seconds of images alone": (
                'timed = _Seen(), any(source.kind != "image"',
                'timed = _Seen(), any(source.kind == "image"',
            ),
            "* limit before every n-th": (
                "return limit\n    return sum(known)",
                "return None\n    return sum(known)",
            ),
            "* the total of all in spite of a limit": (
                "return sum(known) if limit is None else min(limit, sum(known))",
                "return sum(known)",
            ),
            "* faces of one image under another's name": (
                'drawn = draw(frame.pixels, rows[rows["image"] == frame.name], classes)',
                "drawn = draw(frame.pixels, rows, classes)",
            ),
            "* the share of all images could not be read": (
                "{self.images - len(self.unreadable)}",
                "{self.images}",
            ),
            "* the run's folder is an image": (
                '"*/estimator.json", "resolved.json")',
                '"*/estimator.json")',
            ),
            "* batches of no bound": (
                "> 3 * _PIXELS:",
                "> 300 * _PIXELS:",
            ),
            "a file's model is the default one": (
                'or first.suffix == ".onnx"',
                'or first.suffix == ".onx"',
            ),
        },
    ),
    "ferdis/onnx_model.py": (
        (GRAPH,),
        {
            "* rows of the last batch lost": (
                "for start in range(0, count, _BATCH)",
                "for start in range(0, count - count % _BATCH or count, _BATCH)",
            ),
            "* the last batch for all": (
                "given[start : start + _BATCH] for",
                "given[-_BATCH:] for",
            ),
            "* threads ignored": (
                "int(given) if threads is None else threads",
                "int(given or 1)",
            ),
            "a newer file is read": (
                'if int(metadata["ferdis_format"]) > FORMAT:',
                'if int(metadata["ferdis_format"]) < FORMAT:',
            ),
            "* the least probable class": (
                ".argmax(1)]",
                ".argmin(1)]",
            ),
            "* generators name expressions": (
                "        if not self.classes:\n",
                "        if False:\n",
            ),
            "* outputs under the inputs' order": (
                "zip(self.outputs, zip(*parts, strict=True), strict=True)",
                "zip(self.outputs[::-1], zip(*parts, strict=True), strict=True)",
            ),
            "* cores spin": (
                '"session.intra_op.allow_spinning", "0"',
                '"session.intra_op.allow_spinning", "1"',
            ),
            "* the template is text": (
                '"classes", "preprocessing", "crop_template",',
                '"classes", "preprocessing",',
            ),
        },
    ),
    "ferdis/export/graph.py": (
        (GRAPH,),
        {
            "no antialiasing": (
                "/ step.clamp(min=1)).clamp(min=0)",
                ").clamp(min=0)",
            ),
            "* height and width swapped": (
                "pixels = whole_pixels(height @ planes @ width.T)",
                "pixels = whole_pixels(width @ planes @ height.T)",
            ),
            "pixels not rounded": (
                "pixels = whole_pixels(height @ planes @ width.T)",
                "pixels = height @ planes @ width.T",
            ),
            "training mode": (
                "copy.deepcopy(module).cpu().eval()",
                "copy.deepcopy(module).cpu().train()",
            ),
            "the system itself is changed": (
                "copy.deepcopy(module).cpu().eval()",
                "module.cpu().eval()",
            ),
            "half is whole": (
                "torch.float16 if half else torch.float32",
                "torch.float32",
            ),
            "images in -1..1": (
                "((result + 1) / 2).clamp(0, 1)",
                "result.clamp(-1, 1)",
            ),
            "* images not clamped": (
                "((result + 1) / 2).clamp(0, 1)",
                "((result + 1) / 2)",
            ),
            "channels first": (
                ".clamp(0, 1).permute(0, 2, 3, 1)",
                ".clamp(0, 1)",
            ),
            "* inputs in the order given": (
                "torch.from_numpy(inputs[name]).split(_ROWS) for name in self.inputs",
                "torch.from_numpy(value).split(_ROWS) for value in inputs.values()",
            ),
            "the first function whatever is asked": (
                "self.function = methods_of(self.system)[method]",
                "self.function = next(iter(methods_of(self.system).values()))",
            ),
            "images of the system in 0..255": (
                "result.astype(np.float32) / 255",
                "result.astype(np.float32)",
            ),
        },
    ),
}
