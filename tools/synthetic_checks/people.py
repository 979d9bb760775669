"""People differ: a linear probe identifies them, and groups them in its space whatever their expression."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ferdis.faces import SEVEN_EXPRESSIONS
from tools.synthetic_checks import Demand, Measurement
from tools.synthetic_checks.sets import draw

TRAIN, TEST = 20, 5  # images per person
_COMPONENTS = 250  # a linear projection of pixels, so that the probe stays linear
_TRIPLETS = 20_000


def measure(quick: bool = False, name: str = "synthetic") -> Measurement:
    """Identify 100 people (quick: 40) from pixels, and compare distances in the probe's space."""
    people = 40 if quick else 100
    named, nearer, triplets = probe(people, name)
    table = pd.DataFrame({"people": [people], "named": [named], "triplets": [triplets], "nearer": [nearer]})
    return Measurement(
        "5. People differ (easy, 64x64, linear probe on pixels)",
        [
            Demand("person identified", named, 0.90),
            Demand("triplets: images of one person nearer than of two people", nearer, 0.95),
        ],
        {"probe": table.set_index("people")},
    )


def probe(people: int, name: str = "synthetic") -> tuple[float, float, int]:
    """Fit the probe on 20 images per person; accuracy on 5 others, share of correct triplets, number of triplets."""
    faces = draw(name, people, 7, 4, 64, "easy", seed=20)
    rng = np.random.default_rng(0)
    per_person = 4 * len(SEVEN_EXPRESSIONS)
    order = np.stack([p * per_person + rng.permutation(per_person) for p in range(people)])
    fitted, unseen = faces[order[:, :TRAIN].ravel()], faces[order[:, TRAIN : TRAIN + TEST].ravel()]
    linear = make_pipeline(PCA(_COMPONENTS, random_state=0), StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    linear.fit(_flat(fitted.pixels()), fitted.subject)
    named = (linear.predict(_flat(unseen.pixels())) == unseen.subject).mean()
    space = linear.decision_function(_flat(unseen.pixels()))
    return float(named), *_triplets(space, unseen.subject, unseen.expression, rng)


def _triplets(
    space: np.ndarray, subject: np.ndarray, expression: np.ndarray, rng: np.random.Generator
) -> tuple[float, int]:
    """Share of triplets (image, same person with another expression, other person) with the first pair nearer."""
    anchor, same, other = rng.integers(0, len(space), (3, _TRIPLETS * 40))
    valid = (subject[anchor] == subject[same]) & (expression[anchor] != expression[same])
    valid &= subject[anchor] != subject[other]
    anchor, same, other = (rows[valid][:_TRIPLETS] for rows in (anchor, same, other))
    near = np.linalg.norm(space[anchor] - space[same], axis=1)
    return float((near < np.linalg.norm(space[anchor] - space[other], axis=1)).mean()), len(anchor)


def _flat(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255
