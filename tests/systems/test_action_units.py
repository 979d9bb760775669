"""Action units as levels: Eq. 3 by hand, transcribed, at its limit, by gradcheck; what may be asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ferdis.faces import AU_COLUMNS
from ferdis.systems.action_units import (
    LEVELS,
    VGGClassifier,
    action_unit_loss,
    action_units_as_trained,
    checked_action_units,
    coded_action_units,
    expected_action_units,
    remarks_on_gaps,
)

NAN = float("nan")


def logits(n: int, action_units: int = 17, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n, action_units * LEVELS, dtype=torch.float64, generator=random, requires_grad=True)


def test_by_hand() -> None:
    chances = torch.tensor([[0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.4, 0.4]]).log()
    # 0.49 is level 0, 4.5 level 5: nearest, not even
    expected = -(math.log(0.5) + math.log(0.4)) / 2
    assert action_unit_loss(chances, torch.tensor([[0.49, 4.5]])).item() == pytest.approx(expected, rel=1e-5)
    assert action_unit_loss(chances, torch.tensor([[NAN, 3.2]])).item() == pytest.approx(-math.log(0.05), rel=1e-5)


def test_transcribed() -> None:
    x, action_units = logits(5), torch.rand(5, 17, dtype=torch.float64) * 5
    naive = torch.zeros((), dtype=torch.float64)
    for i in range(5):
        for j in range(17):
            p = x[i, j * 6 : j * 6 + 6].softmax(0)
            for q in range(6):
                naive = naive - (q == math.floor(action_units[i, j].item() + 0.5)) * torch.log(p[q]) / 17
    torch.testing.assert_close(action_unit_loss(x, action_units), naive / 5)


def test_limits() -> None:
    action_units = torch.tensor([[0.0, 1, 2, 3, 4, 5]])
    assert action_unit_loss(50 * torch.eye(6).reshape(1, 36), action_units).item() == pytest.approx(0, abs=1e-6)
    assert action_unit_loss(torch.zeros(1, 36), action_units).item() == pytest.approx(math.log(6))
    nothing = torch.zeros(2, 36, requires_grad=True)
    loss = action_unit_loss(nothing, torch.full((2, 6), NAN))
    loss.backward()
    assert loss.item() == 0 and (nothing.grad == 0).all()


def test_nan_is_masked_in_loss_and_gradient() -> None:
    x, action_units = logits(3), torch.rand(3, 17) * 5
    gap = action_units.clone()
    gap[1, 4] = NAN
    (action_unit_loss(x, gap) * (3 * 17 - 1)).backward()
    masked = x.grad.clone()
    x.grad = None
    (action_unit_loss(x, action_units) * 3 * 17).backward()
    where = torch.zeros_like(x, dtype=torch.bool)
    where[1, 24:30] = True
    assert (masked[where] == 0).all()
    torch.testing.assert_close(masked[~where], x.grad[~where])


def test_gradients() -> None:
    action_units = torch.tensor([[0.0, 5.0, NAN], [2.4, 2.6, 1.0]])
    assert torch.autograd.gradcheck(lambda x: action_unit_loss(x, action_units), (logits(2, 3),))


def test_expected_intensity() -> None:
    sure = torch.full((1, 12), -50.0)
    sure[0, 3], sure[0, 6 + 1], sure[0, 6 + 2] = 50, 50, 50
    torch.testing.assert_close(expected_action_units(sure), torch.tensor([[3.0, 1.5]]))


def test_classifier_is_vgg19() -> None:
    network = VGGClassifier(64, (64, 128, 256, 512, 512), (2, 2, 4, 4, 4))
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 16 and convolutions[-1].out_channels == 512
    assert VGGClassifier(32, (4, 8), (1, 2), outputs=7)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_what_may_be_asked_for() -> None:
    assert (checked_action_units(np.zeros(17), 3, AU_COLUMNS[:-1]) == np.zeros((3, 17))).all()
    rest = np.arange(34).reshape(2, 17) / 10
    named = checked_action_units({"AU12": 4}, 2, AU_COLUMNS, rest)
    assert (named[:, 8] == 4).all() and np.allclose(np.delete(named, 8, 1), np.delete(rest, 8, 1))
    assert checked_action_units({"AU12": 4}, 1, AU_COLUMNS).sum() == 4
    for bad, message in (
        (np.zeros(16), r"au of shape \(16,\): give \(17,\) or \(2, 17\)"),
        (np.zeros((3, 17)), r"au of shape \(3, 17\)"),
        (np.full(17, 5.5), "au from 5.5 to 5.5: intensities are 0 to 5"),
        (np.full(17, -0.1), "intensities are 0 to 5"),
        ({"AU13": 1}, "no action unit is called 'AU13'"),
        ({"AU45": 1}, "AU45 cannot be asked for: no training face had it coded"),
    ):
        with pytest.raises(ValueError, match=message):
            checked_action_units(bad, 2, AU_COLUMNS[:-1])


def test_units_are_given_as_the_generator_learned_them() -> None:
    coded, always = AU_COLUMNS[:-1], AU_COLUMNS[:-2]
    action_units = np.ones((2, 3, 17), np.float32)
    action_units[1, 2, -2] = NAN
    out = action_units_as_trained(action_units, coded, always)
    assert out.dtype == np.float32 and np.isnan(out[..., -1]).all() and (out[..., :-2] == 1).all()
    action_units[0, 0, 8] = NAN
    with pytest.raises(ValueError, match="AU12 is unknown, and no training face lacked it"):
        action_units_as_trained(action_units, coded, always)


def test_the_ends_of_the_scale_may_be_asked_for_and_nothing_beyond() -> None:
    ends = np.resize([0.0, 5.0], 17)
    assert checked_action_units(ends, 2, AU_COLUMNS).tolist() == [ends.tolist()] * 2
    for beyond in (np.nextafter(np.float32(5), 6, dtype=np.float32), -1e-6):
        with pytest.raises(ValueError, match="intensities are 0 to 5"):
            checked_action_units(np.full(17, beyond), 2, AU_COLUMNS)


def test_units_of_some_rows_and_of_all_and_how_many_rows_have_gaps() -> None:
    rows = np.full((4, 17), NAN, np.float32)
    rows[:, 3] = 1.0
    rows[1:3, 5] = 0.0
    assert coded_action_units(rows) == ((AU_COLUMNS[3], AU_COLUMNS[5]), (AU_COLUMNS[3],))
    whole = np.zeros((2, 17))
    assert remarks_on_gaps(whole) == []
    assert remarks_on_gaps(np.concatenate([whole, rows[:1]])) == ["1 of 3 faces lack some AUs: masked, not imputed"]
