"""Several data sets as one Faces: names that cannot collide, classes that both sides have, people of one namespace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ferdis.faces import Faces

COLUMN = "dataset"
"""The column that says which set a row came from."""


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
    shared = sorted({name for faces in train for name in faces.classes} & set(test.classes))
    if len(shared) < 2:
        classes = "; ".join(f"{name} has {', '.join(faces.classes)}" for name, faces in zip(names, sets, strict=True))
        raise ValueError(f"train and test share {len(shared)} classes, two are needed: {classes}")
    known = any(faces.has_subjects for faces in sets)
    notes, parts = [], []
    for name, faces in zip(names, sets, strict=True):
        kept = np.isin(faces.expression, shared)
        if not kept.all():
            counts = pd.Series(faces.expression[~kept]).value_counts().sort_index()
            dropped = ", ".join(f"{label} {count}" for label, count in counts.items())
            notes.append(f"{name}: classes that the other side lacks, left out: {dropped}")
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
    attrs = {**joined.attrs, "dataset": f"{'+'.join(names[:-1])}->{names[-1]}"}
    attrs["notes"] = [*joined.attrs.get("notes", []), *notes]
    return Faces(joined.images, joined.table, attrs)
