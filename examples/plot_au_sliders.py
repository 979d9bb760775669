"""
Seventeen sliders
=================

EGGAN draws a face again with any intensities of 17 action units. Here every unit is pushed from 0 to 5 on three people
whom the generator has never seen.

Training takes about 50 minutes of a core, so the gallery shows this page without running it. The model is kept
in ``runs/eggan``: another run, and ``experiments/eggan_table1.py --seed 4 --out runs/eggan``, use it again.
"""

# %%
# The people are rendered, so each face's action units are known.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ferdis import EGGAN, load
from ferdis.faces import AU_COLUMNS

same = {"expressions": 8, "images_per_expression": 4, "image_size": 64, "seed": 4}
train = load("synthetic", people=300, **same)
strangers = load("synthetic", people=3, first_person=300, **same)
model = EGGAN.small(seed=4).fit(train, run_dir=Path("runs/eggan/eggan"))

# %%
# One column a person: a row is a unit, from 0 on the left to 5 on the right, on a face that shows nothing else.

steps = np.linspace(0, 5, 6, dtype=np.float32)
wanted = (np.eye(len(AU_COLUMNS), dtype=np.float32)[:, None] * steps[:, None]).reshape(-1, len(AU_COLUMNS))
neutral = [int(np.flatnonzero((strangers.subject == who) & (strangers.expression == "neutral"))[0])
           for who in np.unique(strangers.subject)]  # fmt: skip
figure, axes = plt.subplots(1, len(neutral), figsize=(9, 9.5), layout="constrained")
for number, (axis, row) in enumerate(zip(axes, neutral, strict=True)):
    faces = model.edit(strangers[[row] * len(wanted)], wanted)  # (17 * 6, 64, 64, 3)
    side = faces.shape[1]
    rows = faces.reshape(len(AU_COLUMNS), len(steps), side, side, 3).transpose(0, 2, 1, 3, 4)
    axis.imshow(rows.reshape(len(AU_COLUMNS) * side, len(steps) * side, 3))
    axis.set_yticks(np.arange(len(AU_COLUMNS)) * side + side / 2, AU_COLUMNS if number == 0 else [], fontsize=7)
    axis.set_xticks(np.arange(len(steps)) * side + side / 2, [f"{step:.0f}" for step in steps], fontsize=7)
    axis.set_title(f"person {number + 1}", fontsize=9)
plt.show()
