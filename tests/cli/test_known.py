"""Which options a line has and what it chooses, in-process and with nothing loaded."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from ferdis.cli import help as helping
from ferdis.cli import signatures
from ferdis.cli.arguments import UsageError
from ferdis.cli.building import build_estimator, build_faces, read_experiment
from ferdis.cli.chosen import choose, choose_names, spread
from ferdis.cli.known import check_line, known
from ferdis.cli.parsers import experiment_parser
from ferdis.cli.signatures import Argument
from ferdis.faces import Faces
from ferdis.systems import SYSTEMS
from ferdis.systems.baselines import BaselineCNN
from tests.datasets.trees import manifest
from tests.evaluation.runner_fakes import make_faces

CROSS = ["--system", "cnn", "--protocol", "cross"]


def test_augment_starts_from_a_generator() -> None:
    assert "decgan" in known("augment").groups and "ifgan" not in known("augment").groups
    assert "stargan" in known("augment", ["--system", "stargan"]).groups


def test_a_joint_protocol_names_its_sets_by_short_options() -> None:
    assert "dataset" not in known("kfold", CROSS).groups and "dataset" in known("kfold", ["--system", "cnn"]).groups
    check_line("kfold", [*CROSS, "--train", "jaffe=/a", "--test", "ckplus=/b"])
    with pytest.raises(UsageError, match=r"ferdis kfold needs --protocol\.test: "):
        check_line("kfold", [*CROSS, "--train", "jaffe=/a"])
    with pytest.raises(UsageError, match="takes its data sets from --train and --test: leave --dataset out"):
        choose_names([*CROSS, "--dataset", "jaffe"])


def test_folders_below_the_home_folder_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "faces").mkdir()
    check_line("kfold", ["--dataset", "manifest", "--dataset.root=~/faces"])
    check_line("report", ["~/faces"])
    with pytest.raises(UsageError, match="~/nowhere does not exist: give --root the folder"):
        check_line("kfold", ["--dataset", "manifest", "--dataset.root=~/nowhere"])


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path)
    with pytest.raises(UsageError, match=f"cannot be written .{tmp_path} may not be written"):
        check_line("kfold", ["--out", str(tmp_path / "a" / "b")])


@pytest.mark.parametrize(
    ("verb", "argv", "says"),
    [
        ("sweep", ["--system", "decgan", "--space", "s.yaml"], "decgan draws faces and names no expression"),
        ("augment", ["--system", "decgan", "stargan", "--out", "x"], "augment takes one system"),
        ("kfold", ["--jobs", "1", "2"], "--jobs 1 2: a whole number is needed"),
        ("kfold", ["--jobs", "1e3"], "--jobs 1e3: a whole number is needed"),
        ("kfold", ["--system", "cnn", "--cnn.learning_rate", "nan"], "--cnn.learning_rate nan: a number is needed"),
        ("kfold", ["--system", "seeds=cnn"], "--system seeds=cnn: a label is a plain word"),
        ("kfold", ["--system", "my-cnn=cnn"], "--system my-cnn=cnn: a label is a plain word"),
        ("report", [".", "/no/such"], "/no/such does not exist"),
        ("pack", ["."], "ferdis pack needs OUT"),
        ("kfold", ["--dataset", "manifest"], "ferdis kfold needs --dataset.root: "),
    ],
)
def test_a_line_is_refused(verb: str, argv: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_line(verb, argv)


@pytest.mark.parametrize("argv", [["--preset", "small"], ["--tuned", "null"], ["--gpus-per-fold", "null"]])
def test_a_line_passes(argv: list[str]) -> None:
    check_line("kfold", argv)


def test_arguments_reach_the_systems_that_they_are_for() -> None:
    chosen = choose(["--system", "cnn", "b=cnn", "--system.epochs", "3", "--b.image_size", "32", "--preset", "small"])
    assert chosen.given_to("cnn") == {"epochs"} and chosen.given_to("b") == {"epochs", "image_size"}
    assert chosen.preset == "small"
    line = ["--train", "a=b", "--seeds", "0", "1", "--system.epochs", "3", "--b.image_size=32"]
    assert spread(line, chosen) == ["--protocol.train=a=b", "--seeds=0", "1", "--cnn.epochs=3", "--b.epochs=3",
                                    "--b.image_size=32"]  # fmt: skip
    assert spread(["--test", "c"], chosen) == ["--protocol.test=c"]


SOURCE = '''
class Base:
    """A base.

    Parameters
    ----------
    size, width : int
        In pixels.
    kept : str
        Of the base.
    """

    size: int
    width: int = 3
    kept: str = "a"
    ROOM: ClassVar[int] = 9

class Other:
    """Another."""

    width: int = 4

class Both(Base, Other):
    """Both.

    Parameters
    ----------
    kept : str
        Of both.
    """

def plain(first, second=2, third: str = "c", *, fourth, fifth=None):
    """Nothing."""
'''


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SOURCE
    for name in ("Base", "Other", "Both"):
        text = text.replace(f"class {name}", f"@dataclass\nclass {name}")
    monkeypatch.setattr(signatures, "tree_of", lambda _: ast.parse(text))


def test_arguments_are_read_from_source(source: None) -> None:
    found = signatures.arguments_of("any:plain")
    assert {name: (item.kind, item.default) for name, item in found.items()} == {
        "first": ("", signatures.REQUIRED), "second": ("", "2"), "third": ("str", "'c'"),
        "fourth": ("", signatures.REQUIRED), "fifth": ("", "None"),
    }  # fmt: skip


def test_fields_of_bases_are_arguments_and_their_words_are_kept(source: None) -> None:
    found = signatures.arguments_of("any:Both")
    assert {name: (item.default, item.help) for name, item in found.items()} == {
        "width": ("3", "In pixels."), "size": (signatures.REQUIRED, "In pixels."), "kept": ("'a'", "Of both."),
    }  # fmt: skip


def test_faces_of_several_sets_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def load(name: str, **more: Any) -> Faces:
        asked.append((name, more))
        return make_faces(2)

    monkeypatch.setattr("ferdis.datasets.load", load)
    assert len(build_faces([{"name": "jaffe", "root": "a"}, {"name": "ckplus", "root": "b"}])) == 24
    assert asked == [("jaffe", {"root": "a"}), ("ckplus", {"root": "b"})]

    class Learner:
        def __init__(self, rate: float = 0.1, extra: Faces | None = None) -> None:
            self.rate, self.extra = rate, extra

    learner = build_estimator(Learner, {"rate": 0.5, "extra": {"name": "jaffe", "root": "a"}})
    assert learner.rate == 0.5 and len(learner.extra) == 12
    assert build_estimator(Learner, {"extra": None}).extra is None


def parser(chosen: Any) -> Any:
    return experiment_parser("kfold", chosen)


LINE = ["--system", "cnn", "b=cnn", "--preset", "small", "--folds", "4", "--dataset.people", "9", "--b.epochs", "2"]


def test_a_line_becomes_an_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("ferdis.datasets.load", lambda name, **more: asked.update(more, name=name) or make_faces(2))
    seen: list[Any] = []
    experiment = read_experiment(LINE, parser, lambda systems, settings: seen.append(systems))
    assert experiment is not None and seen == [experiment.systems]
    assert asked["name"] == "synthetic" and asked["people"] == 9 and len(experiment.faces) == 12
    assert experiment.protocol.n_splits == 4 and experiment.dataset == "synthetic"
    first, second = experiment.systems.values()
    small = BaselineCNN.small().get_params(deep=False)
    assert {**first.get_params(deep=False), "progress": True} == {**small, "progress": True} and not first.progress
    assert second.epochs == 2 and second.min_steps == 0 < first.min_steps, "so many epochs are asked for"
    assert experiment.arguments["dataset"]["people"] == 9 and experiment.arguments["protocol"]["n_splits"] == 4


def test_what_cannot_work_is_refused_before_faces_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferdis.datasets.load", lambda *_, **__: pytest.fail("loaded"))

    def refuse(*_: object) -> None:
        raise ValueError("not this")

    with pytest.raises(ValueError, match="not this"):
        read_experiment(LINE, parser, refuse)
    monkeypatch.setattr(BaselineCNN, "check", refuse)
    with pytest.raises(ValueError, match="not this"):
        read_experiment(LINE, parser)


def test_folds_that_cannot_be_made_are_refused_before_faces_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ferdis.datasets.load", lambda *_, **__: pytest.fail("loaded"))
    root = manifest(tmp_path, ["1.png,fear,anna", "2.png,anger,anna", "3.png,fear,ben", "4.png,anger,ben"])
    line = ["--system", "cnn", "--preset", "small", "--dataset", "manifest", f"--dataset.root={root}", "--folds", "9"]
    with pytest.raises(ValueError, match="2 people cannot fill 9 subject-exclusive folds"):
        read_experiment(line, parser)


@pytest.mark.parametrize(
    ("line", "says"), [(["--help-all"], "all"), (["--help"], "short"), (["-h"], "short"), (["--helpful"], "")]
)
def test_help_is_asked_for(line: list[str], says: str) -> None:
    assert helping.asked(["--system", "cnn", *line]) == says


def test_help_says_what_must_be_given() -> None:
    required, optional = Argument("root", "str", "", "A folder."), Argument("size", "int", "4", "Pixels.")
    shown = [next(iter(helping._paragraph(f"--{item.name}", item))) for item in (required, optional)]
    assert shown == ["  --root str (required)", "  --size int (default: 4)"]


def test_the_last_option_is_completed() -> None:
    assert helping.words(["kfold", "--system", "cnn", "--dataset", "ck"], SYSTEMS) == ["ck48", "ckplus"]
    assert helping.words(["kfold", "--dataset", "jaffe", "--system", "resn"], SYSTEMS) == ["resnet"]
