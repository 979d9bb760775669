"""EGGAN, trained on synthetic people alone, on photographs: a grid of edits, and the action units measured on it.

python experiments/eggan_unseen.py --root DIR --out runs/eggan

DIR holds ``faces.csv`` and images, as the data set "manifest" reads them. The photographs are aligned to where the
renderer puts eyes and nose, and an ``AUEstimator`` trained on other synthetic people estimates their action units: its
error on photographs is unknown. A model that ``eggan_table1.py`` trained into the same folder is used again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from eggan import arguments, bench, fitted, saved, saved_grid
from real_people import SYNTHETIC

from ferdis import EGGAN, Faces
from ferdis.evaluators.au_estimator import AUEstimator
from ferdis.faces import AU_COLUMNS
from ferdis.preprocess import prepare
from ferdis.preprocess.restore import restored

SHOWN = 8
# Prototypes of EMFACS, as intensities; action units that are not named are 0.
EDITS = {
    "neutral": {},
    "happiness": {"AU06": 3, "AU12": 4, "AU25": 3},
    "sadness": {"AU01": 4, "AU04": 3, "AU15": 4, "AU17": 2},
    "surprise": {"AU01": 4, "AU02": 4, "AU05": 4, "AU25": 4, "AU26": 4},
    "anger": {"AU04": 4, "AU05": 2, "AU07": 4, "AU23": 4},
}


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Align, estimate, edit, save; returns the error of the edits' action units, one row per expression."""
    options = arguments(argv, __doc__ or "")
    if not options.root or options.data != SYNTHETIC:
        raise ValueError(
            "give --root, the folder of faces.csv and photographs, and no --data: it learns rendered people"
        )
    on = bench(options)
    model = fitted(options, on)
    faces = photographs(options.root, model, on.estimator)
    chosen = np.random.default_rng(options.seed).permutation(len(faces))[:SHOWN]
    back, before = model.reconstruct(faces), on.estimator.predict(faces)
    lost = np.abs(back.astype(float) - faces.pixels()).mean() / 127.5
    print(f"{len(faces)} photographs; L1 of their reconstruction in [-1, 1]: {lost:.3f}")
    rows, grid = {}, [faces.pixels(chosen), back[chosen]]
    for name, units in EDITS.items():
        wanted = np.array([units.get(column, 0) for column in AU_COLUMNS], np.float32)
        edited = model.edit(faces, wanted)
        read = {"mse of the edits": on.estimator.predict(edited), "mse of the photographs": before}
        rows[name] = {what: np.square(units - wanted).mean() for what, units in read.items()}
        grid.append(edited[chosen])
    table = pd.DataFrame.from_dict(rows, orient="index")
    saved(options, "unseen", table)
    saved_grid(options, "unseen", grid, f"photographs, reconstructions, then {', '.join(EDITS)}")
    return table


def photographs(root: str, model: EGGAN, estimator: AUEstimator) -> Faces:
    """The images of a folder, aligned like rendered faces, with action units from the estimator."""
    from ferdis import load

    listed = load("manifest", root=root, align=False, cache=False, progress=False)
    paths = [f"{root}/{path}" for path in listed.table["path"]]
    as_trained = restored(model.preprocessing_, model="the EGGAN")
    aligned = prepare(paths, listed.to_frame(), image_size=model.image_size, align=as_trained)
    return estimator.annotate(aligned, overwrite=True)


if __name__ == "__main__":
    main()
