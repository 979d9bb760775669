"""EGGAN beside StarGAN and HomoInterpGAN, DECGAN beside IcGAN: the same people, the same judges, one run.

python experiments/editors.py --seed 6 --out runs/editors
python experiments/editors.py --seed 6 --out runs/editors --only StarGAN IcGAN     # some rows now, others later
python experiments/editors.py --seed 6 --out runs/editors --steps 3000             # as many steps for each

Editors give unseen faces the action units of other faces; agreement with what was asked (Table 1 of the EGGAN paper) is
read by an AUEstimator, identity (its Table 2) by an identity judge, both trained on other people. *Cross-talk* is how
far action units move that were not asked to (the target differs by less than 0.1), as a share of how far those that
were (by 1 or more) should move; the row of the reconstruction says how much of that is the estimator's own.
HomoInterpGAN is given the face that the action units are from, which it needs. Transferrers give unseen faces the
expressions of others; these are compared with the exact truth and read by judges.

Every training goes on where it was stopped, and a finished row stays below ``--out``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from eggan import DRIVEN, STILL, Bench, arguments, bench, identity_kept, saved, saved_grid

from ferdis import DECGAN, EGGAN, Faces, HomoInterpGAN, IcGAN, StarGAN, load
from ferdis._io import digest, write_json
from ferdis.capabilities import EditsActionUnits
from ferdis.disentanglement.transfer import measure_transfer
from ferdis.evaluators.held_out import seed_apart
from ferdis.evaluators.judges import JUDGE_SEED, standard_judges
from ferdis.faces import AU_COLUMNS
from ferdis.metrics.action_units import action_unit_agreement
from ferdis.report.published import figures

SHOWN = 8  # images of a row of a grid
EDITORS: dict[str, tuple[type[Any], Mapping[str, Any]]] = {
    "EGGAN": (EGGAN, {}),
    "StarGAN": (StarGAN, {}),
    "HomoInterpGAN": (HomoInterpGAN, {}),
}
TRANSFERRERS: dict[str, tuple[type[Any], Mapping[str, Any]]] = {
    "DECGAN": (DECGAN, {}),
    "DECGAN, unpaired": (DECGAN, DECGAN.unpaired),
    "IcGAN": (IcGAN, {}),
}
_FURTHER_STAGES = ("identity_epochs", "reading_epochs", "expression_epochs", "encoder_epochs")


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train, edit, measure, print; returns the table of the editors and that of the transferrers."""
    options = arguments(
        argv, __doc__ or "",
        only={"nargs": "+", "choices": [*EDITORS, *TRANSFERRERS], "default": [*EDITORS, *TRANSFERRERS]},
        steps={"type": int, "help": "of each training, instead of the presets'"},
    )  # fmt: skip
    on = bench(options)
    edited = editors(options, on)
    moved = transferrers(options, on)
    return edited, moved


def editors(options: argparse.Namespace, on: Bench) -> pd.DataFrame:
    """One row per editor, beside the published figures and two trivial answers."""
    rows: dict[str, Any] = {}
    grid = [on.sources[:SHOWN].pixels(), on.shown[:SHOWN].pixels()]
    names = [name for name in EDITORS if name in options.only]
    for name in names:
        model, spent = fitted(name, *EDITORS[name], options, on.learned)
        grid.append(edit(model, on, SHOWN))
        rows[name] = kept_row(options, name, partial(edit_row, model, on, spent))
    rows["the source unchanged"] = measured(on, np.asarray(on.sources.pixels()))
    rows["another person's face"] = measured(on, np.asarray(on.shown.pixels()))
    table = pd.DataFrame.from_dict(rows, orient="index").join(published(), how="left")
    if names:
        saved(options, "editors", table)
        saved_grid(options, "editors", grid, f"sources, faces with the action units, then {', '.join(names)}")
    return table


def edit(model: Any, on: Bench, count: int | None = None) -> np.ndarray:
    """The sources with the action units that are asked for; uint8 (n, S, S, 3)."""
    sources, targets, shown = on.sources[:count], on.targets[:count], on.shown[:count]
    return model.edit(sources, targets) if isinstance(model, EditsActionUnits) else model.transfer(sources, shown)


def edit_row(model: Any, on: Bench, spent: float) -> dict[str, float]:
    """Figures of an editor."""
    again = measured(on, model.reconstruct(on.sources))
    return {
        **measured(on, edit(model, on)),
        "cross-talk, reconstruction (%)": again["cross-talk (%)"],
        "reconstruction L1 of 255": float(
            np.abs(model.reconstruct(on.sources).astype(float) - on.sources.pixels()).mean()
        ),
        "parameters (million)": parameters(model),
        "minutes": spent / 60,
    }


def measured(on: Bench, images: np.ndarray) -> dict[str, float]:
    """Action units against those asked for, identity against the source, and cross-talk."""
    found, before = on.estimator.predict(images), on.estimator.predict(on.sources)
    agreement = action_unit_agreement(on.targets, found)
    asked = np.abs(on.targets - on.sources.table[list(AU_COLUMNS)].to_numpy())
    moved = np.abs(found - before)
    return {
        "MSE": agreement.mse,
        "PCC": agreement.pcc,
        "same person (%)": 100 * identity_kept(on, images).accuracy,
        "cross-talk (%)": 100 * float(np.nanmean(moved[asked < STILL]) / np.nanmean(asked[asked >= DRIVEN])),
    }


def transferrers(options: argparse.Namespace, on: Bench) -> pd.DataFrame:
    """One row per system that transfers expressions."""
    rows: dict[str, Any] = {}
    names = [name for name in TRANSFERRERS if name in options.only]
    if not names:
        return pd.DataFrame()
    grid = [on.sources[:SHOWN].pixels(), on.shown[:SHOWN].pixels(),
            Faces.counterpart(on.sources[:SHOWN], on.shown[:SHOWN]).pixels()]  # fmt: skip
    judges = standard_judges(
        load, expressions=options.expressions, seed=seed_apart(JUDGE_SEED, options.seed), judged=on.unseen,
        progress=False,
    )  # fmt: skip
    for name in names:
        model, spent = fitted(name, *TRANSFERRERS[name], options, on.learned)
        grid.append(model.transfer(on.sources[:SHOWN], on.shown[:SHOWN]))
        rows[name] = kept_row(options, name, partial(transfer_row, model, on, judges, options.seed, spent))
    table = pd.DataFrame.from_dict(rows, orient="index")
    saved(options, "transferrers", table)
    saved_grid(options, "transferrers", grid, f"faces, references, the truth, then {', '.join(names)}")
    return table


def transfer_row(model: Any, on: Bench, judges: tuple[Any, Any], seed: int, spent: float) -> dict[str, float]:
    """Figures of a transferrer."""
    expressions, identities = judges
    found = measure_transfer(
        model, on.unseen, counterpart=Faces.counterpart, region_masks=Faces.region_masks,
        expressions=expressions, identities=identities, seed=seed,
    )  # fmt: skip
    return {
        "expression read (%)": 100 * found.expression,
        "on the truth (%)": 100 * found.expression_of_truth,
        "nearer to the face's person (%)": 100 * found.identity,
        "truth (%)": 100 * found.identity_of_truth,
        "same person (%)": 100 * identity_kept(on, model.transfer(on.sources, on.shown)).accuracy,
        "L1 to the truth": found.distance,
        "doing nothing": found.distance_identity_baseline,
        "parameters (million)": parameters(model),
        "minutes": spent / 60,
    }


def fitted(
    name: str, cls: type[Any], changes: Mapping[str, Any], options: argparse.Namespace, learned: Faces
) -> tuple[Any, float]:
    """A system fitted on the training people, and the seconds that took; with ``--out`` it goes on where it was."""
    chosen = {**changes, **(options.arguments if name == "EGGAN" else {})}
    preset = cls.small().get_params()
    later = [key for key in _FURTHER_STAGES if key in preset]
    if options.epochs:
        chosen |= {"epochs": options.epochs, **dict.fromkeys(later, options.epochs)}
    if options.steps:
        epochs = max(1, round(options.steps * preset["batch_size"] / len(learned)))
        share = epochs / preset["epochs"]
        chosen |= {"epochs": epochs, **{key: max(1, round(share * preset[key])) for key in later}}
    model = cls.small(seed=options.seed, progress=False, **chosen)
    if options.out is None:
        return _timed(model, learned, None)
    folder = place(options, name)
    if (folder / "model" / "estimator.json").is_file() and (folder / "seconds.json").is_file():
        return cls.load(folder / "model"), float(json.loads((folder / "seconds.json").read_text("utf-8")))
    model, spent = _timed(model, learned, folder / "training")
    model.save(folder / "model")
    write_json(folder / "seconds.json", spent)
    return model, spent


def _timed(model: Any, learned: Faces, run_dir: Path | None) -> tuple[Any, float]:
    start = time.perf_counter()
    model.fit(learned, run_dir=run_dir)
    return model, time.perf_counter() - start


def place(options: argparse.Namespace, name: str) -> Path:
    """Where a system's training and row lie: one folder for each set of arguments."""
    what = {key: value for key, value in vars(options).items() if key not in ("out", "only")}
    return options.out / f"{name.replace(', ', '-')}-{digest([json.loads(json.dumps(what, default=str))])[:8]}"


def kept_row(options: argparse.Namespace, name: str, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The row of a system, read where it was measured before."""
    if options.out is None:
        return measure()
    file = place(options, name) / "row.json"
    if not file.is_file():
        write_json(file, measure())
    return dict(json.loads(file.read_text("utf-8")))


def parameters(model: Any) -> float:
    """Millions of parameters that are saved."""
    return sum(p.numel() for module in model.modules_.values() for p in module.parameters()) / 1e6


def published() -> pd.DataFrame:
    """The paper's means, on RaFD: by method."""
    rows = figures().query("paper == 'EGGAN'")
    first = rows[(rows.table == 1) & (rows.dataset == "RaFD mean")].pivot(
        index="method", columns="metric", values="value"
    )
    second = rows[rows.table == 2].set_index("method")["value"].rename("published, same person (%)")
    return first.rename(columns=lambda metric: f"published {metric.upper()}").join(second)


if __name__ == "__main__":
    main()
