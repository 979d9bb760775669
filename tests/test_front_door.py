"""The first things that a new user types: accepted, or one clear line; shown well in a notebook; typed for mypy."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone

import ferdis
from ferdis import IFGAN, BaselineCNN, Faces, ResNetClassifier, SubjectKFold, evaluate, load, load_model
from ferdis.evaluation.result import Evaluation
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, make_faces
from tests.systems.test_classifier import build
from tests.systems.test_ifgan import faces

ROOT = Path(__file__).parents[1]
PEOPLE = faces(24)


@pytest.fixture(scope="module")
def model() -> BaselineCNN:
    return build("cnn", epochs=1).fit(PEOPLE)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    out = tmp_path_factory.mktemp("runs") / "run"
    systems = {"near": NearestMean(epochs=1), "other": NearestMean(epochs=2)}
    return evaluate(systems, make_faces(), PROTOCOL, out=out, progress=False)


# ------------------------------------------------------------------------------------------- what is accepted


def test_crops_as_arrays_are_predicted_as_faces_are(model: BaselineCNN) -> None:
    expected, pixels = model.predict_proba(PEOPLE), PEOPLE.pixels()
    np.testing.assert_array_equal(model.predict_proba(pixels), expected)
    np.testing.assert_array_equal(model.transform(pixels), model.transform(PEOPLE))
    np.testing.assert_array_equal(model.predict(pixels[3]), model.predict(PEOPLE[[3]]))


@pytest.mark.parametrize(
    "given",
    [
        "a.jpg",
        Path("a.jpg"),
        Image.new("RGB", (48, 48)),
        ["a.jpg"],
        np.zeros((2, 48, 48, 3)),
        np.zeros((9, 9), np.uint8),
        3,
    ],
)
def test_photographs_and_others_are_one_line(model: BaselineCNN, given: object) -> None:
    with pytest.raises(ValueError, match=r"reads faces that are cropped .* got .*Predictor\(model\)") as error:
        model.predict(given)
    assert "\n" not in str(error.value)


def test_faces_from_arrays() -> None:
    grey = np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4)
    made = Faces.from_arrays(grey, ["fear", "engaged"], ["a", "b"], age=[30, 40])
    assert made.shape == (2, 4, 4, 3) and list(made.subject) == ["a", "b"] and list(made.table["age"]) == [30, 40]
    np.testing.assert_array_equal(made.pixels()[..., 1], grey)
    again = Faces.from_arrays(list(made.pixels()), made.expression)
    np.testing.assert_array_equal(again.pixels(), made.pixels())
    assert not again.has_subjects
    with pytest.raises(ValueError, match="2 images but 1 rows"):
        Faces.from_arrays(grey, ["fear"])


def test_faces_from_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    files = [tmp_path / f"{number}.png" for number in range(2)]
    for number, file in enumerate(files):
        Image.new("RGB", (20, 20), (90 * number, 0, 0)).save(file)
    made = Faces.from_paths(files, ["fear", "anger"], ["a", "b"], image_size=16, align=False, progress=False)
    assert made.shape == (2, 16, 16, 3) and list(made.subject) == ["a", "b"]
    assert made.pixels()[1, 8, 8].tolist() == [90, 0, 0]
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        Faces.from_paths([tmp_path / "none.png"], ["fear"], progress=False)


# ------------------------------------------------------------------------------------------- one clear line


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: evaluate(build("cnn"), PEOPLE, 3), ValueError, r"protocol=3 gives no folds: .* SubjectKFold\(3\)"),
        (lambda: evaluate(build("cnn"), PEOPLE, "loso"), ValueError, r"no protocol 'loso' .*there are subject-kfold"),
        (lambda: evaluate(build("cnn"), PEOPLE.pixels(), PROTOCOL), ValueError, "faces must be a Faces, got ndarray"),
        (
            lambda: build("cnn").fit(PEOPLE.pixels()),
            ValueError,
            r"fit learns from Faces, got ndarray: Faces\.from_arrays",
        ),
        (lambda: ResNetClassifier(backbone="x"), TypeError, "no argument 'backbone'; did you mean 'classifier'"),
        (lambda: IFGAN.small(epohcs=3), TypeError, "IFGAN has no argument 'epohcs'; did you mean 'epochs'"),
        (lambda: IFGAN(lr=1), TypeError, "did you mean 'learning_rate'"),
        (lambda: IFGAN(quux=1), TypeError, r"no argument 'quux' \(it has "),
    ],
)
def test_one_clear_line(call, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_constructors_still_clone_and_load(model: BaselineCNN, tmp_path: Path) -> None:
    assert clone(model).get_params() == model.get_params()
    assert load_model(model.save(tmp_path / "m")).epochs == 1


def test_a_path_in_the_place_of_a_name(model: BaselineCNN, tmp_path: Path) -> None:
    model.save(tmp_path / "first")
    (tmp_path / "mine").mkdir()
    for name, says in (
        ("first", "is a model, not a data set: ferdis.Predictor.load"),
        ("mine", r"load\('folder', root="),
    ):
        with pytest.raises(ValueError, match=says):
            load(str(tmp_path / name))


def test_load_model_names_the_models_of_a_run(tmp_path: Path) -> None:
    systems = {"cnn": build("cnn", epochs=1), "b": build("cnn", epochs=1)}
    evaluate(systems, PEOPLE, SubjectKFold(2, validation_folds=0), out=tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match=r"a run of 4 models: b, cnn in fold-00, fold-01; .*ferdis fit --like"):
        load_model(tmp_path / "run")
    with pytest.raises(ValueError, match="holds the models b, cnn: name one"):
        load_model(tmp_path / "run" / "fold-01")


# ------------------------------------------------------------------------------------------- notebooks


class Page(HTMLParser):
    """Tags that fit, and the images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_faces_show_themselves() -> None:
    made = Faces.from_arrays(np.zeros((30, 8, 8, 3), np.uint8), ["<b>fear</b>", "anger", "engaged"] * 10)
    page = made._repr_html_()
    assert len(Page(page).images) == 12 and all(src.startswith("data:image/png") for src in Page(page).images)
    assert "<td>engaged</td><td>10</td>" in page and "&lt;b&gt;fear" in page and "<b>fear" not in page
    assert Page(made[:0]._repr_html_()).images == []


def test_an_evaluation_shows_itself(result: Evaluation) -> None:
    assert len(repr(result)) < 200 and "near" in repr(result) and "rows" in repr(result)
    page = result._repr_html_()
    assert len(Page(page).images) == 3 and "<td>near</td>" in page and result.folder.as_posix() in page
    written = result.report()
    assert written.is_file() and written.is_relative_to(result.folder)
    assert written.as_posix() in result._repr_html_()
    assert result.confusion("near").axes
    with pytest.raises(ValueError, match="name one of near, other"):
        result.confusion()
    unfinished = Evaluation(pd.DataFrame(), pd.DataFrame(), None)
    assert Page(unfinished._repr_html_()).images == []
    with pytest.raises(ValueError, match="give evaluate"):
        unfinished.report()


# ------------------------------------------------------------------------------------------- types


SCRIPT = """
from ferdis import IFGAN, Faces, SubjectKFold, evaluate, fit_final, load, load_model

faces = load("synthetic", people=4)
model = IFGAN(epochs=3)
IFGAN(epohcs=3)  # wrong: call-arg
IFGAN(epochs="three")  # wrong: arg-type
small = IFGAN.small(epochs=3)
small.predictt(faces)  # wrong: attr-defined
number: int = small.fit(faces)  # wrong: assignment
SubjectKFold(n_split=3)  # wrong: call-arg
evaluate(model, faces, SubjectKFold(3), n_job=2)  # wrong: call-arg
result = evaluate(model, faces, SubjectKFold(3), n_jobs=2)
result.rowz  # wrong: attr-defined
Faces(faces.images)  # wrong: call-arg
load(3)  # wrong: arg-type
load_model("x")
fit_final(small, faces, "out", lik="x")  # wrong: call-arg
"""


@pytest.mark.slow  # mypy reads torch and all of ferdis anew
def test_mypy_sees_the_mistakes_of_a_script_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "mypy.ini").write_text("[mypy]\nignore_missing_imports = True\nfollow_imports = silent\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), "--cache-dir",
         str(ROOT / ".mypy_cache"), str(script)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    found = {int(line): kind for line, kind in re.findall(r"script\.py:(\d+): error: .*\[([\w-]+)\]", done.stdout)}
    planted = dict(
        re.findall(
            r"^(\d+)\t.*# wrong: ([\w-]+)", "\n".join(f"{n}\t{t}" for n, t in enumerate(SCRIPT.splitlines(), 1)), re.M
        )
    )
    assert {str(line): kind for line, kind in found.items()} == planted, done.stdout


def test_every_public_name_is_known_to_type_checkers() -> None:
    source = (ROOT / "ferdis" / "__init__.py").read_text("utf-8")
    block = source.partition("if TYPE_CHECKING:")[2].partition("\n\n")[0]
    named = set(re.findall(r" as (\w+)", block))
    assert named == set(ferdis.__all__) - {"__version__"}
