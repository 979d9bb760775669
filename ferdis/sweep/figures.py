"""Figures of a sweep: how the best score grew with the trials, and which arguments it depended on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ferdis.figures import COLOURS, _figure, _plain


def optimisation_history(trials: pd.DataFrame) -> Figure:
    """Score of each trial and the best so far, a colour for each part.

    Parameters
    ----------
    trials : columns part, trial, state ("complete", "pruned", "fail"), score (0..1), as in trials.csv.
    """
    figure, axes = _figure(6.4, 4.0)
    parts = list(dict.fromkeys(trials["part"]))
    for k, part in enumerate(parts):
        one = trials[trials["part"] == part]
        order = np.arange(1, len(one) + 1)
        score = 100 * one["score"].to_numpy(float)
        colour = COLOURS[k % len(COLOURS)]
        axes.scatter(order, score, s=14, color=colour, alpha=0.45, edgecolor="none")
        if np.isfinite(score).any():
            dashes = ("-", "--")[k // len(COLOURS) % 2]
            best = np.fmax.accumulate(score)
            axes.step(order, best, dashes, where="post", color=colour, linewidth=1.5, label=part)
    given_up = int((trials["state"] == "pruned").sum())
    failed = int((trials["state"] == "fail").sum())
    axes.set(xlabel="trial", ylabel="accuracy on inner folds (%)")
    axes.set_title(f"{len(trials)} trials, {given_up} given up early, {failed} failed; lines: best so far", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(parts) > 1:
        axes.legend(fontsize=7, ncols=2, frameon=False, loc="lower right")
    _plain(axes)
    return figure


def importance(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """Share of each argument in how the scores differ: bars are means over parts, dots the parts.

    Parameters
    ----------
    shares : part -> argument -> share (0..1, sum 1), as :func:`optuna.importance.get_param_importances` gives them;
        a part may be empty.
    """
    table = pd.DataFrame([dict(part) for part in shares.values() if part])
    order = table.mean().sort_values()
    figure, axes = _figure(6.4, 1.3 + 0.36 * len(order))
    place = np.arange(len(order))
    axes.barh(place, 100 * order.to_numpy(), height=0.6, color=COLOURS[0], alpha=0.75)
    if len(table) > 1:
        for y, name in zip(place, order.index, strict=True):
            axes.scatter(100 * table[name], np.full(len(table), y), s=12, color="0.25", alpha=0.6, zorder=3)
    axes.set_yticks(place, order.index)
    axes.set(xlabel="importance (% of how scores differ)", xlim=(0, None))
    axes.set_title(f"PED-ANOVA over the complete trials of {len(table)} part{'s' * (len(table) != 1)}", fontsize=9)
    _plain(axes)
    return figure
