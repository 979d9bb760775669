import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_score

from ferdis.faces import AU_COLUMNS, EXPRESSIONS, Faces, cropped_faces
from ferdis.labels import can_name_a_class


class Counting:
    """A lazy array-like that notes which rows were read."""

    def __init__(self, n: int, side: int = 8) -> None:
        self.shape, self.dtype, self.read = (n, side, side, 3), np.dtype(np.uint8), []

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.read.extend(int(row) for row in rows)
        return np.broadcast_to(np.asarray(rows, np.uint8)[:, None, None, None], (len(rows), *self.shape[1:])).copy()


def table(n: int, people: int = 4) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "expression": [("anger", "fear", "surprise")[row % 3] for row in range(n)],
            "subject": [f"set/P{row % people}" for row in range(n)],
            "path": [f"{row:03d}.png" for row in range(n)],
        }
    )


def test_indexing_reads_no_pixels_until_asked() -> None:
    images = Counting(12)
    faces = Faces(images, table(12))
    part = faces[faces.expression == "fear"][1:][[0, -1]]
    assert images.read == []
    assert list(part.table["path"]) == ["004.png", "010.png"]
    assert [int(image[0, 0, 0]) for image in part.pixels()] == [4, 10]
    assert images.read == [4, 10]
    assert int(part.images[1][0, 0, 0]) == 10
    assert np.asarray(part.images)[:, 0, 0, 0].tolist() == [4, 10]


def test_concat_keeps_order_and_stays_lazy() -> None:
    first, second = Counting(3), Counting(5)
    joined = Faces.concat([Faces(first, table(3)), Faces(second, table(5).assign(age=30))])
    assert len(joined) == 8 and first.read == second.read == []
    assert [int(pixel) for pixel in joined.pixels([7, 0, 3])[:, 0, 0, 0]] == [4, 0, 0]
    assert first.read == [0] and second.read == [4, 0]  # one read a part, in the order asked for
    assert joined.table["age"].isna().sum() == 3


def test_memory_map_is_not_copied(tmp_path) -> None:
    path = tmp_path / "images.npy"
    np.save(path, np.zeros((6, 4, 4, 3), np.uint8))
    mapped = np.load(path, mmap_mode="r")
    part = Faces(mapped, table(6))[2:4]
    assert part.images.base is mapped


@pytest.mark.parametrize(
    ("images", "frame", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), table(3), "2 images but 3 rows"),
        (np.zeros((3, 4, 4, 3), np.float32), table(3), "uint8"),
        (np.zeros((3, 4, 4), np.uint8), table(3), r"\(n, H, W, 3\)"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).drop(columns="expression"), "no 'expression' column"),
        (
            np.zeros((3, 4, 4, 3), np.uint8),
            table(3).assign(expression=["fear", 7, "anger"]),
            r"in row 1 \(001.*as text",
        ),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(expression=["fear", None, "anger"]), "row 1"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(subject=["a", None, "b"]), "no subject in row 1"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(subject=["a", "<NA>", "b"]), "no subject in row 1"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(subject=["NA", " None ", "Null"]), "no subject in rows 0"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(subject=["a", "b", "nan"]), "no subject in row 2"),
        (
            np.zeros((3, 4, 4, 3), np.uint8),
            pd.concat([table(3), table(3)[["subject"]]], axis=1),
            "two columns 'subject': remove or rename one",
        ),
        (
            np.zeros((3, 4, 4, 3), np.uint8),
            table(3).assign(expression="x" * 10_000),
            r"no expression in rows 0.* \('xx.{1,80}'\)",
        ),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(AU12=[0, 5.1, np.nan]), "AU12 outside 0..5 in row 1"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(AU45=[0, -0.1, 5]), "AU45 outside 0..5 in row 1"),
        (np.zeros((3, 4, 4, 3), np.uint8), table(3).assign(AU01=[0, 1, "weak"]), "AU01 outside 0..5 in row 2"),
    ],
)
def test_construction_errors_name_the_rows(images, frame, message) -> None:
    with pytest.raises(ValueError, match=message) as error:
        Faces(images, frame)
    assert "\n" not in str(error.value)


def test_unknown_subjects_are_an_absence_not_a_person() -> None:
    faces = Faces(np.zeros((3, 4, 4, 3), np.uint8), table(3).drop(columns="subject"))
    assert not faces.has_subjects
    with pytest.raises(ValueError, match="no subject column"):
        faces.subject  # noqa: B018


@pytest.mark.parametrize("key", [3, [3], np.array([5]), np.array([True, False]), "a", [0.5]])
def test_bad_index(key) -> None:
    with pytest.raises(IndexError):
        Faces(np.zeros((3, 4, 4, 3), np.uint8), table(3))[key]


def test_frozen_copies_and_digest() -> None:
    faces = Faces(np.arange(3 * 48, dtype=np.uint8).reshape(3, 4, 4, 3), table(3))
    with pytest.raises(AttributeError):
        faces.attrs = {}
    assert copy.deepcopy(faces) is faces
    again = pickle.loads(pickle.dumps(faces))  # noqa: S301
    assert again.digest() == faces.digest() and len(again) == 3
    assert faces[[0, 2]].digest() != faces[[0, 1]].digest()
    changed = faces.pixels().copy()
    changed[0, 0, 0, 0] ^= 255
    assert Faces(changed, table(3)).digest() != faces.digest()
    frame = faces.to_frame()
    frame["expression"] = "anger"
    assert faces.classes == ("anger", "fear", "surprise")


DIGESTED = ("path", "expression", "subject", "sequence", "frame", "split", "yaw", "age", *AU_COLUMNS)


def digested(**columns) -> Faces:
    frame = table(3).assign(
        sequence=["a", "a", None], frame=[1, 2, 3], split="train", yaw=[0.5, -1.0, np.nan], age=[30, 31, 32]
    )
    frame[list(AU_COLUMNS)] = np.arange(3 * len(AU_COLUMNS)).reshape(3, -1) % 5 / 2
    return Faces(np.zeros((3, 4, 4, 3), np.uint8), frame.assign(**columns))


@pytest.mark.parametrize("name", DIGESTED)
def test_digest_covers_every_column(name: str) -> None:
    faces = digested()
    values = list(faces.table[name])
    other = {"expression": "disgust", "sequence": "b"}.get(name, "x" if isinstance(values[2], str) else 0.25)
    assert digested(**{name: [*values[:2], other]}).digest() != faces.digest()
    assert digested(**{name: [*values[:2], values[2]]}).digest() == faces.digest()


def test_digest_covers_where_a_ground_truth_comes_from_and_the_image_size() -> None:
    faces = digested()
    for attrs in ({"posed": True}, {"counterpart": "module:name"}):
        assert Faces(faces.images, faces.table, attrs).digest() != faces.digest()
    assert Faces(faces.images, faces.table, {"notes": ["a note"], "dataset": "x"}).digest() == faces.digest()
    assert Faces(np.zeros((3, 2, 8, 3), np.uint8), faces.table).digest() != faces.digest()


def test_digest_does_not_depend_on_order_dtype_or_a_program_s_confidence() -> None:
    faces, frame = digested(), digested().to_frame()
    same = frame[sorted(frame.columns)].assign(
        age=frame["age"].astype(float), frame=frame["frame"].astype("Int64"), yaw=frame["yaw"].astype(np.float32)
    )
    same["expression"] = same["expression"].astype("category")
    same = same.assign(detection_probability=0.5, au_confidence=0.1)
    assert Faces(faces.images, same).digest() == faces.digest()
    assert digested(yaw=[0.5, -1.0, 0.0]).digest() == digested(yaw=[0.5, -1.0, -0.0]).digest()
    assert digested(yaw=[0.5, -1.0, 0.0]).digest() != faces.digest()  # not coded is not 0


def test_digest_tells_texts_from_their_neighbours_and_from_nothing() -> None:
    digests = {
        digested(note=note).digest() for note in (["a", "b", "c"], ["a,b", "", "c"], ["a", "b,c", ""], ["a", "b", None])
    }
    assert len(digests) == 4 and digested(note=["a", "b", "None"]).digest() not in digests
    renamed = digested().to_frame().rename(columns={"age": "years"})
    assert Faces(digested().images, renamed).digest() != digested().digest()


def test_a_fit_on_other_action_units_does_not_reuse_the_weights_in_its_folder(tmp_path) -> None:
    from tests.systems.test_eggan import faces as people
    from tests.systems.test_eggan import tiny

    one = people(n=12)
    other = one.with_table(one.to_frame().assign(AU12=0.0, AU04=np.arange(12) % 3))

    tiny().fit(one, run_dir=tmp_path)
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is from other arguments"):
        tiny().fit(other, run_dir=tmp_path)
    tiny().fit(one.with_table(one.to_frame().assign(au_confidence=0.5)), run_dir=tmp_path)  # the same training


def test_vocabulary_is_sorted_and_aus_have_17_names() -> None:
    assert list(EXPRESSIONS) == sorted(EXPRESSIONS)
    openface = "01 02 04 05 06 07 09 10 12 14 15 17 20 23 25 26 45"  # the 17 intensities of its output
    assert list(AU_COLUMNS) == [f"AU{unit}" for unit in openface.split()]


def test_a_part_is_a_record_of_its_own() -> None:
    faces = Faces(Counting(6), table(6), {"notes": ["one"]})
    part = faces[[4, 2]]
    assert list(part.table.index) == [0, 1] and part.table.loc[0, "path"] == "004.png"
    part.attrs["dataset"] = "part"
    assert faces.attrs == {"notes": ["one"]}


def test_the_digest_reads_images_of_the_whole_set() -> None:
    images = np.zeros((200, 2, 2, 3), np.uint8)
    other = images.copy()
    other[-1] = 1
    assert Faces(images, table(200)).digest() != Faces(other, table(200)).digest()


def test_faces_from_pixels_at_hand() -> None:
    grey = np.arange(2 * 12, dtype=np.uint8).reshape(2, 3, 4)
    faces = Faces.from_arrays(grey, ["fear", "anger"], ["a", "b"], age=[3, 4])
    assert faces.shape == (2, 3, 4, 3) and (faces.pixels() == grey[..., None]).all()
    assert list(faces.subject) == ["a", "b"] and list(faces.table["age"]) == [3, 4]
    assert (
        len(cropped_faces(faces.pixels()[0])) == 1 and (cropped_faces(faces.pixels()).pixels() == faces.pixels()).all()
    )
    for wrong in (grey, faces.pixels() / 255.0, faces.pixels().astype(np.float32), "a.jpg"):
        with pytest.raises(ValueError, match="a fitted system reads faces that are cropped"):
            cropped_faces(wrong)


class NearestMean(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier that takes Faces; `extra` stands for a Faces-valued parameter."""

    def __init__(self, scale: float = 1.0, extra: Faces | None = None) -> None:
        self.scale = scale
        self.extra = extra

    def fit(self, faces: Faces, y: np.ndarray) -> "NearestMean":
        self.classes_ = np.unique(y)
        pixels = faces.pixels().reshape(len(faces), -1) * self.scale
        self.means_ = np.stack([pixels[y == name].mean(0) for name in self.classes_])
        return self

    def predict(self, faces: Faces) -> np.ndarray:
        pixels = faces.pixels().reshape(len(faces), 1, -1) * self.scale
        return self.classes_[np.square(pixels - self.means_).sum(-1).argmin(1)]


def test_scikit_learn_takes_faces_as_x() -> None:
    frame = table(60, people=10).assign(expression=["anger", "fear"] * 30)
    images = np.random.default_rng(0).integers(0, 40, (60, 8, 8, 3)).astype(np.uint8)
    images[frame["expression"] == "fear"] += 60
    faces = Faces(images, frame)
    folds = StratifiedGroupKFold(n_splits=5)
    for train, test in folds.split(faces, faces.expression, faces.subject):
        assert not set(faces[train].subject) & set(faces[test].subject)
    scores = cross_val_score(NearestMean(), faces, faces.expression, groups=faces.subject, cv=folds)
    assert scores.min() == 1.0
    search = GridSearchCV(NearestMean(extra=faces), {"scale": [0.5, 1.0]}, cv=folds)
    search.fit(faces, faces.expression, groups=faces.subject)
    assert search.best_score_ == 1.0
    assert clone(NearestMean(extra=faces)).extra is faces


def test_joined_faces_keep_what_is_true_of_every_part() -> None:
    posed = Faces(Counting(2), table(2), {"dataset": "a", "posed": True, "aligned": "mtcnn", "notes": ["one"]})
    other = Faces(Counting(3), table(3), {"dataset": "b", "posed": True, "aligned": "no", "not_found": 3})
    assert Faces.concat([posed, other]).attrs == {"posed": True, "dataset": "a+b", "notes": ["one"]}
    assert Faces.concat([posed]).attrs == posed.attrs


def test_any_name_is_a_class_and_classes_are_sorted() -> None:
    labels = ["pain 3", "Engaged", "anger", "agitation", "ärger", "=1+1", "x" * 100]  # and no longer one
    faces = Faces(np.zeros((7, 4, 4, 3), np.uint8), pd.DataFrame({"expression": labels}))
    assert faces.classes == ("=1+1", "Engaged", "agitation", "anger", "pain 3", "x" * 100, "ärger")
    assert not can_name_a_class("x" * 101)


def test_more_than_a_thousand_classes_are_none() -> None:
    def of(count: int) -> Faces:
        names = pd.DataFrame({"expression": [f"class {number}" for number in range(count)]})
        return Faces(np.zeros((count, 1, 1, 3), np.uint8), names)

    assert len(of(1000).classes) == 1000
    with pytest.raises(ValueError, match="1001 different expressions, more than 1000: is this column the label"):
        of(1001)


@pytest.mark.parametrize("label", ["hapiness", "joy", "Anger"])
def test_a_misspelt_expression_among_expressions_is_warned_of(label: str) -> None:
    frame = table(3).assign(expression=["fear", label, "sadness"])
    with pytest.warns(UserWarning, match=rf"expression '{label}' in row 1 \(001.*did you mean '(happiness|anger)'\?"):
        faces = Faces(np.zeros((3, 4, 4, 3), np.uint8), frame)
    assert label in faces.classes


@pytest.mark.parametrize(
    ("labels", "declared"),
    [(("fear", "hapiness", "bored"), ()), (("fear", "madness", "anger"), ("madness",)), (("calm", "tense", "x"), ())],
)
def test_a_name_that_may_be_meant_is_not(labels: tuple[str, ...], declared: tuple[str, ...]) -> None:
    frame = table(3).assign(expression=list(labels))
    frame.attrs["own_labels"] = declared
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces = Faces(np.zeros((3, 4, 4, 3), np.uint8), frame)
        Faces.concat([faces[:2], faces[2:]]) if declared else None
