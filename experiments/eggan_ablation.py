"""EGGAN's ablations (Fig. 4), on rendered people or a real set: without the perceptual, identity and MS-SSIM terms.

python experiments/eggan_ablation.py --out runs/eggan
python experiments/eggan_ablation.py --data disfa --root DISFA

The perceptual term uses the feature maps of C_id, or those of VGG19 with ``--weights vgg19.safetensors``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from eggan import arguments, bench, fitted, identity_kept, saved, saved_grid, units_shown

SHOWN = 8  # edits in the image
VARIANTS = {
    "EGGAN": {},
    "without perceptual": {"perceptual_weight": 0.0},
    "without identity": {"identity_weight": 0.0},
    "without MS-SSIM": {"ssim_weight": 0.0},
}


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Train each variant, measure, print; returns the table, and with ``--out`` saves a grid of edits."""
    options = arguments(argv, __doc__ or "")
    on = bench(options)
    rows, grid = {}, [on.sources[:SHOWN].pixels(), on.shown[:SHOWN].pixels()]
    for name, changes in VARIANTS.items():
        model = fitted(options, on, **changes)
        edited, back = model.edit(on.sources, on.targets), model.reconstruct(on.sources)
        units, kept = units_shown(on, edited), identity_kept(on, edited)
        lost = np.abs(back.astype(float) - on.sources.pixels()).mean()
        rows[name] = {"mse": units.mse, "pcc": units.pcc, "identity": kept.accuracy, "reconstruction L1 of 255": lost}
        grid.append(edited[:SHOWN])
    table = pd.DataFrame.from_dict(rows, orient="index")
    saved(options, "ablation", table)
    saved_grid(options, "ablation", grid, f"sources, faces with the requested action units, then {', '.join(VARIANTS)}")
    return table


if __name__ == "__main__":
    main()
