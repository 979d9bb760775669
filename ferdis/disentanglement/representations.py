"""What the codes of a fitted system hold of expression and of identity: one record a code, and means over folds.

A reader tries to name the person, and the expression, from the codes of people that nobody trained on
(:mod:`ferdis.metrics.disentanglement`); where a system can put one person's expression on another, its own code of the
result is compared with the code of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ferdis import metrics
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.metrics.disentanglement import Reader

__all__ = ["code_rows", "codes_of", "framed", "known_factors", "some_of_each", "summary", "swap_pairs"]

SCENE_FACTORS = ("yaw", "pitch", "roll", "light_azimuth", "light_elevation")
FEATURES, EXPRESSION, IDENTITY = "features", "expression code", "identity code"
READERS: dict[str, Reader] = {"": "logistic", "_nearest": "nearest"}  # suffix of a column -> what reads
_NAIVE = 2.0  # standard errors above chance that an expression probe must reach to count as reading anything


def code_rows(system: str, estimator: Any, faces: Faces, *, seed: int = 0) -> list[dict[str, Any]]:
    """What is read from each code of one fitted system: one record a code.

    Parameters
    ----------
    system : its name in the run.
    estimator : fitted, with ``transform(faces)``; where it has them, ``identity_code(faces)`` and
        ``transfer(sources, targets)`` are measured too.
    faces : Faces of people it was not trained on; identity is read from those with two images or more.
    seed : of the probes' halves and of the pairs.

    Returns
    -------
    list of dict
        ``system, code, dimensions, effective_dimensions, identity, identity_nearest, identity_chance (NaN where fewer
        than two people have two images), expression, expression_nearest, expression_chance, people, images,
        identity_pictures`` (of people with two or more); where factors are known ``mig, disentanglement,
        completeness, informativeness, sap``; where the system transfers ``swap_source, swap_target`` (cosines of the
        result's code) and ``swap_agreement``; ``note``.
    """
    records = []
    factors, several = known_factors(faces), _of_several(faces)
    codes = codes_of(system, estimator, faces)
    swapped = swap(estimator, faces, codes, seed) if hasattr(estimator, "transfer") else {}
    for name, code in codes.items():
        record: dict[str, Any] = {
            "system": system,
            "code": name,
            "dimensions": code.shape[1],
            "effective_dimensions": metrics.effective_dimensions(code),
        }
        for suffix, reader in READERS.items():
            identity = _identity(code[several], faces.subject[several], reader, seed)
            expression = metrics.expression_probe(code, faces.expression, faces.subject, reader=reader, seed=seed)
            record |= {f"identity{suffix}": identity[0], "identity_chance": identity[1]}
            record |= {f"expression{suffix}": expression.accuracy, "expression_chance": expression.chance}
        record |= {"people": len(set(faces.subject)), "pictures": len(faces), "identity_pictures": int(several.sum())}
        if factors and code.shape[1] > 1:
            record |= alignment(code, factors, seed)
        record |= swapped.get(name, {})
        record["note"] = remark(record)
        records.append(record)
    return records


def _of_several(faces: Faces) -> np.ndarray:
    """Which faces are of people with two images or more, (n,) bool."""
    return pd.Series(faces.subject).duplicated(keep=False).to_numpy()


def _identity(code: np.ndarray, subject: np.ndarray, reader: Reader, seed: int) -> tuple[float, float]:
    """Accuracy and chance of the identity probe; NaN where nobody could be told from anybody."""
    if len(set(subject)) < 2:
        return float("nan"), float("nan")
    found = metrics.identity_probe(code, subject, reader=reader, seed=seed)
    return found.accuracy, found.chance


def codes_of(system: str, estimator: Any, faces: Faces) -> dict[str, np.ndarray]:
    """The codes that a system has of faces: name -> (n, d).

    Raises
    ------
    ValueError
        If it has none, or gives something that is no code.
    """
    if not hasattr(estimator, "transform"):
        raise ValueError(f"system {system!r} ({type(estimator).__name__}) has no codes: it has no transform()")
    named = {EXPRESSION if hasattr(estimator, "identity_code") else FEATURES: estimator.transform}
    if hasattr(estimator, "identity_code"):
        named[IDENTITY] = estimator.identity_code
    codes = {name: np.asarray(read(faces), dtype=np.float64) for name, read in named.items()}
    for name, code in codes.items():
        if code.ndim != 2 or len(code) != len(faces) or not np.isfinite(code).all():
            raise ValueError(
                f"the {name} of system {system!r} has shape {code.shape} or is not finite: (n, d) is needed"
            )
    return codes


def known_factors(faces: Faces) -> dict[str, np.ndarray]:
    """Factors of the images that are known in every row and vary: person, action units, pose, light.

    Empty unless pose or light are among them: action units and names alone are no account of an image.
    """
    table = faces.table
    if not set(SCENE_FACTORS) <= set(table):
        return {}
    numbers = {name: table[name].to_numpy(float) for name in (*AU_COLUMNS, *SCENE_FACTORS) if name in table}
    varying = {name: column for name, column in numbers.items() if np.isfinite(column).all() and np.ptp(column) > 0}
    return {"person": faces.subject, **varying}


def alignment(code: np.ndarray, factors: Mapping[str, np.ndarray], seed: int) -> dict[str, float]:
    """MIG, DCI and SAP of one code, means over factors."""
    found = metrics.dci(code, factors, seed=seed)
    return {
        "mig": float(metrics.mig(code, factors).mean()),
        "disentanglement": found.disentanglement,
        "completeness": found.completeness,
        "informativeness": found.informativeness,
        "sap": float(metrics.sap(code, factors, seed=seed).mean()),
    }


def remark(record: Mapping[str, Any]) -> str:
    """What a reader of a row must know: a collapsed code, or one that says nothing of expression."""
    if record["effective_dimensions"] == 0:
        return "collapsed: the same code for every image"
    chance = record["expression_chance"]
    noise = (chance * (1 - chance) / record["pictures"]) ** 0.5
    if record["code"] != IDENTITY and record["expression"] <= chance + _NAIVE * noise:
        return "says nothing of expression, so its silence on identity proves nothing"
    return ""


def swap_pairs(faces: Faces, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of sources and of targets: each face once a target, its source another person with another expression.

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


def swap(estimator: Any, faces: Faces, codes: Mapping[str, np.ndarray], seed: int) -> dict[str, dict[str, float]]:
    """Expression-swap consistency: what the system's own codes say of its transfers, by name of the code.

    ``swap_source`` is the mean cosine of the result's code with the source's, about the mean code of all faces;
    ``swap_target`` with the target's. A perfect transfer has the source's expression code and the target's identity
    code. ``swap_agreement`` is the share of results whose predicted expression is the one predicted of the source.
    """
    sources, targets = swap_pairs(faces, seed)
    result = framed(estimator.transfer(faces[sources], faces[targets]), faces[targets], estimator)
    after = codes_of("", estimator, result)
    measured: dict[str, dict[str, float]] = {}
    for name, code in codes.items():
        centre = code.mean(axis=0)
        measured[name] = {
            "swap_source": metrics.code_cosine(after[name], code[sources], centre),
            "swap_target": metrics.code_cosine(after[name], code[targets], centre),
        }
    agree = estimator.predict(result) == estimator.predict(faces[sources])
    measured[EXPRESSION if EXPRESSION in codes else FEATURES]["swap_agreement"] = float(np.mean(agree))
    return measured


def framed(pictures: np.ndarray, faces: Faces, estimator: Any) -> Faces:
    """Generated images as faces whose centre crop is the images themselves, with the table of ``faces``.

    A system draws the centre crop of its ``image_size`` and takes a centre crop of whatever it reads: without the
    frame (the border repeated) it would read a crop of a crop.
    """
    size, side = int(getattr(estimator, "image_size", 0)), pictures.shape[1]
    before = (size - side) // 2 if size > side else 0
    after = size - side - before if size > side else 0
    padded = np.pad(pictures, ((0, 0), (before, after), (before, after), (0, 0)), mode="edge")
    return Faces(padded, faces.table, {})


def some_of_each(faces: Faces, pictures: int, seed: int = 0) -> Faces:
    """``pictures`` faces of each person at random, in the order of the table.

    Raises
    ------
    ValueError
        If a person has fewer (the person is named).
    """
    random = np.random.default_rng(seed)
    kept: list[int] = []
    for name in np.unique(faces.subject):
        rows = np.flatnonzero(faces.subject == name)
        if len(rows) < pictures:
            raise ValueError(f"{name} has {len(rows)} images, {pictures} are asked for: ask for fewer")
        kept += random.choice(rows, pictures, replace=False).tolist()
    return faces[np.sort(kept)]


def summary(rows: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """Means over folds and seeds, one row a system and code, and what it betrays as a share of the baseline.

    Parameters
    ----------
    rows : records of :func:`code_rows`, of any number of folds.
    baseline : name of a system; its first code is compared with. None leaves the ratios out.

    Returns
    -------
    DataFrame
        Numbers are means over folds; ``identity_std`` and ``expression_std`` are over folds (ddof 1).
        ``identity_ratio`` is the excess of the logistic identity probe over chance, divided by the baseline's;
        ``identity_nearest_ratio`` the same of the nearest neighbours. ``note`` says in how many folds it holds.
    """
    groups = rows.groupby(["system", "code"], sort=False)
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
            table[f"{name}_ratio"] = excess / against if against > 0 else float("nan")
    table["note"] = groups["note"].agg(_joined_notes)
    return table.reset_index()


def _joined_notes(notes: pd.Series) -> str:
    counts = notes[notes != ""].value_counts()
    return "; ".join(text if n == len(notes) else f"{text} ({n} of {len(notes)} fits)" for text, n in counts.items())
