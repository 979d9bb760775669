import numpy as np
import pandas as pd
import pytest
import torch

from ferdis.faces import Faces
from ferdis.systems.classifier import TrainingSet
from ferdis.systems.triplets import Patches, Triplets, draw_rows, kind_of, places_in_sequences
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces


def training(data: Faces, weights: np.ndarray | None = None, people: bool = True) -> TrainingSet:
    labels = np.unique(data.expression, return_inverse=True)[1].astype(np.int64)
    numbers = np.unique(data.subject, return_inverse=True)[1].astype(np.int64) if people else None
    return TrainingSet(images=data.images, labels=labels, faces=data, people=numbers, row_weights=weights)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_hold_the_targets_person_and_the_sources_expression(seed: int) -> None:
    random = np.random.default_rng(seed)
    data = faces(48)[np.sort(random.choice(48, 30, replace=False))]
    known = training(data)
    sampler = Triplets(known, "pairs", 1, "random", 8, seed)
    source, target, truth, view = sampler._draw(random)
    people, labels = known.people, known.labels
    assert np.array_equal(source, np.arange(30)) and ((view >= 0) & (view < 50)).all()
    assert (people[source] != people[target]).all()
    there = truth >= 0
    assert np.array_equal(people[truth[there]], people[target[there]])
    assert np.array_equal(labels[truth[there]], labels[source[there]])
    for row in np.flatnonzero(~there):  # a truth is missing only where there is none
        assert not ((people == people[target[row]]) & (labels == labels[source[row]])).any()
    assert sampler.share == pytest.approx(np.mean(Triplets(known, "pairs", 1, "random", 8, seed)._draw(
        np.random.default_rng([seed, 0]))[2] >= 0))  # fmt: skip


def test_batches_carry_matching_rows() -> None:
    data = faces(48)
    for batch in Triplets(training(data), "pairs", 1, "random", 7, 3)(2):
        for name in ("source", "target", "truth"):
            assert batch[name].shape == (len(batch["known"]), 36, 36, 3)
        rows = [int((data.pixels() == picture.numpy()).all((1, 2, 3)).argmax()) for picture in batch["source"]]
        assert np.array_equal(np.unique(data.expression, return_inverse=True)[1][rows], batch["expression"].numpy())
        rows = [int((data.pixels() == picture.numpy()).all((1, 2, 3)).argmax()) for picture in batch["target"]]
        assert np.array_equal(np.unique(data.subject, return_inverse=True)[1][rows], batch["identity"].numpy())


def test_counterparts_are_the_targets_person_in_the_sources_expression() -> None:
    from ferdis.datasets.synthetic.dataset import load_synthetic

    data = load_synthetic(3, "happiness,neutral", 1, 36, "normal", 0, cache=False)
    sampler = Triplets(training(data), "counterparts", 2, "random", 6, 0)
    source, target, truth, _ = sampler._draw(np.random.default_rng(0))
    expected = data[target].counterpart(data[source]).pixels()
    assert (truth >= 0).all() and sampler.share == 1
    np.testing.assert_array_equal(sampler.truths[truth], expected)
    others = Triplets(training(data), "counterparts", 2, "random", 6, 1)
    assert not np.array_equal(others.targets, sampler.targets), "of another seed"
    assert kind_of("off", training(data)) == "off" and kind_of("auto", training(data)) == "counterparts"


def test_faces_that_cannot_be_drawn_join_without_truth() -> None:
    from ferdis.datasets.synthetic.dataset import load_synthetic

    data = load_synthetic(3, "happiness,neutral", 1, 36, "normal", 0, cache=False)
    own = training(data)
    images = np.concatenate([data.pixels(), data.pixels()[:2]])
    both = TrainingSet(
        images=images, labels=np.r_[own.labels, [0, 1]], faces=data, extra=2, people=np.r_[own.people, [3, 3]]
    )
    sampler = Triplets(both, "counterparts", 2, "random", 6, 0)
    _, _, truth, _ = sampler._draw(np.random.default_rng(0))
    assert (truth[:6] >= 0).all() and (truth[6:] == -1).all() and sampler.share == 6 / 8
    assert sum(len(batch["known"]) for batch in sampler(0)) == 8


def test_only_posed_faces_of_known_people_are_paired() -> None:
    data = faces(6)
    posed = Faces(data.pixels(), data.table, {"posed": True})
    assert kind_of("auto", training(posed)) == "pairs"
    for known in (training(data), training(posed, people=False)):
        assert kind_of("auto", known) == "off"
    with pytest.raises(ValueError, match="ground_truth='pairs': these faces do not name their people"):
        kind_of("pairs", training(posed, people=False))


def test_a_note_says_what_is_missing() -> None:
    data = faces(24)
    paired = Triplets(training(data), "pairs", 1, "random", 8, 0).describe()
    assert paired.endswith("of the triplets have a ground truth (ground_truth='pairs')")
    none = Triplets(training(data), "off", 1, "random", 8, 0).describe()
    assert none.startswith("0% of the triplets") and none.endswith("so the pixel term does not run")
    nameless = Triplets(training(data, people=False), "off", 1, "random", 8, 0).describe()
    assert nameless.endswith("; the faces do not name their people, so nothing holds the target's identity")


def test_views_differ_by_epoch_and_seed() -> None:
    known = training(faces(24))
    drawn = [torch.cat([batch["view"] for batch in Patches(known, "random", 24, seed)(epoch)]).tolist()
             for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]  # fmt: skip
    assert drawn[0] == drawn[1] and drawn[2] != drawn[0] != drawn[3]


def test_five_poolings_halve_a_patch() -> None:
    build("cnn", crop_size=64, image_size=72).check()
    for changes in ({"crop_size": 48, "image_size": 72}, {"encoder_channels": (8, 8, 8, 8)}):
        with pytest.raises(ValueError, match="five poolings need a multiple of 32 pixels and five channels"):
            build("cnn", **changes).check()


def test_epochs_are_seeded_and_differ() -> None:
    known = training(faces(24))
    first, again, other = (list(Triplets(known, "off", 1, "random", 8, 1)(epoch)) for epoch in (0, 0, 1))
    assert all((a["target"] == b["target"]).all() for a, b in zip(first, again, strict=True))
    assert any((a["target"] != b["target"]).any() for a, b in zip(first, other, strict=True))


def test_views() -> None:
    known = training(faces(6))
    row, view = draw_rows(known, "all", np.random.default_rng(0))
    assert len(set(zip(row.tolist(), view.tolist(), strict=True))) == 300
    assert sum(len(batch["view"]) for batch in Patches(known, "all", 32, 0)(0)) == 300
    assert sum(len(batch["view"]) for batch in Patches(known, "random", 4, 0)(0)) == 6


def test_weights_draw_the_rare_more_often() -> None:
    weights = np.ones(24)
    weights[5] = 100
    row, _ = draw_rows(training(faces(24), weights), "random", np.random.default_rng(0))
    assert (row == 5).sum() > 12


def sequences(people: int = 3, lengths: tuple[int, ...] = (7, 11, 9)) -> Faces:
    """Two expressions of each person, as in BU-4DFE: from rest to a peak in the middle and back; lengths differ."""
    lines = []
    for person in range(people):
        for name in ("anger", "fear"):
            length = lengths[(person + (name == "fear")) % len(lengths)]
            for frame in range(length):
                lines.append({"expression": name, "subject": f"s{person}", "sequence": f"s{person}/{name}",
                              "frame": frame, "position": (length - 1) // 2 - frame})  # fmt: skip
    table = pd.DataFrame(lines)
    images = np.zeros((len(table), 36, 36, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(table))
    return Faces(images, table, {"posed": True})


def test_the_truth_of_a_frame_is_as_far_from_the_peak() -> None:
    data = sequences()
    known = training(data)
    source, target, truth, _ = Triplets(known, "pairs", 1, "random", 8, 0)._draw(np.random.default_rng(0))
    place = places_in_sequences(known)
    assert place is not None and place.min() == -1 and place.max() == 1
    for wanted, person, found in zip(source, target, truth, strict=True):
        rows = np.flatnonzero((known.people == known.people[person]) & (known.labels == known.labels[wanted]))
        assert found in rows
        assert abs(place[found] - place[wanted]) == pytest.approx(np.abs(place[rows] - place[wanted]).min())
    at_rest = np.abs(place[source]) == 1
    np.testing.assert_array_equal(place[truth[at_rest]], place[source[at_rest]])


def test_places_that_are_not_known_leave_the_choice_free() -> None:
    data = sequences()
    table = data.to_frame()
    table.loc[: len(table) // 2, "position"] = np.nan
    some = training(data.with_table(table))
    drawn = [Triplets(some, "pairs", 1, "random", 8, 0)._draw(np.random.default_rng(k)) for k in range(40)]
    first = {int(truth[0]) for _, target, truth, _ in drawn if some.people[target[0]] == 1}
    assert len(first) > 3, "any frame"
    assert places_in_sequences(training(data.with_table(table.drop(columns="position")))) is None
    table["position"] = 0
    assert places_in_sequences(training(data.with_table(table))) is None, "nothing but peaks"


def test_where_faces_without_a_sequence_and_single_frames_are() -> None:
    data = sequences()
    single = data.to_frame().assign(sequence=lambda table: table["sequence"].where(table.index > 0, "alone"))
    own = training(data.with_table(single.assign(position=single["position"].where(single.index > 0, 0))))
    extra = TrainingSet(images=data.images, labels=np.r_[own.labels, [0, 1]], faces=own.faces, extra=2)
    place = places_in_sequences(extra)
    assert place is not None and place[0] == 0, "one frame is its own peak"
    assert np.isnan(place[-2:]).all() and not np.isnan(place[:-2]).any()
    assert places_in_sequences(training(data))[[0, 3, 6]].tolist() == [1, 0, -1]


def test_equally_near_frames_take_turns() -> None:
    data = sequences(people=2)
    twice = data[np.r_[np.arange(len(data)), np.arange(len(data))]]
    drawn = [
        Triplets(training(twice), "pairs", 1, "random", 8, 0)._draw(np.random.default_rng(k))[2][0] for k in range(30)
    ]
    assert len(set(drawn)) == 2


def test_a_share_of_the_sources_is_its_own_target() -> None:
    known = training(faces(48))
    sampler = Triplets(known, "off", 1, "random", 8, 0, self_transfers=0.25)
    source, target, truth, _ = sampler._draw(np.random.default_rng(0))
    assert 4 <= (source == target).sum() <= 20 and (truth == -1).all()
    assert 0 < sampler.share < 0.6 and "pixel term does not run" not in sampler.describe()
    for batch in sampler(0):
        assert (batch["known"] == batch["own"]).all()
        assert (batch["identity"] == batch["source_identity"])[batch["own"]].all()
