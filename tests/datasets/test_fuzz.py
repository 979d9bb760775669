"""Every reader under every damage, once a seed; ``python -m tools.fuzz_readers`` goes on for as long as it is told."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.fuzz_readers import DAMAGES, READERS, attempt, attempts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_file_loads_or_is_one_line_that_names_it(folder, seed):
    pytest.importorskip("av", reason="MMI's videos need PyAV")
    found = list(attempts(seed, folder))
    assert [wrong for *_, wrong in found if wrong is not None] == []
    outcomes = Counter((reader.name, outcome) for reader, _, outcome, _ in found)
    assert len(found) == len(READERS) * len(DAMAGES) and len(DAMAGES) >= 10
    # Damage is seen: each reader has refused some, and the whole set is there again afterwards.
    assert all(outcomes[reader.name, "loaded"] < len(DAMAGES) for reader in READERS)


def test_the_trial_itself_sees_what_is_wrong(folder):
    """A reader that crashes, says several lines, says too much, or does not name its file is found out."""

    def writes(root):
        (root / "a.txt").write_text("12 words")

    class Crash(Exception):
        pass

    for error, what in (
        (Crash("a.txt"), "another error"),
        (ValueError("a.txt\nb"), "more than one line"),
        (ValueError("a.txt" * 1000), "characters"),
        (ValueError("bad"), "names neither"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "a.txt"), "another error"),
    ):

        def reads(root, error=error):
            raise error

        root = folder / "own"
        root.mkdir(exist_ok=True)
        writes(root)
        outcome, wrong = attempt(type(READERS[0])("own", writes, reads, ("a.txt",)), "flipped", 0, root)
        assert outcome == type(error).__name__ and what in wrong
        assert (root / "a.txt").read_text() == "12 words"
