"""Who a person is: weights of the scanned modes, skin, hair, eyes, and the face at rest.

The modes are ICT-FaceKit's; what they do not hold is drawn as for the drawn people. Ancestry, sex and age are hidden
causes: they shift means of the shape along measured distances (the width of the nose, say) and of colours, and are
kept as columns, so that a study can ask for them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ferdis.datasets.facekit.anatomy import Anatomy
from ferdis.datasets.facekit.model import MODES, SHAPES

GROUPS = ("african", "east_asian", "south_asian", "european")
_SPREAD, _CUT = 0.9, 2.4  # std of the mode weights and where they are cut: beyond, scans become caricatures

# Distances on the face as differences of landmarks (axis, plus, minus), and how far the mean of a group, of men (half
# of it, women less by as much) and of the old (at 75 years) lies from the model's, in standard deviations of the modes.
# Directions follow Farkas et al., International anthropometric study of facial morphology in various ethnic groups
# (J. Craniofac. Surg. 16, 2005); sizes were set by eye.
_DISTANCES: dict[str, tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]] = {
    "nose_width": ((0, (35,), (31,)),),
    "lip_height": ((1, (50, 51, 52), (61, 62, 63)), (1, (65, 66, 67), (56, 57, 58))),
    "nose_bridge": ((2, (27, 28), (39, 42)),),
    "nose_tip": ((2, (30,), (31, 35)),),
    "eye_opening": ((1, (37, 38, 43, 44), (40, 41, 46, 47)),),
    "face_width": ((0, (14, 15), (1, 2)),),
    "jaw_width": ((0, (11, 12), (4, 5)),),
    "lip_projection": ((2, (51, 57), (27, 8)),),
    "brow_ridge": ((2, (19, 20, 23, 24), (37, 38, 43, 44)),),
    "chin_height": ((1, (57,), (8,)),),
    "mouth_height": ((1, (33,), (51,)),),
}
_SHIFTS: dict[str, tuple[tuple[float, float, float, float], float, float]] = {
    "nose_width": ((1.3, 0.3, 0.0, -0.9), 0.3, 0.3),
    "lip_height": ((1.2, 0.0, 0.1, -0.6), -0.2, -0.8),
    "nose_bridge": ((-0.7, -1.1, 0.4, 0.8), 0.3, 0.0),
    "nose_tip": ((-0.5, -0.4, 0.3, 0.5), 0.2, 0.4),
    "eye_opening": ((0.2, -1.0, 0.3, 0.1), -0.3, -0.6),
    "face_width": ((0.0, 0.7, -0.2, -0.2), 0.3, 0.0),
    "jaw_width": ((0.0, 0.3, -0.1, 0.0), 0.6, 0.2),
    "lip_projection": ((1.1, 0.3, 0.0, -0.5), 0.0, -0.3),
    "brow_ridge": ((0.0, -0.6, 0.1, 0.4), 0.7, 0.0),
    "chin_height": ((0.0, 0.0, 0.0, 0.0), 0.5, 0.2),
    "mouth_height": ((0.0, 0.0, 0.0, 0.0), 0.2, 0.6),
}

# How faces rest: shapes and their spread. Many a face at rest looks sad, stern or pleased, and is neutral.
_RESTING: dict[str, tuple[float, float]] = {
    "mouthFrown": (0.02, 0.16), "mouthSmile": (0.0, 0.07), "browDown": (0.0, 0.22), "browInnerUp": (0.0, 0.16),
    "browOuterUp": (0.0, 0.2), "eyeBlink": (0.02, 0.1), "eyeSquint": (0.05, 0.15), "eyeWide": (0.0, 0.12),
    "mouthPress": (0.0, 0.12), "cheekSquint": (0.0, 0.08), "mouthStretch": (0.0, 0.06), "mouthDimple": (0.0, 0.06),
    "mouthUpperUp": (0.0, 0.05), "mouthRollUpper": (0.0, 0.1), "mouthRollLower": (0.0, 0.1),
    "mouthShrugLower": (0.0, 0.08), "mouthPucker": (0.0, 0.08), "jawForward": (0.0, 0.12), "cheekPuff": (0.0, 0.1),
}  # fmt: skip
_UNEVEN = 0.35  # share of a resting shape that differs between the halves

# Traits that are normal draws: mean, std, low, high, per masculinity (-1..1), per age (0..1).
_TRAITS: dict[str, tuple[float, float, float, float, float, float]] = {
    "undertone": (0.0, 1.0, -2.0, 2.0, 0.0, 0.0),
    "redness": (0.5, 0.25, 0.0, 1.2, 0.05, 0.1),
    "lip_colour": (0.5, 0.25, 0.0, 1.0, -0.2, -0.1),
    "oiliness": (0.5, 0.25, 0.0, 1.2, 0.0, 0.0),
    "blotches": (0.5, 0.25, 0.1, 1.3, 0.0, 0.3),
    "wrinkles": (0.06, 0.07, 0.0, 1.0, 0.0, 0.75),
    "eye_bag": (0.25, 0.16, 0.0, 0.9, 0.0, 0.35),
    "socket_shade": (0.45, 0.2, 0.0, 1.0, 0.1, 0.1),
    "fold_depth": (1.0, 0.25, 0.4, 1.8, 0.05, 0.25),
    "brow_y": (0.0, 0.14, -0.35, 0.3, -0.08, 0.0),
    "brow_arch": (0.05, 0.12, -0.2, 0.35, -0.09, 0.0),
    "brow_thickness": (0.34, 0.08, 0.14, 0.6, 0.08, 0.0),
    "brow_gap": (0.0, 0.25, -0.6, 0.6, -0.12, 0.0),
    "brow_density": (0.72, 0.17, 0.15, 1.0, 0.1, -0.12),
    "lid_fold": (0.5, 0.25, 0.0, 1.0, 0.0, 0.0),
    "lashes": (0.5, 0.25, 0.0, 1.0, -0.25, -0.2),
    "tooth_shade": (0.72, 0.09, 0.45, 0.95, 0.0, -0.12),
    "hairline": (0.0, 0.55, -1.3, 1.6, 0.1, 0.5),
    "hair_volume": (0.0, 0.5, -1.0, 1.5, -0.2, -0.3),
}
OTHER_NAMES = (
    "group", "masculinity", "age", "melanin", "iris_tone", "iris_hue", "iris_size", "hair_tone", "hair_red",
    "hair_grey", "hair_style", "hair_length", "hair_curl", "fringe", "parting", "beard", "moustache", "mole_s",
    "mole_t", "mole_2_s", "mole_2_t", "mole_strength", "freckles", "makeup", "lipstick_hue", "glasses",
    "glasses_tone", "glasses_width", "glasses_shape", "texture_seed",
)  # fmt: skip
MODE_NAMES = tuple(f"mode_{number:03d}" for number in range(MODES))
REST_NAMES = tuple(f"rest_{name}" for name in SHAPES)
TRAIT_NAMES = (*_TRAITS, *OTHER_NAMES)
IDENTITY_NAMES: tuple[str, ...] = (*MODE_NAMES, *REST_NAMES, *TRAIT_NAMES)

BALD, SHORT, LONG, TIED, CURLY = 0.0, 1.0, 2.0, 3.0, 4.0


def sample_people(anatomy: Anatomy, indices: Sequence[int], seed: int) -> Tensor:
    """Draw people; person *k* of a seed comes from a generator keyed by (seed, k) alone.

    Parameters
    ----------
    anatomy : Anatomy
    indices : sequence of int
        Person numbers, each 0 or more.
    seed : int
        Names the population.

    Returns
    -------
    Tensor (n, P), float32
        Columns in the order of `IDENTITY_NAMES`.
    """
    directions = _directions(anatomy)
    rows = [_sample_person(np.random.default_rng([7101, seed, int(index)]), directions) for index in indices]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(rows), len(IDENTITY_NAMES)))


@functools.lru_cache(maxsize=2)
def _directions(anatomy: Anatomy) -> np.ndarray:
    """(100, D): mode weights of least norm that move each distance by one standard deviation and no other."""
    basis = anatomy.identity.view(MODES, -1, 3)
    lines = []
    for parts in _DISTANCES.values():
        line = torch.zeros(MODES)
        for axis, plus, minus in parts:
            high, low = (basis[:, anatomy.landmarks[list(points)], axis].mean(1) for points in (plus, minus))
            line += high - low
        lines.append(line / line.norm().clamp(min=1e-9))
    a = torch.stack(lines).double()
    steadied = a @ a.T + 0.05 * torch.eye(len(a), dtype=torch.float64)
    return np.asarray(a.T @ torch.linalg.inv(steadied))


def _sample_person(rng: np.random.Generator, directions: np.ndarray) -> list[float]:
    """One row of `IDENTITY_NAMES`."""
    group = int(rng.integers(0, len(GROUPS)))
    masculinity = float(np.clip(rng.choice([-0.7, 0.7]) + 0.25 * rng.normal(), -1, 1))
    age = float(rng.beta(1.3, 1.9))
    shift = [
        groups[group] * rng.uniform(0.4, 1.4) + masculine * masculinity + aged * age
        for groups, masculine, aged in _SHIFTS.values()
    ]
    modes = np.clip(_SPREAD * rng.normal(size=MODES), -_CUT, _CUT) + directions @ np.array(shift)
    values = {"group": float(group), "masculinity": masculinity, "age": age}
    for name, (mean, sd, low, high, masculine, aged) in _TRAITS.items():
        drawn = mean + sd * rng.normal() + masculine * masculinity + aged * age
        values[name] = float(np.clip(drawn, low, high))
    if GROUPS[group] == "east_asian":
        values["lid_fold"] = float(np.clip(values["lid_fold"] - 0.35, 0, 1))
    _sample_colours(values, rng)
    _sample_hair(values, rng)
    _sample_marks(values, rng)
    return [*modes, *_sample_rest(rng), *(values[name] for name in TRAIT_NAMES)]


def _sample_rest(rng: np.random.Generator) -> list[float]:
    """Weights of the shapes at rest, in the order of SHAPES; brows and lids may go either way, the rest only on."""
    drawn = {name: rng.normal(mean, sd) for name, (mean, sd) in _RESTING.items()}
    weights = []
    for shape in SHAPES:
        name = shape.removesuffix("_L").removesuffix("_R")
        value = drawn.get(name, 0.0)
        free = name.startswith(("brow", "eye"))
        value = value if free else max(value, 0.0)
        weights.append(float(value * (1 + _UNEVEN * rng.normal()) if shape != name else value))
    return weights


def _sample_colours(values: dict[str, float], rng: np.random.Generator) -> None:
    """Skin by ancestry, each overlapping its neighbours; iris and hair darken with melanin."""
    low, high = ((0.5, 1.0), (0.12, 0.5), (0.28, 0.78), (0.0, 0.38))[int(values["group"])]
    melanin = float(np.clip(rng.uniform(low, high) + 0.04 * rng.normal(), 0, 1))
    pale = (1 - melanin) if GROUPS[int(values["group"])] == "european" else 0.12 * (1 - melanin)
    values["melanin"] = melanin
    values["iris_tone"] = float(np.clip(rng.beta(1.3, 1.3) * pale + 0.05 * rng.uniform(), 0, 1))
    values["iris_hue"] = float(rng.uniform())
    values["iris_size"] = float(np.clip(1 + 0.04 * rng.normal(), 0.9, 1.1))
    values["hair_tone"] = float(np.clip(rng.beta(1.2, 1.8) * pale + 0.04 * rng.uniform(), 0, 1))
    values["hair_red"] = float(rng.beta(1.2, 3.0) * pale)
    values["hair_grey"] = float(np.clip(1.9 * values["age"] - 0.95 + 0.2 * rng.normal(), 0, 1))


def _sample_hair(values: dict[str, float], rng: np.random.Generator) -> None:
    """Hair style, fringe, beard and moustache, by sex, age and ancestry."""
    masculinity, age = values["masculinity"], values["age"]
    man, african = masculinity > 0, GROUPS[int(values["group"])] == "african"
    bald = rng.uniform() < (0.06 + 0.3 * age if man else 0.01)
    chances = [0.82, 0.08, 0.06, 0.04] if man else [0.22, 0.45, 0.25, 0.08]
    if african:
        chances = [0.6, 0.05, 0.05, 0.3] if man else [0.2, 0.25, 0.25, 0.3]
    style = rng.choice([SHORT, LONG, TIED, CURLY], p=chances)
    values["hair_style"] = BALD if bald else float(style)
    values["hair_length"] = float(rng.uniform(3.0, 16.0))
    values["hair_curl"] = float(rng.beta(2, 2) if african else rng.beta(1.0, 2.5))
    values["fringe"] = float(rng.uniform(0.3, 1.0)) if rng.uniform() < 0.3 else 0.0
    values["parting"] = float(rng.uniform(-4.0, 4.0))
    bearded = man and rng.uniform() < 0.33
    values["beard"] = float(rng.beta(1.0, 1.5)) if bearded else (0.12 * float(rng.uniform()) if man else 0.0)
    alone = float(man and rng.uniform() < 0.3) * float(rng.beta(1.2, 2.2))
    values["moustache"] = values["beard"] if rng.uniform() < 0.8 else alone


def _sample_marks(values: dict[str, float], rng: np.random.Generator) -> None:
    """Moles, freckles, make-up, glasses and the number that seeds the person's textures."""
    values["mole_s"], values["mole_t"] = float(rng.uniform(-6, 6)), float(rng.uniform(-7, 2))
    values["mole_2_s"], values["mole_2_t"] = float(rng.uniform(-5, 5)), float(rng.uniform(-7, 8))
    values["mole_strength"] = float(rng.uniform(0.3, 0.9)) if rng.uniform() < 0.4 else 0.0
    values["freckles"] = float(rng.uniform(0.2, 0.8)) if rng.uniform() < 0.2 * (1 - values["melanin"]) else 0.0
    values["makeup"] = float(rng.beta(1.0, 1.6)) if values["masculinity"] < 0 else 0.04 * float(rng.uniform())
    values["lipstick_hue"] = float(rng.uniform())
    values["glasses"] = 1.0 if rng.uniform() < 0.09 + 0.1 * values["age"] else 0.0
    values["glasses_tone"] = float(rng.beta(0.7, 1.6))
    values["glasses_width"] = float(rng.uniform(0.06, 0.2))
    values["glasses_shape"] = float(rng.uniform())
    values["texture_seed"] = float(rng.integers(0, 2**20))
