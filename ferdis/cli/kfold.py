"""``ferdis kfold``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ferdis.cli.arguments import UsageError, options
from ferdis.cli.building import Experiment, read_experiment
from ferdis.cli.chosen import Chosen
from ferdis.cli.parsers import Parser, experiment_parser

# Arguments that say where, when and how fast, not what: they stay out of a run's config.yaml.
NON_REPRODUCIBILITY_PARAMS = (
    "out",
    "n_jobs",
    "backend",
    "cpus_per_fold",
    "gpus_per_fold",
    "fold_batch",
    "only_folds",
    "progress",
    "stress",
)


def run(argv: Sequence[str]) -> None:
    """Evaluate systems on a data set with no person in both the training and the test part of a fold."""
    experiment = read_experiment(argv, _parser)
    if experiment is None:
        return
    from ferdis.evaluation.runner import evaluate
    from ferdis.evaluation.tuned_parameters import TunedParameters
    from ferdis.protocol import repeat
    from ferdis.training.distributed import rank_and_world_of_launch

    settings, protocol = experiment.settings, experiment.protocol
    dataset = experiment.dataset
    out = Path(settings.pop("out") or f"runs/{dataset.replace('->', '-to-')}-{'-'.join(experiment.systems)}")
    if settings.pop("new_folds"):
        protocol = repeat(protocol, settings["seeds"])
    features = settings.pop("person_features")
    if settings.pop("person_mean"):
        experiment.systems.update(_less_means(experiment, features))
    winners = [TunedParameters.from_record(record) for record in settings.pop("tuned") or ()]
    _refuse_overrides(argv, winners)
    evaluate(
        experiment.systems,
        experiment.faces,
        protocol,
        out=out,
        dataset=dataset,
        tuned=winners,
        arguments={key: value for key, value in experiment.arguments.items() if key not in NON_REPRODUCIBILITY_PARAMS},
        **settings,
    )
    if rank_and_world_of_launch()[0] > 0:
        return  # the first process tells
    summary = out / "summary.md"
    if settings["only_folds"] is not None and not summary.exists():
        mine = ", ".join(map(str, settings["only_folds"]))
        print(f"finished: fold {mine}; whoever finishes the last of the others makes the table")
    else:
        print(summary.read_text(encoding="utf-8"))
    print(f"rows, figures and weights are in {out}")


def _parser(chosen: Chosen) -> Parser:
    from ferdis.evaluation.runner import evaluate

    parser = experiment_parser("kfold", chosen)
    parser.add_argument("--new_folds", type=bool, default=False, help="deal other folds for each of the seeds")
    parser.add_argument(
        "--person_mean",
        type=bool,
        default=False,
        help="with calibrated-kfold or transductive-kfold: also each system less a person's mean",
    )
    parser.add_argument(
        "--person_features",
        type=Literal["difference", "both"],
        default="difference",
        help="of --person_mean: the difference from the mean alone, or both, for people with few images",
    )
    parser.add_argument(
        "--tuned", type=list[dict[str, Any]] | None, default=None, help="a sweep's winners, as best/*.yaml have them"
    )
    parser.add_function_arguments(evaluate, skip={"estimators", "faces", "protocol", "dataset", "arguments", "tuned"})
    return parser


def _less_means(experiment: Experiment, features: str) -> dict[str, Any]:
    """Each system less a person's mean; in training the mean of what the protocol gives of the test people."""
    from ferdis.systems.person_mean import PersonMean

    given = getattr(experiment.protocol, "expression", "any")
    return {
        f"{name}-mean": PersonMean(system, reference=given, features=features)
        for name, system in experiment.systems.items()
    }


def _refuse_overrides(argv: Sequence[str], winners: Sequence[Any]) -> None:
    """An argument that a sweep has chosen cannot be chosen on the line as well."""
    given = {option for option, _ in options(argv)}
    for winner in winners:
        for name in winner.parameters:
            if clash := given & {f"--{winner.system}.{name}", f"--system.{name}"}:
                raise UsageError(f"{clash.pop()} is what the sweep has chosen: leave it out, or leave the winners out")
