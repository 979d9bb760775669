"""Augmentation: what is made and of whom, that no test person has a part in it, and that it is an estimator."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone

from ferdis import DECGAN, EGGAN, RELGAN, ResNetClassifier, SubjectKFold, evaluate
from ferdis.augmentation import PROVENANCE, Augmented, QualityFilter, express, generate, shortfall
from ferdis.faces import AU_COLUMNS, Faces
from tests.evaluation.runner_fakes import NearestMean
from tests.painted import CLASSES, composed, painted

MARK = 255  # no painted face holds it: the planted image is white


class Diary(BaseEstimator):
    """Notes what it is given: which people, and whether the planted image was among the faces."""

    seen: ClassVar[list[tuple[str, frozenset[str], bool]]] = []

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def note(self, faces: Faces) -> None:
        """Write down who is here."""
        planted = bool((faces.pixels() == MARK).all(axis=(1, 2, 3)).any())
        people = frozenset(faces.subject) if faces.has_subjects else frozenset()
        Diary.seen.append((type(self).__name__, people, planted))

    def fit(self, faces: Faces, y: Any = None) -> Diary:
        """Only notes."""
        self.note(faces)
        self.classes_ = np.unique(faces.expression)
        return self


class Composer(Diary):
    """A generator that transfers: exact, and it records the subjects that it draws and the references."""

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """References' lower halves on the faces' upper ones."""
        self.note(references)
        self.note(faces)
        return composed(faces, references).pixels()


class Editor(Diary):
    """A generator in EGGAN's manner: it notes the action units that it is asked for."""

    asked: ClassVar[list[np.ndarray]] = []

    def edit(self, faces: Faces, au: np.ndarray) -> np.ndarray:
        """The faces as they are."""
        self.note(faces)
        Editor.asked.append(np.array(au))
        return faces.pixels()


class UnitReader(Diary):
    """An estimator of action units that reads 3 everywhere."""

    own = "wrong"

    def predict(self, faces: Faces) -> np.ndarray:
        """(n, 17)."""
        self.note(faces)
        return np.full((len(faces), len(AU_COLUMNS)), 3.0)


class Reader(Diary):
    """The filter's classifier: sure of what the lower half shows."""

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """(n, 3)."""
        from tests.painted import Painter

        return (Painter().predict(faces)[:, None] == np.array(CLASSES)).astype(float)


class Embedder(Diary):
    """The filter's embedder: upper halves."""

    threshold_ = 0.9

    def embed(self, faces: Faces) -> np.ndarray:
        """(n, 8) of unit length."""
        from tests.painted import PaintedJudge

        return PaintedJudge().embed(faces.pixels())


class Spoiler(Composer):
    """Every third face is no longer the person; every fifth shows another expression."""

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """Spoiled transfers."""
        made = composed(faces, references).pixels().copy()
        made[1::3, :4] = 255 - made[1::3, :4]
        made[2::5, 4:] = 128
        return made


@pytest.fixture(autouse=True)
def fresh_diary() -> None:
    Diary.seen, Editor.asked = [], []


def unbalanced() -> Faces:
    """Six people, all expressions; of fear only one image a person."""
    data = painted(people=6, each=3)
    number = data.table["path"].str[-1].astype(int)
    return data[((data.expression != "fear") | (number == 0)).to_numpy()]


def with_units(faces: Faces, value: float | None = None) -> Faces:
    table = faces.to_frame()
    for name in AU_COLUMNS:
        table[name] = [1.0 + CLASSES.index(label) if value is None else value for label in faces.expression]
    return faces.with_table(table)


class TestHowMany:
    def test_by_hand(self) -> None:
        expression = np.array(["fear"] * 2 + ["anger"] * 5)
        assert shortfall(expression, "balance", None) == {"anger": 0, "fear": 3}
        assert shortfall(expression, "balance", 6) == {"anger": 1, "fear": 4}
        assert shortfall(expression, "balance", 3) == {"anger": 0, "fear": 1}  # nothing real is taken away
        assert shortfall(expression, "multiply", None) == {"anger": 5, "fear": 2}
        assert shortfall(expression, "multiply", 4) == {"anger": 4, "fear": 4}

    def test_bad_arguments(self) -> None:
        with pytest.raises(ValueError, match="strategy='more'"):
            shortfall(np.array(["fear"]), "more", None)
        with pytest.raises(ValueError, match="per_class=0"):
            shortfall(np.array(["fear"]), "balance", 0)


class TestExpress:
    def test_the_references_expression_is_put_on_the_faces(self) -> None:
        data = painted(people=4, each=1)
        faces, references = data[:6], data[6:]
        np.testing.assert_array_equal(express(Composer(), faces, references), composed(faces, references).pixels())

    def test_an_editor_is_given_the_references_units(self) -> None:
        data = with_units(painted(people=4, each=1))
        express(Editor(), data[:6], data[6:])
        np.testing.assert_array_equal(Editor.asked[0], data[6:].table[list(AU_COLUMNS)])

    def test_a_system_that_makes_nothing(self) -> None:
        data = painted(people=2, each=1)
        with pytest.raises(ValueError, match="NearestMean makes no faces"):
            express(NearestMean(), data, data)


class TestGenerate:
    def test_provenance_is_true(self) -> None:
        data = painted(people=6, each=2)
        made = generate(Composer(), data, {"fear": 7, "anger": 2}, seed=3).faces
        assert made is not None and pd.Series(made.expression).value_counts().to_dict() == {"fear": 7, "anger": 2}
        assert set(PROVENANCE) <= set(made.table) and (made.table["generator"] == "Composer").all()
        rows = {path: row for row, path in enumerate(data.table["path"])}
        sources = data[[rows[path] for path in made.table["source"]]]
        references = data[[rows[path] for path in made.table["reference"]]]
        np.testing.assert_array_equal(made.pixels(), composed(sources, references).pixels())
        assert (made.subject == sources.subject).all() and (made.expression == references.expression).all()
        assert (sources.subject != references.subject).all() and made.table["path"].is_unique

    def test_seeded(self) -> None:
        data = painted(people=6, each=2)
        first, again, other = (generate(Composer(), data, {"fear": 9}, seed=seed).faces for seed in (1, 1, 2))
        assert (first.table == again.table).all(axis=None) and not (first.table == other.table).all(axis=None)

    def test_units_are_those_of_faces_of_the_class(self) -> None:
        data = with_units(painted(people=6, each=2))
        made = generate(Editor(), data, {"fear": 5})
        assert (Editor.asked[0] == 1.0 + CLASSES.index("fear")).all()  # the class's own, and no other's
        assert (made.faces.table["AU12"] == 1.0 + CLASSES.index("fear")).all()

    def test_a_class_without_units_cannot_be_asked_for(self) -> None:
        data = with_units(painted(people=4, each=1))
        table = data.to_frame()
        table.loc[table["expression"] == "fear", list(AU_COLUMNS)] = np.nan
        with pytest.raises(ValueError, match="class fear has action units"):
            generate(Editor(), data.with_table(table), {"fear": 2})

    def test_people_need_no_names(self) -> None:
        data = painted(people=3, each=1)
        made = generate(Composer(), Faces(data.pixels(), data.table.drop(columns="subject")), {"fear": 2}).faces
        assert len(made) == 2 and not made.has_subjects

    def test_a_generator_of_other_sizes(self) -> None:
        class Small(Composer):
            image_size = 8

            def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
                return super().transfer(faces, references)[:, 1:7, 1:7]  # the centre crop

        data = painted(people=3, each=1)
        made = generate(Small(), data, {"fear": 3}).faces
        assert made.shape == (3, 8, 8, 3)
        whole = generate(Composer(), data, {"fear": 3}).faces
        np.testing.assert_array_equal(made.pixels()[:, 1:7, 1:7], whole.pixels()[:, 1:7, 1:7])


class TestFilter:
    def fitted(self, data: Faces, **changes: Any) -> QualityFilter:
        return QualityFilter(classifier=Reader(), embedder=Embedder(), **changes).fit(data)

    def test_rejects_and_counts_both_kinds(self) -> None:
        data = painted(people=6, each=2)
        made = generate(Spoiler(), data, {"fear": 15}, filter=self.fitted(data))
        assert made.made > 15 and made.misread + made.drifted == made.made - len(made.faces)
        assert made.drifted > 0 and made.missing == {} and len(made.faces) == 15  # the rest was made good
        rows = {path: row for row, path in enumerate(data.table["path"])}
        upper = data.pixels([rows[path] for path in made.faces.table["source"]])[:, :4]
        np.testing.assert_array_equal(made.faces.pixels()[:, :4], upper)  # nobody drifted among those kept
        assert f"{made.drifted} as no longer the person" in str(made)

    def test_what_cannot_be_reached_is_said(self) -> None:
        class Liar(Composer):
            def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
                return faces.pixels()  # never the expression that was asked for, unless the face has it

        data = painted(people=6, each=2)
        data = data[data.expression != "fear"]
        liars = Liar()
        data = Faces.concat([data, painted(people=6, each=1, first=6)[[1]]])  # one fearful image, of P0006
        made = generate(liars, data, {"fear": 4}, filter=self.fitted(data))
        assert made.faces is None and made.missing == {"fear": 4} and made.made == 24
        assert "not reached: fear 4" in str(made)

    def test_thresholds_of_ones_own(self) -> None:
        data = painted(people=6, each=2)
        made = generate(Spoiler(), data, {"fear": 15}).faces
        rows = {path: row for row, path in enumerate(data.table["path"])}
        sources = data[[rows[path] for path in made.table["source"]]]
        shown, same = self.fitted(data, minimum_probability=0.0, minimum_cosine=-1.0).verdict(made, sources)
        assert shown.all() and same.all()
        shown, same = self.fitted(data, minimum_probability=1.1, minimum_cosine=1.1).verdict(made, sources)
        assert not shown.any() and not same.any()

    def test_probabilities_are_those_of_classes_as_likely_as_each_other(self) -> None:
        """0.6, 0.3, 0.1 by shares of 0.8, 0.2 and none (one in ten): 0.75, 1.5, 1 of 3.25."""

        class Fixed(BaseEstimator):
            def fit(self, faces: Faces) -> Fixed:
                self.classes_ = np.array(["anger", "fear", "sadness"])
                return self

            def predict_proba(self, faces: Faces) -> np.ndarray:
                return np.tile([0.6, 0.3, 0.1], (len(faces), 1))

        def named(expression: list[str]) -> Faces:
            return Faces(np.zeros((len(expression), 2, 2, 3), np.uint8), pd.DataFrame({"expression": expression}))

        training, asked = named(["anger"] * 8 + ["fear"] * 2), named(["anger", "fear", "sadness"])
        for least, shown in (
            (None, [0, 1, 0]),
            (0.23, [1, 1, 1]),
            (0.3, [0, 1, 1]),
            (0.31, [0, 1, 0]),
            (0.47, [0, 0, 0]),
        ):
            judge = QualityFilter(classifier=Fixed(), minimum_probability=least).fit(training)
            found, same = judge.verdict(asked, asked)
            assert found.astype(int).tolist() == shown and same.all()

    def test_a_rare_class_may_be_seen_too(self) -> None:
        class Doubtful(BaseEstimator):
            """Sees the expression, and thinks more of how often each class occurs."""

            def fit(self, faces: Faces) -> Doubtful:
                self.classes_, counts = np.unique(faces.expression, return_counts=True)
                self.shares = counts / counts.sum()
                return self

            def predict_proba(self, faces: Faces) -> np.ndarray:
                likely = self.shares * (1.0 + (faces.expression[:, None] == self.classes_))
                return likely / likely.sum(1, keepdims=True)

        data = painted(people=6, each=2)
        rare = np.flatnonzero(data.expression == "fear")[:2]
        unequal = data[np.r_[np.flatnonzero(data.expression != "fear"), rare]]
        assert (Doubtful().fit(unequal).predict_proba(data[rare]).argmax(1) != 1).all()  # by itself it never says so
        fitted = QualityFilter(classifier=Doubtful(), embedder=Embedder()).fit(unequal)
        assert fitted.verdict(data, data)[0].all()
        half = QualityFilter(classifier=Doubtful(), embedder=Embedder(), minimum_probability=0.51).fit(unequal)
        assert not half.verdict(data, data)[0].any()  # seen is twice as likely as each of two others: one half

    def test_its_own_judges_are_those_of_the_house(self) -> None:
        from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge

        data = painted(people=6, each=2)
        small = {"image_size": 8, "widths": (4, 4), "epochs": 1}
        fitted = QualityFilter(classifier=ExpressionJudge(**small), embedder=IdentityJudge(**small)).fit(data)
        shown, same = fitted.verdict(data[:5], data[:5])
        assert same.all() and shown.shape == (5,)  # a face has not drifted from itself
        assert "people it never saw" in fitted.own


class TestNothingOfATestPersonGetsIn:
    """A white image of one person: what takes part in a generated face may see it only where that person trains."""

    @pytest.mark.parametrize("generator", [Composer(), Composer(), Editor()])
    def test_planted(self, generator: Diary) -> None:
        data = with_units(painted(people=6, each=2))
        pixels, table = data.pixels().copy(), data.to_frame()
        planted = int(np.flatnonzero(data.subject == "t/P02")[0])
        pixels[planted] = MARK
        table.loc[planted, list(AU_COLUMNS)] = 5.0  # units that nobody else has
        # One image a person lacks units, so that the estimator of them is needed in every fold.
        table.loc[table["path"].str.endswith("happiness-1"), list(AU_COLUMNS)] = np.nan
        data = Faces(pixels, table)
        system = Augmented(
            NearestMean(), generator, strategy="multiply", per_class=40, au_estimator=UnitReader(),
            filter=QualityFilter(classifier=Reader(), embedder=Embedder(), minimum_probability=0.0, minimum_cosine=-2),
        )  # fmt: skip
        folds = SubjectKFold(3).split(data)
        parts = {type(generator).__name__, "Reader", "Embedder"}
        parts |= {"UnitReader"} if isinstance(generator, Editor) else set()
        seen_in_training = set()
        for fold in folds:
            Diary.seen, Editor.asked = [], []
            evaluate(system, data, [fold], progress=False)
            tested, trained = set(data[fold.test].subject), set(data[fold.train].subject)
            assert {name for name, _, _ in Diary.seen} >= parts
            for name, people, has_mark in Diary.seen:
                assert people <= trained and not people & tested, name
                assert not (has_mark and "t/P02" in tested), name
                if has_mark:
                    seen_in_training.add(name)
            units = np.concatenate(Editor.asked) if Editor.asked else np.zeros((1, 17))
            if isinstance(generator, Editor):
                assert (units == 5).any() == ("t/P02" in trained)  # the distribution of targets, too
        assert seen_in_training >= parts - {"Embedder"}  # the plant is found where it may be: this test can fail

    def test_the_audit_reads_the_faces_that_parts_were_given(self) -> None:
        data = with_units(painted(people=6, each=2))
        system = Augmented(NearestMean(), Editor(), au_estimator=UnitReader(), au_train=data[data.subject == "t/P01"])
        with pytest.raises(ValueError, match="t/P01"):
            evaluate(system, data, SubjectKFold(3), progress=False)
        inside = Augmented(NearestMean(extra_train=data[data.subject == "t/P01"]), Composer())
        with pytest.raises(ValueError, match="t/P01"):
            evaluate(inside, data, SubjectKFold(3), progress=False)


class TestEstimator:
    def test_the_classifier_learns_from_both(self) -> None:
        data = unbalanced()
        learned = []

        class Noting(NearestMean):
            def fit(self, faces: Faces, *given: Any, **named: Any) -> NearestMean:
                learned.append(faces)
                return super().fit(faces, *given, **named)

        system = Augmented(Noting(epochs=30), Composer(), seed=5).fit(data)
        (both,) = learned
        assert len(both) == len(data) + 12 and (np.unique(both.expression, return_counts=True)[1] == 18).all()
        assert both.table["generator"].isna().sum() == len(data)
        assert system.classifier_.seed == system.generator_.seed == 5 and system.classifier.seed == 0
        assert system.score(data) > 0.9 and list(system.classes_) == list(CLASSES)
        assert "12 generated faces of 12 drawn" in system.notes_[0] and "labelled as was asked" in system.notes_[0]

    def test_habits_of_scikit_learn(self) -> None:
        system = Augmented(NearestMean(epochs=2), Composer(), filter=QualityFilter(minimum_cosine=0.5))
        copy = clone(system)
        assert copy.get_params()["classifier__epochs"] == 2 and copy.get_params()["filter__minimum_cosine"] == 0.5
        copy.set_params(classifier__epochs=4, per_class=3)
        assert system.classifier.epochs == 2
        described = system.describe()
        assert described["classifier"]["parameters"]["epochs"] == 2 and "notes" in described

    def test_labels_of_somebody_else(self) -> None:
        data = painted(people=4, each=1)
        system = Augmented(NearestMean(), Composer()).fit(data, np.where(data.expression == "fear", "fear", "anger"))
        assert list(system.classes_) == ["anger", "fear"]

    def test_units_are_read_where_they_lack(self) -> None:
        data = with_units(painted(people=4, each=1))
        table = data.to_frame()
        table.loc[::2, list(AU_COLUMNS)] = np.nan
        system = Augmented(NearestMean(), Editor(), per_class=4, strategy="multiply", au_estimator=UnitReader())
        system.fit(data.with_table(table))
        assert "action units of 6 faces were estimated (wrong)" in system.notes_[0]
        bare = data.with_table(table.drop(columns=list(AU_COLUMNS)))
        with pytest.raises(ValueError, match="give au_train"):
            system.fit(bare)
        others = with_units(painted(people=2, each=1, first=9))
        system.set_params(au_train=others).fit(bare)
        assert ("UnitReader", frozenset(others.subject), False) in Diary.seen
        with pytest.raises(ValueError, match="has action units"):
            system.set_params(au_estimator=None).fit(bare)

    def test_runs_in_evaluate_and_comes_back_from_disk(self, tmp_path) -> None:
        """Real systems, tiny: a run, its notes, its weights."""
        from tests.systems.test_decgan import TINY, faces

        data = faces(36, people=6)
        system = Augmented(_classifier(), DECGAN.small(**TINY), strategy="multiply", per_class=2)
        result = evaluate(
            system,
            data,
            SubjectKFold(2, validation_folds=0),
            out=tmp_path / "run",
            progress=False,
            near_duplicates=False,
        )
        assert len(result.rows) == 36 and "6 generated faces" in (tmp_path / "run" / "summary.md").read_text()
        folder = min((tmp_path / "run").rglob("augmented.json")).parent  # of fold 0
        assert not list(folder.glob("training/*/checkpoint*"))
        again = Augmented.load(folder)
        assert isinstance(again.classifier_, ResNetClassifier) and isinstance(again.generator_, DECGAN)
        fold = result.rows[result.rows["fold"] == 0]
        tested = data[np.isin(data.subject, fold["subject"].unique())]
        probabilities = again.predict_proba(tested)
        np.testing.assert_allclose(fold[[f"p_{name}" for name in data.classes]], probabilities, atol=1e-6)
        made = pd.read_csv(folder / "generated.csv")
        assert set(PROVENANCE) <= set(made) and len(made) == 6
        assert not set(made["subject"]) & set(tested.subject)

    @pytest.mark.parametrize("generator", ["eggan", "relgan"])
    def test_the_other_generators_serve_too(self, generator: str, tmp_path) -> None:
        from tests.systems.test_decgan import faces
        from tests.systems.test_eggan import TINY

        data = with_units(faces(24, size=32))
        narrow = {"epochs": 1, "progress": False, "logger": None, "batch_size": 12}
        made = EGGAN.small(**TINY) if generator == "eggan" else RELGAN.small(
            **narrow, mlp_epochs=1, image_size=36, crop_size=32, encoder_channels=(4, 4, 8, 8, 8),
            decoder_channels=(8, 8, 4, 4, 4), discriminator_channels=(4, 4, 4, 4),
        )  # fmt: skip
        system = Augmented(_classifier(), made, strategy="multiply", per_class=2).fit(data)
        assert len(system.generated_) == 6 and system.generated_.shape == (6, 32, 32, 3)
        assert system.predict(data).shape == (24,)
        assert any("border" in note for note in system.notes_) == (generator == "relgan")
        again = Augmented.load(system.save(tmp_path))
        np.testing.assert_array_equal(again.predict_proba(data), system.predict_proba(data))

    def test_saved_filters_and_faces_come_back_as_parameters(self, tmp_path) -> None:
        from tests.systems.test_decgan import TINY, faces

        data = faces(12)
        filter = QualityFilter(minimum_probability=0.0, minimum_cosine=-1.0, classifier=_classifier())
        system = Augmented(_classifier(), DECGAN.small(**TINY), per_class=2, filter=filter, au_train=with_units(data))
        system.filter_, system.generated_, system.notes_, system.selection_ = None, None, [], "last"
        system.classifier_, system.generator_ = _classifier().fit(data), DECGAN.small(**TINY).fit(data)
        again = Augmented.load(system.save(tmp_path))
        assert again.filter.minimum_cosine == -1.0 and isinstance(again.filter.classifier, ResNetClassifier)
        assert again.au_train is None and again.per_class == 2
        (tmp_path / "augmented.json").write_text("{}")
        with pytest.raises(ValueError, match="is damaged"):
            Augmented.load(tmp_path)
        with pytest.raises(FileNotFoundError, match=r"no augmented\.json"):
            Augmented.load(tmp_path / "elsewhere")


def _classifier() -> ResNetClassifier:
    return ResNetClassifier.small(
        classifier="resnet10t", classifier_arguments={"channels": (4, 4, 8, 8)}, image_size=24, crop_size=20,
        batch_size=12, epochs=1, progress=False, logger=None,
    )  # fmt: skip
