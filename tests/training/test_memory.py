"""What reference cycles hold is freed between fits, without a look at everything that was there before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from ferdis.evaluation import workers
from ferdis.training.memory import cheap_collections


class Cycle:
    """Holds itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.own = self


def forgotten() -> weakref.ref[Cycle]:
    """A cycle that nobody holds any longer."""
    return weakref.ref(Cycle())


@pytest.fixture(autouse=True)
def only_when_asked() -> Iterator[None]:
    """No collection by itself, and nothing set aside before."""
    gc.unfreeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_each_collection_frees_what_was_made_before_it() -> None:
    before = forgotten()
    with cheap_collections() as collect:
        for _ in range(3):
            held = Cycle()
            gc.collect(1)  # it is old now, as what a fit leaves over is
            inside = weakref.ref(held)
            del held
            assert inside() is not None
            collect()
            assert inside() is None and before() is None


def test_all_but_the_first_look_at_new_objects_alone() -> None:
    with cheap_collections() as collect:
        collect()
        assert gc.get_freeze_count() > 10_000 and len(gc.get_objects()) < 1_000
    assert gc.get_freeze_count() == 0 and len(gc.get_objects()) > 10_000


def test_objects_are_looked_at_again_after_an_error() -> None:
    with pytest.raises(KeyError), cheap_collections() as collect:
        collect()
        raise KeyError
    assert gc.get_freeze_count() == 0


def test_what_others_set_aside_stays_so() -> None:
    gc.freeze()
    with cheap_collections() as collect:
        inside = forgotten()
        collect()
        assert inside() is None
    assert gc.get_freeze_count() > 10_000


def test_a_block_without_a_collection_sets_nothing_aside() -> None:
    with cheap_collections():
        assert gc.get_freeze_count() == 0


def test_the_leftovers_of_each_job_are_freed_before_the_next() -> None:
    made: list[weakref.ref[Cycle]] = []

    def work(job: int) -> list[bool]:
        alive = [cycle() is not None for cycle in made]
        made.append(forgotten())
        return alive

    assert list(workers._here(work, [1, 2, 3])) == [[], [False], [False, False]]
