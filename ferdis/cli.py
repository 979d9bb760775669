"""`ferdis VERB`: a thin face over the functions of the library.

Every argument is read from a signature and its docstring: a data set's loader, a system's constructor, the
protocol, ``evaluate`` itself. A verb parses, calls the library, and prints what it gives back.

How the arguments of ``ferdis kfold`` are named:

- ``--dataset NAME`` chooses a data set; ``--dataset.ARGUMENT`` is an argument of its loader.
- ``--system NAME ...`` chooses one or more systems; ``--NAME.ARGUMENT`` is an argument of that system's
  constructor, ``--system.ARGUMENT`` the same argument of every chosen system that has it.
- ``--system LABEL=NAME`` runs a system under a name of its own: ``--system ifgan plain=ifgan
  --plain.attention false`` compares IF-GAN with itself without attention.
- ``--preset small`` starts from the systems' small size; arguments that are given override it.
- Where a constructor takes faces (``extra_train``), name the data set and its loader's arguments:
  ``--ifgan.extra_train '{name: ckplus, root: DIR}'``, or a list of such.
- ``--protocol NAME`` and ``--protocol.ARGUMENT`` likewise; ``--folds N`` is short for
  ``--protocol.n_splits N``, ``--jobs N`` for ``--n_jobs N``.
- ``--config FILE`` reads all of this from YAML, a run's own ``config.yaml`` among others; what stands after
  it wins. ``--print_config`` shows what would be run.

Exit status: 0; 2 for what the user can put right, in one line; 130 after Ctrl-C; 1 for anything else
(``FERDIS_DEBUG=1`` shows where).
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import re
import sys
import traceback
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ArgumentParser

USER_ERROR, BUG, INTERRUPTED = 2, 1, 130

PROTOCOLS = {
    "subject-kfold": "ferdis.protocol:SubjectKFold",
    "leave-one-subject-out": "ferdis.protocol:LeaveOneSubjectOut",
    "official": "ferdis.protocol:OfficialSplit",
    "fold-list": "ferdis.protocol:FoldList",
}
DEFAULTS: dict[str, Any] = {
    "system": ["ifgan", "resnet"],
    "dataset": "synthetic",
    "protocol": "subject-kfold",
    "preset": "paper",
}
SHORT = {
    "--dataset": "--dataset.name",
    "--protocol": "--protocol.name",
    "--folds": "--protocol.n_splits",
    "--jobs": "--n_jobs",
}
RESERVED = (
    *DEFAULTS,
    "config",
    "print_config",
    "seeds",
    "selection",
    "out",
    "n_jobs",
    "progress",
    "arguments",
)
LISTS = ("--system", "--seeds")  # one value is a list of one
FLAGS = ("diagnose_peeking", "new_folds", "sequences", "without_subjects")  # may stand without a value
# Arguments that say where and how fast, not what: they stay out of a run's config.yaml.
ERRANDS = ("out", "n_jobs", "progress")


class UsageError(ValueError):
    """The command line cannot be understood."""


# ------------------------------------------------------------------------------------------------- verbs


def datasets(argv: Sequence[str]) -> None:
    """List the data sets: people, classes, images, layout, and where to get them."""
    _parser("datasets", datasets).parse_args(list(argv))
    from ferdis.datasets import describe_datasets

    print(describe_datasets())


def check(argv: Sequence[str]) -> int:
    """Look a data set over: count it, and name what is unreadable, there twice, or labelled in two ways."""
    from ferdis.datasets import REGISTRY, entry

    parser = _parser("check", check, f"Data sets: {', '.join(REGISTRY)}; name one to see its arguments.")
    parser.add_argument("name", type=str, help="the data set")
    if argv and not argv[0].startswith("-"):
        loader = entry(argv[0]).load_function()
        parser.add_function_arguments(loader)
        parser.describe("", loader)
    arguments = parser.parse_args([*argv[:1], *_long(argv[1:])]).as_dict()
    from ferdis.datasets.check import check as look_over

    report = look_over(arguments.pop("name"), **arguments)
    print(report)
    return 0 if report.ok else USER_ERROR


def render(argv: Sequence[str]) -> None:
    """Draw embedded synthetic people into a folder: pictures, and a faces.csv that `manifest` reads back."""
    from ferdis.datasets.synthetic.dataset import load_synthetic, write_images

    parser = _parser("render", render)
    parser.add_argument("--out", type=str, required=True, help="folder for the pictures and faces.csv")
    parser.add_function_arguments(load_synthetic, skip={"cache"})
    arguments = parser.parse_args(_long(argv)).as_dict()
    out = arguments.pop("out")
    faces = load_synthetic(**arguments, cache=False)
    print(f"{faces} -> {write_images(faces, out)}")


def kfold(argv: Sequence[str]) -> None:
    """Evaluate systems on a data set with no person in both the training and the test part of a fold."""
    argv = _with_config(argv)
    show, argv = "--print_config" in argv, [item for item in argv if item != "--print_config"]
    chosen = _choose(argv)
    settings = _kfold_parser(chosen).parse_args(_long(argv, chosen)).as_dict()
    settings = {key: value for key, value in settings.items() if key not in ("config", "print_config")}
    arguments = json.loads(json.dumps(settings, default=str))
    if show:
        print(yaml.safe_dump(arguments, sort_keys=False, allow_unicode=True), end="")
        return
    from ferdis.datasets import load
    from ferdis.protocol import repeat
    from ferdis.runner import evaluate

    estimators = {label: _estimator(cls, settings.pop(label)) for label, cls in chosen.systems.items()}
    protocol = _imported(PROTOCOLS[chosen.protocol])(**_without_name(settings.pop("protocol")))
    faces = load(chosen.dataset, **_without_name(settings.pop("dataset")))
    out = settings.pop("out") or f"runs/{chosen.dataset}-{'-'.join(chosen.systems)}"
    if settings.pop("new_folds"):
        protocol = repeat(protocol, settings["seeds"])
    evaluation = evaluate(
        estimators,
        faces,
        protocol,
        out=out,
        dataset=chosen.dataset,
        arguments={key: value for key, value in arguments.items() if key not in ERRANDS},
        **{key: value for key, value in settings.items() if key not in ("system", "preset")},
    )
    print((Path(out) / "summary.md").read_text(encoding="utf-8"))
    print(f"rows, figures and weights are in {evaluation.folder}")


def disentangle(argv: Sequence[str]) -> None:
    """Measure what identity and expression the codes of a run's systems hold, on people they never saw."""
    from ferdis.disentangle import run

    parser = _parser("disentangle", disentangle)
    parser.add_argument("folder", type=str, help="a run folder of ferdis kfold")
    parser.add_function_arguments(run, skip={"folder", "faces"})
    parser.describe("", run)
    parser.add_argument("--faces", type=dict[str, Any], default=None, help="{name: DATASET, ...}: measure on these")
    names, options = _leading(argv)
    arguments = parser.parse_args([*names, *_long(options)]).as_dict()
    if arguments["faces"] is not None:
        arguments["faces"] = _faces(arguments["faces"])
    run(**arguments)


def demo(argv: Sequence[str]) -> int:
    """Run the main job on embedded people: IF-GAN against its ResNet baseline, 10 subject-exclusive folds."""
    from ferdis.demo import run

    parser = _parser("demo", demo)
    parser.add_function_arguments(run)
    return run(**parser.parse_args(_long(argv)).as_dict())


VERBS: dict[str, Callable[[Sequence[str]], Any]] = {
    "datasets": datasets,
    "check": check,
    "render": render,
    "kfold": kfold,
    "disentangle": disentangle,
    "demo": demo,
}


# ------------------------------------------------------------------------------- what the line has chosen


@dataclass(frozen=True)
class Chosen:
    """What a kfold line names: it decides which arguments there are.

    Parameters
    ----------
    systems : dict of label to class
    dataset, protocol, preset : names
    epochs_of : labels whose epochs are named ("system" for all): as with ``small(epochs=...)``, exactly these are
        trained.
    """

    systems: dict[str, type] = field(default_factory=dict)
    dataset: str = DEFAULTS["dataset"]
    protocol: str = DEFAULTS["protocol"]
    preset: str = DEFAULTS["preset"]
    epochs_of: frozenset[str] = frozenset()


def _choose(argv: Sequence[str]) -> Chosen:
    """Read the names off the command line, before any argument is checked."""
    from ferdis.systems import get

    found = dict(DEFAULTS)
    epochs_of: set[str] = set()
    for option, values in _options(argv):
        if option.endswith(".epochs"):
            epochs_of.add(option.removeprefix("--").removesuffix(".epochs"))
        name = option.removeprefix("--").removesuffix(".name")
        if name in DEFAULTS and values:
            found[name] = values if name == "system" else values[-1]
    systems: dict[str, type] = {}
    for item in _flat(found["system"]):
        label, _, name = item.rpartition("=")
        label = label or name
        if label in systems:
            raise UsageError(f"--system names {label!r} twice: label one of them, as in --system {name} b={name}")
        systems[label] = get(name)
        if label in RESERVED or not label.isidentifier():
            raise UsageError(f"--system {item}: a label is a plain word that is no other argument's name")
    if found["protocol"] not in PROTOCOLS:
        raise UsageError(f"no protocol {found['protocol']!r} (there are {', '.join(PROTOCOLS)})")
    dataset, protocol, preset = (str(found[name]) for name in ("dataset", "protocol", "preset"))
    return Chosen(systems, dataset, protocol, preset, frozenset(epochs_of))


def _with_config(argv: Sequence[str]) -> list[str]:
    """The line with ``--config FILE`` replaced by the arguments that the file holds."""
    line: list[str] = []
    for option, values in _options(argv):
        if option == "--config":
            if len(values) != 1:
                raise UsageError("--config needs the name of one file")
            line += _tokens(_configuration(Path(values[0])))
        else:
            line += [option, *values] if option else values
    return line


def _configuration(path: Path) -> dict[str, Any]:
    """Arguments in a file: written by --print_config or by hand, or the record of a run."""
    if not path.is_file():
        raise FileNotFoundError(f"--config {path}: no such file")
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} is no YAML: {error}") from None
    if isinstance(record, dict) and isinstance(record.get("arguments"), dict):
        record = record["arguments"]
    if not isinstance(record, dict):
        raise UsageError(f"--config {path} holds no arguments: it should read like the output of --print_config")
    return record


def _tokens(record: dict[str, Any], prefix: str = "--") -> list[str]:
    """``{"folds": 5, "ifgan": {"epochs": 3}}`` -> ``["--folds=5", "--ifgan.epochs=3"]``."""
    line: list[str] = []
    for key, value in record.items():
        if isinstance(value, dict) and prefix == "--":
            line += _tokens(value, f"--{key}.")
        else:
            line.append(f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}")
    return line


def _leading(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first option, and the rest."""
    count = next((place for place, token in enumerate(argv) if token.startswith("-")), len(argv))
    return list(argv[:count]), list(argv[count:])


def _flat(values: str | Sequence[str]) -> list[str]:
    """``["[a, b]", "c"]`` -> ``["a", "b", "c"]``."""
    values = [values] if isinstance(values, str) else values
    parts = [part.strip(" \"'") for value in values for part in str(value).strip("[] ").split(",")]
    return [part for part in parts if part]


def _options(argv: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Options with the values that follow each; ``--a=b`` is split."""
    option = ""
    values: list[str] = []
    for token in argv:
        if token.startswith("--") or token == "-h":
            if option or values:
                yield option, values
            option, equals, value = token.partition("=")
            values = [value] if equals else []
        else:
            values.append(token)
    if option or values:
        yield option, values


def _long(argv: Sequence[str], chosen: Chosen | None = None) -> list[str]:
    """The line in the long form that the parser knows: no short names, no ``--system.X``, lists as YAML."""
    line: list[str] = []
    for option, values in _options(argv):
        if not option:
            raise UsageError(f"unrecognized arguments: {' '.join(values)}")
        option = SHORT.get(option, option) if chosen else option
        if option.lstrip("-").rpartition(".")[2] in FLAGS and not values:
            values = ["true"]
        if option in LISTS or len(values) > 1:
            values = [f"[{', '.join(_flat(values))}]"]
        for name in _spread(option, chosen) if chosen else [option]:
            line.append("=".join([name, *values]))
    return line


def _spread(option: str, chosen: Chosen) -> list[str]:
    """``--system.epochs`` -> ``--ifgan.epochs``, ``--resnet.epochs``; any other option is itself."""
    if not option.startswith("--system."):
        return [option]
    argument = option.removeprefix("--system.")
    has = [label for label, cls in chosen.systems.items() if argument in inspect.signature(cls).parameters]
    if not has:
        raise UsageError(f"none of {', '.join(chosen.systems)} has an argument {argument!r}: see ferdis kfold --help")
    return [f"--{label}.{argument}" for label in has]


# ------------------------------------------------------------------------------------------------ parsers


class _Parser(ArgumentParser):
    """jsonargparse's parser, with help for parameters that a docstring describes together (``a, b : int``)."""

    def describe(self, key: str, function: Callable[..., Any]) -> None:
        """Fill in the help of the arguments of ``function`` below ``key`` from its docstring."""
        texts = _descriptions(inspect.getdoc(function) or "")
        prefix = f"{key}." if key else ""
        for action in self._actions:
            name = action.dest.removeprefix(prefix)
            if action.dest == prefix + name and name in texts:
                action.help = texts[name].replace("%", "%%")
            elif key and action.dest == key:
                action.help = argparse.SUPPRESS  # --ifgan FILE: --config does that for all at once


def _parser(verb: str, function: Callable[..., Any], more: str = "") -> _Parser:
    about = inspect.getdoc(function)
    return _Parser(prog=f"ferdis {verb}", description=about, epilog=more, exit_on_error=False, allow_abbrev=False)


def _descriptions(docstring: str) -> dict[str, str]:
    """What the Parameters section of a NumPy docstring says of each name."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL)
    texts: dict[str, str] = {}
    items = re.findall(r"^(\w[\w, ]*?) : (.*)\n((?:[ ].*\n?|\n)*)", section.group(1) + "\n" if section else "", re.M)
    for names, kind, below in items:
        # Some docstrings describe right behind the colon, where others have a type.
        prose = len(kind.split()) > 7 or not below.strip()
        text = " ".join([kind, *below.split()] if prose else below.split())
        text = re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "")
        texts |= {name.strip(): text for name in names.split(",")}
    return texts


def _kfold_parser(chosen: Chosen) -> ArgumentParser:
    from ferdis.datasets import REGISTRY, entry
    from ferdis.runner import evaluate
    from ferdis.systems import SYSTEMS

    shown = ", ".join([*chosen.systems, chosen.dataset, chosen.protocol])
    more = f"Shown are the arguments of {shown}; name others to see theirs. Systems: {', '.join(SYSTEMS)}. "
    more += f"Data sets: {', '.join(REGISTRY)}. Protocols: {', '.join(PROTOCOLS)}."
    parser = _parser("kfold", kfold, more)
    parser.add_argument("--config", type=str, help="YAML file of these arguments, such as RUN/config.yaml")
    parser.add_argument("--print_config", action="store_true", help="show what would be run, and stop")
    parser.add_argument("--system", type=list[str], default=DEFAULTS["system"], help="NAME or LABEL=NAME, one or more")
    parser.add_argument("--preset", type=Literal["paper", "small"], default="paper", help="the systems' starting point")
    parser.add_argument("--new_folds", type=bool, default=False, help="deal other folds for each of the seeds")
    parser.add_function_arguments(evaluate, skip={"estimators", "faces", "protocol", "dataset", "arguments"})
    parser.describe("", evaluate)
    _add(parser, "dataset", entry(chosen.dataset).load_function(), chosen.dataset)
    _add(parser, "protocol", _imported(PROTOCOLS[chosen.protocol]), chosen.protocol)
    for label, cls in chosen.systems.items():
        _add_system(parser, label, cls, chosen)
    return parser


def _add(parser: _Parser, key: str, function: Callable[..., Any], name: str) -> None:
    add = parser.add_class_arguments if inspect.isclass(function) else parser.add_function_arguments
    add(function, key)  # type: ignore[operator]
    parser.describe(key, function)
    parser.add_argument(f"--{key}.name", type=str, default=name, help=f"which {key}; --{key} NAME is short for it")


def _add_system(parser: _Parser, label: str, cls: type, chosen: Chosen) -> None:
    faces = set(_faces_parameters(cls))
    parser.add_class_arguments(cls, label, skip=faces)
    parser.describe(label, cls)
    for name in sorted(faces):
        kind = dict[str, Any] | list[dict[str, Any]] | None
        text = "faces: {name: DATASET, root: DIR, ...}, or a list of such"
        parser.add_argument(f"--{label}.{name}", type=kind, default=None, help=text)  # type: ignore[arg-type]
    if chosen.preset == "small":
        small = cls.small().get_params(deep=False)  # type: ignore[attr-defined]
        if chosen.epochs_of & {label, "system"}:
            small = cls.small(epochs=small["epochs"]).get_params(deep=False)  # type: ignore[attr-defined]
        parser.set_defaults({f"{label}.{name}": value for name, value in small.items() if name not in faces})
    parser.set_defaults({f"{label}.progress": False})  # the bar counts fits; bars of their own would run over it


def _faces_parameters(cls: type) -> list[str]:
    """Names of the constructor arguments that take faces."""
    parameters = inspect.signature(cls).parameters.values()
    return [parameter.name for parameter in parameters if "Faces" in str(parameter.annotation)]


def _imported(name: str) -> Any:
    module, attribute = name.split(":")
    return getattr(importlib.import_module(module), attribute)


# ----------------------------------------------------------------------------------------------- building


def _estimator(cls: type, arguments: dict[str, Any]) -> Any:
    for name in _faces_parameters(cls):
        if arguments.get(name) is not None:
            arguments[name] = _faces(arguments[name])
    return cls(**arguments)


def _faces(given: dict[str, Any] | list[dict[str, Any]]) -> Any:
    """Faces of one or several ``{name: DATASET, ...}``."""
    from ferdis.datasets import load
    from ferdis.faces import Faces

    given = [given] if isinstance(given, dict) else given
    for item in given:
        if "name" not in item:
            raise UsageError(f"{item} does not say which data set: it needs a name, as in {{name: ckplus, root: DIR}}")
    return Faces.concat([load(item["name"], **_without_name(item)) for item in given])


def _without_name(arguments: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != "name"}


# ------------------------------------------------------------------------------------------ from the shell


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ferdis` as the shell would.

    Parameters
    ----------
    argv : sequence of str, optional
        What stands after ``ferdis``; by default the process's own arguments.

    Returns
    -------
    int
        Exit status: 0, 1, 2 or 130.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if argv else USER_ERROR
    if argv[0] == "--version":
        from ferdis import __version__

        print(f"ferdis {__version__}")
        return 0
    warnings.showwarning = _one_line_warning
    try:
        if argv[0] not in VERBS:
            raise UsageError(f"no verb {argv[0]!r} (there are {', '.join(VERBS)})")
        return int(VERBS[argv[0]](argv[1:]) or 0)
    except SystemExit as finished:  # --help and --print_config end this way
        return int(finished.code or 0)
    except KeyboardInterrupt:
        return _complain("interrupted; what is finished is kept, and the same command goes on from there", INTERRUPTED)
    except BrokenPipeError:  # `ferdis datasets | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ArgumentError, ArithmeticError) as error:
        return _complain(_message(error), USER_ERROR)
    except Exception as error:
        return _complain(f"{type(error).__name__}: {_message(error)} (FERDIS_DEBUG=1 shows where)", BUG)


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = [f"  {name:<{width}}  {(function.__doc__ or '').splitlines()[0]}" for name, function in VERBS.items()]
    return "\n".join(["usage: ferdis VERB ...", "", *verbs, "", "ferdis VERB --help lists a verb's arguments."])


def _complain(message: str, status: int) -> int:
    if os.environ.get("FERDIS_DEBUG") == "1":
        traceback.print_exc()
    print(f"ferdis: error: {message}", file=sys.stderr)
    return status


def _message(error: BaseException) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _one_line_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    print(f"ferdis: warning: {' '.join(str(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
