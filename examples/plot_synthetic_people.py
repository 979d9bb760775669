"""
Synthetic people
================

Eight people with eight expressions, and one person with each action unit. Nothing is downloaded: every image is
rendered from the numbers in its row of the table.
"""

# %%
# Eight people, eight expressions
# -------------------------------
#
# The experiments use the difficulty ``normal``: pose, light and intensity vary between images.
from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from ferdis.datasets.synthetic.dataset import counterpart, load_synthetic, with_action_units
from ferdis.faces import ACTION_UNITS, EXPRESSIONS, Faces


def show(faces: Faces, rows: list[str], columns: list[str], title: str) -> None:
    """Show images in reading order."""
    size = (1.15 * len(columns) + 0.6, 1.2 * len(rows) + 0.5)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False, layout="constrained")
    for axis, pixels in zip(axes.flat, faces.pixels(), strict=True):
        axis.imshow(pixels)
        axis.set(xticks=[], yticks=[])
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name, fontsize=8)
    for axis, name in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(name, fontsize=8)
    figure.suptitle(title)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)


people = load_synthetic(8, 8, 1, image_size=128, difficulty="normal", seed=1)
show(people, [f"P{k}" for k in range(8)], list(EXPRESSIONS), "Eight people")

# %%
# One person with each action unit
# --------------------------------
#
# The same person, pose and light; one action unit at intensity 1, 3 and 5 of FACS's five levels.
LEVELS = (1, 3, 5)
one = load_synthetic(1, ["neutral"], 1, image_size=128, difficulty="easy", seed=1, first_person=1)
for part in (ACTION_UNITS[:9], ACTION_UNITS[9:]):
    units = np.array([[np.equal(ACTION_UNITS, unit) * level for unit in part] for level in LEVELS], float)
    units = units.reshape(-1, len(ACTION_UNITS))
    raised = with_action_units(one[np.zeros(len(units), int)], units)
    show(raised, [str(level) for level in LEVELS], [f"AU{unit}" for unit in part], "Intensities 1, 3, 5")

# %%
# This person with that person's expression
# -----------------------------------------
#
# The exact ground truth of expression transfer: person, light and pose stay the same, the expression changes.
six = people[(people.expression != "neutral") & (people.expression != "contempt")]
donors = six[six.subject == six.subject[0]]
neutral = people[people.expression == "neutral"][:4]
pairs = Faces.concat([counterpart(neutral[np.full(6, k)], expression_of=donors) for k in range(len(neutral))])
show(pairs, [f"P{k}" for k in range(4)], list(donors.expression), "P0's expressions on four people")
plt.show()
