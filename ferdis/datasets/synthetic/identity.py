"""The identity of a synthetic person: anatomical parameters, sampled per person.

A person is one row of numbers. Lengths are in centimetres, colours are fractions in 0..1, shapes are multipliers of
an average adult. Sex and age are latent causes: they shift means (jaw, brows, lips, beard, wrinkles, hair) and are
kept as columns, so that a study can use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Trait:
    """One parameter: a normal draw ``mean + sd * N + masculine * m + aged * a``, clipped to ``low..high``.

    ``m`` is masculinity in -1..1 and ``a`` age in 0..1 (20 to 75 years).
    """

    name: str
    mean: float
    sd: float
    low: float
    high: float
    masculine: float = 0.0
    aged: float = 0.0


TRAITS: tuple[Trait, ...] = (
    # head and jaw, centimetres from the line through the eyes (y down) or from the midline (x)
    Trait("face_width", 6.5, 0.3, 5.7, 7.3, 0.12),
    Trait("jaw_width", 1.03, 0.055, 0.87, 1.14, 0.035),
    Trait("jaw_roundness", 1.95, 0.15, 1.6, 2.35, 0.06),
    Trait("chin_y", 10.5, 0.42, 9.4, 11.6, 0.25),
    Trait("chin_width", 1.0, 0.16, 0.65, 1.4, 0.08),
    Trait("chin_projection", 1.0, 0.3, 0.3, 1.8, 0.15),
    Trait("forehead_bulge", 1.0, 0.45, 0.0, 2.2, -0.2),
    Trait("brow_ridge", 1.0, 0.35, 0.3, 2.0, 0.4),
    Trait("cheekbone", 1.0, 0.35, 0.2, 2.0, -0.05),
    Trait("cheek_fullness", 0.0, 0.45, -1.0, 1.2, 0.0, -0.3),
    Trait("muzzle", 1.0, 0.2, 0.5, 1.5),
    Trait("neck_width", 1.0, 0.08, 0.8, 1.2, 0.1),
    # nose
    Trait("nose_length", 3.12, 0.26, 2.5, 3.85, 0.06, 0.12),
    Trait("nose_width", 1.0, 0.13, 0.74, 1.4, 0.04, 0.06),
    Trait("nose_bridge", 1.0, 0.22, 0.45, 1.6, 0.1),
    Trait("nose_tip", 1.0, 0.16, 0.65, 1.45, 0.04, 0.05),
    Trait("nostril_show", 1.0, 0.3, 0.4, 1.8),
    # eyes
    Trait("eye_x", 2.98, 0.12, 2.68, 3.28),
    Trait("eye_width", 1.46, 0.08, 1.25, 1.68, 0.0, -0.04),
    Trait("eye_opening", 0.97, 0.13, 0.66, 1.3, -0.05, -0.08),
    Trait("eye_tilt", 0.08, 0.09, -0.15, 0.32, -0.02, -0.06),
    Trait("lid_fold", 0.33, 0.13, 0.04, 0.65, -0.04, -0.06),
    Trait("socket_depth", 1.2, 0.28, 0.5, 2.0, 0.15, 0.1),
    Trait("eye_bag", 0.22, 0.13, 0.0, 0.7, 0.0, 0.3),
    # brows
    Trait("brow_y", -1.52, 0.19, -2.05, -1.1, 0.14, 0.06),
    Trait("brow_arch", 0.27, 0.13, 0.0, 0.65, -0.1),
    Trait("brow_thickness", 0.37, 0.09, 0.18, 0.68, 0.07),
    Trait("brow_gap", 1.25, 0.18, 0.8, 1.7, -0.06),
    Trait("brow_length", 4.0, 0.25, 3.3, 4.6),
    Trait("brow_density", 0.95, 0.14, 0.35, 1.0, 0.06, -0.08),
    # mouth: a narrow spread of fullness and width, so that AU 20 and 23 can be told from identity
    Trait("mouth_y", 6.0, 0.24, 5.35, 6.65, 0.05, 0.1),
    Trait("mouth_width", 2.24, 0.12, 1.93, 2.55, 0.06),
    Trait("upper_lip", 0.56, 0.12, 0.28, 0.95, -0.06, -0.1),
    Trait("lower_lip", 0.8, 0.13, 0.48, 1.2, -0.05, -0.12),
    Trait("cupid_bow", 1.0, 0.35, 0.2, 2.0, -0.1, -0.2),
    Trait("corner_rest", 0.1, 0.09, -0.12, 0.34, 0.02, 0.06),
    Trait("tooth_shade", 0.8, 0.08, 0.55, 0.98, 0.0, -0.12),
    # ears, hair
    Trait("ear_size", 1.0, 0.1, 0.75, 1.3, 0.06, 0.06),
    Trait("ear_out", 0.45, 0.17, 0.05, 0.9, 0.05),
    Trait("hairline_y", -6.1, 0.5, -7.4, -4.8, -0.15, -0.4),
    Trait("hair_volume", 1.0, 0.5, 0.15, 2.6, -0.25, -0.2),
    # colour
    Trait("undertone", 0.0, 1.0, -2.0, 2.0),
    Trait("redness", 0.5, 0.22, 0.0, 1.1, 0.05, 0.1),
    Trait("lip_colour", 0.5, 0.22, 0.0, 1.0, -0.18, -0.1),
    Trait("oiliness", 0.5, 0.25, 0.0, 1.2),
    Trait("blotches", 0.5, 0.22, 0.1, 1.2, 0.0, 0.3),
    Trait("wrinkles", 0.08, 0.07, 0.0, 1.0, 0.0, 0.75),
)

# Columns that are not normal draws; `_sample_person` says how each is made.
OTHER_NAMES = (
    "masculinity", "age", "melanin", "iris_tone", "iris_hue", "hair_tone", "hair_red", "hair_grey", "hair_style",
    "hair_length", "fringe", "parting", "beard", "moustache", "mole_x", "mole_y", "mole_2_x", "mole_2_y",
    "mole_strength", "freckles", "makeup", "glasses", "glasses_tone", "glasses_width", "texture_seed",
)  # fmt: skip

IDENTITY_NAMES: tuple[str, ...] = tuple(trait.name for trait in TRAITS) + OTHER_NAMES

BALD, SHORT, LONG, UPSWEPT = 0.0, 1.0, 2.0, 3.0


def sample_people(indices: Sequence[int], seed: int) -> Tensor:
    """Sample people.

    Person *k* of a seed comes from a generator keyed by (seed, k) alone, so it does not depend on how many are sampled.

    Parameters
    ----------
    indices
        Person numbers, each >= 0.
    seed
        Seed of the population, >= 0.

    Returns
    -------
    Tensor
        (n, P) float32, columns in the order of `IDENTITY_NAMES`.

    Raises
    ------
    ValueError
        When the seed or a person number is negative.
    """
    if seed < 0 or any(index < 0 for index in indices):
        raise ValueError(f"people: seed and person numbers must be 0 or more, got seed {seed}")
    rows = [_sample_person(np.random.default_rng([7001, seed, int(index)])) for index in indices]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(rows), len(IDENTITY_NAMES)))


def _sample_person(rng: np.random.Generator) -> list[float]:
    """One row of `IDENTITY_NAMES`."""
    masculinity = float(np.clip(rng.choice([-0.7, 0.7]) + 0.25 * rng.normal(), -1, 1))
    age = float(rng.beta(1.3, 1.9))
    values = {}
    for trait in TRAITS:
        value = trait.mean + trait.sd * rng.normal() + trait.masculine * masculinity + trait.aged * age
        values[trait.name] = float(np.clip(value, trait.low, trait.high))
    values |= {"masculinity": masculinity, "age": age, "melanin": float(rng.uniform())}
    _sample_colours(values, rng)
    _sample_hair(values, rng)
    _sample_marks(values, rng)
    return [values[name] for name in IDENTITY_NAMES]


def _sample_colours(values: dict[str, float], rng: np.random.Generator) -> None:
    """Iris and hair darken with melanin, as in real people; light hair and eyes only occur with light skin."""
    melanin = values["melanin"]
    values["iris_tone"] = float(np.clip(rng.beta(1.3, 1.3) * (1 - melanin) ** 1.7 + 0.04 * rng.uniform(), 0, 1))
    values["iris_hue"] = float(rng.uniform())
    values["hair_tone"] = float(np.clip(rng.beta(1.2, 1.8) * (1 - melanin) ** 1.2, 0, 1))
    values["hair_red"] = float(rng.beta(1.2, 3.0) * (1 - melanin))
    values["hair_grey"] = float(np.clip(1.9 * values["age"] - 0.95 + 0.2 * rng.normal(), 0, 1))


def _sample_hair(values: dict[str, float], rng: np.random.Generator) -> None:
    """Hair style, fringe, beard and moustache, by sex and age."""
    masculinity, age = values["masculinity"], values["age"]
    man = masculinity > 0
    bald = rng.uniform() < (0.05 + 0.35 * age if man else 0.02)
    style = rng.choice([SHORT, LONG, UPSWEPT], p=[0.82, 0.08, 0.10] if man else [0.25, 0.52, 0.23])
    values["hair_style"] = BALD if bald else float(style)
    values["hair_length"] = float(rng.uniform(4.0, 16.0))
    values["fringe"] = float(rng.uniform(0.3, 1.0)) if rng.uniform() < 0.3 else 0.0
    values["parting"] = float(rng.uniform(-3.5, 3.5))
    bearded = man and rng.uniform() < 0.33
    values["beard"] = float(rng.beta(1.0, 1.5)) if bearded else (0.06 * float(rng.uniform()) if man else 0.0)
    alone = float(man and rng.uniform() < 0.4) * float(rng.beta(1.2, 2.2))
    values["moustache"] = values["beard"] if rng.uniform() < 0.8 else alone


def _sample_marks(values: dict[str, float], rng: np.random.Generator) -> None:
    """Moles, freckles, make-up, glasses and the number that seeds the person's skin and hair texture."""
    values["mole_x"], values["mole_y"] = float(rng.uniform(-5.5, 5.5)), float(rng.uniform(0.5, 10.0))
    values["mole_2_x"], values["mole_2_y"] = float(rng.uniform(-5.0, 5.0)), float(rng.uniform(-5.0, 9.5))
    values["mole_strength"] = float(rng.uniform(0.3, 0.9)) if rng.uniform() < 0.4 else 0.0
    values["freckles"] = float(rng.uniform(0.2, 0.8)) if rng.uniform() < 0.2 * (1 - values["melanin"]) else 0.0
    values["makeup"] = float(rng.beta(1.2, 1.8)) if values["masculinity"] < 0 else 0.05 * float(rng.uniform())
    values["glasses"] = 1.0 if rng.uniform() < 0.10 + 0.08 * values["age"] else 0.0
    values["glasses_tone"] = float(rng.beta(0.7, 1.6))
    values["glasses_width"] = float(rng.uniform(0.07, 0.2))
    values["texture_seed"] = float(rng.integers(0, 2**20))
