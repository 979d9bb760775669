"""Accuracy, leak of identity and cost of ten systems under one protocol: a table, and a figure with its Pareto front.

python experiments/leak_table.py --dataset synthetic --people 60 --out runs/leak-synthetic
python experiments/leak_table.py --dataset facekit --people 60 --out runs/leak-facekit
python experiments/leak_table.py --dataset manifest --root DIR --out runs/leak-mine
python experiments/leak_table.py --out runs/leak-synthetic --systems resnet reversal    # some rows now, others later

Each system is trained on the same subject-exclusive folds. Its accuracy is that on the people left out; what its
representation holds of identity is read on the same people, whom it has never seen: by three probes (logistic, nearest
neighbours, a small network), by verification of all pairs, and as the number of people that the representation tells
apart. Every finished fold and every finished row stays below ``--out``: started again with the same arguments the
script goes on where it was, and the table is made of the rows that are there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from ferdis import (
    IFGAN,
    RELGAN,
    BaselineCNN,
    Faces,
    IdentityReversal,
    NormalisedFace,
    ResNetClassifier,
    SubjectKFold,
    evaluate,
    run_folder,
)
from ferdis import metrics as measures
from ferdis.disentanglement.leak import leak_records
from ferdis.disentanglement.report import Fit, finished_fits, load_fit, scored_faces
from ferdis.reproduce.tables import read_tested
from ferdis.systems.base import module_device, modules_in_eval_mode

SYSTEMS: dict[str, tuple[type[Any], Mapping[str, Any]]] = {
    "resnet": (ResNetClassifier, {}),
    "resnet-balanced": (ResNetClassifier, {"sampler": "people"}),
    "cnn": (BaselineCNN, {}),
    "ifgan": (IFGAN, {}),
    "ifgan-class": (IFGAN, {"decoder_input": "class"}),
    "relgan": (RELGAN, {}),
    "reversal": (IdentityReversal, {}),
    "reversal-strong": (IdentityReversal, {"identity_reversal": 10.0}),
    "reversal-off": (IdentityReversal, {"identity_reversal": 0.0}),
    "normalised": (NormalisedFace, {}),
}
"""Name of a row -> class and arguments over the preset's. ``resnet-balanced`` and ``reversal-off`` are controls."""

MARKERS = "os^vDPX*<>"
LEAK = "identity, logistic (%)"  # the axis of the figure; people told apart are 1 where each has two images
COLUMNS = {  # of the table, from a record's
    "identity": LEAK,
    "identity_mlp": "network (%)",
    "identity_nearest": "nearest (%)",
    "verification_auc": "verification AUC (%)",
    "people_told_apart": "people told apart",
    "expression": "expression read (%)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a script: errors that the user can correct are one line, not a traceback."""
    try:
        run(argv)
    except (ValueError, OSError) as error:
        print(f"leak_table: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def run(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train and measure what is not there yet; prints and writes the table and the figure, and returns the table."""
    options = arguments(argv)
    faces = read(options)
    for name in options.systems:
        row(name, faces, options)
        table = collected(options.out)
        written(table, options.out, faces)
    print(text_of(table))
    return table


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="synthetic", help="a loader's name; synthetic or facekit: rendered people")
    parser.add_argument("--root", help="folder of the set; of facekit that of the face model")
    parser.add_argument("--people", type=int, default=60, help="of a rendered set")
    parser.add_argument("--images", type=int, default=4, help="of each person and expression, of a rendered set")
    parser.add_argument("--image_size", type=int, default=72, help="side of the faces, pixels")
    parser.add_argument("--seed", type=int, default=1, help="of a rendered set; presets were tuned on 0")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS), metavar="NAME",
                        help=f"rows: {'; '.join(SYSTEMS)}")  # fmt: skip
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="fewer epochs, for a dry run")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel folds")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs, the table and the figure")
    return parser.parse_args(argv)


def read(options: argparse.Namespace) -> Faces:
    """The faces that are learned and tested."""
    return read_tested(options.dataset, options.root, options.people, options.seed, options.images, options.image_size)


def row(name: str, faces: Faces, options: argparse.Namespace) -> dict[str, Any]:
    """Train a system on all folds and measure it, unless that is done; returns its row."""
    folder = options.out / name
    cls, changes = SYSTEMS[name]
    system = cls.small(**{"progress": False, **changes, **({"epochs": options.epochs} if options.epochs else {})})
    found = evaluate(
        {name: system}, faces, SubjectKFold(options.folds, validation_folds=0), out=folder, dataset=options.dataset,
        n_jobs=options.jobs,
    ).rows  # fmt: skip
    file, made_of = folder / "leak.json", rows_digest(found)
    if file.is_file() and (kept := json.loads(file.read_text("utf-8")))["rows"] == made_of:
        return kept
    fits = finished_fits(folder)
    records = pd.DataFrame([first_record(name, fit, faces) for fit in fits])
    spent = [done["fit_seconds"] for _, done in run_folder.finished_fits(folder)]
    fitted = load_fit(fits[0])
    kept = {
        "rows": made_of,
        "system": name,
        "people": int(records["people"].sum()),
        **accuracies(found),
        **{column: figure(records, key) for key, column in COLUMNS.items()},
        "identity chance (%)": 100 * float(records["identity_chance"].mean()),
        "people per fold": float(records["people"].mean()),
        "note": "; ".join(sorted(set(records["note"]) - {""})),
        "parameters (million)": used_parameters(fitted) / 1e6,
        "GFLOP per image": fitted.flops() / 1e9,
        "minutes per fold": float(np.mean(spent)) / 60,
    }
    file.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    return kept


def first_record(name: str, fit: Fit, faces: Faces) -> dict[str, Any]:
    """What the representation that the classifier reads holds, on the fold's own test people."""
    return leak_records(name, load_fit(fit), scored_faces(fit, faces))[0]


def rows_digest(rows: pd.DataFrame) -> str:
    """Tells whether a row of the table was made of these predictions."""
    return str(int(pd.util.hash_pandas_object(rows[["path", "fold", "predicted"]].astype(str), index=False).sum()))


def accuracies(rows: pd.DataFrame) -> dict[str, float]:
    """Accuracy and UAR in per cent over all images, with 95 % intervals over people."""
    right = (rows.true == rows.predicted).mean(), measures.uar(rows.true, rows.predicted)
    intervals = measures.interval(rows, "accuracy"), measures.interval(rows, "uar")
    values: dict[str, float] = {}
    for name, value, (low, high) in zip(("accuracy", "uar"), right, intervals, strict=True):
        values |= {f"{name} (%)": 100 * float(value), f"{name} low": 100 * low, f"{name} high": 100 * high}
    return values


def figure(records: pd.DataFrame, key: str) -> float:
    """The mean over folds, in per cent where it is a share."""
    return float(records[key].mean()) * (1 if key == "people_told_apart" else 100)


def used_parameters(system: Any) -> int:
    """Parameters of the layers that a prediction passes through."""
    seen: dict[int, int] = {}

    def note(layer: nn.Module, *_: Any) -> None:
        seen.update({id(parameter): parameter.numel() for parameter in layer.parameters(recurse=False)})

    layers = [layer for module in system.modules_.values() for layer in module.modules()]
    handles = [layer.register_forward_hook(note) for layer in layers]
    size = system.crop_size
    with modules_in_eval_mode(system.modules_):
        system._forward_features(torch.zeros(1, 3, size, size, device=module_device(system.modules_)))
    for handle in handles:
        handle.remove()
    return sum(seen.values())


def collected(out: Path) -> pd.DataFrame:
    """The rows that are there, in the order of ``SYSTEMS``, with ``front``: whether no other is better in both."""
    files = [out / name / "leak.json" for name in SYSTEMS]
    table = pd.DataFrame([json.loads(file.read_text("utf-8")) for file in files if file.is_file()])
    table["front"] = pareto(table["accuracy (%)"].to_numpy(), table[LEAK].to_numpy())
    return table.drop(columns="rows")


def pareto(accuracy: np.ndarray, leak: np.ndarray) -> np.ndarray:
    """Which rows (n,) are not beaten: no other is as good in both, and better in one."""
    better = (accuracy[:, None] >= accuracy) & (leak[:, None] <= leak)
    strictly = (accuracy[:, None] > accuracy) | (leak[:, None] < leak)
    return np.asarray(~(better & strictly).any(0))


def written(table: pd.DataFrame, out: Path, faces: Faces) -> None:
    """``leak.csv``, ``leak.md`` and ``leak.png`` below ``out``."""
    table.to_csv(out / "leak.csv", index=False)
    said = (
        f"# Accuracy and leak of identity\n\nOn {faces!r}; every figure on people that the fold did not train on.\n\n"
    )
    (out / "leak.md").write_text(said + text_of(table), "utf-8")
    drawn(table).savefig(out / "leak.png", dpi=150)


def text_of(table: pd.DataFrame) -> str:
    """The table in Markdown; rows of the Pareto front are bold."""
    head = ["system", "accuracy [95 %]", "UAR [95 %]", *COLUMNS.values(), "parameters (million)", "GFLOP per image",
            "minutes per fold", "note"]  # fmt: skip
    lines = []
    for line in table.to_dict("records"):
        rates = [
            f"{line[f'{n} (%)']:.1f} [{line[f'{n} low']:.1f}, {line[f'{n} high']:.1f}]" for n in ("accuracy", "uar")
        ]
        cost = (f"{line[name]:.2f}" for name in ("parameters (million)", "GFLOP per image", "minutes per fold"))
        name = f"**{line['system']}**" if line["front"] else str(line["system"])
        lines.append([name, *rates, *(f"{line[column]:.1f}" for column in COLUMNS.values()), *cost, line["note"]])
    first = table.iloc[0]
    said = (
        f"Chance of naming the person: {first['identity chance (%)']:.1f} %, of {first['people per fold']:.0f} people "
        "per fold. Bold: no other row has more accuracy and names fewer people.\n"
    )
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [head, rule, *lines]) + f"\n\n{said}"


def drawn(table: pd.DataFrame) -> Figure:
    """Accuracy with its interval against how often a logistic probe names the person, and the Pareto front."""
    figure = Figure(figsize=(8.5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(table["identity chance (%)"].mean(), color="0.6", linestyle=":", label="chance")
    front = table[table["front"]].sort_values(LEAK)
    axes.plot(front[LEAK], front["accuracy (%)"], color="0.4", drawstyle="steps-post", label="Pareto front")
    places = table.groupby([table[LEAK].round(1), table["accuracy (%)"].round(1)], sort=False)
    for marker, ((x, y), rows) in zip(cycle(MARKERS), places, strict=False):  # rows at one place have one entry
        spread = [[y - rows["accuracy low"].iloc[0]], [rows["accuracy high"].iloc[0] - y]]
        axes.errorbar(x, y, yerr=spread, fmt=marker, markersize=8, capsize=2, elinewidth=0.8,
                      label=", ".join(rows["system"].astype(str)))  # fmt: skip
    axes.set(xlabel="person named from the representation (%)", ylabel="accuracy (%), people left out")
    axes.margins(x=0.08)
    figure.legend(loc="outside right upper", fontsize=9)
    return figure


if __name__ == "__main__":
    sys.exit(main())
