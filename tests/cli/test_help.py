"""Help, the first look at a line, and completion: short, complete, true to the parsers, and without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ferdis import cli
from ferdis.cli import help as helping
from ferdis.cli.arguments import UsageError
from ferdis.cli.chosen import PROTOCOLS, choose
from ferdis.cli.known import check_line, data_sets, known
from ferdis.cli.parsers import Parser
from ferdis.cli.signatures import arguments_of
from ferdis.datasets import REGISTRY
from ferdis.systems import GENERATORS, SYSTEMS
from tests.cli.test_cli import ferdis as ferdis  # the fixture
from tests.cli.test_cli import only_error, write_manifest

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
HEAVY = ("torch", "timm", "pandas", "sklearn", "matplotlib", "lightning")
EXPERIMENTS = ("kfold", "fit", "sweep", "augment")


@pytest.mark.parametrize("verb", [*cli.VERBS, ""])
def test_help_fits_a_screen(ferdis, verb: str) -> None:
    result = ferdis(*([verb] if verb else []), "--help")
    lines = result.out.splitlines()
    assert result.status == 0 and 3 < len(lines) <= 50 and max(map(len, lines)) <= 140


def test_the_short_help_has_what_the_readme_uses(ferdis) -> None:
    commands = re.findall(
        r"^ferdis (\w+)((?:[^\n]*\\\n)*[^\n]*)", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S)), re.M
    )
    assert len(commands) >= 4
    for verb, line in commands:
        shown = ferdis(verb, "--help").out
        for option in re.findall(r"--[\w.-]+", line):
            key, dot, _ = option.partition(".")
            general = {"--dataset": "--dataset.ARGUMENT"}.get(key, "--SYSTEM.ARGUMENT")
            assert (general if dot else option) in shown, f"{verb}: {option}"


@pytest.mark.parametrize("verb", [verb for verb in cli.VERBS if verb not in EXPERIMENTS])
def test_every_option_is_described(verb: str) -> None:
    every = known(verb, ["manifest"] if verb == "check" else []).every
    assert not [option for option, argument in every.items() if len(argument.help) < 5]


@pytest.mark.parametrize(
    "target", [*SYSTEMS.values(), *GENERATORS.values(), *data_sets().values(), *PROTOCOLS.values()]
)
def test_every_argument_is_described(target: str) -> None:
    assert not [name for name, argument in arguments_of(target).items() if len(argument.help) < 5]


def test_the_registry_is_read_as_it_is() -> None:
    assert data_sets() == {name: entry.loader for name, entry in REGISTRY.items()}


class Parsed(Exception):
    """The parser that a verb made."""


@pytest.mark.parametrize("verb", [verb for verb in cli.VERBS if verb != "models"])  # which has none
def test_options_told_from_the_source_are_those_of_the_parser(
    verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else help would name what there is not, or a line that is right would be refused."""

    def stop(parser: Parser, *_: object, **__: object) -> None:
        raise Parsed(parser)

    monkeypatch.setattr(Parser, "parse_args", stop)
    line = {"check": ["manifest", "--root", "."], "predict": ["model", "photo.jpg"]}.get(verb, [])
    (tmp_path / "estimator.json").touch()
    line = {"export": [str(tmp_path)], "disentangle": ["run"], "report": ["run"], "fit": ["--system", "relgan"],
            "sweep": ["--system", "cnn", "--space", "s"]}.get(verb, line)  # fmt: skip
    with pytest.raises(Parsed) as caught:
        cli.VERBS[verb](line)
    actions = caught.value.args[0]._actions
    parsed = {option for action in actions for option in action.option_strings if not action.dest.endswith("help")}
    parsed = {option for option in parsed if not option.endswith("+")}  # which add to a list
    there = known(verb, line)
    told = set(there.verb) | {f"--{key}.{name}" for key, group in there.groups.items() for name in group}
    keys = {f"--{key}" for key in there.groups}
    assert parsed - keys - told == set() and told - parsed == ({"--like"} if verb == "fit" else set())


LINES = (
    ["--help"], ["kfold", "--help"], ["kfold", "--help-all"], ["predict", "--help"], ["fit", "--help"],
    ["kfold", "--system", "nobody"], ["kfold", "--resnet.epochs", "five"], ["kfold", "--ifgan.epoch", "5"],
    ["kfold", "--dataset", "nowhere"], ["kfold", "--dataset", "manifest", "--dataset.root", "/no/such"],
    ["kfold", "--system", "eggan"], ["kfold", "--protocol", "loso"], ["check", "ckplus", "--rot", "x"],
    ["check", "ckplus", "--root", "/no/such"], ["predict", "--crop"], ["export", "--hal"], ["fit"],
    ["verify"], ["verify", "/no/such"],
    ["disentangle"], ["report"], ["report", "/no/such"], ["pack", "run"], ["render"], ["augment"], ["check", "ckplus"],
    ["kfold", "--dataset", "ckplus"], ["sweep", "--system", "cnn"],
    ["demo", "--fold", "3"],    ["sweep", "--system", "cnn", "--trials", "many"], ["completion", "bash"], ["nothing"],
)  # fmt: skip


def run_lines(lines: Sequence[list[str]], forbidden: Sequence[str]) -> list[str]:
    """Run the lines in one new process, which fails as soon as a module is imported; the lines of their errors."""
    program = (
        "import json, sys\nfrom ferdis.cli import main\n"
        "for line in json.loads(sys.argv[1]):\n"
        f"    main(line); heavy = [name for name in {tuple(forbidden)!r} if name in sys.modules]\n"
        "    assert not heavy, (line, heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(lines)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("ferdis: error: ")]


def test_help_and_errors_about_arguments_import_nothing_heavy() -> None:
    helps = sum("--help" in line or "--help-all" in line for line in LINES)
    assert len(run_lines(LINES, HEAVY)) == len(LINES) - helps - 1  # and the completion


def test_a_model_that_is_not_there_is_refused_without_torch(tmp_path: Path) -> None:
    for fold in "01":
        (tmp_path / f"fold-{fold}" / "cnn").mkdir(parents=True)
        (tmp_path / f"fold-{fold}" / "cnn" / "estimator.json").touch()
    for name in ("photo.jpg", "resolved.json"):
        (tmp_path / name).touch()
    rest = {"export": ["--out", "model.onnx"], "predict": [str(tmp_path / "photo.jpg")]}
    lines = [[verb, model, *rest[verb]] for model in (str(tmp_path), str(tmp_path / "nowhere")) for verb in rest]
    errors = run_lines(lines, ["torch", "timm"])
    assert ["is a run of 2 models" in error for error in errors[:2]] == [True, True] and len(errors) == 4


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["kfold", "--fold", "3"], "ferdis kfold has no option --fold; did you mean '--folds'?"),
        (["kfold", "--system", "resnet", "--resnet.learning-rat", "1"], "did you mean '--resnet.learning_rate'?"),
        (["kfold", "--system", "resnet", "--relgan.epochs", "1"], "relgan is none of dataset, protocol, resnet"),
        (["kfold", "--system", "resnett"], "no system is called 'resnett'; did you mean 'resnet'?"),
        (["kfold", "--dataset", "manifst"], "no data set 'manifst'; did you mean 'manifest'?"),
        (["kfold", "--preset", "tiny"], "--preset tiny: one of 'paper', 'small' is needed"),
        (["kfold", "--jobs", "1.5"], "--jobs 1.5: a whole number is needed"),
        (["kfold", "--near-duplicates", "perhaps"], "true or false is needed"),
        (["kfold", "--gpus-per-fold", "half"], "a number or null is needed"),
        (["kfold", "--system", "ifgan", "decgan"], "decgan draws faces and names no expression"),
        (["sweep", "--system", "ifgan", "resnet"], "sweep takes one system"),
        (["predict", "m", "p.jpg", "--crop"], "did you mean '--crops'?"),
        (["predit"], "no verb 'predit'; did you mean 'predict'?"),
        (["check", "manifest", "--rot", "."], "did you mean '--root'?"),
        (["export", "model"], "ferdis export needs --out: "),
        (["kfold", "--dataset", "ckplus"], "ferdis kfold needs --dataset.root: "),
        (["render", "--out", "people", "--name", "manifest"], "ferdis render needs --root: "),
        (["sweep", "--system", "cnn"], "ferdis sweep needs --space: "),
        (["pack", "."], "ferdis pack needs OUT: the file"),
        (["verify", "/no/such"], "/no/such does not exist: give a run folder"),
        (["report", ".", "/no/such"], "/no/such does not exist: give a run folder"),
        (["completion", "tcsh"], "name a shell: ferdis completion bash | zsh | fish"),
    ],
)
def test_what_a_first_look_refuses(ferdis, argv: list[str], says: str) -> None:
    result = ferdis(*argv)
    assert result.status == cli.USER_ERROR and says in only_error(result)


@pytest.mark.parametrize(
    "argv",
    [
        ["--seeds", "0", "1"],
        ["--ifgan.pretrain", "{name: synthetic, people: 5}"],
        ["--dataset.people=4", "--dataset.intensity", "null"],
        ["--resnet.learning_rate", "1e-3", "--resnet.gradient_clip", "None"],
        ["--system.betas", "[0.5, 0.9]", "--print_config"],
        ["--only-folds", "[1, 2]", "--allow_overlap", "--dataset.sequences"],
    ],
)
def test_what_may_be_meant_passes(argv: list[str]) -> None:
    check_line("kfold", argv)


def test_a_place_that_cannot_be_written_is_refused_first(ferdis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ferdis("kfold", "--out", tmp_path / "file" / "run")
    assert result.status == cli.USER_ERROR and "file is a file): choose another folder" in only_error(result)


def test_folds_that_nobody_can_fill_are_refused_before_an_image_is_read(
    ferdis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(tmp_path / "faces")
    monkeypatch.setattr("ferdis.datasets.load", lambda *_, **__: pytest.fail("loaded"))
    data = ["--dataset", "manifest", "--dataset.root", tmp_path / "faces"]
    result = ferdis("kfold", "--system", "cnn", "--preset", "small", *data, "--folds", 9, "--out", tmp_path / "run")
    assert result.status == cli.USER_ERROR
    assert "4 people cannot fill 9 subject-exclusive folds" in only_error(result)


def test_weights_that_are_not_to_be_had_are_refused_once(
    ferdis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("ferdis.nn.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("ferdis.nn._check_network", nobody)
    monkeypatch.setattr("ferdis.datasets.load", lambda *_, **__: pytest.fail("loaded"))
    result = ferdis("kfold", "--system", "resnet", "--resnet.classifier", "resnet18", "--out", tmp_path / "run")
    assert result.status == cli.USER_ERROR
    assert "huggingface.co/timm/resnet18.a1_in1k" in only_error(result) and not (tmp_path / "run").exists()


def test_a_space_that_cannot_be_read_is_refused_first(ferdis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr("ferdis.datasets.load", lambda *_, **__: pytest.fail("loaded"))
    (tmp_path / "space.yaml").write_text("epocs: [1, 2]")
    for space, says in (("space.yaml", "did you mean 'epochs'?"), ("none.yaml", "none.yaml")):
        result = ferdis("sweep", "--system", "cnn", "--preset", "small", "--space", tmp_path / space)
        assert result.status == cli.USER_ERROR and says in only_error(result)


@pytest.mark.parametrize(
    ("line", "has", "lacks"),
    [
        (["kf"], ["kfold"], ["fit"]),
        (["kfold", "--fo"], ["--folds"], ["--out"]),
        (["kfold", "--system", "if"], ["ifgan"], ["eggan", "resnet"]),
        (["kfold", "--system", "resnet", "--resnet.ep"], ["--resnet.epochs"], ["--ifgan.epochs"]),
        (["kfold", "--preset", ""], ["paper", "small"], []),
        (["kfold", "--dataset", "ck"], ["ck48", "ckplus"], ["manifest"]),
        (["check", "man"], ["manifest"], []),
        (["check", "manifest", "--ro"], ["--root"], []),
        (["fit", "--l"], ["--like"], []),
        (["nothing", "--x"], [], ["--folds"]),
    ],
)
def test_completion(line: list[str], has: list[str], lacks: list[str]) -> None:
    found = helping.words(line, cli.VERBS)
    assert set(has) <= set(found) and not set(lacks) & set(found)


@pytest.mark.parametrize("shell", helping.SHELLS)
def test_a_script_for_each_shell(ferdis: Callable, shell: str) -> None:
    assert "ferdis completion words" in ferdis("completion", shell).out


def test_names_are_read_alike_with_and_without_imports() -> None:
    line = ["--system", "ifgan", "plain=ifgan", "--dataset", "CK+", "--plain.epochs", "3"]
    chosen = choose(line)
    assert [cls.__name__ for cls in chosen.systems.values()] == ["IFGAN", "IFGAN"] and chosen.dataset == "ckplus"
    assert chosen.given_to("plain") >= {"epochs"}
    with pytest.raises(UsageError, match="twice"):
        choose(["--system", "ifgan", "ifgan"])
