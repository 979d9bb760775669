"""
From one face to another expression
===================================

Eq. 8 of EGGAN interpolates from a face's own action units to others in even steps. For synthetic people every step can
be rendered as well: each row of the generator is followed by the rendered truth.

.. image:: /images/eggan_interpolation.png
   :alt: Interpolations by EGGAN, and the rendered truth

Training takes about 50 minutes of one core, so this page is not run when the site is built; the image above is from an
earlier run. The model is kept in ``runs/eggan``, where another run and
``experiments/eggan_table1.py --seed 4 --out runs/eggan`` find it.
"""

# sphinx_gallery_thumbnail_path = 'images/eggan_interpolation.png'

# %%
# One neutral face each of three unseen people, and happiness, surprise and sadness of another person.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ferdis import EGGAN, load
from ferdis.datasets.synthetic.dataset import with_action_units
from ferdis.faces import AU_COLUMNS
from ferdis.systems.eggan import interpolated_action_units

same = {"images_per_expression": 4, "image_size": 64, "seed": 4}
train = load("synthetic", people=300, expressions=8, **same)
unseen = load("synthetic", people=3, expressions=["neutral"], first_person=300, **same)[::4]
others = load("synthetic", people=1, expressions=["happiness", "surprise", "sadness"], first_person=310, **same)[::4]
model = EGGAN.small(seed=4).fit(train, run_dir=Path("runs/eggan/eggan"))

# %%
# Six steps from each person's own face to the other's action units, with pose and light unchanged.

steps = 6
target = others.table[list(AU_COLUMNS)].to_numpy(np.float32)
generated = model.interpolate(unseen, target, steps)  # (3, 6, 64, 64, 3)

source = unseen.table[list(AU_COLUMNS)].to_numpy(np.float32)
way = np.stack([interpolated_action_units(source, target, alpha) for alpha in np.linspace(0, 1, steps)], axis=1)
rows = np.repeat(np.arange(len(unseen)), steps)
truth = with_action_units(unseen[rows], way.reshape(-1, len(AU_COLUMNS))).pixels()
truth = truth.reshape(generated.shape)

figure, axes = plt.subplots(2 * len(unseen), 1, figsize=(6.5, 7), layout="constrained")
for number, name in enumerate(others.expression):
    for offset, (steps_of, label) in enumerate(((generated, "EGGAN"), (truth, "rendered"))):
        axis = axes[2 * number + offset]
        axis.imshow(np.concatenate(list(steps_of[number]), axis=1))
        axis.set_yticks([])
        axis.set_xticks([])
        axis.set_ylabel(label, fontsize=7)
    axes[2 * number].set_title(f"to {name}", fontsize=8)
plt.show()
