"""
Edit a face by action units
===========================

EGGAN draws a face with any intensities of 17 action units. This one is as small as can be: it learns eight rendered
people of 32 pixels for a minute or two, and draws them with action units that it has not seen together. What longer
trainings reach on other people stands on the page of its paper.
"""

# %%
# Each training image has some action units, drawn at random. They are known exactly, as the people are rendered.

import matplotlib.pyplot as plt
import numpy as np

from ferdis import EGGAN, Faces, load
from ferdis.datasets.synthetic.dataset import with_action_units
from ferdis.faces import AU_COLUMNS
from ferdis.systems.eggan import interpolated_action_units

random = np.random.default_rng(0)
same = {"people": 8, "expressions": ["neutral"], "image_size": 32, "difficulty": "easy", "seed": 4, "cache": False}
resting = load("synthetic", images_per_expression=120, **same)
units = random.uniform(0, 5, (len(resting), len(AU_COLUMNS))) * (random.random((len(resting), len(AU_COLUMNS))) < 0.25)
train = with_action_units(resting, units)
train = Faces(train.pixels(), train.table)  # drawn once, not at every access
print(train)

# %%
# The terms of identity and perception are switched off: with eight people, whose faces are learned by heart, the
# reconstruction keeps the person.

narrow = {"code_width": 64, "generator_channels": (64, 48, 32), "critic_channels": (16, 32, 64, 96, 128)}
model = EGGAN.small(
    image_size=32,
    epochs=12,
    min_steps=0,
    learning_rate=2e-3,
    identity_weight=0,
    perceptual_weight=0,
    progress=False,
    **narrow,
).fit(train)
print(model.history_.query("term == 'action_units' and phase == 'generator'").groupby("epoch")["value"].mean().round(2))

# %%
# Seventeen sliders
# -----------------
#
# One column per person, one row per action unit, from 0 on the left to 5 on the right, on a resting face.

people = load("synthetic", images_per_expression=1, **same)[:3]
steps = np.linspace(0, 5, 6, dtype=np.float32)
wanted = (np.eye(len(AU_COLUMNS), dtype=np.float32)[:, None] * steps[:, None]).reshape(-1, len(AU_COLUMNS))
figure, axes = plt.subplots(1, len(people), figsize=(8, 7.6), layout="constrained")
for number, axis in enumerate(axes):
    faces = model.edit(people[[number] * len(wanted)], wanted)  # (17 * 6, 32, 32, 3)
    side = faces.shape[1]
    rows = faces.reshape(len(AU_COLUMNS), len(steps), side, side, 3).transpose(0, 2, 1, 3, 4)
    axis.imshow(rows.reshape(len(AU_COLUMNS) * side, len(steps) * side, 3))
    axis.set_yticks(np.arange(len(AU_COLUMNS)) * side + side / 2, AU_COLUMNS if number == 0 else [""] * len(AU_COLUMNS))
    axis.set_xticks(np.arange(len(steps)) * side + side / 2, [f"{step:.0f}" for step in steps])
    axis.tick_params(labelsize=7)
    axis.set_title(f"person {number + 1}", fontsize=9)
plt.show()

# %%
# From one expression to another
# ------------------------------
#
# Eq. 8 goes from a face's own action units to others in even steps. Every step can be rendered as well: each row of the
# generator is followed by the truth.

prototypes = ["happiness", "surprise", "sadness"]
others = load("synthetic", images_per_expression=1, intensity=0.9, **{**same, "people": 1, "expressions": prototypes})
target = others.table[list(AU_COLUMNS)].to_numpy(np.float32)
generated = model.interpolate(people, target, len(steps))  # (3, 6, 32, 32, 3)

source = people.table[list(AU_COLUMNS)].to_numpy(np.float32)
way = np.stack([interpolated_action_units(source, target, alpha) for alpha in np.linspace(0, 1, len(steps))], axis=1)
repeated = people[np.repeat(np.arange(len(people)), len(steps))]
truth = with_action_units(repeated, way.reshape(-1, len(AU_COLUMNS))).pixels().reshape(generated.shape)

figure, axes = plt.subplots(2 * len(people), 1, figsize=(6, 6.6), layout="constrained")
for number, name in enumerate(others.expression):
    for axis, strip, label in zip(axes[2 * number :], (generated, truth), ("EGGAN", "rendered"), strict=False):
        axis.imshow(np.concatenate(list(strip[number]), axis=1))
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(label, fontsize=7)
    axes[2 * number].set_title(f"to {name}", fontsize=9)
plt.show()
