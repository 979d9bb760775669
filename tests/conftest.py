"""What every test shares: one thread a process, a cache of its own, real faces only where they lie."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# Before torch is imported: test processes share the cores, and one thread gives the same sums everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders; pytest's own numbering would look through all of them each time."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Decoded faces of one test are never another's, and never land in the user's own cache."""
    folder = next(caches)
    folder.mkdir()
    monkeypatch.setenv("FERDIS_CACHE", str(folder))
    return folder


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a script of ``experiments/`` by its name; the next test finds it as it was."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "experiments"))
    names: list[str] = []

    def imported(name: str) -> ModuleType:
        names.append(name)
        return importlib.import_module(name)

    yield imported
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def quick() -> Iterator[None]:
    """Runs without figures, see :func:`tests.quickly.quickly`."""
    from tests.quickly import quickly

    with quickly():
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real faces for the tests that read them; they skip where it is absent."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("FERDIS_SHARED", default)) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real faces at {folder}: name their folder in FERDIS_SHARED")
    return folder
