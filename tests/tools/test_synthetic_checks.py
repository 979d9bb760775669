"""The demands on the synthetic set, asserted on samples small enough for every run; the slow ones on larger samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from ferdis.datasets.framing import as_detected
from ferdis.datasets.synthetic.dataset import LANDMARK_COLUMNS, load_synthetic, with_action_units
from ferdis.faces import ACTION_UNITS
from tools import check_synthetic_people as selfcheck
from tools.synthetic_checks import (
    Demand,
    Measurement,
    cnn,
    creased,
    crops,
    detection,
    expressions,
    people,
    real,
    units,
)


@pytest.fixture(autouse=True)
def one_seed():
    torch.manual_seed(0)


def test_a_demand_passes_on_its_side():
    assert Demand("a", 0.9, 0.9).passed and not Demand("a", 0.89, 0.9).passed
    assert Demand("a", 0.9, 0.92, at_least=False).passed and not Demand("a", 0.93, 0.92, at_least=False).passed
    assert not Demand("a", float("nan"), 0.0).passed
    assert "FAIL" in str(Demand("a", 0.1, 0.9))


def test_selfcheck_exits_with_the_verdict(monkeypatch, capsys):
    good = Measurement("1. good", [Demand("a", 1.0, 0.5)], {"t": pd.DataFrame({"x": [1.0]})})
    bad = Measurement("2. bad", [Demand("b", 0.0, 0.5)])
    monkeypatch.setattr(selfcheck, "CHECKS", {1: lambda quick, name: good, 2: lambda quick, name: bad})
    assert selfcheck.main(["--only", "1"]) == 0
    assert "1. pass  a: 1 (required >= 0.5)" in capsys.readouterr().out
    assert selfcheck.main([]) == 1
    assert "2. FAIL  b" in capsys.readouterr().out


def test_similarity_recovers_a_known_frame():
    angle, scale, shift = 0.3, 40.0, np.array([12.0, 7.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = crops.TEMPLATE @ turn.T + shift
    matrix = crops.similarity(points[None], crops.TEMPLATE)[0]
    assert np.allclose(matrix[:, :2], turn, atol=1e-4) and np.allclose(matrix[:, 2], shift, atol=1e-4)


def test_crop_puts_the_eyes_where_the_template_says():
    image = np.zeros((1, 100, 100, 3), np.uint8)
    eyes = np.array([[40, 45], [64, 45]])
    for x, y in eyes:
        image[0, y - 2 : y + 2, x - 2 : x + 2] = 255
    five = np.array([[40, 45], [64, 45], [52, 61], [45, 70], [60, 70]], float)[None]
    crop = crops.crop_grey(image, five, 48)[0, :, :, 0].astype(float)
    down, across = np.mgrid[:48, :48] + 0.5
    left = crop * (across < 24)
    assert abs((left * across).sum() / left.sum() / 48 - 0.32) < 0.01
    assert abs((left * down).sum() / left.sum() / 48 - 0.37) < 0.01


def test_halves_are_fixed_and_even():
    halves = [real.half_of(f"person {k}") for k in range(2000)]
    assert halves[:3] == [real.half_of(f"person {k}") for k in range(3)]
    assert 0.45 < np.mean([half == real.HALVES[0] for half in halves]) < 0.55


def test_augmentation_gives_standard_inputs_and_varies():
    images = torch.rand(16, 1, real.STORED, real.STORED) * 255
    out = real.augment(images, torch.Generator().manual_seed(0))
    assert out.shape == (16, 1, real.SIZE, real.SIZE) and torch.isfinite(out).all()
    assert out.mean(dim=(1, 2, 3)).abs().max() < 1e-3
    assert torch.equal(out, real.augment(images, torch.Generator().manual_seed(0)))
    assert not torch.equal(out, real.augment(images, torch.Generator().manual_seed(1)))


def test_drawn_crops_smile_twice():
    crops, faces = real.drawn_crops(1, seed=40)
    assert crops.shape == (32, real.STORED, real.STORED, 1)
    counts = pd.Series(faces.expression).value_counts()
    assert counts.pop("happiness") == 8 and (counts == 4).all() and len(counts) == 6


def test_fewer_images_of_more_people_are_a_random_choice_of_theirs(monkeypatch):
    monkeypatch.setattr(real, "_crops", lambda faces, name: (None, faces))
    _, every = real.drawn_crops(3, seed=40)
    _, some = real.drawn_crops(3, seed=40, images=20)
    _, more = real.drawn_crops(3, seed=40, images=1000)
    assert len(every) == len(more) == 96 and len(some) == 20
    assert set(some.table["path"]) < set(every.table["path"])
    assert len(set(some.subject)) > 6  # of twelve people, not the first two or three
    assert len(set(some.expression)) >= 6


def test_crops_of_a_choice_are_kept_apart_from_those_of_all(monkeypatch, tmp_path):
    from tools import train_recogniser

    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path))
    crops, _ = train_recogniser.mixed_crops(1, 0)
    fewer, faces = train_recogniser.mixed_crops(1, 0, images=6)
    again, _ = train_recogniser.mixed_crops(1, 0)
    assert len(crops) == len(again) == 32 and len(fewer) == len(faces) == 6
    assert (crops == again).all()


def test_the_frame_follows_the_detector():
    five = np.array([[10, 10], [20, 10], [15, 16], [12, 20], [18, 20]], float)[None]
    habit = real.habit_of("synthetic")
    moved = as_detected(five, habit)
    left, right, nose = moved[0, :3]
    assert np.isclose(right[0] - left[0], 10 * (1 - 2 * habit[0, 0])) and np.isclose(nose[1], 16 + 10 * habit[2, 1])
    assert np.array_equal(moved[0, 3:], five[0, 3:])


def test_views_surround_the_plain_crop_and_are_averaged():
    images = torch.rand(2, 1, real.STORED, real.STORED) * 255
    edge = (real.STORED - real.SIZE) // 2
    inner = cnn.standardise(images[:, :, edge:-edge, edge:-edge])
    generator = torch.Generator()
    assert torch.allclose(real.framed(images, generator), inner, atol=1e-3)
    assert not torch.allclose(real.framed(images, generator, across=0.05), inner, atol=1e-1)
    model = cnn.FiveBlockCNN(1, 7, 0, widths=(4, 4, 4, 4, 4)).eval()
    answers = real.read([model, model], images.permute(0, 2, 3, 1).to(torch.uint8).numpy())
    assert answers.shape == (2, 7) and np.allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_the_yardstick_learns_what_can_be_learnt():
    rng = np.random.default_rng(0)
    level = rng.uniform(0, 5, (256, 1)).astype(np.float32)
    images = (40 * level[:, :, None, None] + rng.uniform(0, 20, (256, 32, 32, 1))) * np.tri(32)[None, :, :, None]
    model = cnn.FiveBlockCNN(1, 2, 1, widths=(8, 8, 16, 16, 16), dropout=0.0)
    recipe = cnn.Recipe(epochs=8, batch_size=32)
    labels = (level[:, 0] > 2.5).astype(int)
    model = cnn.train(model, images.astype(np.uint8), labels, level, lambda x, generator: x / 255, recipe)
    probabilities, read = cnn.predict(model, images.astype(np.uint8), lambda x, generator: x / 255, mirror=False)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9
    assert np.corrcoef(read[:, 0], level[:, 0])[0, 1] > 0.9
    assert cnn.unweighted_recall(np.array(["a", "a", "b"]), np.array(["a", "b", "b"])) == 0.75


@pytest.mark.slow
def test_units_are_local_and_monotone():
    people = 3
    still = load_synthetic(people, ["neutral"], 1, 96, seed=4, cache=False)
    still = with_action_units(still, np.zeros(len(ACTION_UNITS)))
    before, masks = still.pixels().astype(np.int16), still.region_masks()
    for unit in ACTION_UNITS:
        row = units._unit_row(still, before, masks, unit, "synthetic")
        assert row["ratio"] > 1 and row["monotone"], row
        assert row["own"] > 0.4, row


def test_a_detector_of_real_faces_finds_them():
    faces = load_synthetic(8, 8, 1, 128, "normal", seed=1, cache=False)
    sure, points = detection.mirror_averaged(detection.Detector(), faces.pixels())
    assert (sure > detection.PROBABILITY).mean() >= 0.95
    error = np.linalg.norm(detection.offsets(points, detection.truth_of(faces)) - detection.HABIT, axis=2).mean(axis=1)
    assert np.nanmedian(error) < detection.NEAR


def test_the_detectors_points_follow_the_pose():
    table = load_synthetic(20, ["neutral"], 1, 64, "hard", seed=2, cache=False).table
    points = table[list(LANDMARK_COLUMNS)].to_numpy().reshape(-1, 5, 2)
    eyes = points[:, 1] - points[:, 0]
    assert np.abs(np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0])) - table["roll"]).max() < 4
    nose = (points[:, 2, 0] - points[:, :2, 0].mean(axis=1)) / np.linalg.norm(eyes, axis=1)
    assert np.corrcoef(nose, table["yaw"])[0, 1] > 0.8


def test_people_differ():
    named, nearer, _ = people.probe(14)
    assert named >= 0.9 and nearer >= 0.95


@pytest.mark.slow
def test_difficulties_are_in_order():
    score = {name: expressions.accuracy(name, 0, epochs=16, people=20)[0] for name in ("easy", "hard")}
    assert score["easy"] > 0.75 and score["easy"] > score["hard"] + 0.2 and score["hard"] > 0.17


@pytest.mark.slow
def test_units_can_be_read():
    found = units.measure_readback(quick=True)
    assert found.demands[0].value > 0.3


def test_folds_lie_beside_nose_and_mouth_whatever_the_face_expresses():
    grey = torch.full((200, 1, real.STORED, real.STORED), 180.0)
    drawn = creased.creased(grey, torch.Generator().manual_seed(0), real.MARGIN)
    assert drawn.shape == grey.shape and torch.equal(
        drawn, creased.creased(grey, torch.Generator().manual_seed(0), real.MARGIN)
    )
    untouched = (drawn == grey).flatten(1).all(1).float().mean()
    assert 0.2 < untouched < 0.4  # of the faces get no fold
    darker = (180 - drawn).mean(0)[0]
    assert darker[28:50, 20:44].mean() > 3 * darker[:, :8].mean()  # in the face, not beside it
    assert torch.allclose(darker, darker.flip(1), atol=4)  # both halves alike on average


def test_a_picture_that_ends_repeats_its_last_row_to_the_edge():
    images = torch.rand(300, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    cut = creased.cut_off(images, torch.Generator().manual_seed(1))
    changed = (cut != images).flatten(1).any(1)
    assert 0.25 < changed.float().mean() < 0.45
    assert torch.equal(cut[:, :, :45], images[:, :, :45])  # never above the mouth
    some = cut[changed]
    assert all(torch.equal(face[0, -1], face[0, -2]) or torch.equal(face[0, :-1], images[changed][k, 0, :-1])
               for k, face in enumerate(some))  # fmt: skip
