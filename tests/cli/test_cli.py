"""The command line, in-process on tiny inputs: what each verb does, and one line for whatever is wrong."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from ferdis import cli
from ferdis.cli.building import build_faces

FACES = ("anger", "happiness")


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str


@pytest.fixture
def ferdis(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command line; what it printed, and its exit status."""

    def run(*argv: object) -> Result:
        capsys.readouterr()
        status = cli.main([str(item) for item in argv])
        printed = capsys.readouterr()
        return Result(status, printed.out, printed.err)

    return run


def write_manifest(root: Path, people: int = 4, images: int = 2) -> pd.DataFrame:
    """A manifest of noise with a class-dependent brightness; 32x32."""
    random = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for person in range(people):
        for label, expression in enumerate(FACES):
            for number in range(images):
                name = f"p{person}-{expression}-{number}.png"
                pixels = random.integers(0, 128, (32, 32, 3)) + 100 * label
                Image.fromarray(pixels.astype(np.uint8)).save(root / name)
                rows.append({"path": name, "expression": expression, "subject": f"p{person}"})
    table = pd.DataFrame(rows)
    table.to_csv(root / "faces.csv", index=False)
    return table


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_manifest(tmp_path / "faces")
    return tmp_path / "faces"


def line(root: Path, out: Path, *more: object) -> list[object]:
    """A kfold line that runs in seconds."""
    data = ["--dataset", "manifest", "--dataset.root", root, "--dataset.align", "false", "--dataset.image_size", 32]
    tiny = [
        "--progress",
        "false",
        "--preset",
        "small",
        "--system.epochs",
        1,
        "--system.image_size",
        32,
        "--system.crop_size",
        32,
    ]
    return [
        "kfold",
        "--system",
        "resnet",
        *data,
        *tiny,
        "--folds",
        2,
        "--protocol.validation_folds",
        0,
        "--out",
        out,
        *more,
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A manifest and the folder of a finished run of it."""
    root, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("runs") / "run"
    write_manifest(root)
    assert cli.main([str(item) for item in line(root, out, "--seeds", 0)]) == 0
    return root, out


# ------------------------------------------------------------------------------------------------- the verbs


def test_overview_names_every_verb(ferdis):
    result = ferdis("--help")
    assert result.status == 0
    assert all(f"  {verb} " in result.out for verb in cli.VERBS)


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_every_verb_has_help(ferdis, verb: str):
    result = ferdis(verb, "--help")
    assert result.status == 0
    assert f"usage: ferdis {verb}" in result.out


def test_datasets_lists_the_registry(ferdis):
    from ferdis.datasets import REGISTRY

    result = ferdis("datasets")
    assert result.status == 0
    assert all(name in result.out and entry.layout in result.out for name, entry in REGISTRY.items())


def test_kfold_help_shows_constructor_arguments_and_their_meaning(ferdis):
    result = ferdis("kfold", "--system", "ifgan", "--dataset", "manifest", "--help-all")
    for option in (
        "--ifgan.classifier_input",
        "--ifgan.extra_train",
        "--dataset.labels",
        "--protocol.scheme",
        "--seeds",
    ):
        assert option in result.out
    assert "lambda_1 to lambda_4" in result.out  # from IFGAN's docstring


def test_check_counts_and_finds_a_duplicate(ferdis, manifest: Path):
    assert ferdis("check", "manifest", "--root", manifest).status == 0
    table = pd.read_csv(manifest / "faces.csv")
    Image.open(manifest / table.path[0]).save(manifest / "again.png")
    other = {"path": "again.png", "expression": "happiness", "subject": "p3"}
    pd.concat([table, pd.DataFrame([other])]).to_csv(manifest / "faces.csv", index=False)
    result = ferdis("check", "manifest", "--root", manifest)
    assert result.status == cli.USER_ERROR
    assert "again.png" in result.out and table.path[0] in result.out


def test_render_writes_what_manifest_reads(ferdis, tmp_path: Path):
    out = tmp_path / "people"
    size = ["--people", 2, "--expressions", "anger", "happiness", "--images_per_expression", 1, "--image_size", 48]
    assert ferdis("render", "--out", out, *size).status == 0
    from ferdis import load

    faces = load("manifest", root=out, align=False, image_size=48, cache=False, progress=False)
    drawn = load("synthetic", people=2, expressions=list(FACES), images_per_expression=1, image_size=48, cache=False)
    assert len(faces) == 4
    np.testing.assert_array_equal(faces.pixels(), drawn.pixels())
    np.testing.assert_array_equal(faces.expression, drawn.expression)


def test_kfold_writes_a_row_a_picture_and_goes_on(ferdis, finished: tuple[Path, Path]):
    root, out = finished
    rows = pd.read_csv(out / "rows.csv")
    assert len(rows) == 16 and set(rows.system) == {"resnet"}
    marker = next(out.glob("fold-*/resnet/done.json"))
    before = marker.stat().st_mtime_ns
    again = ferdis(*line(root, out, "--seeds", 0))
    assert again.status == 0, again.err
    assert str(out) in again.out and "resnet" in again.out
    assert marker.stat().st_mtime_ns == before, "a finished fold was run again"


def test_a_runs_own_config_is_accepted_and_overridden(ferdis, finished: tuple[Path, Path], tmp_path: Path):
    root, first = finished
    config = yaml.safe_load(ferdis("kfold", "--config", first / "config.yaml", "--print_config").out)
    assert config["resnet"]["epochs"] == 1 and config["dataset"]["root"] == str(root)
    assert ferdis("kfold", "--config", first / "config.yaml", "--out", tmp_path / "again").status == 0
    same = ["fold", "path", "true", "predicted", "parameters"]
    rows, again = (pd.read_csv(out / "rows.csv")[same] for out in (first, tmp_path / "again"))
    pd.testing.assert_frame_equal(rows, again)
    other = ferdis("kfold", "--config", first / "config.yaml", "--resnet.epochs", 3, "--print_config")
    assert yaml.safe_load(other.out)["resnet"]["epochs"] == 3


@pytest.mark.parametrize(("right", "status"), [(6, 0), (2, 1)])
def test_demo_says_what_it_does_and_whether_it_learned(ferdis, monkeypatch, tmp_path: Path, right: int, status: int):
    given = {}

    def evaluate(systems, faces, protocol, *, out, **settings):
        """Stands in for the minutes of training: `right` of 7 classes are recognised."""
        given.update(systems=systems, faces=faces, protocol=protocol, **settings)
        (Path(out) / "figures").mkdir(parents=True)
        (Path(out) / "summary.md").write_text("| system | UAR |")
        predicted = [name if row < right else "none" for row, name in enumerate(faces.classes)]
        parts = [pd.DataFrame({"system": s, "true": faces.classes, "predicted": predicted}) for s in systems]
        return SimpleNamespace(rows=pd.concat(parts), folder=Path(out))

    monkeypatch.setattr("ferdis.evaluation.evaluate", evaluate)
    result = ferdis("demo", "--people", 4, "--folds", 3, "--out", tmp_path / "demo")
    assert result.status == status, result.err
    assert set(given["systems"]) == {"ifgan", "resnet"} and given["protocol"].n_splits == 3
    assert all(system.weights == "zoo:expression" for system in given["systems"].values())
    for said in (
        "4 synthetic people",
        "7 expressions",
        "difficulty 'easy'",
        "100% strength",
        "start from zoo:expression",
        "| system | UAR |",
    ):
        assert said in result.out
    assert ("has not learned" in result.out) == bool(status)


# --------------------------------------------------------------------------------- how arguments are understood


def configured(ferdis: Callable[..., Result], *argv: object) -> dict:
    result = ferdis("kfold", *argv, "--print_config")
    assert result.status == 0, result.err
    return yaml.safe_load(result.out)


def test_print_config_reads_back_to_itself(ferdis, tmp_path: Path):
    argv = ["--system", "ifgan", "resnet", "--preset", "small", "--folds", 5, "--seeds", 0, 1]
    config = configured(ferdis, *argv)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert configured(ferdis, "--config", tmp_path / "c.yaml") == config
    assert config["seeds"] == [0, 1] and config["protocol"]["n_splits"] == 5


def test_preset_is_where_arguments_start(ferdis):
    from ferdis import IFGAN

    paper = configured(ferdis, "--system", "ifgan")["ifgan"]
    small = configured(ferdis, "--system", "ifgan", "--preset", "small", "--ifgan.epochs", 7)["ifgan"]
    assert paper["classifier"] == IFGAN().classifier and paper["batch_size"] == 50
    assert small["classifier"] == IFGAN.small().classifier and small["epochs"] == 7


def test_system_argument_reaches_every_system_that_has_it(ferdis):
    config = configured(ferdis, "--system", "ifgan", "resnet", "--system.epochs", 4, "--system.attention", "false")
    assert config["ifgan"]["epochs"] == config["resnet"]["epochs"] == 4
    assert config["ifgan"]["attention"] is False and "attention" not in config["resnet"]


def test_one_system_twice_under_labels(ferdis):
    config = configured(ferdis, "--system", "ifgan", "plain=ifgan", "--plain.attention", "false")
    assert config["ifgan"]["attention"] is True and config["plain"]["attention"] is False


def test_faces_as_an_argument(ferdis, manifest: Path):
    given = {"name": "manifest", "root": str(manifest), "align": False, "image_size": 32}
    config = configured(
        ferdis, "--system", "resnet", "--resnet.extra_train", yaml.safe_dump(given, default_flow_style=True)
    )
    assert config["resnet"]["extra_train"] == given
    faces = build_faces(given)
    assert len(faces) == 16


def test_a_test_person_in_extra_train_is_refused(ferdis, manifest: Path, tmp_path: Path):
    given = f"{{name: manifest, root: {manifest}, align: false, image_size: 32}}"
    result = ferdis(*line(manifest, tmp_path / "run", "--resnet.extra_train", given))
    assert result.status == cli.USER_ERROR
    assert "extra_train" in only_error(result)


# ---------------------------------------------------------------------------------------------------- bad input


def only_error(result: Result) -> str:
    """The one line on standard error; warnings and progress aside."""
    errors = [text for text in result.err.splitlines() if text.startswith("ferdis: error: ")]
    assert len(errors) == 1 and "Traceback" not in result.err, result.err
    return errors[0]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["fold"], "no verb 'fold'"),
        (["kfold", "--system", "resnett"], "resnett"),
        (["kfold", "--dataset", "nowhere"], "nowhere"),
        (["kfold", "--protocol", "loso"], "leave-one-subject-out"),
        (["kfold", "--system", "resnet", "--resnet.epoch", "5"], "epoch"),
        (["kfold", "--system", "resnet", "--resnet.epochs", "five"], "resnet.epochs"),
        (["kfold", "--system", "resnet", "--system.attention", "false"], "attention"),
        (["kfold", "--system", "resnet", "resnet"], "twice"),
        (["kfold", "--system", "resnet", "--ifgan.epochs", "5"], "ifgan.epochs"),
        (["kfold", "--dataset", "manifest", "--system", "resnet"], "root"),
        (["kfold", "--config", "/no/such.yaml"], "/no/such.yaml"),
        (["kfold", "--resnet.extra_train", "{root: here}", "--system", "resnet"], "name"),
        (["check", "nowhere"], "nowhere"),
        (["check", "manifest", "--root", "/no/such/folder"], "/no/such/folder"),
        (["render"], "out"),
    ],
)
def test_a_line_that_cannot_be_understood(ferdis, argv: list[str], says: str):
    result = ferdis(*argv)
    assert result.status == cli.USER_ERROR
    assert says in only_error(result)


def change(root: Path, **columns: object) -> None:
    """Put values into the first row of the manifest, or drop a column (None)."""
    table = pd.read_csv(root / "faces.csv")
    for name, value in columns.items():
        if value is None:
            table = table.drop(columns=name)
        else:
            table.loc[0, name] = value
    table.to_csv(root / "faces.csv", index=False)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / "faces.csv").unlink(), "faces.csv"),
        (lambda root: change(root, subject=None), "subject"),
        (lambda root: change(root, expression=None), "expression"),
        (lambda root: change(root, expression=np.nan), "p0-anger-0.png"),
        (lambda root: change(root, expression="hapiness"), "happiness"),
        (lambda root: change(root, subject=np.nan), "p0-anger-0.png"),
        (lambda root: change(root, path="p0-anger-1.png"), "p0-anger-1.png"),
        (lambda root: change(root, path="gone.png"), "gone.png"),
        (lambda root: truncate(root / "p0-anger-0.png"), "p0-anger-0.png"),
        (lambda root: (root / "p0-anger-0.png").write_text("no image"), "p0-anger-0.png"),
    ],
    ids=[
        "no csv",
        "no subjects",
        "no labels",
        "NaN label",
        "misspelt",
        "no person",
        "twice",
        "gone",
        "cut",
        "no image",
    ],
)
def test_bad_data_is_one_line_that_names_it(ferdis, manifest: Path, tmp_path: Path, spoil, says: str):
    spoil(manifest)
    result = ferdis(*line(manifest, tmp_path / "run"))
    assert result.status == cli.USER_ERROR
    assert says in only_error(result)


@pytest.mark.parametrize("root", ["missing", "empty"])
def test_a_folder_that_holds_nothing(ferdis, tmp_path: Path, root: str):
    (tmp_path / "empty").mkdir()
    result = ferdis(*line(tmp_path / root, tmp_path / "run"))
    assert result.status == cli.USER_ERROR
    assert str(tmp_path / root) in only_error(result)


def test_nine_people_for_ten_folds(ferdis, tmp_path: Path):
    write_manifest(tmp_path / "faces", people=9, images=1)
    result = ferdis(*line(tmp_path / "faces", tmp_path / "run", "--folds", 10))
    assert result.status == cli.USER_ERROR
    assert "9 people" in only_error(result) and "10" in result.err


def test_another_run_in_the_folder(ferdis, finished: tuple[Path, Path]):
    root, out = finished
    result = ferdis(*line(root, out, "--resnet.epochs", 2))
    assert result.status == cli.USER_ERROR
    assert str(out) in only_error(result) and "epochs" in result.err


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (KeyboardInterrupt(), cli.INTERRUPTED, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), cli.USER_ERROR, "No space left"),
        (ValueError("two\nlines"), cli.USER_ERROR, "two lines"),
        (RuntimeError("odd"), cli.BUG, "RuntimeError: odd"),
    ],
)
def test_exit_status(ferdis, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int, says: str):
    def verb(argv: object) -> None:
        raise raised

    monkeypatch.setitem(cli.VERBS, "datasets", verb)
    result = ferdis("datasets")
    assert result.status == status
    assert says in only_error(result)


def test_debugging_shows_where(ferdis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FERDIS_DEBUG", "1")
    assert "Traceback" in ferdis("kfold", "--system", "nobody").err


@pytest.mark.parametrize("size", ["0", "-4"])
def test_a_batch_of_nothing_is_one_line(size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--dataset", "synthetic", "--dataset.people", "4", "--dataset.images_per_expression", "1"]
    folds = ["--folds", "2", "--protocol.validation_folds", "0", "--out", str(tmp_path / "run")]
    assert cli.main(["kfold", "--system", "cnn", "--preset", "small", "--cnn.batch_size", size, *data, *folds]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ferdis: error: ")]
    assert len(errors) == 1 and f"batch_size={size}: must be at least 1" in errors[0]
