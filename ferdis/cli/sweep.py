"""``ferdis sweep``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferdis.cli.arguments import UsageError
from ferdis.cli.building import read_experiment
from ferdis.cli.chosen import Chosen
from ferdis.cli.parsers import Parser, experiment_parser

# What a sweep has and `ferdis kfold`, which takes its winners as --config, has not or means otherwise.
OWN = ("space", "trials", "storage", "study", "inner_folds", "tune_people", "prune", "warmup_epochs", "seed", "out",
       "progress")  # fmt: skip


def run(argv: Sequence[str]) -> None:
    """Choose a system's arguments by inner folds of the training people: a winner for each fold, none tested on."""
    experiment = read_experiment(argv, _parser, _look)
    if experiment is None:
        return
    from ferdis.sweep.sweep import sweep

    ((label, estimator),) = experiment.systems.items()
    settings = experiment.settings
    dataset = experiment.dataset
    out = Path(settings.pop("out") or f"sweeps/{dataset.replace('->', '-to-')}-{label}")
    sweep(
        estimator,
        experiment.faces,
        experiment.protocol,
        out=out,
        name=label,
        study=settings.pop("study") or f"{dataset}-{label}",
        arguments={key: value for key, value in experiment.arguments.items() if key not in OWN},
        **settings,
    )
    print((out / "sweep.md").read_text(encoding="utf-8"))
    print(f"winners are in {out / 'best'}: ferdis kfold --config {out / 'best'}")


def _look(systems: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse a space that cannot be read before anything is loaded."""
    from ferdis.sweep.search_space import Space

    Space.read(settings["space"], next(iter(systems.values())))


def _parser(chosen: Chosen) -> Parser:
    try:
        from ferdis.sweep.sweep import sweep
    except ModuleNotFoundError as error:
        raise UsageError(f"a sweep needs {error.name}: pip install 'ferdis[sweep]'") from None
    parser = experiment_parser("sweep", chosen)
    parser.add_argument("--space", type=str, required=True, help="YAML file: which arguments vary, and how")
    parser.add_argument(
        "--out", type=str, default=None, help="folder of best/*.yaml, trials.csv, sweep.md and figures/"
    )
    skip: set[str | int] = {"estimator", "faces", "protocol", "space", "out", "name", "arguments"}
    parser.add_function_arguments(sweep, skip=skip)
    return parser
