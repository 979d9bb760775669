"""Options by their former names go on working, and say the present ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ferdis import cli
from ferdis.cli import arguments


@pytest.fixture
def former(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"--pictures": "--images", "--old_name": "--name", "*.rate": "*.learning_rate"}
    monkeypatch.setattr(arguments, "FORMER_OPTIONS", names)


@pytest.mark.parametrize(
    ("given", "present", "told"),
    [
        (["--pictures", "4"], ["--images", "4"], ["--pictures is now --images"]),
        (["--pictures=4", "run"], ["--images=4", "run"], ["--pictures is now --images"]),
        (["--old-name", "a", "--old-name=b"], ["--name", "a", "--name=b"], ["--old-name is now --name"]),
        (
            ["--ifgan.rate", "1e-3", "--b.rate=1"],
            ["--ifgan.learning_rate", "1e-3", "--b.learning_rate=1"],
            ["--ifgan.rate is now --ifgan.learning_rate", "--b.rate is now --b.learning_rate"],
        ),
        (["pictures", "--rate", "old_name", "-h", "--images=--pictures"],) * 2 + ([],),
    ],
)
def test_a_former_name_is_translated_and_told_once(
    former: None, capsys: pytest.CaptureFixture, given: list[str], present: list[str], told: list[str]
) -> None:
    assert arguments.with_present_names(given) == present
    assert capsys.readouterr().err.splitlines() == [f"ferdis: {line}" for line in told]


def test_every_verb_and_configuration_is_translated(
    former: None, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[list[str]] = []
    monkeypatch.setattr(cli, "check_line", lambda verb, argv: lines.append(argv))
    monkeypatch.setitem(cli.VERBS, "datasets", lambda argv: lines.append(arguments.with_config(argv)))
    (tmp_path / "config.yaml").write_text("old_name: a\nifgan: {rate: 0.1}\n")
    assert cli.main(["datasets", "--pictures", "4", "--config", str(tmp_path / "config.yaml")]) == 0
    assert lines == [["--images", "4", "--name=a", "--ifgan.learning_rate=0.1"]] * 2  # the first look, and the verb
    assert capsys.readouterr().err.count(" is now ") == 3


def test_a_former_name_is_no_present_one() -> None:
    """Else nobody could use the present option."""
    for name, present in arguments.FORMER_OPTIONS.items():
        assert present not in arguments.FORMER_OPTIONS and name.startswith(("--", "*."))
        assert name.partition(".")[0] == present.partition(".")[0] or not name.startswith("*")


def test_options_and_their_values() -> None:
    line = ["run", "--a=b=c", "--shift", "-1", "-2", "--gpus-per-fold", "half", "-h"]
    assert list(arguments.options(line)) == [
        ("", ["run"]), ("--a", ["b=c"]), ("--shift", ["-1", "-2"]), ("--gpus_per_fold", ["half"]), ("-h", []),
    ]  # fmt: skip
    assert arguments.value_of(["--name", "a", "b", "--x"], "--name") == "b"
    assert arguments.value_of(["--name"], "--name") is None
    assert arguments.leading(["a", "b", "--c", "d"]) == (["a", "b"], ["--c", "d"])


def test_a_line_as_the_parsers_take_it() -> None:
    line = ["--seeds", "1", "--half", "--betas", "0.5", "0.9", "--only-folds=null", "--x=y", "--system", "[a, 'b']"]
    assert arguments.long_form(line) == [
        "--seeds=[1]", "--half=true", "--betas=[0.5, 0.9]", "--only_folds=null", "--x=y", "--system=[a, b]",
    ]  # fmt: skip
    with pytest.raises(arguments.UsageError, match="unrecognized arguments: a b"):
        arguments.long_form(["a", "b", "--x"])


def test_a_file_stands_where_it_is_named(tmp_path: Path) -> None:
    record = {"folds": 5, "cnn": {"epochs": 3, "betas": [0.5, 0.9], "pretrain": {"name": "x"}}, "out": "a b"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"arguments": record}, sort_keys=False))
    line = arguments.with_config(["run", "--folds", "3", "--config", str(tmp_path / "c.yaml"), "--seeds", "1"])
    assert line == ["run", "--folds", "3", "--folds=5", "--cnn.epochs=3", "--cnn.betas=[0.5, 0.9]",
                    '--cnn.pretrain={"name": "x"}', "--out=a b", "--seeds", "1"]  # fmt: skip


def test_a_folder_of_winners_holds_all_of_them(tmp_path: Path) -> None:
    for fold in (0, 1):
        (tmp_path / f"fold-{fold}.yaml").write_text(yaml.safe_dump({"folds": 5, "tuned": [{"fold": fold}]}))
    assert arguments.configuration(tmp_path) == {"folds": 5, "tuned": [{"fold": 0}, {"fold": 1}]}
