"""EGGAN's ablations (Fig. 4), on rendered people or a real set: without the perceptual, identity and MS-SSIM terms.

python experiments/eggan_ablation.py --out runs/eggan
python experiments/eggan_ablation.py --data disfa --root DISFA
python experiments/eggan_ablation.py --out runs/eggan --variants EGGAN "five critic steps" relu3_1

The perceptual term uses the feature maps of C_id, or those of VGG19 with ``--weights vgg19.safetensors``.
``--variants`` names other rows: what text and authors' code leave open. Each changes one thing, but that a first block
from 1x1 needs five blocks: its neighbour is the row of five blocks from 2x2. The table is written after each row, and
what is trained is not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from eggan import arguments, bench, fitted, identity_kept, saved, saved_grid, units_shown

SHOWN = 8  # edits in the image
FIVE_BLOCKS: Mapping[str, Any] = {"generator_channels": (128, 128, 96, 64, 32)}
FIGURE_4: Mapping[str, Mapping[str, Any]] = {
    "EGGAN": {},
    "without perceptual": {"perceptual_weight": 0.0},
    "without identity": {"identity_weight": 0.0},
    "without MS-SSIM": {"ssim_weight": 0.0},
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **FIGURE_4,
    "five critic steps": {"critic_steps": 5},
    "relu3_1": {"perceptual_layer": "relu3_1"},
    "five blocks from 2x2": FIVE_BLOCKS,
    "five blocks from 1x1": {**FIVE_BLOCKS, "first_factor": 4},
}


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train each variant, measure, print; returns the table, and with ``--out`` saves a grid of edits."""
    chosen = {"nargs": "+", "choices": list(VARIANTS), "default": list(FIGURE_4), "metavar": "NAME",
              "help": f"rows: {', '.join(VARIANTS)}; by default those of Fig. 4"}  # fmt: skip
    options = arguments(argv, __doc__ or "", variants=chosen)
    on = bench(options)
    rows, grid = {}, [on.sources[:SHOWN].pixels(), on.shown[:SHOWN].pixels()]
    table = pd.DataFrame()
    for name in options.variants:
        model = fitted(options, on, **VARIANTS[name])
        edited, back = model.edit(on.sources, on.targets), model.reconstruct(on.sources)
        units, kept = units_shown(on, edited), identity_kept(on, edited)
        lost = np.abs(back.astype(float) - on.sources.pixels()).mean()
        rows[name] = {"mse": units.mse, "pcc": units.pcc, "identity": kept.accuracy, "reconstruction L1 of 255": lost}
        grid.append(edited[:SHOWN])
        table = pd.DataFrame.from_dict(rows, orient="index")
        saved(options, "ablation", table)
        saved_grid(options, "ablation", grid, f"sources, faces with the requested action units, then {', '.join(rows)}")
    return table


if __name__ == "__main__":
    main()
