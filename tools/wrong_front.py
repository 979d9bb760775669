"""Wrong programs in what meets the user: command line, shared studies, exported files.

A part of ``tools/wrong_programs.py``, in the same form.
"""

from __future__ import annotations

from tools.wrong_form import Programs

KNOWN = "tests/cli/test_known.py"
LINE = "tests/cli/test_arguments.py"
KFOLD = "tests/cli/test_kfold.py"
GRAPH = "tests/export/test_graph.py"

FRONT: Programs = {
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
