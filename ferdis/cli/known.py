"""Which options a line may have, told from the source of the verbs: names, suggestions, and values that cannot be.

A first look at a line, in tenths of a second: what it finds is refused before a system or a data set is imported. What
it lets pass the parsers of jsonargparse look at again, with the types themselves.
"""

from __future__ import annotations

import ast
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ferdis.cli.arguments import UsageError, leading, options, value_of
from ferdis.cli.chosen import DEFAULTS, JOINT, LOADING, PROTOCOLS, SHORT, Names, choose_names
from ferdis.cli.signatures import REQUIRED, Argument, arguments_of, imports_of, is_module, registered, tree_of
from ferdis.messages import closest, quoted

HELP = ("-h", "--help", "--help_all")
EVERYWHERE = {
    "--config": Argument("config", "str", "None", "YAML file of these arguments, such as RUN/config.yaml"),
    "--print_config": Argument("print_config", "flag", "False", "show what would be run, and stop"),
}
OF_FIT = {  # which it takes before the parser sees the line
    "--like": Argument("like", "str", "None", "a finished run: its data set, system and arguments; the card cites it")
}
_TRUE_OR_FALSE = ("true", "false", "yes", "no", "1", "0", "on", "off")
_RUNS = ("run", "runs", "folder")  # words of a line that name what ferdis kfold wrote
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "None": "null"}


@dataclass(frozen=True)
class Known:
    """The options of a line.

    Attributes
    ----------
    verb : dict of option to Argument, without those of systems, data set and protocol
    groups : what a key (``dataset``, ``protocol``, a system's label) is called -> its options; the key's own name first
    names : the systems by label, data set and protocol that the line names
    words : what must stand before the options, one word at least of each
    """

    verb: Mapping[str, Argument]
    groups: Mapping[str, Mapping[str, Argument]]
    names: Names
    words: Mapping[str, Argument]

    @property
    def every(self) -> dict[str, Argument]:
        """All options, with the short ones and ``--system.ARGUMENT``."""
        found = dict(self.verb)
        for key, group in self.groups.items():
            found |= {f"--{key}.{name}": argument for name, argument in group.items()}
        for label in self.names.systems:
            found |= {f"--system.{name}": argument for name, argument in self.groups.get(label, {}).items()}
        for short, option in SHORT.items():
            if option in found:
                found[short] = found[option]
        return found


def known(verb: str, argv: Sequence[str] = ()) -> Known:
    """The options that a line of ``ferdis VERB`` may have."""
    module = f"ferdis.cli.{verb}"
    calls = _calls(module)
    added = _added(module)
    own = _of_functions(module) | {name: item for name, item in added.items() if name[0] == "-"}
    words = {name: item for name, item in added.items() if name[0] != "-" and item.default == REQUIRED}
    experiment = "experiment_parser" in calls
    groups: dict[str, dict[str, Argument]] = {}
    if not experiment and "add_system" not in calls:
        own |= _of_data_set(verb, argv)
        return Known(own, {}, Names({}, "", "", ""), words)
    default = {"augment": ["--system", "decgan"]}.get(verb, [])
    named = any(option in ("--system", "--system.name") for option, _ in options(argv))
    names = choose_names(argv if named else [*argv, *default])
    if experiment:
        own = {**_added("ferdis.cli.parsers", "experiment_parser"), **own}
        own.update(EVERYWHERE)
        own.update(OF_FIT if verb == "fit" else {})
    groups["dataset"] = {**_name("dataset"), **arguments_of(data_sets()[names.dataset])}
    if "protocol" not in calls:
        groups["protocol"] = {**_name("protocol"), **arguments_of(PROTOCOLS[names.protocol])}
        if names.protocol in JOINT:
            del groups["dataset"]
            groups["protocol"] |= {"loading": Argument("loading", "dict | None", "None", LOADING)}
    for label, target in names.systems.items():
        groups[label] = arguments_of(target)
    return Known(own, groups, names, words)


def check_line(verb: str, argv: Sequence[str]) -> None:
    """Refuse options that there are not, with the nearest that there is, and values that no such argument takes.

    Raises
    ------
    UsageError
        One line.
    """
    there = known(verb, argv)
    every = there.every
    for given, values in options(argv):
        option = given.removesuffix("+")  # jsonargparse's: adds to a list
        if not option or option in HELP:
            continue
        if option not in every:
            raise UsageError(_unknown(option, verb, there, every))
        argument = every[option]
        if values and option.rpartition(".")[2].lstrip("-") == "root":
            _refuse_missing_folder(values[-1], there.names.dataset or (argv[0] if verb == "check" else "set's"))
        if values and option == "--out":
            _refuse_unwritable(values[-1])
        if values and not _fits(argument, option, values):
            kinds = [_WORDS.get(part, f"one of {part[8:-1]}" if part.startswith("Literal[") else part)
                     for part in _alternatives(argument.kind)]  # fmt: skip
            raise UsageError(f"{option} {' '.join(values)}: {' or '.join(kinds)} is needed")
    _refuse_systems(verb, there.names)
    words, line = leading(argv)
    _refuse_missing_words(verb, there.words, words)
    _refuse_missing_options(verb, there, line)


def _refuse_missing_words(verb: str, wanted: Mapping[str, Argument], words: Sequence[str]) -> None:
    """Runs that are not there, and words that must stand before the options and do not."""
    names = list(wanted)
    for number, word in enumerate(words if names else ()):
        name = names[min(number, len(names) - 1)]  # the last may be several
        if name in _RUNS and not Path(word).expanduser().exists():
            raise UsageError(f"{word} does not exist: give {wanted[name].help}")
    if len(words) < len(names):
        missing = names[len(words)]
        raise UsageError(f"ferdis {verb} needs {missing.upper()}: {wanted[missing].help}")


def _refuse_missing_options(verb: str, there: Known, line: Sequence[str]) -> None:
    """Options that must be given and are not; a key whose arguments are given in braces is left to the parser."""
    given, braces = set(), set()
    for option, values in options(line):
        option = option.removesuffix("+")
        given.add(SHORT.get(option, option))
        if any("{" in value for value in values):
            braces.add(option.lstrip("-").partition(".")[0])
    needed = dict(there.verb)
    for key in {"dataset", "protocol"} & set(there.groups) - braces:
        needed |= {f"--{key}.{name}": argument for name, argument in there.groups[key].items()}
    for option, argument in needed.items():
        if argument.default == REQUIRED and option not in given:
            raise UsageError(f"ferdis {verb} needs {option.replace('_', '-')}: {argument.help}")


def _refuse_systems(verb: str, names: Names) -> None:
    """Systems that a verb can do nothing with."""
    from ferdis.systems import GENERATORS, SYSTEMS

    generators = [label for label, target in names.systems.items() if target in GENERATORS.values()]
    if generators and verb in ("kfold", "sweep"):
        raise UsageError(
            f"{generators[0]} draws faces and names no expression, so that {verb} has nothing to score: choose of "
            f"{', '.join(SYSTEMS)}, or `ferdis augment` for what it draws"
        )
    if len(names.systems) > 1 and verb in ("fit", "sweep", "augment"):
        first = next(iter(names.systems))
        raise UsageError(f"{verb} takes one system: name it, as in --system {first}")


def _refuse_missing_folder(root: str, dataset: str) -> None:
    if not Path(root).expanduser().exists():
        raise UsageError(f"{root} does not exist: give --root the folder that holds the {dataset} data")


def _refuse_unwritable(out: str) -> None:
    """Refuse a place under a file, or under a folder that may not be written."""
    place = Path(out).expanduser().absolute()
    ancestor = next(folder for folder in (place, *place.parents) if folder.exists())
    if ancestor != place and not ancestor.is_dir():
        raise UsageError(f"--out {out} cannot be written ({ancestor} is a file): choose another folder")
    if not os.access(ancestor, os.W_OK):
        raise UsageError(f"--out {out} cannot be written ({ancestor} may not be written): choose another folder")


def data_sets() -> dict[str, str]:
    """Name -> ``"module:name"`` of the registered data sets, as :data:`ferdis.datasets.REGISTRY` has them."""
    found = registered("ferdis.datasets", "Entry", "loader")
    if loaded := sys.modules.get("ferdis.datasets"):  # a program may have added its own
        found |= {name: entry.loader for name, entry in getattr(loaded, "REGISTRY", {}).items()}
    return found


def _unknown(option: str, verb: str, there: Known, every: Mapping[str, Argument]) -> str:
    label, dot, _ = option.removeprefix("--").partition(".")
    if dot and label not in there.groups and label != "system":
        among = ", ".join(there.groups) or "none"
        near = closest(label, there.groups)
        return f"no option {option}: {label} is none of {among}, whose arguments this line takes{near}"
    near = closest(option, every)
    return f"ferdis {verb} has no option {option}{near or f': ferdis {verb} --help-all lists them'}"


def _fits(argument: Argument, option: str, values: Sequence[str]) -> bool:
    """Whether the values may be meant; in doubt they may."""
    parts = _alternatives(argument.kind)
    if not all(part in _WORDS or part.startswith("Literal[") for part in parts) or option == "--system":
        return True
    if len(values) != 1:
        return False
    text = values[0].strip().strip("\"'")
    return any(_is(part, text) for part in parts)


def _alternatives(kind: str) -> list[str]:
    return [part.strip() for part in re.split(r"\|(?![^\[]*\])", kind)]


def _is(kind: str, text: str) -> bool:
    if kind == "None":
        return text.lower() in ("null", "none", "")
    if kind == "bool":
        return text.lower() in _TRUE_OR_FALSE
    if kind.startswith("Literal["):
        return text in [str(value) for value in ast.literal_eval(f"[{kind[8:-1]}]")]
    try:
        return math.isfinite(float(text)) and (kind == "float" or re.fullmatch(r"[+-]?[\d_]+", text) is not None)
    except ValueError:
        return kind == "float" and text.lower() in (".inf", "-.inf", "inf", "-inf", ".nan", "nan")


@cache
def _calls(module: str) -> frozenset[str]:
    """Names of the functions that a verb's module calls; ``protocol`` where it makes no folds."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call):
            found.add(ast.unparse(node.func).rpartition(".")[2])
            found |= {item.arg or "" for item in node.keywords
                      if item.arg == "protocol" and ast.unparse(item.value) == "False"}  # fmt: skip
    return frozenset(found | ({"protocol"} if "add_named" in found else set()))


def _of_functions(module: str) -> dict[str, Argument]:
    """Options of the functions whose arguments a verb's module adds."""
    found: dict[str, Argument] = {}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_function_arguments"):
            target, skip = _target(module, node.args[0]), _skipped(module, node)
            if target is not None:
                found |= {f"--{name}": item for name, item in arguments_of(target).items() if name not in skip}
    return found


def _added(module: str, function: str | None = None) -> dict[str, Argument]:
    """What ``add_argument`` adds in a module, or in one function of it: ``--option``, or a word before the options."""
    nodes = tree_of(module).body
    if function is not None:
        nodes = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == function]
    found = {}
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("add_argument") and node.args):
            continue
        name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if isinstance(name, str):
            given = {item.arg or "": item.value for item in node.keywords}
            text = given.get("help")
            words = text.value if isinstance(text, ast.Constant) else ast.unparse(text).strip("f\"'") if text else ""
            kind = "flag" if "action" in given else ast.unparse(given["type"]) if "type" in given else "str"
            optional = ast.unparse(given["default"]) if "default" in given else "None"
            any_number = "nargs" in given and ast.unparse(given["nargs"]) == "'*'"
            needed = "required" in given if name[0] == "-" else not any_number
            default = REQUIRED if needed else optional
            found[name] = Argument(name.lstrip("-"), kind, default, str(words).replace("%%", "%"))
    return found


def _target(module: str, node: ast.expr) -> str | None:
    """``"module:function"`` of the expression that names a function in a verb's module."""
    imported = imports_of(module)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
        return f"{'.'.join(imported[node.value.id])}:{node.attr}"
    if isinstance(node, ast.Name) and node.id in imported:
        where, name = imported[node.id]
        return None if is_module(f"{where}.{name}") and where == "ferdis" else f"{where}:{name}"
    if isinstance(node, ast.Name) and any(getattr(item, "name", "") == node.id for item in tree_of(module).body):
        return f"{module}:{node.id}"
    return None


def _skipped(module: str, call: ast.Call) -> set[str]:
    """The constants of ``skip=``, be it a set or the name of one."""
    for item in call.keywords:
        if item.arg != "skip":
            continue
        value = item.value
        if isinstance(value, ast.Name):
            name = value.id
            for node in ast.walk(tree_of(module)):
                if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and node.value is not None:
                    value = node.value
        return set(map(str, ast.literal_eval(value)))
    return set()


def _of_data_set(verb: str, argv: Sequence[str]) -> dict[str, Argument]:
    """Arguments of the data set that ``check NAME`` and ``render --name NAME`` name."""
    name = ""
    if verb == "check" and argv and not argv[0].startswith("-"):
        name = argv[0]
    elif verb == "render":
        given = value_of(argv, "--name")
        name = "synthetic" if given is None else given
    if not name:
        return {}
    plain = re.sub(r"[^a-z0-9]", "", name.lower().replace("+", "plus"))
    there = data_sets()
    if plain not in there:
        raise UsageError(f"no data set {name!r}{closest(name, there)} (there are {', '.join(there)})")
    found = arguments_of(there[plain])
    return {f"--{item}": argument for item, argument in found.items() if (verb, item) != ("render", "cache")}


def _name(key: str) -> dict[str, Argument]:
    return {"name": Argument("name", "str", quoted(DEFAULTS[key]), f"which {key}; --{key} NAME is short for it")}
