"""Expressions are hard enough to discriminate methods: a CNN on unseen people, at each difficulty."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from ferdis.datasets.rendered import DIFFICULTIES
from ferdis.faces import SEVEN_EXPRESSIONS
from tools.synthetic_checks import Demand, Measurement
from tools.synthetic_checks.cnn import FiveBlockCNN, Recipe, mirrored_shifted, plain, predict, train
from tools.synthetic_checks.sets import draw


def measure(quick: bool = False, name: str = "synthetic") -> Measurement:
    """Train on 50 people, test on 50 others, 4 images per expression, mean of 3 seeds (quick: 1)."""
    seeds = (0,) if quick else (0, 1, 2)
    results = {level: [accuracy(level, seed, name=name) for seed in seeds] for level in DIFFICULTIES}
    scores = pd.DataFrame({level: [score for score, _ in runs] for level, runs in results.items()}, index=list(seeds))
    normal = sum(confusion for _, confusion in results["normal"])
    mean = scores.mean()
    return Measurement(
        "4. Expressions are hard enough (64x64, 7 classes, 50 people to train, 50 to test)",
        [
            Demand("normal, accuracy", mean["normal"], 0.70),
            Demand("normal, accuracy", mean["normal"], 0.92, at_least=False),
            Demand("easy, accuracy", mean["easy"], 0.95),
            Demand("normal less hard", mean["normal"] - mean["hard"], 0.10),
        ],
        {"accuracy by seed": scores, "confusion, normal (rows true)": normal / normal.sum(axis=1).mean()},
    )


def accuracy(
    difficulty: str, seed: int, epochs: int = 16, people: int = 50, name: str = "synthetic"
) -> tuple[float, pd.DataFrame]:
    """Train and test once; returns the accuracy and the confusion counts (rows true)."""
    fitted = draw(name, people, 7, 4, 64, difficulty, seed=10 + seed)
    unseen = draw(name, people, 7, 4, 64, difficulty, seed=10 + seed, first_person=people)
    names = np.array(SEVEN_EXPRESSIONS)
    recipe = Recipe(epochs=epochs, batch_size=32, learning_rate=4e-3, seed=seed)
    torch.manual_seed(seed)
    model = FiveBlockCNN(3, len(names), 0, widths=(16, 32, 64, 96, 128), dropout=0.3)
    model = train(model, fitted.pixels(), np.searchsorted(names, fitted.expression), None, mirrored_shifted, recipe)
    predicted = names[predict(model, unseen.pixels(), plain)[0].argmax(axis=1)]
    confusion = pd.crosstab(unseen.expression, predicted).reindex(index=names, columns=names, fill_value=0)
    return float((predicted == unseen.expression).mean()), confusion
