"""The release: a built wheel holds what it needs, and gives an answer in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from ferdis import load, reproduce, zoo
from ferdis.faces import SEVEN_EXPRESSIONS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git tracks, as a release is: a file that only lies here is not in it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of what is released")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(out), "."]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if "No module named pip" in built.stderr or "Cannot import 'setuptools" in built.stderr:
        pytest.skip("pip or setuptools is not installed here")
    assert built.returncode == 0, built.stderr
    (file,) = out.glob("ferdis-*.whl")
    return file


def test_the_zoo_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {f"ferdis/zoo/{name}.json" for name in zoo.names()}
    expected |= {f"ferdis/zoo/{file}" for name in zoo.names() for file in zoo.card(name)["files"]}
    expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "ferdis/web/page").rglob("*") if path.is_file()}
    assert expected | {"ferdis/zoo/LICENSE-facenet-pytorch.md", "ferdis/py.typed", "ferdis/report/page.html"} <= names
    assert {f"ferdis/reproduce/plans/{name}.yaml" for name in reproduce.names()} <= names
    assert not [name for name in names if name.startswith(("tests/", "tools/"))]


def test_it_answers_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    """Dependencies are those of this environment (they take gigabytes); ferdis is the wheel's and nothing else's."""
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = next((tmp_path / "fresh").rglob("site-packages"))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    own = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "dependencies.pth").write_text("\n".join(own), encoding="utf-8")
    person = load("synthetic", people=1, expressions="happiness", images_per_expression=1, image_size=160, cache=False)
    Image.fromarray(person.pixels()[0]).save(tmp_path / "photo.png")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FERDIS"))}

    def run(*argv: str) -> str:
        code = (
            "import sys, ferdis; from ferdis.cli import main; print(ferdis.__file__, file=sys.stderr); sys.exit(main())"
        )
        done = subprocess.run(
            [python, "-c", code, *argv], cwd=tmp_path, env=outside, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert str(site) in done.stderr.splitlines()[0], "another ferdis answered"
        return done.stdout

    record = json.loads(run("predict", "photo.png"))
    assert record["detected"] and record["expression"] in SEVEN_EXPRESSIONS
    listed = run("reproduce", "--list")
    assert all(name in listed for name in reproduce.names())
    assert "expression" in run("models") and "MIT" in run("models", "mtcnn")
