"""What an audit has to say: the leaks it refuses, and the report of all that was checked."""

from __future__ import annotations

import dataclasses

from ferdis.messages import and_more
from ferdis.protocol.near_duplicates import NEAR_DUPLICATE

SHOWN = 10  # findings that a report prints, folds that a line names
REMEDY = {
    "person": "keep all images of a person in one part, as SubjectKFold does",
    "picture": "list each image in one part only",
    "sequence": "keep a sequence in one part; if they are two, name them apart (subject/sequence)",
    "duplicate": "remove one of the two, or give both the name of the one person they show",
    "near-duplicate": "look at both: give them one person's name, remove one, or raise the threshold",
    "look-alike": "give the person one name; if they are two people pass allow_overlap=True",
    "may overlap": "the two sets share people under different names; pass allow_overlap=True if yours do not",
}


class LeakError(ValueError):
    """A fold tests or validates on what it has trained on; the line names fold, images and the way out."""


@dataclasses.dataclass(frozen=True)
class Leak:
    """One way in which two parts of one fold share something, with an example.

    Attributes
    ----------
    kind : str
        ``person``, ``picture`` (the same row), ``sequence``, ``duplicate``, ``near-duplicate``, ``may
        overlap``, ``look-alike`` (two names that may be one person's).
    fold : int
    parts : (str, str)
        Where it is: ``train``, ``validation``, ``test``, or the name of an estimator's parameter.
    paths : (str, str)
        One image of each part.
    what : str
        The person, the sequence, the similarity.
    count : int
        Images of the second part concerned (pairs, for near-duplicates).
    """

    kind: str
    fold: int
    parts: tuple[str, str]
    paths: tuple[str, str]
    what: str
    count: int

    def __str__(self) -> str:
        first, second = (f"{path} ({part})" for path, part in zip(self.paths, self.parts, strict=True))
        return f"fold {self.fold}: {self.what}: {first} and {second}{and_more(self.count - 1)}: {REMEDY[self.kind]}"


@dataclasses.dataclass
class AuditReport:
    """What was checked and what was found; ``print(report)`` shows it.

    Attributes
    ----------
    images : int
    folds : int
    test_slots : int
        Rows of all test parts together.
    people : int or None
        None where the people are not known.
    seen_slots : int
        Test slots whose person is also in the training part of that fold.
    duplicate_groups, near_pairs : int or None
        Groups of identical or mirrored images, and pairs of different people's images above the
        threshold, in the whole set (wherever they lie); None where pixels were not compared.
    pairs_compared : int
        Pairs of different people's images that were compared for likeness.
    threshold : float
    leaks : list of Leak
    missing_classes : list of str
        One line for each fold and class that is missing from training.
    warnings : list of str
    let_pass : bool
        Whether the leaks were let pass: a list of others that was run as it is (``allow_overlap``).
    """

    images: int = 0
    people: int | None = None
    folds: int = 0
    test_slots: int = 0
    seen_slots: int = 0
    duplicate_groups: int | None = None
    near_pairs: int | None = None
    pairs_compared: int = 0
    threshold: float = NEAR_DUPLICATE
    leaks: list[Leak] = dataclasses.field(default_factory=list)
    missing_classes: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    let_pass: bool = False

    def let_leaks_pass(self) -> None:
        """Note that the leaks are let pass; a class missing from training is refused all the same (ValueError)."""
        self.let_pass = bool(self.leaks)
        if self.missing_classes:
            raise ValueError(self.missing_classes[0])

    @property
    def ok(self) -> bool:
        """Whether nothing was refused."""
        return not self.leaks and not self.missing_classes

    @property
    def seen_share(self) -> float:
        """Share (0..1) of test slots whose person is also in training; NaN if people are not known."""
        return self.seen_slots / self.test_slots if self.people is not None and self.test_slots else float("nan")

    def raise_on_leak(self) -> None:
        """Raise :class:`LeakError` for the first leak, ValueError for a class missing from training."""
        if self.leaks:
            others = len(self.leaks) - 1
            raise LeakError(f"{self.leaks[0]}" + (f" ({others} more such findings)" if others else ""))
        if self.missing_classes:
            raise ValueError(self.missing_classes[0])

    def __str__(self) -> str:
        people = "people unknown" if self.people is None else f"{self.people:,} people"
        count = len(self.leaks) + len(self.missing_classes)
        bad = "LEAKS, let pass by allow_overlap" if self.let_pass else "REFUSED"
        verdict = "no leak" if self.ok else f"{bad}: {count} findings"
        lines = [f"audit of {self.folds} folds, {self.images:,} images, {people}: {verdict}"]
        if self.people is not None:
            lines.append(
                f"  people: {100 * self.seen_share:.1f} % of test slots ({self.seen_slots:,} of {self.test_slots:,}) "
                "show a person who is also in training"
            )
        if self.duplicate_groups is not None:
            lines.append(f"  duplicates: {self.duplicate_groups:,} groups of identical or mirrored images in the set")
        if self.near_pairs is not None:
            lines.append(
                f"  near-duplicates: {self.pairs_compared:,} pairs of different people compared, "
                f"mirrored too: {self.near_pairs:,} alike (similarity over {self.threshold:g})"
            )
        word = "leak" if self.let_pass else "refused"
        refused = [f"  {word}: {finding}" for finding in (*self.leaks, *self.missing_classes)]
        lines += refused[:SHOWN]
        if len(refused) > SHOWN:
            lines.append(f"  ...{and_more(len(refused) - SHOWN)}")
        lines += [f"  warning: {line}" for line in self.warnings]
        return "\n".join(lines)
