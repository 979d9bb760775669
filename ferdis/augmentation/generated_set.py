"""A generated set on disk: images, ``faces.csv`` with their provenance, a contact sheet, and what to know of it.

It is made from everybody of the set that it is given: whoever trains on it has seen these people. Inside an evaluation
:class:`ferdis.augmentation.augmented.Augmented` makes its own, fold by fold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.base import clone

from ferdis.augmentation.filtering import QualityFilter
from ferdis.augmentation.generating import Generated, check_generator, generate, shortfall
from ferdis.datasets.synthetic.dataset import write_images
from ferdis.faces import Faces

__all__ = ["contact_sheet", "write_generated"]

_SHOWN = 4  # generated faces of each class on the contact sheet
_DPI = 120


def write_generated(
    faces: Faces,
    generator: Any,
    out: str | Path,
    *,
    per_class: int | None = None,
    strategy: str = "balance",
    filter: QualityFilter | None = None,
    seed: int = 0,
) -> Generated:
    """Fit a generator on ``faces``, draw faces of their classes, and write them.

    Parameters
    ----------
    faces : Faces
        Whom the generator learns from and whose faces it changes: everybody here is in the result.
    generator : estimator, unfitted; see :func:`ferdis.augmentation.generating.express`.
    out : path
        Folder for ``images/``, ``faces.csv`` (which the ``manifest`` loader reads), ``contact.png`` and ``notes.txt``.
    per_class, strategy : int or None, "balance" or "multiply"
        How many, see :func:`ferdis.augmentation.generating.shortfall`.
    filter : QualityFilter, optional
        Unfitted; rejects faces.
    seed : of generator and choice

    Raises
    ------
    ValueError
        If the system makes no faces, nothing is asked for, nothing passes the filter, or the folder cannot be written.
    """
    check_generator(generator)
    wanted = shortfall(faces.expression, strategy, per_class)
    if not any(wanted.values()):
        raise ValueError("every class has as many faces already: name a larger per_class, or strategy='multiply'")
    model = clone(generator)
    if "seed" in model.get_params(deep=False):
        model.set_params(seed=seed)
    model.fit(faces)
    judge = None if filter is None else clone(filter).fit(faces)
    made = generate(model, faces, wanted, filter=judge, seed=seed)
    if made.faces is None:
        raise ValueError(f"{made}: nothing is left to write; train longer, or relax the filter")
    bare, namespace = _without_namespace(made.faces)
    write_images(bare, out)
    contact_sheet(faces, made.faces).savefig(Path(out) / "contact.png")
    notes = [
        str(made),
        f"made by {type(model).__name__}, fitted on all {len(faces)} faces given"
        + (f" of {len(set(faces.subject))} people" if faces.has_subjects else "")
        + ": test on none of them whatever learns from this set",
        "labelled with the expression that was asked for",
        *([_reading(namespace)] if namespace else []),
        *([] if judge is None else [f"filtered by judges fitted on the same faces: {judge.own}"]),
        *getattr(model, "notes_", []),
    ]
    (Path(out) / "notes.txt").write_text("\n".join(notes) + "\n", encoding="utf-8")
    return made


def _reading(namespace: str) -> str:
    how = f'load("manifest", root=..., namespace="{namespace}", align=False)'
    return f"{how} gives its people the names that they have in the set they are from: an audit then knows them"


def _without_namespace(faces: Faces) -> tuple[Faces, str]:
    """The faces with people's names as a file has them, and the namespace that the loader is to put before these."""
    if not faces.has_subjects:
        return faces, ""
    names = [name.rpartition("/") for name in faces.subject]
    if len({namespace for namespace, _, _ in names}) > 1:  # of several sets: the names stay whole
        return faces, ""
    return faces.with_table(faces.to_frame().assign(subject=[name for _, _, name in names])), names[0][0]


def contact_sheet(faces: Faces, generated: Faces, *, shown: int = _SHOWN) -> Figure:
    """Of each class some generated faces, each right of the face it was made from and the reference.

    Parameters
    ----------
    faces : where the paths in ``source`` and ``reference`` lead.
    generated : with the columns of :data:`ferdis.augmentation.generating.PROVENANCE`.
    shown : of each class, at most.
    """
    paths = faces.table["path"].astype(str) if "path" in faces.table else faces.table.index.astype(str)
    row_of = {path: row for row, path in enumerate(paths)}
    classes = generated.classes
    shown = min(shown, max((generated.expression == name).sum() for name in classes))
    figure = Figure(figsize=(3.3 * shown + 0.9, 1.05 * len(classes) + 0.6), dpi=_DPI)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(classes), 4 * shown, width_ratios=[1, 1, 1, 0.18] * shown, wspace=0.04, hspace=0.06,
        left=0.9 / figure.get_figwidth(), right=0.995, bottom=0.01, top=1 - 0.5 / figure.get_figheight(),
    )  # fmt: skip
    for i, name in enumerate(classes):
        rows = np.flatnonzero(generated.expression == name)[:shown]
        for j, row in enumerate(rows):
            line = generated.table.iloc[row]
            triple = {
                "face": faces.pixels([row_of[str(line["source"])]])[0],
                "reference": faces.pixels([row_of[str(line["reference"])]])[0],
                "generated": generated.pixels([row])[0],
            }
            for k, (title, pixels) in enumerate(triple.items()):
                axes = figure.add_subplot(grid[i, 4 * j + k])
                axes.imshow(pixels)
                axes.set_xticks([])
                axes.set_yticks([])
                if i == 0:
                    axes.set_title(title, fontsize=8)
                if j == k == 0:
                    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure
