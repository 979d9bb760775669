"""Augmented: who is given which faces, whatever the selection of an epoch; every argument does what it says."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from ferdis import Augmented, SubjectKFold, evaluate
from ferdis.augmentation import QualityFilter, augmented, generate
from ferdis.faces import AU_COLUMNS, Faces
from tests.augmentation.test_augmented import Composer, Diary, Editor, Embedder, Reader, UnitReader, with_units
from tests.evaluation.runner_fakes import NearestMean
from tests.painted import CLASSES, composed, painted
from tests.wiring import spied


class Chooser(NearestMean):
    """A classifier that notes what it learns from and what it is validated on."""

    given: ClassVar[list[tuple[Faces, Faces | None]]] = []

    def fit(self, faces: Faces, y: Any = None, *, validation: Faces | None = None, **named: Any) -> NearestMean:
        Chooser.given.append((faces, validation))
        return super().fit(faces, y, validation=validation, **named)


@pytest.fixture(autouse=True)
def fresh() -> None:
    Diary.seen, Editor.asked, Chooser.given = [], [], []


def system(generator: Diary, **changes: Any) -> Augmented:
    judges = QualityFilter(classifier=Reader(), embedder=Embedder(), minimum_probability=0.0, minimum_cosine=-2)
    given = {"strategy": "multiply", "per_class": 20, "filter": judges, "au_estimator": UnitReader(), **changes}
    return Augmented(Chooser(), generator, **given)


def incomplete() -> Faces:
    """Faces of which one a person lacks action units, so that their estimator is needed."""
    data = with_units(painted(people=6, each=2))
    table = data.to_frame()
    table.loc[table["path"].str.endswith("happiness-1"), list(AU_COLUMNS)] = np.nan
    return data.with_table(table)


@pytest.mark.parametrize("generator", [Composer(), Editor()])
def test_people_that_choose_the_epoch_have_no_part_in_a_generated_face(generator: Diary) -> None:
    data = incomplete()
    folds = SubjectKFold(3, validation_folds=1).split(data)
    parts = {type(generator).__name__, "Reader", "Embedder"}
    parts |= {"UnitReader"} if isinstance(generator, Editor) else set()
    for fold in folds:
        Diary.seen, Chooser.given = [], []
        evaluate(system(generator), data, [fold], selection="validation", progress=False)
        trained, chosen = set(data[fold.train].subject), set(data[fold.validation].subject)
        assert {name for name, _, _ in Diary.seen} == parts and chosen and not chosen & trained
        for name, people, _ in Diary.seen:
            assert people <= trained, f"{name} saw {sorted(people - trained)}"
        ((learned, validation),) = Chooser.given
        assert set(learned.subject) == trained and len(learned) == len(fold.train) + 60
        assert validation is not None and set(validation.subject) == chosen and len(validation) == len(fold.validation)


def test_faces_and_references_are_drawn_from_the_training_faces(monkeypatch) -> None:
    data = incomplete()
    train, validation = data[data.subject != "t/P00"], data[data.subject == "t/P00"]
    calls = spied(monkeypatch, augmented, "generate")
    fitted = system(Composer()).fit(train, validation=validation)
    ((generator, faces, wanted, judges, seed),) = calls
    assert generator is fitted.generator_ and judges is fitted.filter_ and seed == fitted.seed
    assert set(faces.subject) == set(train.subject) and wanted == dict.fromkeys(CLASSES, 20)
    paths = set(train.table["path"])
    assert set(fitted.generated_.table["source"]) | set(fitted.generated_.table["reference"]) <= paths
    assert fitted.selection_ == "validation"


def test_a_generated_face_has_the_label_of_its_reference_and_the_person_of_its_source() -> None:
    data = painted(people=6, each=2, noise=0)
    made = generate(Composer().fit(data), data, dict.fromkeys(CLASSES, 15), seed=3).faces
    place = {path: row for row, path in enumerate(data.table["path"])}
    source, reference = (made.table[name].map(place).to_numpy() for name in ("source", "reference"))
    np.testing.assert_array_equal(made.expression, data.expression[reference])
    np.testing.assert_array_equal(made.subject, data.subject[source])
    assert (data.subject[source] != data.subject[reference]).all()
    np.testing.assert_array_equal(made.pixels(), composed(data[source], data[reference]).pixels())


class Picky(Reader):
    """Takes every second face for the first class, whatever it shows."""

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """(n, 3)."""
        self.note(faces)
        return np.where(np.arange(len(faces))[:, None] % 2, super().predict_proba(faces), [[1.0, 0.0, 0.0]])


def test_the_filter_judges_what_was_made_against_its_source() -> None:
    data = painted(people=6, each=2, noise=0)
    seen: list[tuple[Faces, Faces]] = []

    class Noting(QualityFilter):
        def verdict(self, generated: Faces, sources: Faces) -> tuple[np.ndarray, np.ndarray]:
            seen.append((generated, sources))
            return super().verdict(generated, sources)

    judges = Noting(classifier=Picky(), embedder=Embedder()).fit(data)
    made = generate(Composer().fit(data), data, {"fear": 10}, filter=judges, seed=0)
    for generated, sources in seen:
        np.testing.assert_array_equal(generated.table["source"], sources.table["path"])
        np.testing.assert_array_equal(generated.subject, sources.subject)
    assert made.misread == made.made - len(made.faces) > 0 and made.drifted == 0
    assert (made.faces.expression == "fear").all() and len(made.faces) <= 10


class Learner(Diary):
    """A part that notes where it keeps what it has, and who is told; it has a history, notes and features."""

    given: ClassVar[list[tuple[Any, Any]]] = []

    def __init__(self, seed: int = 0, random_state: int = 0) -> None:
        super().__init__(seed)
        self.random_state = random_state

    def fit(self, faces: Faces, y: Any = None, *, run_dir: Any = None, callbacks: Any = ()) -> Diary:
        Learner.given.append((run_dir, callbacks))
        if run_dir is not None:
            run_dir.mkdir(parents=True)
        self.history_ = pd.DataFrame({"stage": [type(self).__name__], "value": [1.0]})
        return super().fit(faces)

    def describe(self) -> dict[str, Any]:
        return {"notes": [f"a {type(self).__name__}"]}

    def transform(self, faces: Faces) -> np.ndarray:
        return np.full((len(faces), 5), 7.0)

    def predict_proba(self, faces: Faces) -> np.ndarray:
        return np.eye(3)[np.zeros(len(faces), int)]


class Drawer(Learner, Composer):
    """The generator among them."""


class TestParts:
    def test_folders_callbacks_seeds_and_histories(self, tmp_path: Path) -> None:
        Learner.given = []
        told = [object()]
        fitted = Augmented(Learner(), Drawer(), strategy="multiply", per_class=2, seed=4)
        fitted.fit(painted(4), run_dir=tmp_path, callbacks=told)
        assert Learner.given == [(tmp_path / "generator", told), (tmp_path / "classifier", told)]
        assert not list(tmp_path.iterdir()), "what only an unfinished fit needs"
        for part in (fitted.generator_, fitted.classifier_):
            assert (part.seed, part.random_state) == (4, 4)
        assert fitted.history_["stage"].tolist() == ["Drawer", "Learner"] and fitted.selection_ == "last"
        assert fitted.describe()["notes"] == [*fitted.notes_, "a Learner", "a Drawer"]

    def test_in_use_it_is_its_classifier(self) -> None:
        data = painted(4, each=1)  # anger, fear, happiness of four people
        fitted = Augmented(Learner(), Drawer(), strategy="multiply", per_class=2).fit(data)
        assert (fitted.transform(data) == 7).all() and fitted.transform(data).shape == (12, 5)
        assert fitted.score(data) == pytest.approx(1 / 3) and fitted.score(data, ["anger"] * 12) == 1
        assert fitted.score(data, sample_weight=[2, 1, 1] * 4) == 0.5

    def test_further_faces_for_the_units_are_of_the_training_faces_size(self) -> None:
        further = with_units(painted(people=2, each=1, first=20))
        large = Faces(further.pixels().repeat(2, 1).repeat(2, 2), further.table)
        Diary.seen = []
        fitted = system(Editor(), au_train=large).fit(incomplete())
        assert fitted.au_estimator_ is not None and {"t/P20", "t/P21"} <= Diary.seen[0][1]

    def test_records_of_other_versions(self, tmp_path: Path) -> None:
        about = {"class": "Augmented", "format": 2, "notes": [], "selection": "last", "per_class": None,
                 "strategy": "balance", "filter": None, "au_estimator": None, "au_train": None, "seed": 0,
                 "classifier": {"class": "BaselineCNN", "parameters": {}},
                 "generator": {"class": "DECGAN", "parameters": {}}}  # fmt: skip
        (tmp_path / "augmented.json").write_text(json.dumps(about))
        with pytest.raises(ValueError, match=r"has format 2, this ferdis reads up to 1: install a newer ferdis"):
            Augmented.load(tmp_path)
        foreign = {**about, "generator": {"class": "Other", "parameters": {}}}
        (tmp_path / "augmented.json").write_text(json.dumps({**foreign, "format": 1}))
        with pytest.raises(ValueError, match="a saved Other cannot be loaded: known are IFGAN"):
            Augmented.load(tmp_path)


class TestArguments:
    """Each argument of the constructor, by name; a new one without an entry fails."""

    ENTRIES: ClassVar[set[str]] = {
        "classifier", "generator", "per_class", "strategy", "filter", "au_estimator", "au_train", "seed",
    }  # fmt: skip

    def test_every_argument_has_an_entry(self) -> None:
        assert set(inspect.signature(Augmented).parameters) == self.ENTRIES

    def test_classifier_and_generator_are_clones_that_learn(self) -> None:
        given = system(Composer())
        fitted = given.fit(incomplete())
        assert fitted.classifier_ is not given.classifier and fitted.generator_ is not given.generator
        assert not hasattr(given.generator, "classes_") and list(fitted.generator_.classes_) == list(CLASSES)
        assert isinstance(fitted.classifier_, Chooser) and isinstance(fitted.generator_, Composer)

    def test_strategy_and_per_class(self) -> None:
        data = painted(people=6, each=2)
        data = data[(data.expression != "fear") | (data.subject < "t/P03")]
        made = lambda **changes: dict(  # noqa: E731
            zip(*np.unique(system(Composer(), filter=None, **changes).fit(data).generated_.expression,
                           return_counts=True), strict=True)
        )  # fmt: skip
        assert made(strategy="balance", per_class=None) == {"fear": 6}
        assert made(strategy="balance", per_class=14) == {"anger": 2, "fear": 8, "happiness": 2}
        assert made(strategy="multiply", per_class=None) == {"anger": 12, "fear": 6, "happiness": 12}
        assert made(strategy="multiply", per_class=3) == {"anger": 3, "fear": 3, "happiness": 3}

    def test_filter(self) -> None:
        data = incomplete()
        assert system(Composer(), filter=None).fit(data).filter_ is None
        assert not {"Reader", "Embedder"} & {name for name, _, _ in Diary.seen}
        never = QualityFilter(classifier=Reader(), embedder=Embedder(), minimum_cosine=2)
        assert system(Composer(), filter=never).fit(data).generated_ is None

    def test_au_estimator_and_au_train(self) -> None:
        data, further = incomplete(), with_units(painted(people=2, each=1, first=20))
        lacking = data.table[list(AU_COLUMNS)].isna().all(axis=1)
        fitted = system(Editor(), au_train=further).fit(data)
        learned = next(people for name, people, _ in Diary.seen if name == "UnitReader")
        assert learned == {*data.subject, *further.subject}
        assert not {"t/P20"} & {p for name, people, _ in Diary.seen if name != "UnitReader" for p in people}
        ((both, _),) = Chooser.given
        assert (both.table[list(AU_COLUMNS)].iloc[: len(data)][lacking.to_numpy()] == 3.0).all(axis=None)
        known = both.table[list(AU_COLUMNS)].iloc[: len(data)][~lacking.to_numpy()]
        np.testing.assert_array_equal(known, data.table.loc[~lacking, list(AU_COLUMNS)])
        assert fitted.au_estimator_ is not None and system(Composer()).fit(data).au_estimator_ is None
        Diary.seen = []
        assert system(Editor(), au_estimator=None).fit(data).au_estimator_ is None
        assert "UnitReader" not in {name for name, _, _ in Diary.seen}

    def test_seed(self) -> None:
        data = incomplete()
        first, again, other = (system(Composer(), seed=seed).fit(data) for seed in (1, 1, 2))
        assert first.classifier_.seed == first.generator_.seed == first.filter_.classifier_.seed == 1
        assert first.generated_.table["source"].tolist() == again.generated_.table["source"].tolist()
        assert first.generated_.table["source"].tolist() != other.generated_.table["source"].tolist()
