"""The store: what is written is read, by any number of threads and processes; full disks, bounds, forks."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferdis.preprocess import database, image_store
from ferdis.preprocess.database import CacheError
from ferdis.preprocess.image_store import ABSENT, DAMAGED, INTACT, ImageStore, default_directory, key_of

SIZE = 16


def images_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def keys_of(count: int, start: int = 0) -> list[bytes]:
    return [key_of("image", number) for number in range(start, start + count)]


def new(folder: Path) -> ImageStore:
    return ImageStore(folder, "noise", SIZE, {"of": "the tests"})


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return new(tmp_path)


def test_what_was_kept_is_read_in_any_order(store: ImageStore, tmp_path: Path) -> None:
    images, keys = images_of(300), keys_of(300)
    assert store.keep(keys[:200], images[:200], [b"%d" % row for row in range(200)])
    assert store.keep(keys[200:], images[200:], [b""] * 100)
    again, order = new(tmp_path), np.random.default_rng(0).permutation(300)
    read, state = again.read([keys[row] for row in order])
    assert (state == INTACT).all()
    np.testing.assert_array_equal(read, images[order])
    notes = again.notes(keys + keys_of(5, 1000))
    assert list(notes) and notes[keys[7]] == b"7" and notes[keys[250]] == b"" and len(notes) == 300
    assert again.read(keys_of(3, 500))[1].tolist() == [ABSENT] * 3


def test_an_image_kept_again_replaces_the_former(store: ImageStore) -> None:
    keys = keys_of(2)
    store.keep(keys, images_of(2), [b"a", b"b"])
    store.keep(keys[:1], images_of(1, seed=1), [b"c"])
    np.testing.assert_array_equal(store.read(keys)[0], [images_of(1, seed=1)[0], images_of(2)[1]])
    assert store.notes(keys) == {keys[0]: b"c", keys[1]: b"b"}
    count = store.read_with(lambda connection: connection.execute("SELECT count(*) FROM pixels").fetchone(), None)
    assert count == (2,), "the former pixels are gone"


def test_another_way_of_making_images_is_another_store(tmp_path: Path) -> None:
    folders = {
        ImageStore(tmp_path, *arguments).folder  # type: ignore[arg-type]
        for arguments in [("a", 8, {}), ("b", 8, {}), ("a", 9, {}), ("a", 8, {"x": 1}), ("a", 8, {"x": 2})]
    }
    assert len(folders) == 5
    assert (
        ImageStore(tmp_path, "a", 8, {"x": 1, "y": 2}).folder == ImageStore(tmp_path, "a", 8, {"y": 2, "x": 1}).folder
    )


def test_a_key_tells_its_parts_apart() -> None:
    assert len({key_of("a", "bc"), key_of("ab", "c"), key_of("abc"), key_of("a", "b", "c")}) == 4
    assert key_of("a", 7) == key_of(b"a", "7") and len(key_of("a")) == 16


class Torn:
    """A connection to a file whose rows can be listed from either end for a while."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, question: str, *given: Any) -> Any:
        found = self.connection.execute(question, *given)
        return self.torn(found) if "ORDER BY key" in question else found

    def torn(self, found: sqlite3.Cursor) -> Iterator[tuple]:
        yield from islice(found, 3)
        raise sqlite3.DatabaseError("database disk image is malformed")


def test_rows_on_both_sides_of_the_damage_are_rescued(store: ImageStore) -> None:
    keys = sorted(keys_of(10))
    store.keep(keys, images_of(10), [b"%d" % row for row in range(10)])
    with closing(sqlite3.connect(":memory:")) as fresh:
        for statement in store.schema:
            fresh.execute(statement)
        store.read_with(lambda connection: store.rescue(Torn(connection), fresh), None)  # type: ignore[arg-type]
        rows = fresh.execute("SELECT key, note, data FROM rows JOIN pixels USING (place) ORDER BY key").fetchall()
    assert [row[0] for row in rows] == [*keys[:3], *keys[7:]]
    assert [row[1] for row in rows] == [b"%d" % row for row in (0, 1, 2, 7, 8, 9)]
    assert rows[3][2] == images_of(10)[7].tobytes()


def test_a_read_makes_no_folder(store: ImageStore) -> None:
    assert store.notes(keys_of(2)) == {} and store.read(keys_of(2))[1].tolist() == [ABSENT] * 2
    assert not store.folder.exists()


def test_damaged_is_not_absent(store: ImageStore) -> None:
    keys = keys_of(3)
    store.keep(keys, images_of(3), [b""] * 3)
    store.close()
    (file,) = store.folder.glob("images-*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE pixels SET data = zeroblob(length(data)) WHERE place = 2")
    connection.close()
    assert store.read(keys)[1].tolist() == [INTACT, DAMAGED, INTACT]
    assert set(store.notes(keys)) == set(keys), "its note is intact"


def test_it_travels(store: ImageStore) -> None:
    store.keep(keys_of(2), images_of(2), [b""] * 2)
    travelled = pickle.loads(pickle.dumps(store))  # noqa: S301
    np.testing.assert_array_equal(travelled.read(keys_of(2))[0], images_of(2))


def test_writers_of_many_threads_and_processes(tmp_path: Path) -> None:
    images, keys = images_of(240), keys_of(240)
    program = f"""
        import sys
        from tests.preprocess.test_image_store import *
        part = int(sys.argv[1])
        store = new(Path({str(tmp_path)!r}))
        for start in range(part, 120, 12):
            store.keep(keys_of(6, start), images_of(240)[start : start + 6], [b"x"] * 6)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    root = Path(__file__).parents[2]
    other = subprocess.Popen([*command, "0"], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    store, failures = new(tmp_path), []

    def write(part: int) -> None:
        try:
            for start in range(120 + part, 240, 12):
                store.keep(keys[start : start + 6], images[start : start + 6], [b"x"] * 6)
                store.read(keys[:20])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(part,)) for part in (0, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for start in range(6, 120, 12):
        store.keep(keys[start : start + 6], images[start : start + 6], [b"x"] * 6)
    assert other.wait(120) == 0 and not failures
    read, state = store.read(keys)
    assert (state == INTACT).all()
    np.testing.assert_array_equal(read, images)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_opens_the_file_for_itself(store: ImageStore) -> None:
    keys, images = keys_of(20), images_of(20)
    store.keep(keys[:10], images[:10], [b""] * 10)
    assert store.read(keys[:10])[1].all()

    def child() -> None:
        right = (store.read(keys[:10])[0] == images[:10]).all()
        store.keep(keys[10:], images[10:], [b""] * 10)
        os._exit(0 if right else 1)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    for _ in range(20):
        assert (store.read(keys[:10])[0] == images[:10]).all()
    process.join(60)
    assert process.exitcode == 0
    np.testing.assert_array_equal(store.read(keys)[0], images)


def test_only_one_process_fills_at_a_time(store: ImageStore, tmp_path: Path, capsys: Any) -> None:
    inside, order = threading.Event(), []

    def second() -> None:
        inside.wait()
        with new(tmp_path).filling():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.filling():
        inside.set()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "waiting for another process" in capsys.readouterr().out


def test_a_full_disk_is_one_line_and_keeps_what_was_there(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, images = keys_of(40), images_of(40)
    store.keep(keys[:4], images[:4], [b""] * 4)
    files = list(store.folder.glob("images-*.sqlite"))
    connect = database._connect

    def small(file: Path, new: bool = False) -> sqlite3.Connection:
        connection = connect(file, new)
        connection.execute("PRAGMA max_page_count = 6")  # SQLite then says what it says of a full disk
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", small)
        store.close()
        with pytest.raises(CacheError, match=r"disk is full.*cache= or FERDIS_CACHE") as caught:
            store.keep(keys[4:], images[4:], [b""] * 36)
        assert str(store.folder) in str(caught.value) and "\n" not in str(caught.value)
    assert list(store.folder.glob("images-*.sqlite")) == files, "a full disk is no damage"
    store.close()
    assert store.read(keys)[1].tolist() == [INTACT] * 4 + [ABSENT] * 36, "all of a write or nothing"
    store.keep(keys[4:], images[4:], [b""] * 36)
    np.testing.assert_array_equal(store.read(keys)[0], images)


def test_the_oldest_images_make_room(store: ImageStore, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("FERDIS_CACHE_GB", "0.001")
    keys, images = keys_of(4000), images_of(4000)
    for start in range(0, 4000, 50):
        store.keep(keys[start : start + 50], images[start : start + 50], [b"note"] * 50)
    (file,) = store.folder.glob("images-*.sqlite")
    assert file.stat().st_size < 1.2e6
    _, state = store.read(keys)
    assert (state != DAMAGED).all() and (state[-500:] == INTACT).all() and (state[:2000] == ABSENT).all()
    assert set(store.notes(keys)) == {key for key, one in zip(keys, state, strict=True) if one == INTACT}
    assert capsys.readouterr().out.count("FERDIS_CACHE_GB") == 1


def test_gigabytes_are_those_of_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERDIS_CACHE_GB", "1.5")
    assert image_store.most_bytes() == 1_500_000_000
    monkeypatch.delenv("FERDIS_CACHE_GB")
    assert image_store.most_bytes() == 64_000_000_000


@pytest.mark.parametrize("value", ["much", "0", "-3", "nan", "inf"])
def test_a_bound_that_is_none(value: str, store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERDIS_CACHE_GB", value)
    with pytest.raises(ValueError, match=r"FERDIS_CACHE_GB=.* must be a number of gigabytes above 0"):
        store.keep(keys_of(1), images_of(1), [b""])


def test_an_unusable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = new(tmp_path / "file")
    assert store.notes(keys_of(1)) == {}
    with pytest.raises(CacheError, match=r"file.*cannot use the image cache .* cache=False") as caught:
        store.keep(keys_of(1), images_of(1), [b""])
    assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_written_is_said_once(store: ImageStore, monkeypatch: Any, capsys: Any) -> None:
    store.keep(keys_of(2), images_of(2), [b""] * 2)
    store.close()
    connect = database._connect

    def readonly(file: Path, new: bool = False) -> sqlite3.Connection:
        connection = connect(file, new)
        connection.execute("PRAGMA query_only = ON")  # "attempt to write a readonly database"
        return connection

    monkeypatch.setattr(database, "_connect", readonly)
    image_store._said.clear()
    assert not store.keep(keys_of(1, 5), images_of(1), [b""])
    assert not store.keep(keys_of(1, 6), images_of(1), [b""])
    assert capsys.readouterr().out.count("cannot be written") == 1
    np.testing.assert_array_equal(store.read(keys_of(2))[0], images_of(2))


def test_default_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "here"))
    assert default_directory() == tmp_path / "here"
    monkeypatch.delenv("FERDIS_CACHE")
    assert default_directory() == Path.home() / ".cache" / "ferdis"


def test_a_locked_file_is_said_and_not_made_anew(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep(keys_of(2), images_of(2), [b""] * 2)
    store.close()
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.01)
    (file,) = store.folder.glob("images-*.sqlite")
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CacheError, match=r"cannot use the image cache \(database is locked\)"):
            store.keep(keys_of(1, 5), images_of(1), [b""])
    assert list(store.folder.glob("images-*.sqlite")) == [file]
    assert store.read(keys_of(2))[1].tolist() == [INTACT] * 2


def test_what_ends_in_an_error_is_not_written(store: ImageStore) -> None:
    store.keep(keys_of(2), images_of(2), [b""] * 2)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM rows")
        raise KeyError("half way")

    with pytest.raises(KeyError):
        store.write(half)
    assert store.read(keys_of(2))[1].tolist() == [INTACT] * 2


def test_the_newest_file_counts_and_a_mended_one_is_newer_than_any(store: ImageStore, tmp_path: Path) -> None:
    store.keep(keys_of(1), images_of(1), [b""])
    (file,) = store.folder.glob("images-*.sqlite")
    later = file.with_name(f"images-{2**62:016x}.sqlite")  # made on a machine whose clock is ahead
    store._made(None).replace(later)
    assert new(tmp_path).read(keys_of(1))[1].tolist() == [ABSENT]
    assert store._made(later).name > later.name


def test_what_a_killed_process_left_is_removed(store: ImageStore) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / "images-0.draft").touch()
    store.keep(keys_of(1), images_of(1), [b""])
    assert not list(store.folder.glob("*.draft*"))


def test_a_removed_file_is_not_written_to(store: ImageStore, tmp_path: Path) -> None:
    store.keep(keys_of(1), images_of(1), [b""])
    for file in store.folder.glob("images-*"):
        file.unlink()
    store.keep(keys_of(1, 5), images_of(1), [b""])
    assert new(tmp_path).read(keys_of(1, 5))[1].tolist() == [INTACT]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_no_error(store: ImageStore, code: int) -> None:
    found = store._refusal(OSError(code, "no"))
    assert isinstance(found, database.UnwritableError)
    assert isinstance(store._refusal(OSError(errno.EIO, "no")), CacheError)


def test_a_mended_file_has_what_is_intact_and_is_mended_once(store: ImageStore, tmp_path: Path) -> None:
    store.keep(keys_of(2), images_of(2), [b""] * 2)
    (damaged,) = store.folder.glob("images-*.sqlite")
    mended = store._made(damaged)
    store._replace(damaged)  # as another process would, that found the damage at the same time
    assert max(store.folder.glob("images-*.sqlite")) == mended
    assert new(tmp_path).read(keys_of(2))[1].tolist() == [INTACT] * 2
