"""Protocols by name: the rules and lists that published figures were made with, each with its source.

``ferdis kfold --protocol NAME``, ``evaluate(..., protocol="NAME")`` and ``ferdis protocols`` read :data:`REGISTRY`. A
protocol that stands for a published list also says how the faces it is given depart from those of the list
(:meth:`departures`): a figure on other images, or on fewer people, is not a figure on that list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar, Literal

from ferdis.faces import Faces
from ferdis.messages import closest
from ferdis.protocol.splitters import OfficialSplit, Splitter, SubjectKFold

__all__ = [
    "REGISTRY",
    "CKPlusAscending",
    "FER2013Official",
    "NamedProtocol",
    "RAFDBOfficial",
    "SFEWOfficial",
    "departures_of",
    "describe_protocols",
    "protocol_named",
]


@dataclasses.dataclass(frozen=True)
class CKPlusAscending(SubjectKFold):
    """The subject-exclusive ten folds of the CK+ literature: subjects by ascending name, every tenth to one fold.

    Subject i of the sorted names tests in fold i mod 10, all others train and nobody validates. Applied to CK+'s 118
    subjects with a labelled sequence it gives the list of 327 sequences that Meng et al. published (Emotion-FAN, ICIP
    2019, ``CK+_10-fold_sample_IDascendorder_step10.txt``), fold by fold.

    Parameters
    ----------
    n_splits, validation_folds, scheme, seed
        As for :class:`~ferdis.protocol.SubjectKFold`; the published list has these defaults.
    """

    n_splits: int = 10
    validation_folds: int = 0
    scheme: Literal["stratified", "id-ascending"] = "id-ascending"
    seed: int = 0

    people: ClassVar[int] = 118
    sequences: ClassVar[int] = 327

    def departures(self, faces: Faces) -> list[str]:
        """How these faces and arguments differ from the published list, one line each; nothing where they do not."""
        found = []
        if (self.n_splits, self.validation_folds, self.scheme) != (10, 0, "id-ascending"):
            found.append("the published list has ten folds by ascending id and no validation part")
        names = set(faces.subject)
        if len(names) != self.people or not all(name.startswith("ck/") for name in names):
            found.append(f"the published list is of CK+'s {self.people} subjects, these faces show {len(names)} people")
        if "sequence" in faces.table and (count := faces.table["sequence"].nunique()) != self.sequences:
            found.append(f"the published list has {self.sequences} sequences, these faces {count}")
        return found


@dataclasses.dataclass(frozen=True)
class _PublishedSplit(OfficialSplit):
    """An official split whose sizes are known.

    Parameters
    ----------
    validation : float
        Share of the training part that becomes the validation part where the set names none, 0 <= share < 1. The
        papers validate on nobody.
    seed : int
        Decides which images are carved off.
    """

    validation: float = 0.0
    seed: int = 0

    images: ClassVar[dict[str, int]] = {}

    def departures(self, faces: Faces) -> list[str]:
        """How the sizes of the parts differ from the published ones, one line each."""
        (fold,) = self.split(faces)
        train = len(fold.train) + (0 if "validation" in self.images else len(fold.validation))
        there = {"train": train, "validation": len(fold.validation), "test": len(fold.test)}
        return [
            f"the published {part} part has {count:,} images, these faces {there[part]:,}"
            for part, count in self.images.items()
            if there[part] != count
        ]


@dataclasses.dataclass(frozen=True)
class RAFDBOfficial(_PublishedSplit):
    """RAF-DB's basic expressions: 12,271 images to train, 3,068 to test (Li, Deng, Du, CVPR 2017)."""

    images: ClassVar[dict[str, int]] = {"train": 12271, "test": 3068}


@dataclasses.dataclass(frozen=True)
class SFEWOfficial(_PublishedSplit):
    """SFEW 2.0: 958 images to train; the papers test on the 436 of Val (Dhall et al., ICMI 2015)."""

    images: ClassVar[dict[str, int]] = {"train": 958, "test": 436}


@dataclasses.dataclass(frozen=True)
class FER2013Official(_PublishedSplit):
    """FER2013: 28,709 images to train, PublicTest's 3,589 validate, PrivateTest's 3,589 test (ICONIP 2013)."""

    images: ClassVar[dict[str, int]] = {"train": 28709, "validation": 3589, "test": 3589}


@dataclasses.dataclass(frozen=True)
class NamedProtocol:
    """One protocol of the registry.

    Parameters
    ----------
    name : str
        What ``--protocol`` and ``evaluate`` call it.
    splitter : str
        ``"module:Class"``; imported when it is first used.
    source : str
        Where the rule or the list comes from.
    good_for : str
        What its figures may be compared with, and what they do not tell.
    """

    name: str
    splitter: str
    source: str
    good_for: str

    def imported(self) -> type[Splitter]:
        """Import the class that :attr:`splitter` names."""
        module, name = self.splitter.split(":")
        return getattr(import_module(module), name)


def _registry(*entries: NamedProtocol) -> dict[str, NamedProtocol]:
    return {entry.name: entry for entry in entries}


# Read as source by the command line (ferdis.cli.chosen), which shows help without importing anything: constants only.
REGISTRY: dict[str, NamedProtocol] = _registry(
    NamedProtocol(
        name="subject-kfold",
        splitter="ferdis.protocol.splitters:SubjectKFold",
        source="k-fold by subject, classes balanced; 8/1/1 subsets as in IF-GAN (Cai et al. 2021)",
        good_for="any set that knows its people; comparing systems on the same folds; --partitions tells its noise",
    ),
    NamedProtocol(
        name="leave-one-subject-out",
        splitter="ferdis.protocol.splitters:LeaveOneSubjectOut",
        source="the habit of small sets (JAFFE, micro-expressions)",
        good_for="few people, as much training data as there is; one fit per person; folds too small for a std",
    ),
    NamedProtocol(
        name="ckplus-ascending",
        splitter="ferdis.protocol.published:CKPlusAscending",
        source="Meng et al., Frame Attention Networks, ICIP 2019: their list of 327 sequences; Liu et al., FG 2013",
        good_for="CK+ figures of papers that print 'ten folds by ascending id'; posed, saturated: 1 sequence is 0.3 %",
    ),
    NamedProtocol(
        name="official",
        splitter="ferdis.protocol.splitters:OfficialSplit",
        source="the data set's own column split",
        good_for="sets with a fixed test part; one fold, so that only people or images give an interval",
    ),
    NamedProtocol(
        name="rafdb-official",
        splitter="ferdis.protocol.published:RAFDBOfficial",
        source="Li, Deng, Du, CVPR 2017: 12,271 images to train, 3,068 to test",
        good_for="published RAF-DB accuracies; people are unknown, so nothing proves that none is on both sides",
    ),
    NamedProtocol(
        name="sfew-official",
        splitter="ferdis.protocol.published:SFEWOfficial",
        source="Dhall et al., EmotiW, ICMI 2015: 958 images to train, the 436 of Val to test",
        good_for="published SFEW accuracies; split by film; its test labels were never published",
    ),
    NamedProtocol(
        name="fer2013-official",
        splitter="ferdis.protocol.published:FER2013Official",
        source="Goodfellow et al., ICONIP 2013: 28,709 to train, PublicTest validates, PrivateTest tests",
        good_for="published FER2013 and FER+ accuracies (PrivateTest); people are unknown, labels are noisy",
    ),
    NamedProtocol(
        name="cross",
        splitter="ferdis.protocol.across_datasets:CrossDataset",
        source="the habit of cross-data-set tables; --train A B --test C",
        good_for="transfer to a set nobody trained on; classes that both sides have; sets differ in what labels mean",
    ),
    NamedProtocol(
        name="leave-one-dataset-out",
        splitter="ferdis.protocol.across_datasets:LeaveOneDatasetOut",
        source="recommended by arXiv 2604.02162 over further splits of one set; --datasets A B C",
        good_for="the honest question 'on faces from elsewhere?'; classes are those that all sets have",
    ),
    NamedProtocol(
        name="calibrated-kfold",
        splitter="ferdis.protocol.splitters:CalibratedKFold",
        source="person-specific calibration, as a protocol of its own; --person_mean adds the baseline",
        good_for="systems that may see a neutral image of a test person; never beside strict figures, the rows say so",
    ),
    NamedProtocol(
        name="transductive-kfold",
        splitter="ferdis.protocol.splitters:TransductiveKFold",
        source="normalisation by the subject, as a protocol of its own; --person_mean adds the baseline",
        good_for="films and albums: systems that see all images of a test person at once; never beside strict figures",
    ),
    NamedProtocol(
        name="fold-list",
        splitter="ferdis.protocol.splitters:FoldList",
        source="a CSV of fold, part, path that somebody published, or a run's folds.csv",
        good_for="comparing on the very folds of others; a list that leaks runs only with allow_overlap, and is named",
    ),
)


def protocol_named(name: str, **arguments: Any) -> Splitter:
    """The protocol of that name.

    Parameters
    ----------
    name : str
        One of :data:`REGISTRY`.
    **arguments
        Of its class.

    Raises
    ------
    ValueError
        If there is no such protocol, or it needs arguments that were not given.
    """
    if name not in REGISTRY:
        raise ValueError(f"no protocol {name!r}{closest(name, REGISTRY)} (there are {', '.join(REGISTRY)})")
    cls = REGISTRY[name].imported()
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"protocol {name!r}: {error}: give {cls.__name__}(...) itself as the protocol") from None


def departures_of(protocol: Any, faces: Faces) -> list[str]:
    """How faces depart from what a published protocol was made for; nothing for a protocol that is no published one."""
    departures = getattr(protocol, "departures", None)
    return [] if departures is None else list(departures(faces))


def describe_protocols() -> str:
    """What ``ferdis protocols`` prints: every protocol with its source, and what its figures are good for."""
    return "\n".join(_described())


def _described() -> Iterator[str]:
    for entry in REGISTRY.values():
        yield entry.name
        yield f"    source    {entry.source}"
        yield f"    good for  {entry.good_for}"
    yield ""
    yield "ferdis kfold --protocol NAME; --protocol.ARGUMENT sets an argument of it."
