"""Both caches under damage: whatever happens to the files, the pixels are those that were made, or an error says so."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis.datasets.synthetic.lazy import Recipes, RenderedImages
from ferdis.preprocess import image_store
from ferdis.preprocess.align import WholePicture
from ferdis.preprocess.pipeline import prepare

COUNT, SIZE = 20, 24
TIMES = 10  # of each kind, at other places
PAGE = 8192


class Rendered(RenderedImages):
    """Draws what the recipe's person says, quickly; counts what it draws."""

    drawn = 0

    def chunks(self, recipes: Recipes) -> Iterator[tuple[slice, Any]]:
        for row, person in enumerate(recipes.person.tolist()):
            type(self).drawn += 1
            image = np.random.default_rng(person).integers(0, 256, (1, self.size, self.size, 3), np.uint8)
            yield slice(row, row + 1), SimpleNamespace(images=image)

    def renderer(self) -> str:
        return "noise"


class Counted(WholePicture):
    """The centre square; counts what it crops."""

    made = 0

    def __call__(self, images: Any, size: int) -> Any:
        type(self).made += len(images)
        return super().__call__(images, size)


class Case:
    """A cache and what must come out of it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.cache = kind, folder / "cache"
        if kind == "crops":
            images = np.random.default_rng(1).integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
            self.files = [folder / f"{row}.png" for row in range(COUNT)]
            for file, image in zip(self.files, images, strict=True):
                Image.fromarray(image).save(file)
            self.truth = images
        else:
            self.truth = np.concatenate([d.images for _, d in Rendered(recipes(), SIZE).chunks(recipes())])
        self.opened()[:]
        self.pristine = folder / "pristine"
        shutil.copytree(self.cache, self.pristine)

    def opened(self) -> Any:
        """The images, as another process opens them."""
        if self.kind == "rendered":
            return Rendered(recipes(), SIZE, self.cache)
        table = pd.DataFrame({"expression": ["neutral"] * COUNT, "subject": "a"})
        return prepare(self.files, table, image_size=SIZE, align=Counted(), cache=self.cache, progress=False).images

    def made(self) -> int:
        return Rendered.drawn + Counted.made

    def restore(self) -> None:
        """The cache as it was written."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.pristine, self.cache)

    @property
    def database(self) -> Path:
        (file,) = self.cache.glob("*/images-*.sqlite")
        return file


def recipes() -> Recipes:
    zeros = np.zeros((COUNT, 17), np.float32)
    return Recipes(np.zeros(COUNT, int), np.arange(COUNT), zeros, zeros, np.zeros((COUNT, 5), np.float32))


@pytest.fixture(scope="module", params=["crops", "rendered"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp(request.param))


Damage = Callable[[Case, np.random.Generator], None]


def changed(file: Path, change: Callable[[bytearray], bytes | bytearray]) -> None:
    file.write_bytes(change(bytearray(file.read_bytes())))


def bit(case: Case, random: np.random.Generator) -> None:
    def flip(data: bytearray) -> bytearray:
        data[random.integers(len(data))] ^= 1 << int(random.integers(8))
        return data

    changed(case.database, flip)


def burst(case: Case, random: np.random.Generator) -> None:
    def overwrite(data: bytearray) -> bytearray:
        start = int(random.integers(len(data) - 200))
        data[start : start + 200] = random.bytes(200)
        return data

    changed(case.database, overwrite)


def header(case: Case, random: np.random.Generator) -> None:
    def overwrite(data: bytearray) -> bytearray:
        data[int(random.integers(100))] = int(random.integers(256))  # text encoding, page size, journal mode, ...
        return data

    changed(case.database, overwrite)


def page_of(data: bytearray, random: np.random.Generator) -> slice:
    start = PAGE * int(random.integers(len(data) // PAGE))
    return slice(start, start + PAGE)


def zeroed_page(case: Case, random: np.random.Generator) -> None:
    def zero(data: bytearray) -> bytearray:
        data[page_of(data, random)] = bytes(PAGE)
        return data

    changed(case.database, zero)


def swapped_pages(case: Case, random: np.random.Generator) -> None:
    def swap(data: bytearray) -> bytearray:
        one, other = page_of(data, random), page_of(data, random)
        data[one], data[other] = data[other], data[one]
        return data

    changed(case.database, swap)


def cut(case: Case, random: np.random.Generator) -> None:
    changed(case.database, lambda data: data[: int(random.integers(len(data)))])


def cut_at_a_page(case: Case, random: np.random.Generator) -> None:
    changed(case.database, lambda data: data[: PAGE * int(random.integers(len(data) // PAGE))])


def foreign_file(case: Case, random: np.random.Generator) -> None:
    case.database.write_bytes(random.bytes(int(random.integers(1, 50_000))))


def deleted(case: Case, random: np.random.Generator) -> None:
    case.database.unlink() if random.random() < 0.5 else shutil.rmtree(case.cache)


def foreign_journal(case: Case, random: np.random.Generator) -> None:
    case.database.with_name(f"{case.database.name}-journal").write_bytes(random.bytes(3000))


def with_sql(case: Case, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(case.database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def two_places(case: Case, random: np.random.Generator) -> tuple[int, int]:
    with contextlib.closing(sqlite3.connect(case.database)) as connection:
        places = [place for (place,) in connection.execute("SELECT place FROM pixels")]
    one, other = random.choice(places, 2, replace=False).tolist()
    return one, other


def swapped_pixels(case: Case, random: np.random.Generator) -> None:
    one, other = two_places(case, random)
    with_sql(
        case,
        f"UPDATE pixels SET place = -1 WHERE place = {one}",
        f"UPDATE pixels SET place = {one} WHERE place = {other}",
        f"UPDATE pixels SET place = {other} WHERE place = -1",
    )


def swapped_rows(case: Case, random: np.random.Generator) -> None:
    """All of two rows but their keys."""
    one, other = two_places(case, random)
    columns = ("note", "note_crc", "pixels_crc", "place")
    with contextlib.closing(sqlite3.connect(case.database)) as connection, connection:
        question = f"SELECT {', '.join(columns)}, key FROM rows WHERE place IN (?, ?)"
        first, second = connection.execute(question, [one, other]).fetchall()
        for values, key in ((first[:-1], second[-1]), (second[:-1], first[-1])):
            connection.execute(
                f"UPDATE rows SET {', '.join(f'{c} = ?' for c in columns)} WHERE key = ?", [*values, key]
            )


def other_types(case: Case, random: np.random.Generator) -> None:
    one, other = two_places(case, random)
    value = random.choice(["zeroblob(1000)", "''", "7", "'text'", "1.5"])
    with_sql(
        case,
        f"UPDATE pixels SET data = {value} WHERE place = {one}",
        f"UPDATE rows SET note = {value} WHERE place = {other}",
    )


def deleted_rows(case: Case, random: np.random.Generator) -> None:
    one, other = two_places(case, random)
    with_sql(case, f"DELETE FROM rows WHERE place = {one}", f"DELETE FROM pixels WHERE place = {other}")


def another_schema(case: Case, random: np.random.Generator) -> None:
    with_sql(
        case, str(random.choice(["DROP TABLE rows", "DROP TABLE pixels", "ALTER TABLE rows RENAME note TO other"]))
    )


KINDS: list[Damage] = [
    bit, burst, header, zeroed_page, swapped_pages, cut, cut_at_a_page, foreign_file, deleted, foreign_journal,
    swapped_pixels, swapped_rows, other_types, deleted_rows, another_schema,
]  # fmt: skip


@pytest.mark.parametrize("damage", KINDS, ids=lambda damage: damage.__name__)
def test_no_damage_is_used(case: Case, damage: Damage) -> None:
    """300 damages: the pixels are right at once, and what was lost is in the cache again."""
    for seed in range(TIMES):
        random = np.random.default_rng([KINDS.index(damage), seed])
        case.restore()
        damage(case, random)
        np.testing.assert_array_equal(case.opened()[:], case.truth)
        for _ in range(3):  # rows that point at each other's pixels may take a second repair
            before = case.made()
            np.testing.assert_array_equal(case.opened()[:], case.truth)
            if case.made() == before:
                break
        assert case.made() == before, "repaired: nothing is made any more"


@pytest.mark.parametrize("damage", [bit, burst, zeroed_page, cut, deleted, swapped_pixels], ids=lambda d: d.__name__)
def test_nor_where_it_happens_while_the_cache_is_read(
    case: Case, damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_store, "_HELD_BYTES", 0)  # each access reads the file
    for seed in range(TIMES // 2):
        random = np.random.default_rng([99, KINDS.index(damage), seed])
        case.restore()
        images = case.opened()
        np.testing.assert_array_equal(images[::2], case.truth[::2])
        damage(case, random)
        for rows in random.permutation(COUNT).reshape(4, -1):
            np.testing.assert_array_equal(images[rows], case.truth[rows])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(images))[:], case.truth)  # noqa: S301


def test_the_file_of_another_store_is_not_used(case: Case) -> None:
    """Same size, same keys, another way of making them."""
    case.restore()
    before = case.database.read_bytes()

    class Other(Rendered):
        def renderer(self) -> str:
            return "another"

    class Another(Counted):
        params = {"crop": "another"}  # noqa: RUF012

    if case.kind == "rendered":
        other: Any = Other(recipes(), SIZE, case.cache)
    else:
        table = pd.DataFrame({"expression": ["neutral"] * COUNT, "subject": "a"})
        other = prepare(case.files, table, image_size=SIZE, align=Another(), cache=case.cache, progress=False).images
    other[:]
    first, second = sorted(case.cache.glob("*/images-*.sqlite"), key=lambda file: file.read_bytes() != before)
    first.write_bytes(second.read_bytes())
    count = case.made()
    np.testing.assert_array_equal(case.opened()[:], case.truth)
    assert case.made() >= count + COUNT, "all were made again"


def test_a_repair_says_what_it_did(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.restore()
    one, other = two_places(case, np.random.default_rng(0))
    with_sql(case, f"UPDATE pixels SET data = zeroblob(1728) WHERE place IN ({one}, {other})")
    case.opened()[:]
    assert f"2 of {COUNT} images were damaged and have been made again" in capsys.readouterr().out
    case.restore()
    case.database.write_bytes(b"SQLite format 3\0" + bytes(5000))
    case.opened()[:]
    assert "the image cache was damaged; it has been made anew" in capsys.readouterr().out


def test_a_damaged_file_keeps_the_rows_that_are_intact(case: Case) -> None:
    case.restore()
    changed(case.database, lambda data: data[: len(data) * 9 // 10])
    before = case.made()
    np.testing.assert_array_equal(case.opened()[:], case.truth)
    assert case.made() - before < COUNT
