"""What a system's confidence is worth: calibration as it is and after a temperature, accuracy where it may decline."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ferdis import figures, metrics
from ferdis.metrics.selective import area_under_risk_coverage, risk_coverage, selective_accuracy, temperatures, tempered
from ferdis.report.page import Part, drawing
from ferdis.report.tables import Table, calibration_table, percent, with_probabilities

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)


def calibration_part(rows: pd.DataFrame, anchor: str) -> Part:
    """Calibration before and after temperature scaling, reliability diagrams, and selective accuracy."""
    part = Part("Calibration", f"{anchor}-calibration")
    table = calibration_table(rows)
    if table is None:
        return part
    part.tables.append(table)
    if (cooled := temperature_table(rows)) is not None:
        part.tables.append(cooled)
    part.tables.append(selective_table(rows))
    part.figures += [
        drawing(f"reliability-{system}", figures.reliability(mine), f"{system}: below the diagonal it is too sure.")
        for system, mine, _, _ in with_probabilities(rows)
    ]
    caption = "Accuracy of the most confident answers, against the share of images that is answered."
    part.figures.append(drawing("coverage", coverage_figure(rows), caption))
    return part


def temperature_table(rows: pd.DataFrame) -> Table | None:
    """Calibration error before and after a temperature; None with a single fold, where there is nobody to fit it on."""
    lines = []
    for system, part in rows.groupby("system", sort=False):
        part = part.reset_index(drop=True)
        known = metrics.probabilities(part)
        cooled = tempered(part) if known.shape[1] and known.notna().all(axis=None) else None
        if cooled is None:
            continue
        each, before, after = (
            temperatures(part),
            *(metrics.expected_calibration_error(part["true"], values, list(values)) for values in (known, cooled)),
        )
        lines.append(
            {
                "system": system, "temperature": f"{each.median():.2f} ({each.min():.2f} to {each.max():.2f})",
                "ECE before (%)": percent(before), "ECE after (%)": percent(after),
                "mean confidence after (%)": percent(cooled.max(axis=1).mean()),
            }
        )  # fmt: skip
    if not lines:
        return None
    note = (
        "Temperature: median and range over folds. That of a fold is fitted on the held-out answers of the other "
        "folds, on people whom this fold does not test; answers stay the same, confidences change (Guo et al. 2017)."
    )
    return Table("temperature", "Calibration after temperature scaling", pd.DataFrame(lines), (note,))


def selective_table(rows: pd.DataFrame) -> Table:
    """Accuracy where the least confident answers are declined, and the area under the risk-coverage curve."""
    lines = []
    for system, _, known, answered_rightly in with_probabilities(rows):
        right, confidence = answered_rightly.to_numpy(), known.max(axis=1).to_numpy()
        shares = {
            f"{100 * coverage:.0f} % answered": percent(selective_accuracy(right, confidence, coverage))
            for coverage in COVERAGES
        }
        lines.append({"system": system, **shares, "AURC (%)": percent(area_under_risk_coverage(right, confidence))})
    note = (
        "Accuracy (%) of the most confident answers. AURC: mean error over all coverages, lower is better. "
        "Probabilities as they are: a threshold chosen on these very people would look better than it is."
    )
    return Table("selective", "Selective accuracy", pd.DataFrame(lines), (note,))


def coverage_figure(rows: pd.DataFrame) -> Figure:
    """Accuracy against coverage, a line for each system."""
    figure, axes = figures.empty_figure(5.2, 3.4)
    for system, _, known, answered_rightly in with_probabilities(rows):
        coverage, accuracy = risk_coverage(answered_rightly.to_numpy(), known.max(axis=1).to_numpy())
        axes.plot(100 * coverage, 100 * accuracy, label=system, linewidth=1.4)
    axes.set_xlabel("answered (%)")
    axes.set_ylabel("accuracy (%)")
    axes.set_xlim(0, 100)
    axes.legend(frameon=False)
    return figure
