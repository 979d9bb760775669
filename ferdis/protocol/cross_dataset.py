"""Several data sets as one Faces: names that cannot collide, classes that both sides have, people of one namespace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ferdis.faces import Faces

COLUMN = "dataset"
"""The column that says which set a row came from."""

JOINT = {"cross": ("train", "test"), "leave-one-dataset-out": ("datasets",)}
"""Named protocols over several data sets -> their arguments that name sets."""


def set_names(sets: Sequence[Faces]) -> list[str]:
    """A name for each set: what its loader left in ``attrs["dataset"]``, numbered where two have the same."""
    names: list[str] = []
    for faces in sets:
        plain = str(faces.attrs.get("dataset", "set"))
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names


def join(train: Sequence[Faces], test: Faces) -> Faces:
    """Training sets and a test set as one Faces.

    Rows of classes that only one side has are left out, and counted in ``attrs["notes"]``. ``path`` begins with the
    set's name, which also stands in the column ``dataset``. ``subject`` stays as it is, so that one whom two copies
    of one set share is one person; where one set does not know its people and another does, each of its images
    counts as a person of its own, and that is noted too.

    Raises
    ------
    ValueError
        If the sides share fewer than two classes, or image sizes differ.
    """
    sets = [*train, test]
    names = set_names(sets)
    shared = {name for faces in train for name in faces.classes} & set(test.classes)
    _check_shared("train and test", shared, names, sets)
    return _joined(sets, names, shared, "the other side lacks", f"{'+'.join(names[:-1])}->{names[-1]}")


def join_all(sets: Sequence[Faces]) -> Faces:
    """Data sets as one Faces, with the classes that all of them have; names, paths and people as for :func:`join`.

    Raises
    ------
    ValueError
        If the sets share fewer than two classes, or image sizes differ.
    """
    names = set_names(sets)
    shared = set.intersection(*(set(faces.classes) for faces in sets))
    _check_shared("the sets", shared, names, sets)
    return _joined(sets, names, shared, "not all sets have", "+".join(names))


def _check_shared(who: str, shared: set[str], names: Sequence[str], sets: Sequence[Faces]) -> None:
    if len(shared) < 2:
        classes = "; ".join(f"{name} has {', '.join(faces.classes)}" for name, faces in zip(names, sets, strict=True))
        raise ValueError(f"{who} share {len(shared)} classes, two are needed: {classes}")


def _joined(sets: Sequence[Faces], names: Sequence[str], shared: set[str], lack: str, title: str) -> Faces:
    known = any(faces.has_subjects for faces in sets)
    notes, parts = [f"Classes that the sets share: {', '.join(sorted(shared))}"], []
    for name, faces in zip(names, sets, strict=True):
        kept = np.isin(faces.expression, sorted(shared))
        if not kept.all():
            counts = pd.Series(faces.expression[~kept]).value_counts().sort_index()
            dropped = ", ".join(f"{label} {count}" for label, count in counts.items())
            notes.append(f"{name}: classes that {lack}, left out: {dropped}")
        part = faces[kept]
        table = part.to_frame()
        paths = table["path"].astype(str) if "path" in table else pd.Series(table.index.astype(str))
        table["path"] = f"{name}/" + paths
        table[COLUMN] = name
        if known and not faces.has_subjects:
            table["subject"] = table["path"].str.replace("/", "/picture of an unknown person: ", n=1)
            notes.append(f"{name} does not know its people: each of its images counts as a person of its own")
        parts.append(part.with_table(table))
    joined = Faces.concat(parts)
    attrs = {**joined.attrs, "dataset": title}
    attrs["notes"] = [*joined.attrs.get("notes", []), *notes]
    return Faces(joined.images, joined.table, attrs)
