"""EGGAN's Table 1, on rendered people or a real set: do edited faces show the requested action units?

python experiments/eggan_table1.py --out runs/eggan
python experiments/eggan_table1.py --data rafd --root RAFD --au OPENFACE --preset paper --weights vgg19.safetensors

The paper's targets are RaFD images with OpenFace's action units, on the edits too. Here an AUEstimator reads the edits;
on rendered people the published and measured figures are not comparable at all. Two trivial answers are measured as
well: the source unchanged, and an unedited image with the right action units, which shows another person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from eggan import arguments, bench, fitted, on_the_way, saved, units_shown

from ferdis.report.published import figures


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train, edit, measure, print; returns the table."""
    options = arguments(argv, __doc__ or "")
    on = bench(options)
    model = fitted(options, on)
    answers: dict[str, Any] = {
        "EGGAN": model.edit(on.sources, on.targets),
        "the source": on.sources,
        "a real face": on.shown,
    }
    columns = {}
    for name, images in answers.items():
        agreement = units_shown(on, images)
        for metric in ("mse", "pcc"):
            columns[f"{name} {metric}"] = agreement.to_frame()[metric]
    table = published().join(pd.DataFrame(columns), how="outer")
    table = table.loc[[*sorted(table.index.drop("mean")), "mean"]]
    saved(options, "table1", table)
    for name, why in agreement.left_out.items():
        print(f"left out: {name} ({why})")
    for name, value in on_the_way(on, model).items():
        print(f"{name}: {value:.3f}")
    return table


def published() -> pd.DataFrame:
    """The paper's rows, action units by method and metric."""
    rows = figures().query("paper == 'EGGAN' and table == 1")
    rows = rows.assign(unit=rows.dataset.str.removeprefix("RaFD "), column=rows.method + " published " + rows.metric)
    return rows.pivot(index="unit", columns="column", values="value")


if __name__ == "__main__":
    main()
