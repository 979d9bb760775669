"""
Seventeen sliders
=================

EGGAN renders a face with any intensities of 17 action units. Here every action unit is raised from 0 to 5 on three
people that the generator has never seen.

Training takes about 50 minutes of one core, so this page is not run when the site is built. The model is kept in
``runs/eggan``, where another run and ``experiments/eggan_table1.py --seed 4 --out runs/eggan`` find it.
"""

# sphinx_gallery_thumbnail_path = 'images/eggan_interpolation.png'

# %%
# The people are synthetic, so the action units of each face are known.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ferdis import EGGAN, load
from ferdis.faces import AU_COLUMNS

same = {"expressions": 8, "images_per_expression": 4, "image_size": 64, "seed": 4}
train = load("synthetic", people=300, **same)
unseen = load("synthetic", people=3, first_person=300, **same)
model = EGGAN.small(seed=4).fit(train, run_dir=Path("runs/eggan/eggan"))

# %%
# One column per person, one row per action unit, from 0 on the left to 5 on the right, on a face without any other.

steps = np.linspace(0, 5, 6, dtype=np.float32)
wanted = (np.eye(len(AU_COLUMNS), dtype=np.float32)[:, None] * steps[:, None]).reshape(-1, len(AU_COLUMNS))
neutral = [int(np.flatnonzero((unseen.subject == who) & (unseen.expression == "neutral"))[0])
           for who in np.unique(unseen.subject)]  # fmt: skip
figure, axes = plt.subplots(1, len(neutral), figsize=(9, 9.5), layout="constrained")
for number, (axis, row) in enumerate(zip(axes, neutral, strict=True)):
    faces = model.edit(unseen[[row] * len(wanted)], wanted)  # (17 * 6, 64, 64, 3)
    side = faces.shape[1]
    rows = faces.reshape(len(AU_COLUMNS), len(steps), side, side, 3).transpose(0, 2, 1, 3, 4)
    axis.imshow(rows.reshape(len(AU_COLUMNS) * side, len(steps) * side, 3))
    axis.set_yticks(np.arange(len(AU_COLUMNS)) * side + side / 2, AU_COLUMNS if number == 0 else [], fontsize=7)
    axis.set_xticks(np.arange(len(steps)) * side + side / 2, [f"{step:.0f}" for step in steps], fontsize=7)
    axis.set_title(f"person {number + 1}", fontsize=9)
plt.show()
