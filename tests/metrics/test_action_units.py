"""Action-unit agreement against published and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional import mean_squared_error, pearson_corrcoef

from ferdis.metrics.action_units import action_unit_agreement, icc31

# Shrout & Fleiss, Psychological Bulletin 1979, Table 2: six targets, four judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_icc_is_the_published_one() -> None:
    assert icc31(SHROUT_FLEISS) == pytest.approx(0.7148, abs=5e-5)  # printed as .71


def test_icc_of_two_raters_by_hand() -> None:
    # row means 1.5 2.5 5: BMS = 2 * (2.25 + 0.25 + 4) / 2 = 6.5; residuals +-0.5, +-0.5, -+1: EMS = 1.5
    assert icc31([[1, 2], [2, 3], [3, 7]]) == pytest.approx((6.5 - 1.5) / (6.5 + 1.5))


def test_icc_forgives_a_constant_and_nothing_else() -> None:
    a = np.array([0.0, 1.0, 3.0, 2.0])
    assert icc31(np.stack([a, a + 1.5], 1)) == pytest.approx(1)
    assert icc31(np.stack([a, 3 * a], 1)) < 0.7
    assert np.isnan(icc31(np.ones((4, 2))))
    for bad in (np.ones(3), np.ones((3, 1)), [[1, np.nan], [1, 2]]):
        with pytest.raises(ValueError, match="two or more"):
            icc31(bad)


def test_agreement_by_hand() -> None:
    result = action_unit_agreement([[0, 1], [2, 3], [4, 5]], [[1, 1], [2, 3], [3, 5]], ["AU01", "AU12"])
    assert result.table["mse"].tolist() == pytest.approx([2 / 3, 0])
    assert result.table["pcc"].tolist() == pytest.approx([1, 1])
    assert result.table["icc"].tolist() == pytest.approx([0.8, 1])  # BMS 9, EMS 1
    assert (result.mse, result.pcc, result.icc) == pytest.approx((1 / 3, 1, 0.9))
    assert list(result.to_frame().index) == ["AU01", "AU12", "mean"]
    assert result.to_frame().loc["mean"].tolist() == pytest.approx([1 / 3, 1, 0.9, 6])


def test_agreement_is_torchmetrics() -> None:
    random = np.random.default_rng(0)
    target, found = random.uniform(0, 5, (50, 17)), random.uniform(0, 5, (50, 17))
    result = action_unit_agreement(target, found)
    a, b = torch.tensor(found), torch.tensor(target)
    np.testing.assert_allclose(result.table["mse"], mean_squared_error(a, b, num_outputs=17).numpy(), rtol=1e-5)
    np.testing.assert_allclose(result.table["pcc"], pearson_corrcoef(a, b).numpy(), rtol=1e-5, atol=1e-7)


def test_units_that_do_not_vary_are_named_and_left_out() -> None:
    target = [[0, 2, np.nan], [0, 4, np.nan], [0, 3, 1]]
    result = action_unit_agreement(target, np.ones((3, 3)), ["AU01", "AU12", "AU45"])
    assert list(result.table.index) == ["AU12"]
    assert result.left_out == {"AU01": "its target is always 0", "AU45": "1 values"}
    assert result.pcc == 0  # a constant answer says nothing of the target
    assert "left out: AU01 (its target is always 0)" in str(result)
    assert np.isnan(action_unit_agreement([[1.0], [1.0]], [[0.0], [1.0]], ["AU01"]).mse)


def test_nan_masks_its_own_cell_alone() -> None:
    random = np.random.default_rng(1)
    target, found = random.uniform(0, 5, (20, 2)), random.uniform(0, 5, (20, 2))
    gap = target.copy()
    gap[3, 0] = np.nan
    whole, masked = action_unit_agreement(target, found, ["a", "b"]), action_unit_agreement(gap, found, ["a", "b"])
    assert masked.table["n"].tolist() == [19, 20]
    assert masked.table.loc["b"].equals(whole.table.loc["b"])
    keep = np.arange(20) != 3
    assert masked.table.loc["a", "mse"] == pytest.approx(np.square(target[keep, 0] - found[keep, 0]).mean())
    gap = found.copy()
    gap[3, 0] = np.nan
    assert action_unit_agreement(target, gap, ["a", "b"]).table.equals(masked.table), "on either side"


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\) and found \(3, 3\)"):
        action_unit_agreement(np.ones((3, 2)), np.ones((3, 3)), ["a", "b"])
    with pytest.raises(ValueError, match=r"both must be \(n, 17\)"):
        action_unit_agreement(np.ones((3, 2)), np.ones((3, 2)))
