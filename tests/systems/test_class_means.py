"""What is fitted to classes: averages are means of their own rows, centres that are not known stay where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ferdis.systems.class_means import Averages, Centres

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 4, 4, 3), np.uint8)
LABELS = np.arange(11) % 3


@pytest.mark.parametrize("chunk", [1, 4, 5, 100])
def test_an_average_is_the_mean_of_the_rows_of_its_class(chunk: int) -> None:
    averages, rows = Averages(3, 4), np.array([0, 1, 2, 4, 5, 6, 8, 9, 10])
    averages.fit(IMAGES, LABELS, rows, chunk=chunk)
    for label in range(3):
        expected = IMAGES[rows[LABELS[rows] == label]].mean(0) / 127.5 - 1
        torch.testing.assert_close(averages.pictures[label].permute(1, 2, 0).numpy(), expected.astype(np.float32))


def test_a_class_without_faces_is_named() -> None:
    with pytest.raises(ValueError, match="no face shows fear, so that it has no average"):
        Averages(3, 4).fit(IMAGES, LABELS, np.flatnonzero(LABELS != 1), ["anger", "fear", "joy"])
    with pytest.raises(ValueError, match="no face shows 2"):
        Averages(3, 4).fit(IMAGES, LABELS, np.flatnonzero(LABELS != 2))


def test_centres_of_classes_that_were_not_met_stay_where_they_are() -> None:
    centres = Centres(3, 5, alpha=0.5)
    features = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        centres.move(features, torch.tensor([0, 2, 0, 2, 2, 0]))
    assert centres.known.tolist() == [True, False, True]
    assert not centres.values[1].any() and centres.values.isfinite().all()
    centres.move(features[:1], torch.tensor([1]))
    assert centres.known.all() and torch.cosine_similarity(centres.values[1], features[0], dim=0) > 0.9
