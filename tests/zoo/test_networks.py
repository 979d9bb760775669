"""The recogniser's network by its own definition: what it standardises, which view it looks at, when it drops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ferdis.zoo.networks import SIDE, STORED, FiveBlockCNN, Recogniser, standardise


def test_each_channel_is_standardised_by_itself_and_a_flat_one_is_not_blown_up() -> None:
    images = (
        torch.rand(2, 2, 6, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([200.0, 4.0])[:, None, None]
    )
    found = standardise(images)
    for row in range(2):
        loud, faint = images[row]
        torch.testing.assert_close(found[row, 0], (loud - loud.mean()) / loud.std())
        assert faint.std() < 2
        torch.testing.assert_close(found[row, 1], (faint - faint.mean()) / 8)


class Looks(nn.Module):
    """Keeps what it was given, and names two classes and one unit."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.seen = images
        return torch.zeros(len(images), 2), torch.full((len(images), 1), 0.5)


@pytest.mark.parametrize(("across", "down"), [(0.0, 0.0), (0.3, 0.0), (0.0, -0.25), (-0.2, 0.3)])
def test_a_view_is_shifted_across_and_down_by_shares_of_the_half_side(across: float, down: float) -> None:
    place = (torch.arange(STORED) + 0.5) / STORED * 2 - 1
    away = (place[None] - across) ** 2 + (place[:, None] - down) ** 2  # a spot in the middle of the view
    face = (255 * torch.exp(-away / (2 * 0.06**2))).round().to(torch.uint8)[..., None].expand(1, -1, -1, 3)
    looks = Looks()
    probabilities, units = Recogniser([looks], views=((1, across, down),))(face)  # type: ignore[list-item]
    middle = looks.seen[:, 0, SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1]
    assert looks.seen.shape == (2, 1, SIDE, SIDE) and (middle.amax((1, 2)) >= looks.seen.amax((1, 2, 3)) - 0.2).all()
    torch.testing.assert_close(looks.seen[1], looks.seen[0].flip(2))
    assert probabilities.tolist() == [[0.5, 0.5]] and units.tolist() == [[2.5]]


def test_units_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    network = FiveBlockCNN(1, 2, 1, widths=(2, 2, 2, 2, 32), dropout=0.25).eval()
    given: list[Tensor] = []
    network.heads.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    images = torch.randn(2, 1, 48, 48)
    assert [part.shape[1] for part in network(images)] == [2, 1]
    network.dropout.train()
    network(images)
    still, dropped = given
    kept = dropped != 0
    assert 0.1 < (~kept & (still != 0)).sum() / (still != 0).sum() < 0.4
    torch.testing.assert_close(dropped[kept], still[kept] / 0.75)
