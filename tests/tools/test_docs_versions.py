"""Documentation by tag: which tags, what is built and what is not built again, and the pages of a small repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tools import docs_versions
from tools.docs_versions import build_versions, versions


def git(repository: Path, *arguments: str) -> None:
    name = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(repository), *name, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two versions of a page, tagged, a tag that is no version, and a change that is not committed."""
    folder = tmp_path / "repository"
    (folder / "docs").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "docs" / "conf.py").write_text("project = 'small'\nhtml_theme = 'basic'\n")
    page = folder / "docs" / "index.rst"
    for tag in ("v0.9.0", "v0.10.0"):
        page.write_text(f"Small\n=====\n\nThis is {tag}.\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", tag)
        git(folder, "tag", tag)
    git(folder, "tag", "before-lunch")
    page.write_text("Small\n=====\n\nThis is in the making.\n")
    return folder


def copied(checkout: Path, folder: Path) -> None:
    """Stands for Sphinx: the page as it is."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text((checkout / "docs" / "index.rst").read_text())


def test_each_tag_has_its_own_pages(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built = build_versions(repository, out, build=copied)
    assert [folder.name for folder in built] == ["v0.10.0", "v0.9.0", "dev"]  # 10 comes after 9
    assert "This is v0.9.0." in (out / "v0.9.0" / "index.html").read_text()
    assert "This is v0.10.0." in (out / "v0.10.0" / "index.html").read_text()
    assert "in the making" in (out / "dev" / "index.html").read_text()
    assert json.loads((out / "versions.json").read_text()) == [
        {"name": "v0.10.0", "newest": True},
        {"name": "v0.9.0", "newest": False},
        {"name": "dev", "newest": False},
    ]
    assert "url=v0.10.0/index.html" in (out / "index.html").read_text()
    listed = subprocess.run(["git", "-C", repository, "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1, "checkouts are removed"
    assert "in the making" in (repository / "docs" / "index.rst").read_text()


def test_a_tag_is_built_again_only_if_it_moves_and_goes_with_its_tag(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_versions(repository, out, build=copied)
    assert [folder.name for folder in build_versions(repository, out, build=copied)] == ["dev"]
    git(repository, "tag", "--force", "v0.10.0", "v0.9.0")
    assert [folder.name for folder in build_versions(repository, out, build=copied)] == ["v0.10.0", "dev"]
    assert "This is v0.9.0." in (out / "v0.10.0" / "index.html").read_text()
    git(repository, "tag", "--delete", "v0.10.0")
    build_versions(repository, out, build=copied)
    assert not (out / "v0.10.0").exists() and (out / "v0.9.0").exists()
    assert "url=v0.9.0/" in (out / "index.html").read_text()


def test_only_some(repository: Path, tmp_path: Path) -> None:
    build_versions(repository, tmp_path / "out", only=["v0.9.0"], build=copied)
    assert not (tmp_path / "out" / "v0.10.0").exists()
    with pytest.raises(ValueError, match=r"no tag 'before-lunch' that is a version: there are v0\.10\.0, v0\.9\.0"):
        build_versions(repository, tmp_path / "out", only=["before-lunch"], build=copied)


def test_a_build_that_fails_leaves_no_checkout_and_no_version(repository: Path, tmp_path: Path) -> None:
    def fails(checkout: Path, folder: Path) -> None:
        raise ValueError("no pages")

    with pytest.raises(ValueError, match="no pages"):
        build_versions(repository, tmp_path / "out", build=fails)
    listed = subprocess.run(["git", "-C", repository, "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1
    assert "v0.10.0" in [folder.name for folder in build_versions(repository, tmp_path / "out", build=copied)]


def test_order_of_versions(repository: Path) -> None:
    for tag in ("v1.0", "v1.0rc2", "v1.0rc10", "v1.0.1", "v1.0.1-notes"):
        git(repository, "tag", tag)
    assert versions(repository) == ["v1.0.1", "v1.0", "v1.0rc10", "v1.0rc2", "v0.10.0", "v0.9.0"]


def test_what_a_program_complained_of() -> None:
    told = "Traceback\n    sphinx.errors.ConfigError: no conf.py file (/x)\n\nPlease also report this.\n"
    assert docs_versions.complaint(told) == "sphinx.errors.ConfigError: no conf.py file (/x)"
    assert docs_versions.complaint("python: No module named sphinx\n") == "python: No module named sphinx"
    assert docs_versions.complaint("") == "no message"


def test_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(docs_versions, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert docs_versions.main(["--out", str(tmp_path / "out")]) == 2
    assert "git tag --list: " in capsys.readouterr().err


@pytest.mark.slow
def test_sphinx_builds_them(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="sphinx is not there: pip install 'ferdis[docs]'")
    out = tmp_path / "out"
    build_versions(repository, out, only=["v0.9.0"])
    assert "This is v0.9.0." in (out / "v0.9.0" / "index.html").read_text("utf-8")
    assert "in the making" in (out / "dev" / "index.html").read_text("utf-8")
    git(repository, "tag", "v0.11.0")
    (repository / "docs" / "conf.py").unlink()
    with pytest.raises(ValueError, match=r"the pages of .* cannot be built: .*conf\.py"):
        build_versions(repository, out, only=["v0.9.0"])
