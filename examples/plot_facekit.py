"""
People from measured faces
==========================

People whose heads come from light-stage scans (ICT-FaceKit's modes) and whose skin, folds, eyes, hair and light are
drawn. The face model is not part of ferdis: clone https://github.com/ICT-VGL/ICT-FaceKit (MIT licence) and name the
folder in ``$FERDIS_FACEKIT``. Where only some of its files are there, this page shows what they hold; this is the whole
model:

.. image:: /images/facekit.png
   :alt: People from measured faces, rendered
"""

# sphinx_gallery_thumbnail_path = 'images/facekit.png'

from __future__ import annotations

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from ferdis.datasets.facekit import IDENTITY_NAMES, SCENE_NAMES, load_model, render, sample_people, sample_scene
from ferdis.datasets.facekit.anatomy import anatomy_of
from ferdis.datasets.facekit.dataset import load_facekit, with_action_units
from ferdis.faces import ACTION_UNITS, EXPRESSIONS

ROOT = os.environ.get("FERDIS_FACEKIT")


def show(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> None:
    """Images (rows * columns, H, W, 3) in reading order."""
    size = (1.15 * len(columns) + 0.6, 1.2 * len(rows) + 0.5)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False, layout="constrained")
    for axis, pixels in zip(axes.flat, images, strict=True):
        axis.imshow(pixels)
        axis.set(xticks=[], yticks=[])
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name, fontsize=8)
    for axis, name in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(name, fontsize=8)
    figure.suptitle(title)


# %%
# Eight people, eight expressions, and one person under each action unit
# -----------------------------------------------------------------------
#
# The whole model: every factor of each image stands in the table, as for the drawn people.
def whole(root: str | Path) -> None:
    """The whole model as a data set."""
    people = load_facekit(root, 8, 8, 1, image_size=128, seed=1, cache=False)
    show(people.pixels(), [f"P{k}" for k in range(8)], list(EXPRESSIONS), "Eight people")
    one = load_facekit(root, 1, ["neutral"], 1, image_size=128, difficulty="easy", seed=1, first_person=1, cache=False)
    for part in (ACTION_UNITS[:9], ACTION_UNITS[9:]):
        units = np.array([[np.equal(ACTION_UNITS, unit) * level for unit in part] for level in (1, 3, 5)], float)
        units = units.reshape(-1, len(ACTION_UNITS))
        raised = with_action_units(one[np.zeros(len(units), int)], units)
        show(raised.pixels(), ["1", "3", "5"], [f"AU{unit}" for unit in part], "One action unit at 1, 3, 5")


# %%
# What three sample files hold
# ----------------------------
#
# The neutral mesh, the first mode of identity and one expression shape: the average head, that mode either way, and a
# smile of the left corner of the mouth.
def sample(root: str | Path) -> None:
    """A partial model: what is missing moves nothing."""
    anatomy = anatomy_of(load_model(root, partial=True))
    mode = IDENTITY_NAMES.index("mode_000")
    identity = sample_people(anatomy, [0], 1).repeat(4, 1)
    identity[:, mode : mode + 100] = 0
    identity[:, mode] = torch.tensor([0.0, -2.0, 2.0, 0.0])
    units = torch.zeros(4, len(ACTION_UNITS))
    units[3, ACTION_UNITS.index(12)] = 5
    scene = torch.from_numpy(sample_scene(np.random.default_rng(0), difficulty="easy")).repeat(4, 1)
    drawn = render(anatomy, identity, units, torch.zeros_like(units), scene, 160)
    show(drawn.images.numpy(), [""], ["average", "mode 0 at -2", "at 2", "left smile"], "Three files of the model")
    print(f"{len(SCENE_NAMES)} numbers describe the scene")


if ROOT is None:
    print("No face model: clone github.com/ICT-VGL/ICT-FaceKit (MIT licence) and name it in $FERDIS_FACEKIT.")
else:
    try:
        whole(ROOT)
    except (FileNotFoundError, ValueError) as missing:
        print(missing)
        sample(ROOT)
plt.show()
