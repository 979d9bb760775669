"""Audit: does any fold test on somebody, or on an image, that it has seen in training?

Refused: a person, a sequence, or an exact or mirrored duplicate in two parts of a fold; a near-duplicate
whose images carry different people's names; a class that is missing from training. Warned of: a class
missing from a test part, people that are not known. :func:`audit_parameters` asks the same of every
:class:`Faces` that an estimator was given (``extra_train``, ``pretrain``), :func:`audit_list` of a list that
somebody published. Duplicates and near-duplicates are those of :mod:`ferdis.protocol.near_duplicates`, which states how
often it is wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferdis.faces import Faces
from ferdis.messages import and_more, named, quoted
from ferdis.protocol.audit_report import REMEDY, SHOWN, AuditReport, Leak, LeakError
from ferdis.protocol.folds import PARTS, REFERENCE, Fold, read_fold_table, read_folds, row_names
from ferdis.protocol.look_alikes import look_alikes_across, subject_key
from ferdis.protocol.near_duplicates import (
    MOST_PAIRS,
    NEAR_DUPLICATE,
    Fingerprinter,
    Pairs,
    Prints,
    exact_duplicates,
    near_duplicates,
    similar,
)

__all__ = [
    "NEAR_DUPLICATE",
    "AuditReport",
    "Leak",
    "LeakError",
    "audit",
    "audit_list",
    "audit_parameters",
    "exact_duplicates",
    "near_duplicates",
]

MAY_OVERLAP = (frozenset({"bu3d", "bu4d"}),)
"""Namespaces of sets that were recorded with partly the same people under unrelated names."""

_ACROSS = (("train", "validation"), ("train", "test"), ("validation", "test"))
_REFERENCE = (("train", "reference"), ("validation", "reference"))  # and, of images, with the test part
_OF_IMAGES = ("picture", "duplicate")


@dataclasses.dataclass(frozen=True)
class _Names:
    """What is known of each image without looking at it, (n,) arrays of str; None where not known."""

    path: np.ndarray
    subject: np.ndarray | None = None
    sequence: np.ndarray | None = None
    expression: np.ndarray | None = None


def audit(
    faces: Faces,
    folds: Sequence[Fold],
    *,
    near_duplicates: bool = True,
    threshold: float = NEAR_DUPLICATE,
    allow_overlap: bool = False,
    raise_on_leak: bool = True,
    known: Fingerprinter | None = None,
) -> AuditReport:
    """Prove that no fold has seen its validation or test part in training.

    Parameters
    ----------
    faces : Faces
    folds : sequence of Fold
        From a protocol or :func:`ferdis.protocol.splitters.read_folds`.
    near_duplicates : bool
        Compare the images of different people too. Exact and mirrored duplicates are compared in any case.
    threshold : float
        Similarity (-1..1) above which two people's images count as one image.
    allow_overlap : bool
        Accept in different parts what may show the same people under different names: two sets (BU-3DFE and
        BU-4DFE), and names that look alike (``7`` and ``007``, ``anna`` and ``Anna``).
    raise_on_leak : bool
        False: only report, as for a list that somebody else published.
    known : Fingerprinter, optional
        Gives the fingerprints: hand one to all audits of the same faces, and each image is read once.

    Returns
    -------
    AuditReport

    Raises
    ------
    LeakError
        One line naming the fold, two images, and what to do.
    ValueError
        If a class is missing from a training part, or a fold names rows that are not there.
    """
    names = _names(faces)
    report = _audit_names(names, folds, allow_overlap)
    report.threshold = threshold
    prints = (known or Fingerprinter())(faces)
    key = np.unique(prints.key, return_inverse=True)[1]
    report.duplicate_groups = int((np.bincount(key) > 1).sum())
    report.leaks += _shared(folds, key, names.path, "duplicate", lambda row: "the same image (as it is or mirrored)")
    if near_duplicates:
        pairs = similar(prints, prints, threshold, subject=names.subject)
        same = key[pairs.first] == key[pairs.second]
        report.near_pairs = int((~same).sum())
        report.pairs_compared = _pairs_across_people(names)
        found = _near_leaks(folds, names.path, pairs, ~same)
        if names.subject is not None:
            report.leaks += found
        else:  # two frames of one film are no leak that could be told from one here
            report.warnings += [
                f"{leak.count} near-duplicate pairs in {leak.parts} of fold {leak.fold}" for leak in found
            ]
        if pairs.full:
            report.warnings.append(f"stopped at {MOST_PAIRS:,} near-duplicate pairs: these images hardly differ")
    if raise_on_leak:
        report.raise_on_leak()
    return report


def audit_list(
    folds: str | Path | pd.DataFrame,
    faces: Faces | None = None,
    *,
    near_duplicates: bool = True,
    raise_on_leak: bool = False,
) -> AuditReport:
    """Audit a fold list that somebody published; by default it only reports.

    Parameters
    ----------
    folds : path or DataFrame
        Columns fold, part, path and, unless ``faces`` is given, subject.
    faces : Faces, optional
        With them the images are compared as well, and people come from here.

    Examples
    --------
    >>> rows = pd.DataFrame({"fold": 0, "part": ["train", "test", "test"], "path": ["a", "b", "c"],
    ...                      "subject": ["S1", "S1", "S2"]})
    >>> print(audit_list(rows))  # doctest: +ELLIPSIS
    audit of 1 folds, 3 images, 2 people: REFUSED: 1 findings
      people: 50.0 % of test slots (1 of 2) show a person who is also in training
    ...
    """
    if faces is not None and not isinstance(folds, pd.DataFrame):
        found = read_folds(folds, faces)
        return audit(faces, found, near_duplicates=near_duplicates, raise_on_leak=raise_on_leak)
    table = folds.astype({"path": str}) if isinstance(folds, pd.DataFrame) else read_fold_table(folds)
    path, row = np.unique(table["path"].to_numpy(dtype=str), return_inverse=True)
    subject = None
    if "subject" in table and not (table["subject"].isna() | (table["subject"] == "")).any():
        subject = np.empty(len(path), dtype=object)
        subject[row] = table["subject"].to_numpy(dtype=str)
        subject = subject.astype(str)
    number, part = table["fold"].to_numpy(), table["part"].to_numpy(dtype=str)
    names = (*PARTS, REFERENCE)
    parts = [Fold(int(k), *(row[(number == k) & (part == name)] for name in names)) for k in np.unique(number)]
    if faces is not None:
        order = pd.Series(np.arange(len(faces)), index=row_names(faces)).reindex(path)
        if order.isna().any():
            raise ValueError(f"{path[order.isna().to_numpy()][0]} of the fold list is not among these faces")
        rows = order.to_numpy().astype(np.int64)
        parts = [Fold(fold.index, *(rows[getattr(fold, name)] for name in names)) for fold in parts]
        return audit(faces, parts, near_duplicates=near_duplicates, raise_on_leak=raise_on_leak)
    report = _audit_names(_Names(path, subject), parts, allow_overlap=False)
    if raise_on_leak:
        report.raise_on_leak()
    return report


def audit_parameters(
    estimator: Any,
    faces: Faces,
    folds: Sequence[Fold],
    *,
    near_duplicates: bool = True,
    threshold: float = NEAR_DUPLICATE,
    allow_overlap: bool = False,
    known: Fingerprinter | None = None,
) -> list[str]:
    """Check every Faces among an estimator's parameters against each validation and test part.

    Parameters
    ----------
    estimator : object with ``get_params(deep=True)``
        Faces are found as values, and inside lists, tuples and mappings that are values.
    faces, folds
        What is evaluated.
    near_duplicates, threshold, allow_overlap, known
        As for :func:`audit`.

    Returns
    -------
    list of str
        Names of the parameters that were checked.

    Raises
    ------
    LeakError
        If a parameter holds a person, or an image, that some fold validates or tests on.
    """
    if not hasattr(estimator, "get_params"):
        raise ValueError(
            f"{type(estimator).__name__} has no get_params: its Faces cannot be audited; derive it from "
            "sklearn.base.BaseEstimator"
        )
    found = _faces_in(estimator.get_params(deep=True))
    names = _names(faces)
    known = known or Fingerprinter()
    for parameter, extra in found.items():
        if not len(extra):
            continue
        theirs = _names(extra, unique=False)  # sets that are joined may use a path twice
        links = list(_links(parameter, theirs, names, allow_overlap))
        links += _links_by_image(known(extra), known(faces), near_duplicates, threshold)
        for link in links:
            _refuse_links(parameter, link, theirs, names, folds)
    return list(found)


def _names(faces: Faces, *, unique: bool = True) -> _Names:
    sequence = None
    if "sequence" in faces.table and faces.table["sequence"].notna().any():
        # A row without a sequence is one of its own.
        alone = pd.Series([f"\0{row}" for row in range(len(faces))])
        sequence = faces.table["sequence"].astype("string").fillna(alone.astype("string")).to_numpy(dtype=str)
    path = row_names(faces) if unique or "path" not in faces.table else faces.table["path"].to_numpy(dtype=str)
    return _Names(path, faces.subject if faces.has_subjects else None, sequence, faces.expression)


def _audit_names(names: _Names, folds: Sequence[Fold], allow_overlap: bool) -> AuditReport:
    """Everything that can be told without pixels."""
    n, subject = len(names.path), names.subject
    report = AuditReport(images=n, folds=len(folds), people=None if subject is None else len(np.unique(subject)))
    for fold in folds:
        _check_rows(fold, n)
        report.test_slots += len(fold.test)
        if subject is not None:
            report.seen_slots += int(np.isin(subject[fold.test], subject[fold.train]).sum())
    report.leaks += _shared(folds, np.arange(n), names.path, "picture", lambda row: "the same image")
    if subject is None:
        report.warnings.append("the people are not known: that no person is in two parts could not be checked")
    else:
        code = np.unique(subject, return_inverse=True)[1]
        report.leaks += _shared(folds, code, names.path, "person", lambda row: f"the same person {subject[row]}")
        if not allow_overlap:
            report.leaks += _overlapping(folds, names.path, subject)
            report.leaks += _look_alikes(folds, names.path, subject)
    if names.sequence is not None:
        sequence = names.sequence
        code = np.unique(sequence, return_inverse=True)[1]
        report.leaks += _shared(folds, code, names.path, "sequence", lambda row: f"the same sequence {sequence[row]}")
    if names.expression is not None:
        _check_classes(report, names.expression, folds)
    _check_coverage(report, n, folds)
    return report


def _check_rows(fold: Fold, n: int) -> None:
    for part in PARTS:
        rows = getattr(fold, part)
        outside = rows[(rows < 0) | (rows >= n)]
        if len(outside):
            raise ValueError(
                f"fold {fold.index}: {part} row {outside[0]} is not among {n} faces: split these very faces"
            )
    for part in ("train", "test"):
        if not len(getattr(fold, part)):
            raise ValueError(f"fold {fold.index}: its {part} part is empty: use fewer folds or another protocol")


def _check_classes(report: AuditReport, expression: np.ndarray, folds: Sequence[Fold]) -> None:
    classes = np.unique(expression)
    untested: dict[str, list[str]] = {}
    for fold in folds:
        for name in np.setdiff1d(classes, expression[fold.train]):
            report.missing_classes.append(
                f"fold {fold.index}: no image of class {name} is in training: use fewer folds, or leave the class out"
            )
        for name in np.setdiff1d(classes, expression[fold.test]):
            untested.setdefault(str(name), []).append(str(fold.index))
    for name, numbers in untested.items():
        where = f"fold{'s' * (len(numbers) > 1)} {named(numbers, SHOWN)}"
        report.warnings.append(f"no image of class {name} is in the test part of {where}")


def _check_coverage(report: AuditReport, n: int, folds: Sequence[Fold]) -> None:
    times = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=n) if folds else np.zeros(n)
    if (times > 1).any():
        report.warnings.append(f"{int((times > 1).sum())} images are tested more than once")
    given = np.zeros(n, dtype=bool)
    for fold in folds:
        given[fold.reference] = True
    if len(folds) > 1 and (untested := (times == 0) & ~given).any():
        report.warnings.append(f"{int(untested.sum())} images are never tested")


def _shared(folds: Sequence[Fold], code: np.ndarray, path: np.ndarray, kind: str, what: Any) -> list[Leak]:
    """Leaks for every value of ``code`` (n,) that occurs in two parts of a fold, with an example."""
    leaks = []
    apart = (("reference", "test"),) if kind in _OF_IMAGES else ()
    for fold in folds:
        pairs = (*_ACROSS, *_REFERENCE, *(() if fold.transductive else apart)) if len(fold.reference) else _ACROSS
        for first, second in pairs:
            ours, theirs = getattr(fold, first), getattr(fold, second)
            hit = theirs[np.isin(code[theirs], code[ours])]
            if len(hit):
                example = ours[code[ours] == code[hit[0]]][0]
                paths = (str(path[example]), str(path[hit[0]]))
                leaks.append(Leak(kind, fold.index, (first, second), paths, what(hit[0]), len(hit)))
    return leaks


def _overlapping(folds: Sequence[Fold], path: np.ndarray, subject: np.ndarray) -> list[Leak]:
    """Leaks for sets in two parts that may show the same people under different names."""
    namespace = _namespace(subject)
    leaks = []
    for group in MAY_OVERLAP:
        if len(group & set(namespace)) < 2:
            continue
        for fold in folds:
            for first, second in _ACROSS:
                for name in sorted(group):
                    ours = getattr(fold, first)[namespace[getattr(fold, first)] == name]
                    theirs = getattr(fold, second)
                    theirs = theirs[np.isin(namespace[theirs], sorted(group - {name}))]
                    if len(ours) and len(theirs):
                        what = f"{name} may show people of {namespace[theirs[0]]}"
                        paths = (str(path[ours[0]]), str(path[theirs[0]]))
                        leaks.append(Leak("may overlap", fold.index, (first, second), paths, what, len(theirs)))
    return leaks


def _look_alikes(folds: Sequence[Fold], path: np.ndarray, subject: np.ndarray) -> list[Leak]:
    """Leaks for names in two parts that may be one person's: ``7`` and ``007``, ``anna`` and ``Anna``."""
    leaks = []
    for found in look_alikes_across(folds, subject, _ACROSS):
        paths = (str(path[found.rows[0]]), str(path[found.rows[1]]))
        what = f"{quoted(found.names[0])} and {quoted(found.names[1])} may be one person"
        leaks.append(Leak("look-alike", found.fold, found.parts, paths, what, found.matches))
    return leaks


def _namespace(subject: np.ndarray) -> np.ndarray:
    """What stands before the first slash of each name: ``bu3d`` of ``bu3d/F0001``; empty without a slash."""
    return np.array([name.split("/", 1)[0] if "/" in name else "" for name in subject], dtype=str)


def _near_leaks(folds: Sequence[Fold], path: np.ndarray, pairs: Pairs, kept: np.ndarray) -> list[Leak]:
    leaks: list[Leak] = []
    first, second, similarity = pairs.first[kept], pairs.second[kept], pairs.similarity[kept]
    if not len(first):
        return leaks
    for fold in folds:
        part = np.full(len(path), -1)
        for number, name in enumerate(PARTS):
            part[getattr(fold, name)] = number
        part[fold.reference] = PARTS.index("test")  # the test people's, as far as others are concerned
        low, high = np.minimum(part[first], part[second]), np.maximum(part[first], part[second])
        for one, other in _ACROSS:
            hit = np.flatnonzero((low == PARTS.index(one)) & (high == PARTS.index(other)))
            if len(hit):
                best = hit[np.argmax(similarity[hit])]
                rows = sorted((first[best], second[best]), key=lambda row: part[row])
                paths = (str(path[rows[0]]), str(path[rows[1]]))
                what = f"two names but nearly one image (similarity {similarity[best]:.3f})"
                leaks.append(Leak("near-duplicate", fold.index, (one, other), paths, what, len(hit)))
    return leaks


def _pairs_across_people(names: _Names) -> int:
    n = len(names.path)
    sizes = np.ones(n, dtype=np.int64) if names.subject is None else np.unique(names.subject, return_counts=True)[1]
    return n * (n - 1) // 2 - int((sizes * (sizes - 1) // 2).sum())


@dataclasses.dataclass(frozen=True)
class _Link:
    """Rows of a parameter (``first``) and of the evaluated faces (``second``) that must not meet."""

    kind: str
    first: np.ndarray
    second: np.ndarray
    what: str


def _faces_in(parameters: Mapping[str, Any]) -> dict[str, Faces]:
    """Faces among parameters, by name; those inside lists, tuples and mappings as ``name[key]``."""
    found: dict[str, Faces] = {}
    for name, value in parameters.items():
        if isinstance(value, Faces):
            found[name] = value
        elif isinstance(value, Mapping):
            found.update(_faces_in({f"{name}[{key}]": item for key, item in value.items()}))
        elif isinstance(value, list | tuple):
            found.update(_faces_in({f"{name}[{key}]": item for key, item in enumerate(value)}))
    return found


def _links(parameter: str, theirs: _Names, ours: _Names, allow_overlap: bool) -> Iterator[_Link]:
    """Rows of a parameter and of the evaluated faces of one person, or of sets that may share people."""
    if theirs.subject is None or ours.subject is None:
        return
    earliest = {name: row for row, name in reversed(list(enumerate(theirs.subject)))}
    second = np.flatnonzero(np.isin(ours.subject, theirs.subject))
    first = np.array([earliest[name] for name in ours.subject[second]], dtype=np.int64)
    yield _Link("person", first, second, f"{parameter} holds a person who is evaluated,")
    if allow_overlap:
        return
    like = {subject_key(name): row for name, row in earliest.items()}
    near = {name: like.get(subject_key(name)) for name in np.setdiff1d(ours.subject, theirs.subject)}
    second = np.flatnonzero([near.get(name) is not None for name in ours.subject])
    first = np.array([near[name] for name in ours.subject[second]], dtype=np.int64)
    yield _Link("look-alike", first, second, f"{parameter} holds a name that may be an evaluated person's,")
    spaces, our_spaces = _namespace(theirs.subject), _namespace(ours.subject)
    for group in MAY_OVERLAP:
        for name in sorted(group & set(spaces)):
            second = np.flatnonzero(np.isin(our_spaces, sorted(group - {name})))
            first = np.full(len(second), np.flatnonzero(spaces == name)[0])
            what = f"{parameter} holds {name}, which may show people who are evaluated"
            yield _Link("may overlap", first, second, what)


def _links_by_image(one: Prints, other: Prints, near: bool, threshold: float) -> list[_Link]:
    """Rows of a parameter (``one``) and of the evaluated faces (``other``) that are one image, or nearly."""
    earliest = {key: row for row, key in reversed(list(enumerate(one.key)))}
    second = np.array([row for row, key in enumerate(other.key) if key in earliest], dtype=np.int64)
    first = np.array([earliest[other.key[row]] for row in second], dtype=np.int64)
    links = [_Link("duplicate", first, second, "the same image (as it is or mirrored)")]
    if near:
        pairs = similar(one, other, threshold)
        links.append(_Link("near-duplicate", pairs.first, pairs.second, "nearly one image"))
    return links


def _refuse_links(parameter: str, link: _Link, theirs: _Names, ours: _Names, folds: Sequence[Fold]) -> None:
    """Raise for the first fold that validates or tests on a linked row of the evaluated faces."""
    for fold in folds:
        for part in ("test", "validation"):
            hit = np.flatnonzero(np.isin(link.second, getattr(fold, part)))
            if not len(hit):
                continue
            first, second = link.first[hit[0]], link.second[hit[0]]
            by_name = ours.subject is not None and link.kind in ("person", "look-alike")
            person = f" {ours.subject[second]}" if by_name else ""  # type: ignore[index]
            told = link.kind in ("may overlap", "look-alike")
            remedy = REMEDY[link.kind] if told else f"take it out of {parameter}"
            raise LeakError(
                f"fold {fold.index}: {link.what}{person}: {theirs.path[first]} ({parameter}) and "
                f"{ours.path[second]} ({part}){and_more(len(hit) - 1)}: {remedy}"
            )
