"""Figures of rows, histories and fitted generators. Pure functions: tables in, a matplotlib Figure out.

Nothing here uses pyplot or its global state, so figures can be drawn in any process or thread and without a display;
``figure.savefig(path)`` writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ferdis import metrics
from ferdis._former_names import renamed_arguments
from ferdis.capabilities import Transfers, frame_side
from ferdis.faces import Faces

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
DPI = 150
_BLOCK = 256  # images read at a time for an average, to bound memory
_MOST_CELLS, _MOST_NAMES = 24, 60  # classes of a confusion matrix whose cells, and whose names, are written


def confusion_matrix(rows: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Confusion matrix of one system: shares of each true class (colour, per cent) with the counts below.

    With more than 24 classes the colours stand alone, and with more than 60 classes their names are left out.

    Parameters
    ----------
    rows : DataFrame
        The rows of one system (columns true, predicted, p_<class>); several seeds are pooled.
    title : str, optional
        By default the system's name.

    Returns
    -------
    Figure
        True classes as rows, predicted classes as columns.
    """
    classes = classes_of(rows)
    place = {name: k for k, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (rows["true"].map(place).to_numpy(), rows["predicted"].map(place).to_numpy()), 1)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    side = 0.68 * min(len(classes), _MOST_CELLS)
    figure, axes = _figure(side + 2.6, side + 1.35)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(counts.shape if len(classes) <= _MOST_CELLS else (0, 0)):
        colour = "white" if share[i, j] > 0.55 else "black" if counts[i, j] else "0.65"
        axes.text(j, i - 0.13, f"{100 * share[i, j]:.0f} %", ha="center", va="center", color=colour, fontsize=9)
        axes.text(j, i + 0.24, f"{counts[i, j]}", ha="center", va="center", color=colour, fontsize=6.5)
    if len(classes) <= _MOST_NAMES:
        size: dict[str, Any] = {"fontsize": 6} if len(classes) > _MOST_CELLS else {}
        axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right", rotation_mode="anchor", **size)
        names = [f"{name} ({n})" for name, n in zip(classes, total[:, 0], strict=True)]
        axes.set_yticks(range(len(classes)), names, **size)
    axes.set(xlabel="predicted", ylabel="true (images)")
    axes.set_title(title or ", ".join(rows["system"].unique()))
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def fold_accuracy(rows: pd.DataFrame) -> Figure:
    """Accuracy per fold: a box plot with the single folds for every system.

    Parameters
    ----------
    rows : DataFrame
        Rows of any number of systems and seeds (columns system, seed, fold, true, predicted).
    """
    right = rows.assign(right=(rows["true"] == rows["predicted"]).astype(float))
    systems = list(dict.fromkeys(rows["system"]))
    figure, axes = _figure(2.2 + 1.3 * len(systems), 4.2)
    for k, system in enumerate(systems):
        one = right[right["system"] == system]
        accuracy = 100 * one.groupby(["seed", "fold"])["right"].mean().to_numpy()
        colour = COLOURS[k % len(COLOURS)]
        axes.boxplot(
            accuracy, positions=[k], widths=0.5, showfliers=False, medianprops={"color": colour, "linewidth": 2},
            boxprops={"color": "0.4"}, whiskerprops={"color": "0.4"}, capprops={"color": "0.4"},
        )  # fmt: skip
        spread = np.linspace(-0.14, 0.14, len(accuracy)) if len(accuracy) > 1 else np.zeros(1)
        axes.scatter(k + spread, accuracy, color=colour, s=22, alpha=0.75, edgecolor="white", zorder=3)
    chance = 100 / len(classes_of(rows))
    axes.axhline(chance, color="0.6", linestyle=":", linewidth=1)
    axes.text(
        len(systems) - 0.52, chance, f"1/{len(classes_of(rows))}", color="0.45", fontsize=8, ha="right", va="bottom"
    )
    axes.set_xticks(range(len(systems)), systems)
    axes.set(xlim=(-0.5, len(systems) - 0.5), ylim=(0, 102), ylabel="accuracy of a fold (%)")
    known = "subject" in rows and bool((rows["subject"] != "").all())
    title = f"{rows.groupby(['seed', 'fold']).ngroups} folds"
    axes.set_title(f"{title}, tested on people not seen in training" if known else title, fontsize=9)
    _plain(axes)
    return figure


def reliability(rows: pd.DataFrame, *, bins: int = 15, title: str | None = None) -> Figure:
    """Reliability diagram of one system: accuracy over confidence, and below it the number of images per bin.

    Parameters
    ----------
    rows : DataFrame
        The rows of one system, with probabilities; several seeds are pooled.
    bins : int
        Number of equally wide bins of confidence, as in :func:`ferdis.metrics.expected_calibration_error`.
    title : str, optional
        By default the system's name and its calibration error.
    """
    known = metrics.probabilities(rows).dropna()
    table = metrics.reliability(rows.loc[known.index, "true"], known, list(known), bins=bins)
    filled = table[table["n"] > 0]
    width = 1 / bins
    figure = Figure(figsize=(3.3, 3.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1)
    axes.bar(filled["low"], filled["accuracy"], width, align="edge", color=COLOURS[0], alpha=0.25)
    axes.plot(filled["confidence"], filled["accuracy"], "o", color=COLOURS[0], markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    below.bar(table["low"], table["n"], width, align="edge", color="0.75")
    below.set(xlabel="confidence", ylabel="images")
    below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    error = metrics.expected_calibration_error(rows.loc[known.index, "true"], known, list(known), bins=bins)
    axes.set_title(title or f"{', '.join(rows['system'].unique())}: ECE {100 * error:.1f} %", fontsize=9)
    for each in (axes, below):
        _plain(each)
        each.tick_params(labelsize=8)
    return figure


def group_recall(records: pd.DataFrame, *, title: str | None = None) -> Figure:
    """UAR of groups of test subjects: a dot with its interval per system, one line per group.

    Parameters
    ----------
    records : DataFrame
        Columns attribute, group, system, people, images, uar, low, high (0..1; NaN for no interval).
    """
    systems = list(dict.fromkeys(records["system"]))
    groups = list(records.groupby(["attribute", "group"], sort=False))
    figure, axes = _figure(6.4, 0.9 + 0.34 * len(groups) + 0.12 * len(groups) * (len(systems) - 1))
    labels = []
    for place, ((attribute, group), part) in enumerate(groups):
        first = part.iloc[0]
        labels.append(f"{attribute}: {group} ({first['people'] or first['images']})")
        for k, system in enumerate(systems):
            for line in part[part["system"] == system].itertuples():
                height = place + (k - (len(systems) - 1) / 2) * 0.62 / len(systems)
                axes.plot([100 * line.low, 100 * line.high], [height, height], color=COLOURS[k % len(COLOURS)], lw=1.5)
                axes.plot(100 * line.uar, height, "o", color=COLOURS[k % len(COLOURS)], markersize=4.5)
        if place and groups[place - 1][0][0] != attribute:
            axes.axhline(place - 0.5, color="0.8", linewidth=0.8)
    axes.set_yticks(range(len(groups)), labels, fontsize=8)
    axes.set(ylim=(len(groups) - 0.4, -0.6), xlim=(0, 102), xlabel="UAR (%), with its interval over the group's people")
    for k, system in enumerate(systems):
        axes.plot([], [], "o-", color=COLOURS[k % len(COLOURS)], markersize=4.5, label=system)
    axes.legend(fontsize=8, frameon=False, ncols=min(len(systems), 4), loc="lower left", bbox_to_anchor=(0, 1.0))
    if title:
        axes.set_title(title, fontsize=9)
    _plain(axes)
    axes.grid(axis="x", color="0.92", linewidth=0.8)
    axes.grid(visible=False, axis="y")
    return figure


def average_faces(
    estimator: Any, test: Faces, averages: Mapping[str, np.ndarray], *, people: int = 3, title: str | None = None
) -> Figure:
    """Test faces, the average face generated from each, and the true class average of the training subjects.

    Parameters
    ----------
    estimator : fitted estimator
        With ``average(faces) -> uint8 (n, H, W, 3)``.
    test : Faces
        Faces that it was not fitted on.
    averages : mapping of class to uint8 (H, W, 3)
        From the training subjects (see :func:`class_averages`).
    people : int
        Largest number of subjects shown per class.
    title : str, optional

    Returns
    -------
    Figure
        One row per class; for each subject the input and, right of it, the generated face; last the true average.
    """
    chosen = pick_people(test, people)
    flat = [row for rows in chosen.values() for row in rows]
    inputs, generated = test.pixels(flat), np.asarray(estimator.average(test[flat]))
    number = {row: k for k, row in enumerate(flat)}
    figure = Figure(figsize=(1.05 * (2 * people + 1) + 0.45 * people + 1.0, 1.05 * len(chosen) + 0.75), dpi=DPI)
    FigureCanvasAgg(figure)
    # A narrow empty column after each pair groups the two images of a person.
    grid = figure.add_gridspec(
        len(chosen), 3 * people + 1, width_ratios=[1, 1, 0.22] * people + [1], wspace=0.04, hspace=0.06,
        left=0.105, right=0.99, bottom=0.01, top=1 - 0.72 / figure.get_figheight(),
    )  # fmt: skip
    for i, (name, rows) in enumerate(chosen.items()):
        for j, row in enumerate(rows):
            k = number[row]
            first = _image(figure.add_subplot(grid[i, 3 * j]), inputs[k], "input" if i == 0 else "")
            _image(figure.add_subplot(grid[i, 3 * j + 1]), generated[k], "generated" if i == 0 else "")
            if j == 0:
                first.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        last = figure.add_subplot(grid[i, 3 * people])
        _image(last, averages.get(name), "average of\ntraining people" if i == 0 else "")
    figure.suptitle(title or "Test faces and the average faces generated from them", fontsize=10, y=0.995)
    return figure


def pick_people(test: Faces, people: int) -> dict[str, list[int]]:
    """For each class up to ``people`` rows of different subjects, the same subjects across classes where possible.

    Of more than 24 classes it is the first 24.
    """
    names = test.subject if test.has_subjects else np.arange(len(test)).astype(str)
    expression = test.expression
    # Subjects with many classes first, so that the columns of the grid show the same few faces.
    order = sorted(set(names), key=lambda name: (-len(set(expression[names == name])), name))
    chosen: dict[str, list[int]] = {}
    for label in test.classes[:_MOST_CELLS]:
        rows = [int(np.flatnonzero((names == name) & (expression == label))[0])
                for name in order if ((names == name) & (expression == label)).any()]  # fmt: skip
        chosen[label] = rows[:people]
    return chosen


@renamed_arguments(sources="references", targets="faces")
def transfer_grid(
    estimator: Transfers,
    faces: Faces,
    references: Faces,
    *,
    truth: Callable[[Faces, Faces], Faces] | None = None,
    title: str | None = None,
) -> Figure:
    """A column of faces, a row of references, and each face's person with each reference's expression.

    Parameters
    ----------
    estimator : fitted estimator
        With ``transfer(faces, references) -> uint8 (n, S, S, 3)``, row by row.
    faces, references : Faces
        A few of each.
    truth : function, optional
        ``(faces, references) -> Faces``; if given, the exact counterpart is shown right of each transfer.
    title : str, optional

    Returns
    -------
    Figure
    """
    down, across = np.divmod(np.arange(len(faces) * len(references)), len(references))
    made = np.asarray(estimator.transfer(faces[down], references[across]))
    share = made.shape[1] / frame_side(estimator, made.shape[1])  # systems generate centre crops
    true = None if truth is None else _centre(truth(faces[down], references[across]).pixels(), share)
    wide = 1 if true is None else 2
    columns = 1 + wide * len(references)
    figure = Figure(figsize=(1.0 * columns + 0.35 * len(references), 1.0 * (len(faces) + 1) + 0.65), dpi=DPI)
    FigureCanvasAgg(figure)
    gap = [] if true is None else [0.16]
    ratios = [1.0, 0.2] + ([1.0] * wide + gap) * len(references)
    grid = figure.add_gridspec(
        len(faces) + 1, len(ratios), width_ratios=ratios, wspace=0.04, hspace=0.06,
        left=0.01, right=0.99, bottom=0.01, top=1 - 0.55 / figure.get_figheight(),
    )  # fmt: skip
    step = wide + len(gap)
    for k, pixels in enumerate(_centre(references.pixels(), share)):
        _image(figure.add_subplot(grid[0, 2 + k * step]), pixels, references.expression[k])
        if true is not None:
            words = figure.add_subplot(grid[0, 3 + k * step])
            words.text(0.5, 0.06, "left: made\nright: true", ha="center", va="bottom", fontsize=6.5, color="0.35")
            words.set_axis_off()
    corner = figure.add_subplot(grid[0, 0])
    corner.text(0.5, 0.5, "reference →\n\nface ↓", ha="center", va="center", fontsize=8, color="0.35")
    corner.set_axis_off()
    for i, pixels in enumerate(_centre(faces.pixels(), share)):
        _image(figure.add_subplot(grid[i + 1, 0]), pixels, "")
        for k in range(len(references)):
            place = i * len(references) + k
            _image(figure.add_subplot(grid[i + 1, 2 + k * step]), made[place], "")
            if true is not None:
                _image(figure.add_subplot(grid[i + 1, 3 + k * step]), true[place], "")
    figure.suptitle(title or "Each face's person with each reference's expression", fontsize=10, y=0.995)
    return figure


def representation_map(
    representations: np.ndarray,
    subject: np.ndarray,
    expression: np.ndarray,
    *,
    title: str | None = None,
    seed: int = 0,
) -> Figure:
    """t-SNE of representations in two panels: coloured by expression, and by person.

    A representation of expression alone separates the colours on the left and mixes them on the right. Distances
    between clusters in a t-SNE map mean nothing; use the probes of :mod:`ferdis.metrics.disentanglement` for figures.

    Parameters
    ----------
    representations : (n, d), n at least 4
    subject, expression : (n,) of str
    """
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    if len(representations) < 4:
        raise ValueError(f"{len(representations)} representations are too few for a map: give 4 or more")
    scaled = StandardScaler().fit_transform(np.asarray(representations, dtype=np.float64))
    perplexity = min(30.0, (len(representations) - 1) / 3)
    places = TSNE(2, perplexity=perplexity, init="random", random_state=seed).fit_transform(scaled)
    figure = Figure(figsize=(9.6, 4.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for column, (what, labels) in enumerate((("expression", expression), ("person", subject))):
        axes = figure.add_subplot(1, 2, column + 1)
        names = np.unique(labels)
        for k, name in enumerate(names):
            colour = COLOURS[k] if len(names) <= len(COLOURS) else colormaps["gist_rainbow"](k / len(names))
            chosen = labels == name
            axes.scatter(
                places[chosen, 0], places[chosen, 1], s=13, color=colour, label=str(name), linewidth=0, alpha=0.85
            )
        axes.set_title(f"coloured by {what} ({len(names)})", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color("0.8")
        if what == "expression":
            axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(-0.3, 0.5))
    number, width = representations.shape
    figure.suptitle(title or f"t-SNE of {number} representations of {width} dimensions", fontsize=10)
    return figure


code_map = representation_map  # its former name


def class_averages(faces: Faces) -> dict[str, np.ndarray]:
    """Mean image of each class: class -> uint8 (H, W, 3). Images are read in blocks, to bound memory."""
    averages = {}
    for name in faces.classes:
        rows = np.flatnonzero(faces.expression == name)
        total = np.zeros(faces.shape[1:], dtype=np.float64)
        for start in range(0, len(rows), _BLOCK):
            total += faces.pixels(rows[start : start + _BLOCK]).sum(axis=0, dtype=np.float64)
        averages[name] = np.rint(total / len(rows)).astype(np.uint8)
    return averages


def loss_curves(history: pd.DataFrame, *, title: str | None = None, columns: int = 4) -> Figure:
    """Every loss term over the epochs: one thin line per fold, a thick one for their mean.

    Parameters
    ----------
    history : DataFrame
        Columns stage, phase, term, epoch, value, and fold and seed where several fits are shown.
    title : str, optional
    columns : int
        Number of panels side by side.

    Notes
    -----
    Stages follow one another on the epoch axis; the value of an epoch is the mean of its rows.
    """
    history = history.assign(value=pd.to_numeric(history["value"], errors="coerce"))
    history = history.assign(position=_epoch_positions(history))
    panels = list(history.groupby(["stage", "phase", "term"], sort=False))
    columns = max(1, min(columns, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    figure = Figure(figsize=(2.7 * columns, 1.95 * rows + 0.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    several_stages = history["stage"].nunique() > 1
    for k, ((stage, phase, term), part) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, k + 1)
        keys = [name for name in ("seed", "fold") if name in part]
        fits = part.groupby([*keys, "position"])["value"].mean()
        lines = [fits] if not keys else [line for _, line in fits.groupby(level=keys)]
        for line in lines:
            positions = line.index.get_level_values("position")
            axes.plot(positions, line.to_numpy(), color=COLOURS[0], linewidth=0.6, alpha=0.35)
        mean = fits.groupby(level="position").mean()
        axes.plot(mean.index, mean.to_numpy(), color=COLOURS[0], linewidth=1.6, marker="." if len(mean) < 3 else None)
        head = f"{stage}: {phase}" if several_stages else str(phase)
        axes.set_title(f"{head}, {term}".replace("_", " "), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        if k + columns >= len(panels):
            axes.set_xlabel("epoch", fontsize=8)
        _plain(axes)
    figure.suptitle(title or "Loss terms: folds (thin) and their mean", fontsize=10)
    return figure


def _epoch_positions(history: pd.DataFrame) -> pd.Series:
    """Epochs numbered across stages: the second stage starts where the first ended."""
    position = pd.Series(0.0, index=history.index)
    start = 0.0
    for stage in dict.fromkeys(history["stage"]):
        here = history["stage"] == stage
        epochs = pd.to_numeric(history.loc[here, "epoch"])
        position[here] = start + epochs
        start += float(epochs.max())
    return position


def classes_of(rows: pd.DataFrame) -> Sequence[str]:
    """The classes of rows: those that occur or have a probability column; sorted."""
    named = {name.removeprefix("p_") for name in rows.columns if name.startswith("p_")}
    return sorted(named | set(rows["true"]) | set(rows["predicted"]))


def empty_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with plain axes, for whoever draws something of its own."""
    figure, axes = _figure(width, height)
    _plain(axes)
    return figure, axes


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _image(axes: Axes, pixels: np.ndarray | None, title: str) -> Axes:
    if pixels is not None:
        axes.imshow(pixels, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=7.5)
    return axes


def _centre(images: np.ndarray, share: float) -> np.ndarray:
    """The centre of images (n, S, S, 3), with ``share`` of their side."""
    side = round(share * images.shape[1])
    start = (images.shape[1] - side) // 2
    return images[:, start : start + side, start : start + side]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
