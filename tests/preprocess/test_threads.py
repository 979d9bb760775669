"""Items on threads of their own: in order, each on one thread, and the number of threads as it was before."""

from __future__ import annotations

import sys
import threading
import time

import pytest
import torch

from ferdis.preprocess.threads import _cores, each_on_one_thread


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_results_come_in_order_from_as_many_threads_as_torch_has() -> None:
    seen, together = set(), threading.Barrier(3, timeout=20)

    def slow(item: int) -> tuple[int, int]:
        if item < 3:
            together.wait()  # which three at a time pass, and two never
        seen.add(threading.get_ident())
        time.sleep(0.01 * (25 - item) / 25)
        return item, torch.get_num_threads()

    found = list(each_on_one_thread(slow, range(25)))  # twelve are computed ahead: one is left for the third round
    assert [item for item, _ in found] == list(range(25))
    assert {threads for _, threads in found} == {1} and len(seen) == 3
    assert threading.get_ident() not in seen and torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_one_item_needs_no_thread_of_its_own() -> None:
    (found,) = each_on_one_thread(lambda item: (item, threading.get_ident(), torch.get_num_threads()), ["only"])
    assert found == ("only", threading.get_ident(), 1) and torch.get_num_threads() == 3
    assert list(each_on_one_thread(str, [])) == []


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("items", [range(1), range(9)])
def test_an_error_reaches_the_caller_and_leaves_the_threads_as_they_were(items: range) -> None:
    def broken(item: int) -> int:
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(each_on_one_thread(broken, items))
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_only_a_few_items_are_computed_ahead_of_what_is_read() -> None:
    begun = []
    results = each_on_one_thread(lambda item: begun.append(item) or item, range(1000))
    assert next(results) == 0
    time.sleep(0.1)
    assert len(begun) < 100
    results.close()
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("given", "cores"), [("3", 3), ("0", None), ("many", None), ("", None)])
def test_without_torch_the_environment_says_how_many(
    monkeypatch: pytest.MonkeyPatch, given: str, cores: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2, 5, 7}, raising=False)
    assert _cores() == (cores or 5)
    monkeypatch.setitem(sys.modules, "torch", None)
    names = set()

    def named(item: int) -> int:
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        return item

    assert list(each_on_one_thread(named, range(30))) == list(range(30))
    assert 1 < len(names) <= (cores or 5)
