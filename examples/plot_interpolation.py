"""
From one face to another expression
===================================

Eq. 8 of EGGAN walks from a face's own action units to others in even steps. On synthetic people every stage of the way
can be rendered as well: what the generator draws, and below it what it should have drawn.

Training takes about 50 minutes of a core, so the gallery shows this page without running it. The model is kept
in ``runs/eggan``: another run, and ``experiments/eggan_table1.py --seed 4 --out runs/eggan``, use it again.
"""

# %%
# One neutral face each of three strangers, and somebody else's happiness, surprise and sadness.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ferdis import EGGAN, load
from ferdis.datasets.synthetic.dataset import with_action_units
from ferdis.faces import AU_COLUMNS
from ferdis.systems.eggan import interpolated_units

same = {"images_per_expression": 4, "image_size": 64, "seed": 4}
train = load("synthetic", people=300, expressions=8, **same)
strangers = load("synthetic", people=3, expressions=["neutral"], first_person=300, **same)[::4]
others = load("synthetic", people=1, expressions=["happiness", "surprise", "sadness"], first_person=310, **same)[::4]
model = EGGAN.small(seed=4).fit(train, run_dir=Path("runs/eggan/eggan"))

# %%
# Six stages from each stranger's own face to the other's action units, pose and light unchanged.

steps = 6
target = others.table[list(AU_COLUMNS)].to_numpy(np.float32)
drawn = model.interpolate(strangers, target, steps)  # (3, 6, 64, 64, 3)

source = strangers.table[list(AU_COLUMNS)].to_numpy(np.float32)
way = np.stack([interpolated_units(source, target, alpha) for alpha in np.linspace(0, 1, steps)], axis=1)
rows = np.repeat(np.arange(len(strangers)), steps)
truth = with_action_units(strangers[rows], way.reshape(-1, len(AU_COLUMNS))).pixels().reshape(drawn.shape)

figure, axes = plt.subplots(2 * len(strangers), 1, figsize=(6.5, 7), layout="constrained")
for number, name in enumerate(others.expression):
    for offset, (pictures, whose) in enumerate(((drawn, "EGGAN"), (truth, "rendered"))):
        axis = axes[2 * number + offset]
        axis.imshow(np.concatenate(list(pictures[number]), axis=1))
        axis.set_yticks([])
        axis.set_xticks([])
        axis.set_ylabel(whose, fontsize=7)
    axes[2 * number].set_title(f"to {name}", fontsize=8)
plt.show()
