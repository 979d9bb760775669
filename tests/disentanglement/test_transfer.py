"""An exact transfer is measured as exact, and doing nothing as nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ferdis.disentanglement import transfer
from ferdis.disentanglement.transfer import Transfer, _masks, crop_of, measure_transfer, region_distance
from ferdis.faces import Faces
from tests.painted import PaintedJudge, Painter, composed, lower_halves, painted
from tests.wiring import spied


def measured(system: Any, faces: Faces | None = None, **changes: Any) -> Any:
    judge: Any = PaintedJudge()
    arguments = {"counterpart": composed, "region_masks": lower_halves, "expressions": judge, "identities": judge}
    return measure_transfer(system, painted(8, 3) if faces is None else faces, **{**arguments, **changes})


def test_an_exact_transfer():
    found = measured(Painter())
    assert found.distance == found.distance_oracle == 0 and found.gain == 1
    assert (
        found.distance_identity_baseline == pytest.approx(found.distance_of_the_target)
        and found.distance_of_the_target > 0.1
    )
    assert found.expression == found.expression_of_truth == found.expression_share == 1
    assert found.expression_doing_nothing == 0 and found.identity == found.identity_of_truth == 1
    assert found.pairs == 72


def test_doing_nothing_gains_nothing():
    found = measured(Painter(lazy=True))
    assert found.gain == pytest.approx(0) and found.expression == 0 and found.identity == 1
    assert found.expression_of_truth == 1 and found.expression_doing_nothing == 0


def test_swapping_the_whole_face_keeps_nobody():
    class Copier(Painter):
        def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
            return references.pixels()

    found = measured(Copier())
    assert found.expression == 1 and found.identity < 0.1 and found.identity_of_truth == 1


def test_reconstruct_is_used_where_there_is_one():
    class Blur(Painter):
        def reconstruct(self, faces: Faces) -> np.ndarray:
            return np.full_like(faces.pixels(), 128)

    found = measured(Blur())
    assert found.distance == 0 and found.distance_oracle > 0.1
    own = measured(Painter()).distance_of_the_target
    assert found.distance_of_the_target == own != pytest.approx(found.distance_identity_baseline)


def test_identity_is_compared_with_other_images_of_the_person():
    """An image that is found again by its background is no proof of a person: the target's own one is left out."""
    faces = painted(4, 2)
    seen: list[np.ndarray] = []

    class Judge(PaintedJudge):
        def nearer(self, embeddings, first, second):
            seen.append(first)
            return super().nearer(embeddings, first, second)

    judge = Judge()
    measured(Painter(), faces, identities=judge)
    own = judge.embed(faces.pixels())
    mean = own[faces.subject == faces.subject[0]].sum(0) - own[0]
    np.testing.assert_allclose(seen[0][0], mean / np.linalg.norm(mean))


def test_what_it_prints_has_the_judges_errors_beside():
    text = str(measured(Painter()))
    assert text.count("(judge: all of 9 images of 3 people it never saw)") == 2
    assert "100 % below doing nothing" in text
    assert {"gain", "expression_share", "identity"} <= set(measured(Painter()).record())


def test_each_figure_is_printed_where_it_belongs() -> None:
    found = Transfer(pairs=3, distance=0.1, distance_identity_baseline=0.4, distance_oracle=0.05,
                     distance_of_the_target=0.3, expression=0.6, expression_of_truth=0.8, expression_doing_nothing=0.2,
                     identity=0.7, identity_of_truth=0.9, expression_judge="one", identity_judge="two")  # fmt: skip
    assert str(found).splitlines() == [
        "3 transfers; L1 to the true counterpart inside eyes, brows and mouth: 0.100, 75 % below doing nothing "
        "(0.400); given the truth itself: 0.050",
        "source's expression read: 60.0 % (judge: one); on true counterparts 80.0 %, so 75 % of that; doing nothing "
        "20.0 %",
        "nearer to the target's person: 70.0 % (judge: two); on true counterparts 90.0 %",
    ]
    assert math.isnan(replace(found, expression_of_truth=0.0).expression_share)


def test_pairs_are_of_the_seed_and_judges_keep_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(PaintedJudge):
        own = "none of 9 images"

    calls = spied(monkeypatch, transfer, "swap_pairs")
    found = measured(Painter(), identities=Other(), seed=7)
    assert calls[0][1] == 7
    assert (found.expression_judge, found.identity_judge) == (PaintedJudge.own, "none of 9 images")


def test_region_distance_is_a_mean_over_images_of_means_over_pixels():
    truth = np.zeros((3, 2, 2, 3), np.uint8)
    images = truth.copy()
    images[0] = 255  # 2 away in [-1, 1]
    images[1, 0, 0] = 51
    masks = np.zeros((3, 2, 2), bool)
    masks[0] = True
    masks[1, 0] = True  # one pixel 0.4 away, one right; the third image has no region
    assert region_distance(images, truth, masks) == pytest.approx((2 + 0.2) / 2)
    with pytest.raises(ValueError, match="masks are empty"):
        region_distance(images, truth, np.zeros((3, 2, 2), bool))


def test_a_pixel_counts_that_lies_in_a_region_of_either_face():
    """A mouth that should have closed is one in the target alone, brows that should rise are in the truth alone."""
    faces = painted(2, 1)
    truth, target = faces[:2], faces[-2:]

    def regions(given: Faces) -> dict[str, np.ndarray]:
        found = {name: np.zeros((len(given), 8, 8), bool) for name in ("eyes", "brows", "mouth", "hair")}
        found["eyes"][:, 0, 0] = found["hair"][:, 7, 7] = True
        found["brows" if given is truth else "mouth"][:, 1 if given is truth else 5, 3] = True
        return found

    masks = _masks(regions, truth, target, Painter(), 8)
    assert [np.argwhere(mask).tolist() for mask in masks] == [[[0, 0], [1, 3], [5, 3]]] * 2


def test_a_smaller_mask_is_read_at_the_centres_of_its_pixels():
    class Small(Painter):
        image_size = 4

    def regions(given: Faces) -> dict[str, np.ndarray]:
        odd = np.zeros((len(given), 8, 8), bool)
        odd[:, 1::2, 1::2] = True
        return dict.fromkeys(("eyes", "brows", "mouth"), odd)

    faces = painted(2, 1)
    assert _masks(regions, faces, faces, Small(), 4).shape == (6, 4, 4)
    assert _masks(regions, faces, faces, Small(), 4).all()


def test_everything_is_compared_in_the_systems_own_crop():
    """A system that reads 12 pixels and draws the middle 8 of them, on faces of 12."""
    small = painted(6, 3)
    wide = np.pad(small.pixels(), ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=7)
    faces = Faces(wide, small.table, small.attrs)

    class Wide(Painter):
        image_size = 12

        def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
            return composed(_inner(faces), _inner(references)).pixels()

        def transform(self, faces: Faces) -> np.ndarray:
            return super().transform(_inner(faces))

    def truth(faces: Faces, references: Faces) -> Faces:
        inner = composed(_inner(faces), _inner(references)).pixels()
        return Faces(np.pad(inner, ((0, 0), (2, 2), (2, 2), (0, 0))), faces.table)

    def masks(these: Faces) -> dict[str, np.ndarray]:
        inner = lower_halves(these)
        return {name: np.pad(mask, ((0, 0), (2, 2), (2, 2))) for name, mask in inner.items()}

    found = measured(Wide(), faces, counterpart=truth, region_masks=masks)
    assert found.distance == 0 and found.expression == 1 and found.identity == 1
    np.testing.assert_array_equal(crop_of(faces, Wide(), 8), small.pixels())


def _inner(faces: Faces) -> Faces:
    return Faces(faces.pixels()[:, 2:10, 2:10], faces.table, faces.attrs)


def test_bad_input_is_one_clear_line():
    known: Any = PaintedJudge(knows=("t/P03",))
    with pytest.raises(ValueError, match="trained on t/P03"):
        measured(Painter(), identities=known)
    with pytest.raises(ValueError, match="trained on t/P03"):
        measured(Painter(), expressions=known)
    faces = painted(4, 1)
    one = np.array([0, *np.flatnonzero(faces.subject != "t/P00")])
    with pytest.raises(ValueError, match="t/P00 has one image only"):
        measured(Painter(), faces[one])
