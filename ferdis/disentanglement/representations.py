"""What the representations of a fitted system hold of expression and of identity: records, and means over folds.

Probes predict the subject and the expression from the representations of unseen subjects
(:mod:`ferdis.metrics.disentanglement`). Where a system transfers expressions between people, its representation of the
result is compared with that of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ferdis import metrics
from ferdis.capabilities import Represents, RepresentsIdentity, Transfers, frame_side
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.metrics.disentanglement import Reader

__all__ = [
    "framed",
    "known_factors",
    "representation_records",
    "representations_of",
    "some_of_each",
    "summary",
    "swap_pairs",
]

SCENE_FACTORS = ("yaw", "pitch", "roll", "light_azimuth", "light_elevation")
FEATURES, EXPRESSION, IDENTITY = "features", "expression representation", "identity representation"
READERS: dict[str, Reader] = {"": "logistic", "_nearest": "nearest"}  # suffix of a column -> what reads
_NAIVE = 2.0  # standard errors above chance from which on an expression probe counts as better than chance

LEAST_EXCESS = 0.05
"""Identity accuracy above chance that a baseline needs for shares of it to be given, 0..1."""


def representation_records(system: str, estimator: Any, faces: Faces, *, seed: int = 0) -> list[dict[str, Any]]:
    """The probes' results on each representation of one fitted system: one record per representation.

    Parameters
    ----------
    system : str
        Its name in the run.
    estimator : fitted estimator
        With ``transform(faces)``; where it has them, ``identity_code(faces)`` and ``transfer(faces, references)`` are
        measured too.
    faces : Faces
        Of subjects it was not trained on; identity is probed on those with two or more images.
    seed : int
        Of the probes' halves and of the pairs.

    Returns
    -------
    list of dict
        ``system, representation, dimensions, effective_dimensions, identity, identity_nearest, identity_chance`` (NaN
        where fewer than two subjects have two images), ``expression, expression_nearest, expression_chance, people,
        images, identity_images`` (of subjects with two or more); where factors are known ``mig, disentanglement,
        completeness, informativeness, sap``; where the system transfers ``swap_source, swap_target`` (cosines of the
        result's representation) and ``swap_agreement``; ``note``.
    """
    records = []
    factors, several = known_factors(faces), _of_several(faces)
    representations = representations_of(system, estimator, faces)
    swapped = swap(estimator, faces, representations, seed) if isinstance(estimator, Transfers) else {}
    for name, representation in representations.items():
        record: dict[str, Any] = {
            "system": system,
            "representation": name,
            "dimensions": representation.shape[1],
            "effective_dimensions": metrics.effective_dimensions(representation),
        }
        for suffix, reader in READERS.items():
            identity = _identity(representation[several], faces.subject[several], reader, seed)
            expression = metrics.expression_probe(
                representation, faces.expression, faces.subject, reader=reader, seed=seed
            )
            record |= {f"identity{suffix}": identity[0], "identity_chance": identity[1]}
            record |= {f"expression{suffix}": expression.accuracy, "expression_chance": expression.chance}
        record |= {"people": len(set(faces.subject)), "images": len(faces), "identity_images": int(several.sum())}
        if factors and representation.shape[1] > 1:
            record |= alignment(representation, factors, seed)
        record |= swapped.get(name, {})
        record["note"] = remark(record)
        records.append(record)
    return records


def _of_several(faces: Faces) -> np.ndarray:
    """Which faces belong to subjects with two or more images, (n,) bool."""
    return pd.Series(faces.subject).duplicated(keep=False).to_numpy()


def _identity(representation: np.ndarray, subject: np.ndarray, reader: Reader, seed: int) -> tuple[float, float]:
    """Accuracy and chance of the identity probe; NaN for fewer than two subjects."""
    if len(set(subject)) < 2:
        return float("nan"), float("nan")
    found = metrics.identity_probe(representation, subject, reader=reader, seed=seed)
    return found.accuracy, found.chance


def representations_of(system: str, estimator: Any, faces: Faces) -> dict[str, np.ndarray]:
    """The representations of faces by a fitted system: name -> (n, d).

    Raises
    ------
    ValueError
        If the system has none, or one is not a finite (n, d) array.
    """
    if not isinstance(estimator, Represents):
        raise ValueError(
            f"system {system!r} ({type(estimator).__name__}) has no representations: it has no transform()"
        )
    named = {FEATURES: estimator.transform}
    if isinstance(estimator, RepresentsIdentity):
        named = {EXPRESSION: estimator.transform, IDENTITY: estimator.identity_code}
    representations = {name: np.asarray(read(faces), dtype=np.float64) for name, read in named.items()}
    for name, representation in representations.items():
        if representation.ndim != 2 or len(representation) != len(faces) or not np.isfinite(representation).all():
            raise ValueError(
                f"the {name} of system {system!r} has shape {representation.shape} or is not finite: (n, d) is needed"
            )
    return representations


def known_factors(faces: Faces) -> dict[str, np.ndarray]:
    """Factors of the images that are known in every row and vary: person, action units, pose, light.

    Empty unless pose and light are known: action units and names alone do not describe an image.
    """
    table = faces.table
    if not set(SCENE_FACTORS) <= set(table):
        return {}
    numbers = {name: table[name].to_numpy(float) for name in (*AU_COLUMNS, *SCENE_FACTORS) if name in table}
    varying = {name: column for name, column in numbers.items() if np.isfinite(column).all() and np.ptp(column) > 0}
    return {"person": faces.subject, **varying}


def alignment(representation: np.ndarray, factors: Mapping[str, np.ndarray], seed: int) -> dict[str, float]:
    """MIG, DCI and SAP of one representation, means over factors."""
    found = metrics.dci(representation, factors, seed=seed)
    return {
        "mig": float(metrics.mig(representation, factors).mean()),
        "disentanglement": found.disentanglement,
        "completeness": found.completeness,
        "informativeness": found.informativeness,
        "sap": float(metrics.sap(representation, factors, seed=seed).mean()),
    }


def remark(record: Mapping[str, Any]) -> str:
    """A note on a record: a collapsed representation, or one from which expressions cannot be predicted."""
    if record["effective_dimensions"] == 0:
        return "collapsed: the same representation for every image"
    chance = record["expression_chance"]
    noise = (chance * (1 - chance) / record["images"]) ** 0.5
    if record["representation"] != IDENTITY and record["expression"] <= chance + _NAIVE * noise:
        return "holds nothing of expression, so that it holds little of identity proves nothing"
    return ""


def swap_pairs(faces: Faces, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of references (sources) and faces (targets): each face once, its reference of another person and expression.

    Raises
    ------
    ValueError
        If no face has such a source.
    """
    random = np.random.default_rng(seed)
    subject, expression = faces.subject, faces.expression
    pairs = []
    for target in range(len(faces)):
        others = np.flatnonzero((subject != subject[target]) & (expression != expression[target]))
        if len(others):
            pairs.append((int(random.choice(others)), target))
    if not pairs:
        raise ValueError("a transfer needs two people with different expressions among these faces")
    sources, targets = np.array(pairs).T
    return sources, targets


def swap(
    estimator: Any, faces: Faces, representations: Mapping[str, np.ndarray], seed: int
) -> dict[str, dict[str, float]]:
    """Consistency of transfers under the system's own representations, by name of the representation.

    ``swap_source`` is the mean cosine of the result's representation with the source's, about the mean representation
    of all faces; ``swap_target`` that with the target's. A perfect transfer has the expression representation of the
    source and the identity representation of the target. ``swap_agreement`` is the share of results whose predicted
    expression is that predicted for the source.
    """
    sources, targets = swap_pairs(faces, seed)
    result = framed(estimator.transfer(faces[targets], faces[sources]), faces[targets], estimator)
    after = representations_of("", estimator, result)
    measured: dict[str, dict[str, float]] = {}
    for name, representation in representations.items():
        centre = representation.mean(axis=0)
        measured[name] = {
            "swap_source": metrics.representation_cosine(after[name], representation[sources], centre),
            "swap_target": metrics.representation_cosine(after[name], representation[targets], centre),
        }
    agree = estimator.predict(result) == estimator.predict(faces[sources])
    measured[EXPRESSION if EXPRESSION in representations else FEATURES]["swap_agreement"] = float(np.mean(agree))
    return measured


def framed(images: np.ndarray, faces: Faces, estimator: Any) -> Faces:
    """Generated images as faces whose centre crop is the generated image, with the table of ``faces``.

    A system generates the centre crop of its ``image_size`` and takes a centre crop of its input: without padding (the
    border repeated) it would see a crop of a crop.
    """
    side = images.shape[1]
    size = frame_side(estimator, side)
    before = (size - side) // 2
    after = size - side - before
    padded = np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)), mode="edge")
    return Faces(padded, faces.table, {})


def some_of_each(faces: Faces, images: int, seed: int = 0) -> Faces:
    """``images`` random faces of each subject, in the order of the table.

    Raises
    ------
    ValueError
        If a subject has fewer (the message names the subject).
    """
    random = np.random.default_rng(seed)
    kept: list[int] = []
    for name in np.unique(faces.subject):
        rows = np.flatnonzero(faces.subject == name)
        if len(rows) < images:
            raise ValueError(f"{name} has {len(rows)} images, {images} are asked for: ask for fewer")
        kept += random.choice(rows, images, replace=False).tolist()
    return faces[np.sort(kept)]


def summary(rows: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """Means over folds and seeds, one row per system and representation.

    Parameters
    ----------
    rows : DataFrame
        Records of :func:`representation_records`, of any number of folds.
    baseline : str, optional
        Name of the system whose first representation is the reference of the ratios; None leaves the ratios out.

    Returns
    -------
    DataFrame
        Figures are means over folds; ``identity_std`` and ``expression_std`` are over folds (ddof 1).
        ``identity_ratio`` is the excess of the logistic identity probe over chance, divided by the baseline's;
        ``identity_nearest_ratio`` the same for nearest neighbours; NaN where the baseline's own excess is below
        :data:`LEAST_EXCESS`, of which no share means anything. ``note`` says in how many folds it applies.
    """
    groups = rows.groupby(["system", "representation"], sort=False)
    table = groups.mean(numeric_only=True).drop(columns=["seed", "fold"], errors="ignore")
    for name in ("identity", "expression"):
        table[f"{name}_std"] = groups[name].std(ddof=1)
    table["fits"] = groups.size()
    if baseline is not None:
        if baseline not in rows["system"].unique():
            raise ValueError(f"no system {baseline!r} in this run: there are {', '.join(rows['system'].unique())}")
        base = table.loc[baseline].iloc[0]
        for name in ("identity", "identity_nearest"):
            excess = (table[name] - table["identity_chance"]).clip(lower=0)
            against = base[name] - base["identity_chance"]
            table[f"{name}_ratio"] = excess / against if against >= LEAST_EXCESS else float("nan")
    table["note"] = groups["note"].agg(_joined_notes)
    return table.reset_index()


def _joined_notes(notes: pd.Series) -> str:
    counts = notes[notes != ""].value_counts()
    return "; ".join(text if n == len(notes) else f"{text} ({n} of {len(notes)} fits)" for text, n in counts.items())
