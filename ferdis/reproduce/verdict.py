"""Published against measured: was a figure reproduced, and if not, by how much, with the noise."""

from __future__ import annotations

import math

WIDE = 5.0  # percentage points: an interval reaching further than this to either side decides little


def verdict(published: float, measured: float, low: float, high: float) -> str:
    """What a measured figure says of a published one.

    Parameters
    ----------
    published, measured : in per cent; NaN where there is none.
    low, high : the 95 % interval of the measured one, over subjects; NaN where there is none.

    Returns
    -------
    str
        "reproduced" where the published figure lies inside the interval; else how far it is outside.
    """
    if math.isnan(published):
        return "nothing published"
    gap = measured - published
    if math.isnan(low) or math.isnan(high):
        return f"{gap:+.1f} points; no interval (one subject)"
    half = (high - low) / 2
    if low <= published <= high:
        wide = ", which is wide" if half > WIDE else ""
        return f"reproduced: {gap:+.1f} points, within the noise of ±{half:.1f}{wide}"
    if gap < 0:
        return f"not reproduced: {-gap:.1f} points below, noise ±{half:.1f}"
    return f"above the published figure by {gap:.1f} points, noise ±{half:.1f}"
