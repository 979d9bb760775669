"""Figures of a sweep show what its table holds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferdis.sweep.figures import importance, optimisation_history


def test_history_climbs_and_counts_what_was_given_up() -> None:
    scores = [0.5, np.nan, 0.4, 0.8, np.nan]
    states = ["complete", "pruned", "complete", "complete", "fail"]
    trials = pd.DataFrame({"part": "fold-00", "trial": range(5), "state": states, "score": scores})
    trials = pd.concat([trials, trials.assign(part="fold-01", score=[0.1, 0.2, np.nan, np.nan, 0.15])])
    axes = optimisation_history(trials).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["fold-00"], [50, 50, 50, 80, 80])
    np.testing.assert_allclose(lines["fold-01"], [10, 20, 20, 20, 20])
    assert "10 trials, 2 given up early, 2 failed" in axes.get_title()


def test_importance_is_the_mean_over_parts_and_leaves_out_what_is_unknown() -> None:
    axes = importance({"fold-00": {"rate": 0.9, "kind": 0.1}, "fold-01": {"rate": 0.5, "kind": 0.5}, "x": {}}).axes[0]
    widths = {
        label.get_text(): bar.get_width() for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)
    }
    assert widths == {"kind": 30.0, "rate": 70.0} and list(widths) == ["kind", "rate"], "the largest on top"
    assert "2 parts" in axes.get_title()
