"""Action units: each visible, local and monotone; and predictable by a small network on unseen people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from ferdis.faces import ACTION_UNITS, AU_COLUMNS, Faces
from tools.synthetic_checks import Demand, Measurement
from tools.synthetic_checks.cnn import FiveBlockCNN, Recipe, mirrored_shifted, plain, predict, train
from tools.synthetic_checks.sets import draw, functions

# Where FACS says each action unit is visible.
REGIONS: dict[int, tuple[str, ...]] = {
    1: ("brows", "forehead"), 2: ("brows", "forehead"), 4: ("brows", "forehead"), 5: ("eyes",),
    6: ("eyes", "cheeks"), 7: ("eyes",), 9: ("nose", "brows"), 10: ("mouth", "nose"), 12: ("mouth", "cheeks"),
    14: ("mouth", "cheeks"), 15: ("mouth", "chin"), 17: ("chin", "mouth"), 20: ("mouth", "cheeks"),
    23: ("mouth",), 25: ("mouth",), 26: ("mouth", "chin"), 45: ("eyes",),
}  # fmt: skip
LEVELS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_RAISED = 3
_HOLDS = 0.9  # share of people for whom a property must hold


def measure_locality(quick: bool = False, name: str = "synthetic") -> Measurement:
    """Raise one action unit at a time on neutral faces and compare its region with the rest of the image."""
    people = 12 if quick else 40
    still = functions(name).with_action_units(draw(name, people, ["neutral"], 1, seed=4), np.zeros(len(ACTION_UNITS)))
    before = still.pixels().astype(np.int16)
    masks = still.region_masks()
    table = pd.DataFrame([_unit_row(still, before, masks, unit, name) for unit in ACTION_UNITS]).set_index("unit")
    return Measurement(
        "2. Each action unit is visible and local (normal, 128x128, 0 to 3)",
        [
            Demand("smallest ratio of an action unit's own region to the rest", table["ratio"].min(), 1.0),
            Demand("smallest share of people with own > rest", table["local"].min(), _HOLDS),
            Demand("action units whose mean change grows at every level", table["monotone"].sum(), len(ACTION_UNITS)),
            Demand("smallest share of people with 0 < 1 < 3 < 5", table["monotone people"].min(), _HOLDS),
        ],
        {"mean absolute change in grey levels; own region, rest of the image": table},
    )


def _unit_row(still: Faces, before: np.ndarray, masks: dict[str, np.ndarray], unit: int, name: str) -> dict:
    """Mean change of one action unit's own region and of the rest, by level."""
    own = np.zeros(before.shape[:3], bool)
    changes = []
    for level in LEVELS[1:]:
        units = np.where(np.array(ACTION_UNITS) == unit, level, 0.0)
        raised = functions(name).with_action_units(still, units)
        if level == _RAISED:
            after = raised.region_masks()
            for region in REGIONS[unit]:
                own |= masks[region] | after[region]
        changes.append(np.abs(raised.pixels().astype(np.int16) - before).mean(axis=3))
    inside = np.stack([_mean_in(change, own) for change in changes])  # (levels, people)
    outside = _mean_in(changes[_RAISED - 1], ~own)
    average = inside.mean(axis=1)
    return {
        "unit": unit, "region": "+".join(REGIONS[unit]), "own": average[_RAISED - 1], "rest": outside.mean(),
        "ratio": average[_RAISED - 1] / max(outside.mean(), 1e-6),
        "local": (inside[_RAISED - 1] > outside).mean(),
        "monotone": bool((np.diff([0.0, *average]) > 0).all()),
        "monotone people": ((inside[0] > 0) & (inside[0] < inside[2]) & (inside[2] < inside[4])).mean(),
        "at 1": average[0], "at 5": average[4],
    }  # fmt: skip


def measure_readback(quick: bool = False, name: str = "synthetic") -> Measurement:
    """Train on independent action units of 200 people, test on 50 unseen ones."""
    people, images = (80, 15) if quick else (200, 25)
    fitted = draw(name, people, "action_units", images, 64, seed=5)
    unseen = draw(name, 50, "action_units", 20, 64, seed=5, first_person=people)
    torch.manual_seed(0)
    model = FiveBlockCNN(3, 0, len(ACTION_UNITS), widths=(16, 32, 64, 96, 128), dropout=0.0)
    recipe = Recipe(epochs=15 if quick else 35, batch_size=32, learning_rate=3e-3)
    model = train(model, fitted.pixels(), None, _units(fitted), mirrored_shifted, recipe)
    _, read = predict(model, unseen.pixels(), plain)
    true = _units(unseen)
    pcc = np.array([np.corrcoef(true[:, k], read[:, k])[0, 1] for k in range(len(ACTION_UNITS))])
    table = pd.DataFrame(
        {"unit": AU_COLUMNS, "PCC": pcc, "RMSE": np.sqrt(((true - read) ** 2).mean(axis=0))}
    ).set_index("unit")
    table["mistaken for"] = _confused(true, read)
    return Measurement(
        f"3. Action units can be predicted (normal, 64x64, {len(fitted)} images of {people} people, 50 unseen people)",
        [Demand("mean PCC over 17 action units", pcc.mean(), 0.82), Demand("lowest PCC", pcc.min(), 0.6)],
        {"action units": table},
    )


def _confused(true: np.ndarray, read: np.ndarray) -> list[str]:
    """For each action unit the other one whose true intensity correlates most with its error."""
    names = []
    for k in range(true.shape[1]):
        follows = [abs(np.corrcoef(true[:, j], read[:, k] - true[:, k])[0, 1]) * (j != k) for j in range(true.shape[1])]
        names.append(f"{AU_COLUMNS[int(np.argmax(follows))]} ({max(follows):.2f})")
    return names


def _units(faces: Faces) -> np.ndarray:
    return faces.table[list(AU_COLUMNS)].to_numpy(np.float32)


def _mean_in(change: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.array([c[m].mean() if m.any() else 0.0 for c, m in zip(change, mask, strict=True)])
