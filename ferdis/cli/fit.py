"""``ferdis fit``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferdis.cli.arguments import UsageError, configuration, flat, options, tokens, with_config
from ferdis.cli.building import read_experiment, without_name
from ferdis.cli.chosen import PROTOCOLS, Chosen
from ferdis.cli.known import check_line
from ferdis.cli.parsers import Parser, experiment_parser, imported

OWN = ("out", "progress")  # say where and how, not what: they stay out of config.yaml


def run(argv: Sequence[str]) -> None:
    """Fit one model on everybody, to predict with or to export; its card cites the run that measured the recipe."""
    argv, like = _like(with_config(argv))
    check_line("fit", argv)
    experiment = read_experiment(argv, _parser)
    if experiment is None:
        return
    from ferdis import run_folder
    from ferdis.evaluation.final_fit import common_winner, fit_final
    from ferdis.evaluation.model_card import CARD
    from ferdis.messages import duration
    from ferdis.saved_models import evidence_of

    ((label, estimator),) = experiment.systems.items()
    settings, faces, validation = experiment.settings, experiment.faces, None
    dataset = experiment.arguments["dataset"]["name"]
    out = Path(settings["out"] or f"models/{dataset}-{label}")
    if like is not None:
        measured = run_folder.read_run(like)
        estimator.set_params(**common_winner(measured, label))
        if measured.record["selection"] == "validation":
            faces, validation = _held_out(measured.config, faces)
    estimator.set_params(progress=settings["progress"])
    start = time.monotonic()
    fit_final(
        estimator, faces, out, like=like, system=label, validation=validation, seed=settings["seed"], dataset=dataset,
        progress=settings["progress"],
        arguments={key: value for key, value in experiment.arguments.items() if key not in OWN},
    )  # fmt: skip
    people = f" of {len(set(faces.subject))} people" if faces.has_subjects else ""
    print(f"{out}: {label} fitted on {len(faces)} images{people} in {duration(time.monotonic() - start)}")
    evidence = evidence_of(out)
    if evidence is not None:
        mean, std = evidence.protocol_accuracy
        print(
            f"{evidence.run} measured the recipe: {100 * mean:.1f} ± {100 * std:.1f} %, UAR {100 * evidence.uar:.1f} %"
        )
    print(f"the card is {out / CARD}\nferdis predict {out} PHOTOGRAPH\nferdis export {out} --out model.onnx")


def _parser(chosen: Chosen) -> Parser:
    parser = experiment_parser("fit", chosen, protocol=False)
    parser.add_argument("--out", type=str | None, default=None, help="the model's folder; models/DATASET-SYSTEM")  # type: ignore[arg-type]
    parser.add_argument("--seed", type=int, default=0, help="of the training: one model, one seed")
    parser.add_argument("--progress", type=bool, default=True, help="show a bar, or a line a minute in a log file")
    return parser


def _like(argv: Sequence[str]) -> tuple[list[str], Path | None]:
    """The line with ``--like RUN`` replaced by what the run says of its data set and of the one system."""
    given, system, rest = "", "", []
    for option, values in options(argv):
        if option == "--like":
            if len(values) != 1:
                raise UsageError("--like needs one run folder")
            given = values[0]
        elif option == "--system":
            system = next(iter(flat(values)), "")
        else:
            rest += [option, *values]
    if not given:
        return list(argv), None
    run_folder = Path(given)
    if not (run_folder / "resolved.json").is_file():
        raise UsageError(f"--like {given}: no run folder; give one that ferdis kfold --out wrote")
    record = configuration(run_folder / "config.yaml")
    if not isinstance(record.get("dataset"), dict) or "name" not in record["dataset"]:
        raise UsageError(
            f"--like {given}: made from Python, its config.yaml does not say how to load its faces; in Python "
            "ferdis.fit_final(estimator, faces, out, like=...) does"
        )
    labels = [item.rpartition("=")[0] or item for item in flat(record.get("system", []))]
    label = system.rpartition("=")[0] or system or (labels[0] if len(labels) == 1 else "")
    if label not in labels:
        what = f"it has no system {label!r}" if label else "it has several systems"
        raise UsageError(f"--like {given}: {what}; name one of {', '.join(labels)} with --system")
    kind = next(item for item in flat(record["system"]) if (item.rpartition("=")[0] or item) == label)
    chosen: dict[str, Any] = {"system": kind, "preset": record.get("preset", "paper"), "dataset": record["dataset"]}
    return [*tokens(chosen | {label: record.get(label, {})}), *rest], run_folder


def _held_out(config: dict[str, Any], faces: Any) -> tuple[Any, Any]:
    """Everybody but the validation people of the first fold, who choose the epoch as they did in the run."""
    about = config["protocol"]
    fold = imported(PROTOCOLS[about["name"]])(**without_name(about)).split(faces)[0]
    chosen = set(fold.validation.tolist())
    print(f"{len(chosen)} images choose the epoch, as in the run: they are not fitted on", file=sys.stderr)
    return faces[[row for row in range(len(faces)) if row not in chosen]], faces[fold.validation]
