"""``--help`` that fits a screen, ``--help-all`` with every option, and completion. Nothing heavy is imported."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ferdis.cli.arguments import UsageError, options
from ferdis.cli.chosen import PROTOCOLS, Names
from ferdis.cli.known import Known, data_sets, known
from ferdis.cli.signatures import Argument

_WIDTH, _INDENT = 110, 26
# How a verb is called, and what it is mostly called with; other options are in --help-all.
USAGE = {
    "datasets": ["ferdis datasets"],
    "protocols": ["ferdis protocols"],
    "check": ["ferdis check manifest --root my/faces"],
    "render": ["ferdis render --out people/ [--name facekit] [--people 40]"],
    "kfold": [
        "ferdis kfold --dataset manifest --dataset.root my/faces --system ifgan resnet --preset small --folds 10",
        "ferdis kfold --config runs/mine/config.yaml --ifgan.attention false --out runs/plain",
    ],
    "fit": [
        "ferdis fit --like runs/mine --system ifgan",
        "ferdis fit --dataset manifest --dataset.root my/faces --system ifgan --preset small",
    ],
    "disentangle": ["ferdis disentangle runs/mine"],
    "sweep": ["ferdis sweep --space space.yaml --dataset manifest --dataset.root my/faces --system relgan"],
    "augment": ["ferdis augment --system decgan --dataset manifest --dataset.root my/faces --out generated/"],
    "report": ["ferdis report runs/mine [runs/plain]"],
    "verify": ["ferdis verify runs/mine", "ferdis verify supplement.zip --faces '{name: manifest, root: my/faces}'"],
    "pack": ["ferdis pack runs/mine supplement.zip [--weights false]"],
    "models": ["ferdis models [NAME]"],
    "predict": ["ferdis predict photo.jpg", "ferdis predict [MODEL] PATH... [--out FACES.csv] [--draw DIR]"],
    "export": ["ferdis export MODEL --out model.onnx [--half | --int8]"],
    "web": ["ferdis web [--out site/] [--model DIR]"],
    "demo": ["ferdis demo"],
    "reproduce": ["ferdis reproduce --list", "ferdis reproduce ifgan-table1 --ckplus DIR [--small]"],
}
_EXPERIMENT = {
    "--dataset NAME": "a data set: {data}",
    "--dataset.ARGUMENT": "an argument of its loader, such as --dataset.root DIR",
    "--system NAME...": "one or more of {systems}; LABEL=NAME gives one a name of its own",
    "--SYSTEM.ARGUMENT": "an argument of that system; --system.ARGUMENT is for all that have it",
}
_FOLDS = {
    "--protocol NAME": "{protocols}",
    "--folds N": "subsets of the people; short for --protocol.n_splits",
    "--jobs N": "fits at a time; short for --n-jobs",
}
_SHOWN = {
    "kfold": ("preset", "out", "seeds", "partitions", "selection", "stress", "only_folds", "gpus_per_fold", "backend",
              "fold_batch", "tuned", "config", "print_config"),
    "sweep": ("space", "out", "trials", "inner_folds", "storage", "preset", "config", "print_config"),
    "fit": ("like", "preset", "out", "seed", "config", "print_config"),
    "augment": ("out", "preset", "per_class", "filter", "config"),
}  # fmt: skip
_OF_SYSTEMS = ("epochs", "batch_size", "image_size", "learning_rate", "weights", "pretrain", "extra_train",
               "augmentation")  # fmt: skip
_MOST_OF_A_GROUP = 8


def asked(argv: Sequence[str]) -> str:
    """``"short"`` or ``"all"`` where a line asks for help, else nothing."""
    names = {option for option, _ in options(argv)}
    return "all" if "--help_all" in names else "short" if names & {"-h", "--help"} else ""


def overview(verbs: Mapping[str, str]) -> str:
    """What ``ferdis --help`` prints: every verb with what it does.

    Parameters
    ----------
    verbs : name -> one sentence.
    """
    width = max(map(len, verbs))
    return "\n".join(
        [
            "usage: ferdis VERB ...",
            "",
            *(f"  {name:<{width}}  {text}" for name, text in verbs.items()),
            "",
            "ferdis VERB --help shows what a verb is mostly called with, ferdis VERB --help-all every option.",
            "ferdis completion bash (or zsh, fish) prints a script that lets the shell complete all of these.",
        ]
    )


def help_of(verb: str, about: str, argv: Sequence[str], *, every: bool) -> str:
    """The help of a verb.

    Parameters
    ----------
    verb : its name.
    about : what it does, in a sentence.
    argv : the line; the systems, the data set and the protocol that it names have their arguments shown.
    every : all options with all that there is to say, instead of a screen.
    """
    line = [token for token in argv if token not in ("-h", "--help", "--help-all", "--help_all")]
    there = known(verb, line)
    usage = [
        f"usage: {USAGE.get(verb, [f'ferdis {verb}'])[0]}",
        *(f"       {text}" for text in USAGE.get(verb, [""])[1:]),
    ]
    head = [*usage, "", about, ""]
    return "\n".join([*head, *(_all(there) if every else _short(verb, there))])


def _short(verb: str, there: Known) -> Iterator[str]:
    if not there.groups:
        for option, argument in there.verb.items():
            yield _line(option, argument.first_sentence, argument)
    else:
        words = {"data": ", ".join(data_sets()), "systems": _systems(), "protocols": ", ".join(PROTOCOLS)}
        for option, text in {**_EXPERIMENT, **(_FOLDS if "protocol" in there.groups else {})}.items():
            yield _line(option, text.format(**words))
        for name in _SHOWN.get(verb, ()):
            argument = there.verb[f"--{name}"]
            yield _line(f"--{name}", argument.first_sentence, argument)
        yield from _of_groups(there)
    yield ""
    yield f"ferdis {verb} --help-all describes every option ({len(there.every)})."


def _of_groups(there: Known) -> Iterator[str]:
    """The usual arguments of the systems, and how many others there are."""
    yield ""
    labels = list(there.names.systems)
    first = there.groups[labels[0]]
    key = labels[0] if len(labels) == 1 else "system"
    for name in [name for name in _OF_SYSTEMS if name in first][:_MOST_OF_A_GROUP]:
        yield _line(f"--{key}.{name}", first[name].first_sentence, first[name])
    rest = ", ".join(f"{len(group)} of {label}" for label, group in there.groups.items())
    yield f"  ... arguments in all: {rest}; name other systems or data sets to see theirs"


def _all(there: Known) -> Iterator[str]:
    for option, argument in there.verb.items():
        yield from _paragraph(option, argument)
    for key, group in there.groups.items():
        kind = there.names.systems.get(key, "").partition(":")[2]
        yield f"\n{key}{f' ({kind})' if kind else ''}:"
        for name, argument in group.items():
            yield from _paragraph(f"--{key}.{name}", argument)
    if there.groups:
        yield f"\nSystems: {_systems()}. Data sets: {', '.join(data_sets())}. Protocols: {', '.join(PROTOCOLS)}."


def _line(option: str, text: str, argument: Argument | None = None) -> str:
    """An option and its meaning on one line, cut to the width."""
    shown = f"  {_dashes(option)}"
    default = _default(argument)
    room = _WIDTH - max(_INDENT, len(shown) + 1) - len(default)
    text = text if len(text) <= room else textwrap.shorten(text, room, placeholder=" ...")
    return f"{shown:<{_INDENT - 1}} {text}{default}".rstrip()


def _default(argument: Argument | None) -> str:
    if argument is None or argument.default in ("", "None", "False", "()") or len(argument.default) > 24:
        return ""
    return f" [{argument.default.strip(chr(39))}]"


def _paragraph(option: str, argument: Argument) -> Iterator[str]:
    kind = f" {argument.kind}" if argument.kind not in ("", "flag") else ""
    default = f" (default: {argument.default})" if argument.default else " (required)"
    yield f"  {_dashes(option)}{kind}{default if argument.kind != 'flag' else ''}"
    yield textwrap.fill(
        argument.help or "see the documentation", _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8
    )


def _dashes(option: str) -> str:
    """An option of a verb with hyphens; an argument as Python has it."""
    return option if "." in option else option.replace("_", "-")


def _systems() -> str:
    from ferdis.systems import SYSTEMS

    return ", ".join(SYSTEMS)


# ---------------------------------------------------------------------------------------------- completion

_BASH = """_ferdis() {
  local IFS=$'\\n'
  COMPREPLY=($(ferdis completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _ferdis ferdis
"""
_ZSH = f"autoload -U +X bashcompinit && bashcompinit\n{_BASH}"
_FISH = """complete -c ferdis -a '(ferdis completion words (commandline -opc)[2..] (commandline -ct))'
"""
SHELLS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(argv: Sequence[str], verbs: Iterable[str]) -> str:
    """``completion SHELL`` gives its script; ``completion words LINE...`` what the last word may become.

    Raises
    ------
    UsageError
        If there is no such shell.
    """
    if argv and argv[0] == "words":
        return "\n".join(words(list(argv[1:]) or [""], verbs))
    if len(argv) != 1 or argv[0] not in SHELLS:
        raise UsageError(f"name a shell: ferdis completion {' | '.join(SHELLS)}")
    return SHELLS[argv[0]]


def words(line: Sequence[str], verbs: Iterable[str]) -> list[str]:
    """What the last word of an unfinished line may become, sorted.

    Parameters
    ----------
    line : what stands after ``ferdis``; the last word may be empty.
    verbs : names of the verbs.
    """
    *before, last = line
    if not before:
        return sorted(name for name in verbs if name.startswith(last))
    try:
        there = known(before[0], before[1:])
    except (UsageError, OSError):
        there = Known({}, {}, Names({}, "", "", ""), {})
    option = next((token for token in reversed(before[1:]) if token.startswith("--")), "")
    if last.startswith("-"):
        found = {_dashes(name) for name in there.every} | ({"--dataset", "--protocol"} if there.groups else set())
        found |= {"--help", "--help-all"}
    elif option in ("--system", "--dataset", "--protocol"):
        found = set({"--system": _systems().split(", "), "--dataset": data_sets(), "--protocol": PROTOCOLS}[option])
    elif before[0] == "check" and len(before) == 1:
        found = set(data_sets())
    else:
        argument = there.every.get(f"--{option[2:].replace('-', '_')}")
        kind = argument.kind if argument is not None else ""
        found = {"true", "false"} if kind == "bool" else set()
        if kind.startswith("Literal["):
            found = set(map(str, ast.literal_eval(f"[{kind[8:-1]}]")))
    return sorted(name for name in found if name.startswith(last))
