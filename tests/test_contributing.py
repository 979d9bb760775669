"""The worked examples of CONTRIBUTING, executed: a new system and a new data set appear everywhere by one line each."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import ferdis.datasets
import ferdis.systems
from ferdis import cli, load
from tests import test_architecture as architecture
from tests import test_papers as papers
from tests.datasets import test_registry as registry
from tests.systems import test_classifier as contract

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def example(path: str) -> str:
    """The code block that begins with a comment naming ``path``, without that comment."""
    found = re.findall(rf"^```python\n# {re.escape(path)}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"CONTRIBUTING has {len(found)} blocks for {path}"
    return found[0]


def installed(monkeypatch: pytest.MonkeyPatch, package: ModuleType, folder: Path, name: str) -> Path:
    """Write the example module of a package into ``folder``, from where it can be imported as the package's own."""
    path = folder / package.__name__.replace("ferdis.", "") / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(example(f"{package.__name__.replace('.', '/')}/{name}.py"), "utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(path.parent)])
    monkeypatch.delitem(sys.modules, f"{package.__name__}.{name}", raising=False)
    importlib.invalidate_caches()
    return path


def house_rules(path: Path, monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    """Every check of the architecture that looks at one file."""
    monkeypatch.setattr(architecture, "PACKAGE", package)
    checks = [check for name, check in vars(architecture).items() if name.startswith("test_")]
    of_a_file = [check for check in checks if list(inspect.signature(check).parameters) == ["path"]]
    assert len(of_a_file) > 5
    for check in of_a_file:
        check(path)


def contract_checks(module: ModuleType) -> list[Any]:
    """The tests of a module that take the name of an entry of the registry, and fixtures of pytest's own."""
    checks = {name: check for name, check in vars(module).items() if name.startswith("test_")}
    checks.pop("test_the_functions_of_before_go_on_working", None)  # a new data set has none
    wanted = {name: set(inspect.signature(check).parameters) for name, check in checks.items()}
    of_a_name = [name for name, needs in wanted.items() if {"name"} <= needs <= {"name", "tmp_path", "monkeypatch"}]
    assert len(of_a_name) > 1
    return [pytest.param(checks[name], id=name) for name in of_a_name]


def held_to(check: Callable[..., None], name: str, request: pytest.FixtureRequest) -> None:
    """Run a contract test for one name."""
    fixtures = [fixture for fixture in inspect.signature(check).parameters if fixture != "name"]
    check(name=name, **{fixture: request.getfixturevalue(fixture) for fixture in fixtures})


class TestAddASystem:
    """The sixth system."""

    @pytest.fixture(autouse=True)
    def focal(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        path = installed(monkeypatch, ferdis.systems, tmp_path / "ferdis", "focal")
        (line,) = ast.literal_eval(f"{{{example('ferdis/systems/__init__.py, in SYSTEMS').strip()}}}").items()
        monkeypatch.setitem(ferdis.systems.SYSTEMS, *line)
        assert line[0] == "focal"
        yield path
        sys.modules.pop("ferdis.systems.focal", None)

    def test_keeps_the_house_rules(self, focal: Path, monkeypatch: pytest.MonkeyPatch):
        house_rules(focal, monkeypatch, focal.parents[1])
        assert focal.read_text("utf-8").count("\n") < 170  # tiny, as promised

    @pytest.mark.parametrize("check", contract_checks(contract))
    def test_keeps_the_contract_of_classifiers(self, check: Callable[..., None], request: pytest.FixtureRequest):
        held_to(check, "focal", request)

    def test_its_loss_is_the_equation(self):
        focal_loss = importlib.import_module("ferdis.systems.focal").focal_loss
        logits, label = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2, 1, 0])
        p = logits.softmax(1)[range(6), label]
        torch.testing.assert_close(focal_loss(logits, label, 2.0), (-((1 - p) ** 2) * p.log()).mean())
        torch.testing.assert_close(focal_loss(logits, label, 0.0), F.cross_entropy(logits, label))
        by_hand = focal_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1]), 2.0)  # -(1/2)^2 log(1/2)
        assert float(by_hand) == pytest.approx(0.25 * np.log(2))

    def test_the_command_line_offers_it_with_its_arguments(self, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["kfold", "--system", "focal", "--help-all"]) == 0
        shown = capsys.readouterr().out
        assert "--focal.gamma" in shown and "Focus on hard examples" in " ".join(shown.split())
        assert re.search(r"Systems: [^.]*\bfocal\b", " ".join(shown.split()))

    def test_two_folds_on_sixty_synthetic_images(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        out = tmp_path / "run"
        line = ["kfold", "--system", "focal", "--preset", "small", "--focal.epochs", "1", "--folds", "2", "--jobs", "1"]
        line += ["--dataset", "synthetic", "--dataset.people", "10", "--dataset.expressions", "6"]
        line += ["--dataset.images_per_expression", "1", "--dataset.image_size", "64", "--dataset.cache", "false"]
        assert cli.main([*line, "--protocol.validation_folds", "0", "--out", str(out)]) == 0
        capsys.readouterr()
        rows = pd.read_csv(out / "rows.csv")
        assert len(rows) == 60 and set(rows["system"]) == {"focal"} and rows["fold"].nunique() == 2
        assert rows.groupby("subject")["fold"].nunique().eq(1).all()

    def test_the_equation_index_lists_its_equation(self):
        (row,) = papers.index.rows("ferdis.systems.focal")
        listed = "\n".join(papers.index.index(papers.DOCS / "papers"))
        assert row.equation == "Eq. 4" and "**Eq. 4** · {func}`~ferdis.systems.focal.focal_loss`" in listed
        papers.test_each_equation_has_a_function_that_cites_it("ferdis.systems.focal", row)
        papers.test_each_system_names_its_source("ferdis.systems.focal")


class TestAddADataSet:
    """A data set that is not in the registry."""

    @pytest.fixture(autouse=True)
    def kdef(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        package = tmp_path_factory.mktemp("package") / "ferdis"  # a contract test wants its own folder empty
        path = installed(monkeypatch, ferdis.datasets, package, "kdef")
        about = eval(example("ferdis/datasets/__init__.py, in REGISTRY").strip().rstrip(","), vars(ferdis.datasets))
        monkeypatch.setitem(ferdis.datasets.REGISTRY, about.name, about)
        yield path
        sys.modules.pop("ferdis.datasets.kdef", None)

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A tree like the published one: five people, both sessions, seven expressions, two angles."""
        random = np.random.default_rng(0)
        for person in ("F01", "F02", "M01", "M02", "M03"):
            for session in "AB":
                folder = tmp_path / "KDEF" / f"{session}{person}"
                folder.mkdir(parents=True)
                for label in ("AF", "AN", "DI", "HA", "NE", "SA", "SU"):
                    for angle in ("S", "HL"):
                        pixels = random.integers(0, 256, (48, 40, 3), dtype=np.uint8)
                        Image.fromarray(pixels).save(folder / f"{session}{person}{label}{angle}.JPG")
        return tmp_path / "KDEF"

    def test_keeps_the_house_rules(self, kdef: Path, monkeypatch: pytest.MonkeyPatch):
        house_rules(kdef, monkeypatch, kdef.parents[1])

    @pytest.mark.parametrize("check", contract_checks(registry))
    def test_keeps_the_contract_of_data_sets(self, check: Callable[..., None], request: pytest.FixtureRequest):
        held_to(check, "kdef", request)

    def test_loads_with_labels_and_subjects(self, root: Path):
        faces = load("kdef", root=root, align=False, image_size=32, cache=False, progress=False)
        assert faces.shape == (70, 32, 32, 3) and len(faces.classes) == 7  # frontal images only
        assert set(faces.subject) == {"kdef/F01", "kdef/F02", "kdef/M01", "kdef/M02", "kdef/M03"}
        path = faces.table["path"].str.upper()
        for label, name in (("AF", "fear"), ("HA", "happiness"), ("NE", "neutral")):
            assert set(faces.expression[path.str.contains(f"{label}S.JPG", regex=False)]) == {name}
        notes = " ".join(faces.attrs["notes"])
        assert "70" in notes and "980" in notes  # counted, and compared with the published number
        six = load("kdef", root=root, expressions=6, align=False, image_size=32, cache=False, progress=False)
        assert len(six) == 60 and "neutral" not in six.classes

    def test_the_command_line_lists_and_checks_it(self, root: Path, capsys: pytest.CaptureFixture[str]):
        assert cli.main(["datasets"]) == 0
        assert "kdef: " in capsys.readouterr().out
        assert cli.main(["kfold", "--dataset", "kdef", "--system", "cnn", "--help-all"]) == 0
        assert "--dataset.expressions" in capsys.readouterr().out
        assert cli.main(["check", "kdef", "--root", str(root)]) == 0
        assert "70" in capsys.readouterr().out
