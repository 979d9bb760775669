"""Wrong programs in the loaders of data sets: a part of ``tools/wrong_programs.py``, in the same form."""

from __future__ import annotations

from tools.wrong_form import Programs

LAYOUTS = "tests/datasets/test_layouts.py"
INSIDE = "tests/datasets/test_inside_files.py"
CKPLUS = "tests/datasets/test_ckplus.py"
CK48 = "tests/datasets/test_ck48.py"
DISFA = "tests/datasets/test_disfa.py"

LOADERS: Programs = {
    "ferdis/datasets/ckplus.py": (
        (CKPLUS,),
        {
            "fear and sadness swapped": (
                '4: "fear", 5: "happiness", 6: "sadness"',
                '4: "sadness", 5: "happiness", 6: "fear"',
            ),
            "published counts of fear and sadness swapped": (
                '"fear": 25, "happiness": 69, "sadness": 28',
                '"fear": 28, "happiness": 69, "sadness": 25',
            ),
            "a sequence is a person": (
                '"subject": f"{NAMESPACE}/{subject}",',
                '"subject": f"{NAMESPACE}/{subject}_{number}",',
            ),
            "sequences of one number are one": (
                '"sequence": f"{NAMESPACE}/{subject}/{number}",',
                '"sequence": f"{NAMESPACE}/{subject}",',
            ),
            "units of the peak given to neutral frames": (
                'codes.get(sequence) if expression != "neutral" else None',
                "codes.get(sequence)",
            ),
            "a unit without intensity is not there": (
                "(1.0 if unit in code else silent)",
                "(1.0 if code.get(unit, 0) > 0 else silent)",
            ),
            "intensity letters begin at zero": ("'_abcde'[int(value)]", "'abcdef'[int(value)]"),
            "no blink is known to be none": (
                'columns[f"AU{unit:02d}"] = [np.nan if code is None else code.get(unit, silent)',
                'columns[f"AU{unit:02d}"] = [np.nan if code is None else code.get(unit, 0.0)',
            ),
            "uncoded sequences have no unit active": (
                'columns[f"AU{unit:02d}"] = [np.nan if code is None else code.get(unit, silent)',
                'columns[f"AU{unit:02d}"] = [silent if code is None else code.get(unit, silent)',
            ),
            "units of the first coded frame": ("path = by_frame[max(by_frame)]", "path = by_frame[min(by_frame)]"),
            "seven are six and neutral": (
                "chosen_expressions(self.expressions, seven=WITH_CONTEMPT)",
                "chosen_expressions(self.expressions)",
            ),
        },
    ),
    "ferdis/datasets/frames.py": (
        (CKPLUS, LAYOUTS, INSIDE),
        {
            "middle frames one later": ("start // 2 if self.where", "(start + 1) // 2 if self.where"),
            "the last frame but one is the peak": (
                "labelled = list(range(start, min(start + self.count, length)))",
                "labelled = list(range(max(start - 1, 0), min(start - 1 + self.count, length)))",
            ),
            "neutral from the end": (
                "return ([0] if 0 not in labelled else []), labelled",
                "return ([length - 1] if length - 1 not in labelled else []), labelled",
            ),
            "the first frame is neutral and labelled": ("return [0], labelled[1:]", "return [0], labelled"),
            "frames sorted as text": ('key=lambda row: row["frame"])', 'key=lambda row: str(row["frame"]))'),
            "position counted from the start": (
                "(length - 1) // 2) - number",
                '(length - 1) // 2) - number if self.peak == "middle" else number',
            ),
            "the middle rounded up": ("else (length - 1) // 2) - number", "else length // 2) - number"),
            "the apex is the last frame": (
                'match["where"].replace("apex", peak)',
                'match["where"].replace("apex", "last")',
            ),
            "the first frame alone is labelled too": (
                'elif self.where == "first":\n            labelled = []',
                'elif self.where == "first":\n            labelled = list(range(1, length))',
            ),
        },
    ),
    "ferdis/datasets/ck48.py": (
        (CK48,),
        {
            "another namespace than CK+": ('subject = f"{NAMESPACE}/{', 'subject = f"ck48/{'),
            "frames of one class in two folders": ("        _refuse_two_labels(tree, rows)\n", ""),
            "contempt left out of seven": (
                "chosen_expressions(self.expressions, seven=WITH_CONTEMPT)",
                "chosen_expressions(self.expressions)",
            ),
        },
    ),
    "ferdis/datasets/jaffe.py": (
        (LAYOUTS,),
        {
            "sadness and surprise swapped": ('"SA": "sadness", "SU": "surprise"', '"SA": "surprise", "SU": "sadness"'),
            "the take is part of the person": (
                '"subject": f"jaffe/{match[\'subject\'].upper()}"',
                "\"subject\": f\"jaffe/{match['subject'].upper()}{match['take']}\"",
            ),
            "take and serial number swapped": ('"take": int(match["take"])', '"take": int(match["serial"])'),
            "published counts of disgust and fear swapped": (
                '"images of disgust": 29, "images of fear": 32',
                '"images of disgust": 32, "images of fear": 29',
            ),
        },
    ),
    "ferdis/datasets/rafdb.py": (
        (LAYOUTS,),
        {
            "labels of FER2013": ('"4": "happiness", "5": "sadness"', '"4": "sadness", "5": "happiness"'),
            "train and test swapped": (
                '"split": match["part"].lower()',
                '"split": {"train": "test", "test": "train"}[match["part"].lower()]',
            ),
            "originals for crops": (
                'is not None) != (self.images == "aligned")',
                'is not None) == (self.images == "aligned")',
            ),
            "the folder before the list": (
                'label = labels.get(name) if labels else match["label"]',
                'label = match["label"] or labels.get(name)',
            ),
            "numbers without their part": ('"name": name})', '"name": name.partition("_")[2]})'),
            "missing labelled images not told": ("without = sorted(set(labels) - ", "without = sorted(set() - "),
        },
    ),
    "ferdis/datasets/rafd.py": (
        (LAYOUTS, INSIDE),
        {
            "gazes as of the camera": (
                '"gaze": gaze,',
                '"gaze": {"left": "right", "right": "left"}.get(gaze, gaze),',
            ),
            "angles mirrored": ('angle, gaze = int(match["angle"])', 'angle, gaze = 180 - int(match["angle"])'),
            "group for gender": ('"gender": match["gender"].lower()', '"gender": match["group"].lower()'),
            "the group is part of the person": (
                '"subject": f"rafd/{match[\'subject\']}"',
                "\"subject\": f\"rafd/{match['group']}_{match['subject']}\"",
            ),
            "units joined by frame": ('self.openface, by="path")', 'self.openface, by="path", missing="drop")'),
            "numbers that are not there": ("not in (6, 13, 17, 34, 62, 66)", "not in (6, 13, 17, 34, 62, 67)"),
        },
    ),
    "ferdis/datasets/sfew.py": (
        (LAYOUTS,),
        {
            "train and test swapped": (
                '"train" if match["part"].lower() == "train" else self.val',
                'self.val if match["part"].lower() == "train" else "train"',
            ),
            "validation is the test part whatever is asked": ('== "train" else self.val', '== "train" else "test"'),
            "the movie with its time": (
                '"movie": match["name"].split("_")[0]',
                '"movie": match["name"].rpartition("_")[0]',
            ),
            "crops told by the folder of the part alone": (
                '"align" in (match["kind"] + match["below"]).lower()',
                '"align" in match["kind"].lower()',
            ),
        },
    ),
    "ferdis/datasets/mmi.py": (
        (LAYOUTS, INSIDE),
        {
            "disgust and fear swapped": ('"2": "disgust", "3": "fear"', '"2": "fear", "3": "disgust"'),
            "happiness and sadness swapped": ('"4": "happiness", "5": "sadness"', '"4": "sadness", "5": "happiness"'),
            "a session is a person": (
                '"subject": f"mmi/S{match[\'subject\']}"',
                '"subject": f"mmi/{match[\'session\']}"',
            ),
            "units one frame late": ("frame_offset=-1)", "frame_offset=0)"),
            "side views count as frontal": ('FRONTAL = "0"', 'FRONTAL = "1"'),
            "a session without a view is left out": ("seen not in (None, FRONTAL)", "seen != FRONTAL"),
            "the first attribute of any name": (
                'name is None or given.get("name", "").lower() == name.lower()',
                'name is None or "value" in given',
            ),
            "the last frame of each video lacks": ("for frame in range(length)", "for frame in range(1, length)"),
        },
    ),
    "ferdis/datasets/oulucasia.py": (
        (LAYOUTS,),
        {
            "all lights are of one sequence": (
                '"sequence": "/".join((subject, *wanted[:2], str(name)))',
                '"sequence": "/".join((subject, str(name)))',
            ),
            "the light asked for ignored": (
                '(match["camera"].upper(), match["light"].capitalize(), copy) != wanted',
                '(match["camera"].upper(), copy) != (wanted[0], wanted[2])',
            ),
            "cropped copies are originals": (
                'copy = "preprocessed" if "preprocess" in',
                'copy = "original" if "preprocess" in',
            ),
            "peak at the middle": ('parse(self.frames, "last", neutral', 'parse(self.frames, "middle", neutral'),
        },
    ),
    "ferdis/datasets/bu3dfe.py": (
        (LAYOUTS,),
        {
            "weakest for strongest": ("intensity: Sequence[int] = (3, 4)", "intensity: Sequence[int] = (1, 2)"),
            "women and men swapped": (
                '"female" if match["subject"][0] in "Ff"',
                '"female" if match["subject"][0] in "Mm"',
            ),
            "the sex is no part of the person": (
                '"subject": f"bu3d/{match[\'subject\'].upper()}"',
                '"subject": f"bu3d/{match[\'subject\'][1:]}"',
            ),
            "neutral at every intensity left out": ("if level in (0, *levels):", "if level in levels:"),
            "ancestry is the label": ('"ancestry": match["ancestry"].upper()', '"ancestry": match["label"].upper()'),
        },
    ),
    "ferdis/datasets/bu4dfe.py": (
        (LAYOUTS,),
        {
            "women and men swapped": (
                '"female" if match["subject"][0] in "Ff"',
                '"female" if match["subject"][0] in "Mm"',
            ),
            "strongest at the end": ('parse(self.frames, "middle", neutral', 'parse(self.frames, "last", neutral'),
            "as many women as men": (
                'range(1, 59)), *numbered("bu4d/M{:03d}", range(1, 44))',
                'range(1, 58)), *numbered("bu4d/M{:03d}", range(1, 45))',
            ),
        },
    ),
    "ferdis/datasets/yale.py": (
        (LAYOUTS,),
        {
            "glasses always neutral": ('if self.neutral == "all" else {}', "if self.neutral else {}"),
            "sad and surprised swapped": (
                '"sad": "sadness", "surprised": "surprise"',
                '"sad": "surprise", "surprised": "sadness"',
            ),
        },
    ),
    "ferdis/datasets/disfa.py": (
        (DISFA,),
        {
            "fear without the lips": ('"fear": (1, 2, 4, 5, 20, 26)', '"fear": (1, 2, 4, 5, 26)'),
            "disgust without the mouth": ('"disgust": (9, 15)', '"disgust": (9,)'),
            "sadness without the brows": ('"sadness": (1, 4, 15)', '"sadness": (4, 15)'),
            "long prototypes win": ("    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)\n", ""),
            "frames of a video one late": ("files.pictures[subject] = {k + 1:", "files.pictures[subject] = {k:"),
            "every so many-th of all frames": (
                "both = both[::every]",
                "both = [frame for frame in both if frame % every == 0]",
            ),
            "the other camera": (
                'other = "right" if camera == "left" else "left"',
                'other = "left" if camera == "left" else "right"',
            ),
            "the first image shifted the wrong way": (
                "int(number[1]) + 1 - first_frame",
                "int(number[1]) - 1 + first_frame",
            ),
            "codes by position": (
                "coded.loc[both].reset_index(drop=True)",
                "coded.iloc[: len(both)].reset_index(drop=True)",
            ),
            "uncoded units are 0": (
                "reindex(columns=list(AU_COLUMNS))",
                "reindex(columns=list(AU_COLUMNS), fill_value=0.0)",
            ),
            "files of units sorted as text": (
                "_read_unit(folder / by_unit[unit], problems) for unit in UNITS}",
                "_read_unit(folder / path, problems) for unit, (_, path) in zip(UNITS, by_unit.items())}",
            ),
            "whoever the folder names": ("subject = people[-1].upper()", "subject = people[0].upper()"),
        },
    ),
    "ferdis/datasets/fer2013.py": (
        (INSIDE, LAYOUTS),
        {
            "disgust and fear swapped": ('"1": "disgust", "2": "fear"', '"1": "fear", "2": "disgust"'),
            "sadness and surprise swapped": ('"4": "sadness", "5": "surprise"', '"4": "surprise", "5": "sadness"'),
            "public and private test swapped": (
                '"publictest": "validation", "privatetest": "test"',
                '"publictest": "test", "privatetest": "validation"',
            ),
            "the folder before the name": (
                'part_of(match["usage"] or match["part"])',
                'part_of(match["part"] or match["usage"])',
            ),
            "validation folders train": ('or "validation"\n', 'or "train"\n'),
            "a CSV of another part first": (
                'found.append(("usage" not in columns, path))',
                'found.append(("usage" in columns, path))',
            ),
        },
    ),
    "ferdis/datasets/ferplus.py": (
        (INSIDE,),
        {
            "half of the votes is a majority": (
                "if share[number] <= self.majority",
                "if share[number] < self.majority",
            ),
            "majority ignored": ("if share[number] <= self.majority", "if share[number] <= 0.5"),
            "unknown faces do not count": (
                "firm.max(axis=1) / firm.sum(axis=1)",
                "firm.max(axis=1) / firm[names].sum(axis=1)",
            ),
            "single votes count": ("firm = counted.where(counted > 1, 0)", "firm = counted.where(counted > 0, 0)"),
            "two votes dropped": ("firm = counted.where(counted > 1, 0)", "firm = counted.where(counted > 2, 0)"),
            "votes are those left": ("int(counted[name][number])", "int(firm[name][number])"),
            "share of all ten": ("firm.max(axis=1) / firm.sum(axis=1).clip(lower=1)", "firm.max(axis=1) / VOTERS"),
            "faces that are none get a label": (
                "share[number] <= self.majority or best[number] not in names",
                'share[number] <= self.majority or best[number] == "nf"',
            ),
        },
    ),
    "ferdis/datasets/published.py": (
        (LAYOUTS, CKPLUS),
        {},
    ),
}
