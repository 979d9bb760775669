"""``ferdis kfold``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml

from ferdis.cli.arguments import long_form, with_config
from ferdis.cli.building import build_estimator, imported, without_name
from ferdis.cli.chosen import DEFAULTS, PROTOCOLS, Chosen, choose, spread
from ferdis.cli.parsers import Parser, add_named, add_system, parser_of

# Arguments that say where and how fast, not what: they stay out of a run's config.yaml.
ERRANDS = ("out", "n_jobs", "progress")


def run(argv: Sequence[str]) -> None:
    """Evaluate systems on a data set with no person in both the training and the test part of a fold."""
    argv = with_config(argv)
    show, argv = "--print_config" in argv, [item for item in argv if item != "--print_config"]
    chosen = choose(argv)
    settings = _kfold_parser(chosen).parse_args(long_form(spread(argv, chosen))).as_dict()
    settings = {key: value for key, value in settings.items() if key not in ("config", "print_config")}
    arguments = json.loads(json.dumps(settings, default=str))
    if show:
        print(yaml.safe_dump(arguments, sort_keys=False, allow_unicode=True), end="")
        return
    from ferdis.datasets import load
    from ferdis.protocol import repeat
    from ferdis.runner import evaluate

    estimators = {label: build_estimator(cls, settings.pop(label)) for label, cls in chosen.systems.items()}
    protocol = imported(PROTOCOLS[chosen.protocol])(**without_name(settings.pop("protocol")))
    faces = load(chosen.dataset, **without_name(settings.pop("dataset")))
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


def _kfold_parser(chosen: Chosen) -> Parser:
    from ferdis.datasets import REGISTRY, entry
    from ferdis.runner import evaluate
    from ferdis.systems import SYSTEMS

    shown = ", ".join([*chosen.systems, chosen.dataset, chosen.protocol])
    more = f"Shown are the arguments of {shown}; name others to see theirs. Systems: {', '.join(SYSTEMS)}. "
    more += f"Data sets: {', '.join(REGISTRY)}. Protocols: {', '.join(PROTOCOLS)}."
    parser = parser_of("kfold", run, more)
    parser.add_argument("--config", type=str, help="YAML file of these arguments, such as RUN/config.yaml")
    parser.add_argument("--print_config", action="store_true", help="show what would be run, and stop")
    parser.add_argument("--system", type=list[str], default=DEFAULTS["system"], help="NAME or LABEL=NAME, one or more")
    parser.add_argument("--preset", type=Literal["paper", "small"], default="paper", help="the systems' starting point")
    parser.add_argument("--new_folds", type=bool, default=False, help="deal other folds for each of the seeds")
    parser.add_function_arguments(evaluate, skip={"estimators", "faces", "protocol", "dataset", "arguments"})
    parser.describe("", evaluate)
    add_named(parser, "dataset", entry(chosen.dataset).load_function(), chosen.dataset)
    add_named(parser, "protocol", imported(PROTOCOLS[chosen.protocol]), chosen.protocol)
    for label, cls in chosen.systems.items():
        add_system(parser, label, cls, chosen)
    return parser
