"""Look a data set over before anything is trained on it: counts, unreadable and repeated images, labels.

Nothing is changed and nothing is aligned: images are read as they are.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ferdis.datasets import check_arguments, entry
from ferdis.datasets.base import Dataset
from ferdis.datasets.common import Problem
from ferdis.faces import Faces
from ferdis.messages import named, quoted
from ferdis.preprocess.images import read_image
from ferdis.protocol.look_alikes import look_alike_subjects
from ferdis.protocol.near_duplicates import NEAR_DUPLICATE, Fingerprint, Prints, fingerprint, similar

_MOST_PAIRS = 10_000  # near-duplicates that are listed
_IMBALANCE = 10.0  # largest class over smallest, above which it is said
_FOLDS = 10  # people a class needs so that ten subject-exclusive folds can each test it


@dataclass(frozen=True)
class CheckReport:
    """What :func:`check` found; ``print`` it.

    Attributes
    ----------
    dataset : str
    table : DataFrame
        The rows that the loader would give, in its order, with ``readable`` (bool), ``height`` and ``width``
        (pixels, NaN if unreadable).
    wrong : list of str
        What must be put right: rows that do not load, unreadable images, one image with two labels or two
        people.
    remarks : list of str
        What to know: repeated images of one person, people with one expression, imbalance, counts that
        differ.
    duplicates : list of tuple of str
        Paths of images with the same pixels.
    mirrored : list of tuple of str
        Paths of images that are another's mirror image.
    near : list of tuple of str
        Paths of near-duplicates across people.
    """

    dataset: str
    table: pd.DataFrame
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, ...]] = field(default_factory=list)
    mirrored: list[tuple[str, ...]] = field(default_factory=list)
    near: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; remarks do not count."""
        return not self.wrong

    @property
    def counts(self) -> pd.DataFrame:
        """Images, people and (where known) sequences of each class, of each part of an official split, and of all.

        Where the papers publish a number it stands in a column of its own (``published images``).
        """
        table = self.table
        published = {key.partition(" of ")[::2]: number for key, number in table.attrs.get("published", {}).items()}
        parts = sorted(set(table["split"].dropna())) if "split" in table else []
        classes = sorted({*table["expression"], *(group for _, group in published if group)} - set(parts))
        columns = {"images": "expression", "people": "subject", "sequences": "sequence"}
        counts = pd.DataFrame(index=[*classes, *parts, "all"])
        for title, column in columns.items():
            if column not in table:
                continue
            for group in counts.index:
                of = table[(table["expression"] == group) | (table["split"] == group if parts else False)]
                values = (table if group == "all" else of)[column]
                counts.loc[group, title] = len(values) if title == "images" else values.nunique()
            known = {group or "all": n for (what, group), n in published.items() if what in (title, f"{column}s")}
            if known:
                counts[f"published {title}"] = pd.Series(known)
        return counts.astype("Int64")

    def __str__(self) -> str:
        parts = [f"{self.dataset}: {len(self.table)} images", self.counts.astype(object).fillna("").to_string()]
        if "subject" in self.table and len(self.table):
            each = self.table["subject"].value_counts()
            parts.append(f"images a person: {each.min()} to {each.max()}, median {each.median():g}")
        if self.table["height"].notna().any():
            sizes = self.table[["height", "width"]].dropna().astype(int)
            small, large = sizes.min(axis=1).min(), sizes.max(axis=1).max()
            parts.append(f"shortest side {small}, longest {large} pixels")
        parts += ["", "WRONG:" if self.wrong else "nothing is wrong"]
        parts += [f"  - {line}" for line in self.wrong]
        if self.remarks:
            parts += ["to know:", *(f"  - {line}" for line in self.remarks)]
        return "\n".join(parts)


def check(name: str, /, **arguments: Any) -> CheckReport:
    """Look a data set over: read every image, count, and say what is wrong.

    Parameters
    ----------
    name : str
        A key of :data:`ferdis.datasets.REGISTRY`.
    **arguments
        The loader's arguments (``root=...``). Those about pixels (``image_size``, ``align``, ``cache``)
        change nothing: images are looked at as they are.

    Returns
    -------
    CheckReport

    Raises
    ------
    ValueError, FileNotFoundError
        If the set, its folder or its table cannot be found or read at all; single bad rows are reported
        instead.
    """
    imported = entry(name).imported()
    check_arguments(name, imported, arguments)
    made = imported(**arguments)
    if not isinstance(made, Dataset):
        return examine_faces(name, made)
    problems: list[Problem] = []
    table, notes = made.table(problems)
    paths = list(table["path"]) if len(table) else []
    return examine(name, table, lambda row: read_image(made.root / paths[row]), notes, problems)


def examine_faces(name: str, faces: Faces) -> CheckReport:
    """The same look at faces that are loaded already."""
    return examine(name, faces.to_frame(), lambda row: _whole(faces[[row]]), faces.attrs.get("notes", ()))


def _whole(face: Faces) -> np.ndarray:
    """The whole image of one row."""
    return face.map_originals(lambda image: image)[0]


def examine(
    name: str,
    table: pd.DataFrame,
    read: Callable[[int], np.ndarray],
    notes: Iterable[str] = (),
    problems: Sequence[Problem] = (),
) -> CheckReport:
    """Look at each row of ``table``; ``read`` gives its picture: row -> uint8 (H, W, 3). See check."""
    table = table.reset_index(drop=True)
    if "path" not in table:
        table["path"] = [f"row {row}" for row in range(len(table))]
    looks = _look_at_all(read, len(table))
    table["readable"] = [look.error is None for look in looks]
    table["height"] = [look.height for look in looks]
    table["width"] = [look.width for look in looks]
    report = CheckReport(name, table, [str(problem) for problem in problems], list(notes))
    errors = [(str(table["path"][row]), look.error) for row, look in enumerate(looks) if look.error is not None]
    report.unreadable.extend(path for path, _ in errors)
    if errors:
        others = named(report.unreadable[1:])
        more = f" ({len(errors) - 1} more images cannot be read: {others})" if len(errors) > 1 else ""
        report.wrong.append(f"{errors[0][1]}{more}")
    if len(table):
        _say_repeats(report, looks)
        _say_near(report, looks)
        _say_two_labels(report)
        _say_balance(report)
    elif not report.wrong:
        report.wrong.append("there are no images")
    return report


@dataclass(frozen=True)
class _Look:
    """What is kept of one picture: enough to compare it with all others without holding its pixels."""

    error: str | None = None
    height: float = np.nan
    width: float = np.nan
    fingerprint: Fingerprint | None = None

    @property
    def digest(self) -> str:
        """The same for images of the same pixels, whatever file or format holds them; empty if unreadable."""
        return "" if self.fingerprint is None else f"{self.fingerprint.key}{self.fingerprint.mirrored:d}"

    @property
    def mirror(self) -> str:
        """The digest of the mirror image."""
        return "" if self.fingerprint is None else f"{self.fingerprint.key}{not self.fingerprint.mirrored:d}"


def _look_at_all(read: Callable[[int], np.ndarray], count: int) -> list[_Look]:
    def look(row: int) -> _Look:
        try:
            pixels = read(row)
        except (ValueError, OSError) as error:
            return _Look(error=" ".join(str(error).split()))
        height, width = pixels.shape[:2]
        return _Look(None, height, width, fingerprint(pixels))

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter's lock
        return list(pool.map(look, range(count)))


def _say_repeats(report: CheckReport, looks: Sequence[_Look]) -> None:
    """Exact copies and mirror images: wrong if labels or people differ, else a remark."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, look in enumerate(looks):
        if look.error is None:
            rows_of[look.digest].append(row)
    copies = [rows for rows in rows_of.values() if len(rows) > 1]
    report.duplicates.extend(_paths(report, rows) for rows in copies)
    _say_groups(report, copies, "have the same pixels")
    pairs = []
    for rows in rows_of.values():
        mirror = looks[rows[0]].mirror
        if mirror in rows_of and rows[0] < rows_of[mirror][0]:  # each pair once, a symmetric image never
            pairs.append([*rows, *rows_of[mirror]])
    report.mirrored.extend(_paths(report, rows) for rows in pairs)
    _say_groups(report, pairs, "are mirror images of each other")


def _say_groups(report: CheckReport, groups: Sequence[Sequence[int]], what: str) -> None:
    harmless, labelled, shown = [], list[str](), list[str]()
    for rows in groups:
        paths = named(_paths(report, rows))
        labels = _values(report, "expression", rows)
        people = _values(report, "subject", rows)
        if len(labels) > 1:
            labelled.append(f"{paths} {what} but are labelled {' and '.join(labels)}: keep one")
        elif len(people) > 1:
            shown.append(f"{paths} {what} but are said to show {' and '.join(people)}: keep one")
        else:
            harmless.append(f"({paths})")
    for lines in (labelled, shown):
        if lines:
            alike = f" ({len(lines) - 1} more groups alike; report.duplicates and report.mirrored name all)"
            report.wrong.append(lines[0] + (alike if len(lines) > 1 else ""))
    if harmless:
        report.remarks.append(f"groups of one person's images that {what} ({len(harmless)}): {named(harmless)}")


def _say_near(report: CheckReport, looks: Sequence[_Look]) -> None:
    """Near-duplicates across people (or across parts of an official split), as the audit sees them."""
    table = report.table
    group = next((name for name in ("subject", "split") if name in table and table[name].notna().all()), None)
    rows = [row for row, look in enumerate(looks) if look.fingerprint is not None]
    if group is None or not rows:
        return
    prints = Prints.stack([look.fingerprint for look in looks if look.fingerprint is not None])
    of_whom = table[group].iloc[rows].to_numpy(dtype=str)
    pairs = similar(prints, prints, NEAR_DUPLICATE, subject=of_whom, limit=_MOST_PAIRS)
    texts = []
    for order in np.argsort(-pairs.similarity, kind="stable"):
        first, second = rows[pairs.first[order]], rows[pairs.second[order]]
        if looks[first].digest in (looks[second].digest, looks[second].mirror):
            continue  # said already
        report.near.append(_paths(report, (first, second)))
        who = " and ".join(str(table[group][row]) for row in (first, second))
        what = "similarity" if not pairs.mirrored[order] else "similarity, mirrored"
        texts.append(f"{' and '.join(report.near[-1])} ({who}; {what} {pairs.similarity[order]:.3f})")
    if texts:
        whose = "two people's" if group == "subject" else "two splits'"
        report.remarks.append(
            f"{len(texts)}{'+' if pairs.full else ''} pairs of {whose} images are nearly one image; the "
            f"audit refuses them across training and test, look at them: {named(texts)}"
        )


def _say_two_labels(report: CheckReport) -> None:
    """One sequence, or one frame of it, that carries two expressions other than neutral."""
    if "sequence" not in report.table:
        return
    labelled = report.table[report.table["expression"] != "neutral"]
    several = labelled.groupby("sequence")["expression"].agg(lambda names: sorted(set(names)))
    several = several[several.map(len) > 1]
    if len(several):
        shown = named(f"{sequence} ({', '.join(names)})" for sequence, names in several.items())
        report.remarks.append(f"sequences with more than one expression ({len(several)}): {shown}")


def _say_balance(report: CheckReport) -> None:
    """Classes too rare, people with one expression, too few people for ten folds."""
    table, remarks = report.table, report.remarks
    counts = table["expression"].value_counts()
    if len(counts) == 1:
        remarks.append(f"there is one class only, {counts.index[0]}: nothing can be learned")
    elif counts.max() > _IMBALANCE * counts.min():
        remarks.append(
            f"classes are unbalanced: {counts.idxmax()} {counts.max()} to {counts.idxmin()} {counts.min()}"
            f" ({counts.max() / counts.min():.0f}:1); read UAR beside accuracy"
        )
    if "subject" not in table or table["subject"].isna().all():
        remarks.append("people are not known: only an official split can be used")
        return
    people = table["subject"].nunique()
    groups = look_alike_subjects(table["subject"].dropna())
    if groups:
        shown = named(" and ".join(map(quoted, group)) for group in groups)
        remarks.append(
            f"subject names that may be one person's ({len(groups)}): {shown}; the audit refuses them in two parts"
        )
    if people < _FOLDS:
        remarks.append(f"{people} people: too few for {_FOLDS} subject-exclusive folds")
    in_class = table.groupby("expression")["subject"].nunique()
    rare = [f"{name} {count}" for name, count in in_class.items() if count < _FOLDS <= people]
    if rare:
        remarks.append(f"fewer than {_FOLDS} people show {', '.join(rare)}: some of {_FOLDS} folds cannot test it")
    single = table.groupby("subject")["expression"].nunique() == 1
    if single.any() and len(counts) > 1:
        remarks.append(
            f"{int(single.sum())} of {people} people show one expression only: {named(single.index[single])}"
        )


def _paths(report: CheckReport, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(report.table["path"].iloc[list(rows)])


def _values(report: CheckReport, column: str, rows: Sequence[int]) -> list[str]:
    if column not in report.table:
        return []
    return sorted({str(value) for value in report.table[column].iloc[list(rows)]})
