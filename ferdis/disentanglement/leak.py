"""The identity that leaks from a fitted system, in all the ways that are measured: one record per representation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ferdis import metrics
from ferdis.disentanglement.representations import representation_records, representations_of
from ferdis.faces import Faces
from ferdis.metrics.leak import people_told_apart, verification_leak

__all__ = ["leak_records"]


def leak_records(system: str, estimator: Any, faces: Faces, *, seed: int = 0) -> list[dict[str, Any]]:
    """What :func:`~ferdis.disentanglement.representations.representation_records` says, and more ways to read identity.

    Parameters
    ----------
    system, estimator, faces, seed
        As for ``representation_records``. Identity is read from subjects with two or more images.

    Returns
    -------
    list of dict
        Its records with ``identity_mlp`` (accuracy of a small network), ``verification_auc`` and ``verification_eer``
        of all pairs, ``people_told_apart``; NaN where fewer than two subjects have two images.
    """
    several = pd.Series(faces.subject).duplicated(keep=False).to_numpy()
    subject = np.asarray(faces.subject, dtype=str)[several]
    records = representation_records(system, estimator, faces, seed=seed)
    for record, values in zip(records, representations_of(system, estimator, faces).values(), strict=True):
        known = values[several]
        if len(set(subject)) < 2:
            record |= dict.fromkeys(
                ("identity_mlp", "verification_auc", "verification_eer", "people_told_apart"), float("nan")
            )
            continue
        found = verification_leak(known, subject)
        record |= {
            "identity_mlp": metrics.identity_probe(known, subject, reader="mlp", seed=seed).accuracy,
            "verification_auc": found.auc,
            "verification_eer": found.eer,
            "people_told_apart": people_told_apart(known, subject, seed=seed),
        }
    return records
