"""Action units for one half of one face, as the renderers take them."""

from __future__ import annotations

import torch

from ferdis.faces import ACTION_UNITS


def units(**values: float) -> torch.Tensor:
    """Intensities (1, 17): ``units(au12=5)`` has 5 for unit 12 and 0 elsewhere."""
    out = torch.zeros(1, len(ACTION_UNITS))
    for name, value in values.items():
        out[0, ACTION_UNITS.index(int(name.removeprefix("au")))] = value
    return out
