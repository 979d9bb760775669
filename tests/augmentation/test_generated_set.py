"""A generated set on disk: what is written, what `manifest` reads of it, and the verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferdis import load
from ferdis.augmentation import PROVENANCE, QualityFilter, generate
from ferdis.augmentation.generated_set import contact_sheet, write_generated
from ferdis.cli import main
from ferdis.faces import Faces
from tests.augmentation.test_augmented import Composer, Embedder, Reader, Spoiler, unbalanced
from tests.painted import composed, painted


def test_what_is_written_is_read_back_with_its_provenance(tmp_path: Path) -> None:
    data = unbalanced()
    made = write_generated(data, Composer(), tmp_path, seed=2)
    assert made.faces is not None and len(made.faces) == 12 and set(made.faces.expression) == {"fear"}
    again = load("manifest", root=tmp_path, namespace="t", image_size=8, align=False)
    np.testing.assert_array_equal(again.pixels(), made.faces.pixels())
    assert set(PROVENANCE) <= set(again.table) and list(again.subject) == list(made.faces.subject)
    rows = {path: row for row, path in enumerate(data.table["path"])}
    sources, references = (data[[rows[path] for path in again.table[name]]] for name in ("source", "reference"))
    np.testing.assert_array_equal(again.pixels(), composed(sources, references).pixels())
    notes = (tmp_path / "notes.txt").read_text()
    assert 'namespace="t"' in notes
    assert "filtered" not in notes
    assert "12 generated faces" in notes and f"all {len(data)} faces given of 6 people: test on none" in notes
    assert Image.open(tmp_path / "contact.png").size[0] > 400


def test_names_of_several_sets_stay_whole(tmp_path: Path) -> None:
    data = painted(people=4)
    table = data.to_frame()
    table["subject"] = [name.replace("t/P00", "u/P00") for name in table["subject"]]
    write_generated(data.with_table(table), Composer(), tmp_path, strategy="multiply")
    assert set(pd.read_csv(tmp_path / "faces.csv")["subject"]) == set(table["subject"])


class Seeded(Composer):
    """Keeps what it was fitted with."""

    seeds: ClassVar[list[int]] = []

    def fit(self, faces: Faces, y: Any = None) -> Composer:
        self.notes_ = [f"composed with seed {self.seed}"]
        Seeded.seeds.append(self.seed)
        return super().fit(faces, y)


def test_the_seed_reaches_generator_and_choice_and_nothing_given_is_changed(tmp_path: Path) -> None:
    Seeded.seeds = []
    generator, filter = Seeded(), QualityFilter(classifier=Reader(), embedder=Embedder())
    made = [
        write_generated(unbalanced(), generator, tmp_path / str(k), filter=filter, seed=seed).faces
        for k, seed in enumerate((2, 2, 3))
    ]
    sources = [list(faces.table["source"]) for faces in made if faces is not None]
    assert sources[0] == sources[1] != sources[2]
    assert Seeded.seeds == [2, 2, 3] and generator.seed == 0 and not hasattr(generator, "classes_")
    assert not hasattr(filter, "classifier_")
    assert (tmp_path / "2" / "notes.txt").read_text().splitlines()[-1] == "composed with seed 3"


def test_a_name_may_have_several_parts(tmp_path: Path) -> None:
    data = painted(people=3)
    longer = data.with_table(data.to_frame().assign(subject=["set/" + name for name in data.subject]))
    write_generated(longer, Composer(), tmp_path, strategy="multiply", per_class=3)
    assert set(pd.read_csv(tmp_path / "faces.csv")["subject"]) == {"P00", "P01", "P02"}
    assert 'namespace="set/t"' in (tmp_path / "notes.txt").read_text()


def test_people_without_names(tmp_path: Path) -> None:
    data = painted(people=3)
    write_generated(
        data.with_table(data.table.drop(columns="subject")), Composer(), tmp_path, strategy="multiply", per_class=1
    )
    notes = (tmp_path / "notes.txt").read_text()
    assert "fitted on all 18 faces given: test on none" in notes and "namespace" not in notes


def test_the_filter_is_fitted_and_named(tmp_path: Path) -> None:
    filter = QualityFilter(classifier=Reader(), embedder=Embedder())
    made = write_generated(unbalanced(), Spoiler(), tmp_path, filter=filter)
    assert made.misread + made.drifted > 0 and "filtered by judges" in (tmp_path / "notes.txt").read_text()
    with pytest.raises(ValueError, match="nothing is left to write"):
        write_generated(unbalanced(), Spoiler(), tmp_path / "b", filter=filter.set_params(minimum_cosine=2.0))


def test_nothing_to_make(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name a larger per_class"):
        write_generated(painted(people=3), Composer(), tmp_path)


def test_the_sheet_shows_each_class(tmp_path: Path) -> None:
    data = painted(people=4)
    made = write_generated(data, Composer(), tmp_path, strategy="multiply", per_class=2)
    figure = contact_sheet(data, made.faces)
    assert len(figure.axes) == 3 * 2 * 3  # classes, faces of each, images of each face
    assert {axes.get_ylabel() for axes in figure.axes} - {""} == set(data.classes)
    place = {path: row for row, path in enumerate(data.table["path"])}
    for k, row in enumerate(np.flatnonzero(made.faces.expression == data.classes[0])):
        line = made.faces.table.iloc[row]
        expected = [data.pixels([place[line[name]]])[0] for name in ("source", "reference")]
        for axes, pixels in zip(figure.axes[3 * k :], [*expected, made.faces.pixels([row])[0]], strict=False):
            np.testing.assert_array_equal(axes.get_images()[0].get_array(), pixels)


def test_the_sheet_is_as_wide_as_its_largest_class() -> None:
    data = painted(people=4)
    made = generate(Composer().fit(data), data, {"anger": 1, "fear": 6}).faces
    assert len(contact_sheet(data, made, shown=4).axes) == 3 * (1 + 4)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "augment --dataset synthetic --dataset.people 3 --dataset.expressions 6 --dataset.images_per_expression 1 "
        "--dataset.image_size 32 --preset small --decgan.image_size 32 --decgan.epochs 1 --decgan.expression_epochs 1 "
        f"--per_class 2 --strategy multiply --filter false --out {tmp_path}"
    )
    assert main(line.split()) == 0, capsys.readouterr().err
    assert "12 generated faces of 12 drawn" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "faces.csv")
    assert len(table) == 12 and (table["generator"] == "DECGAN").all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("augment --system decgan eggan --out x", "takes one system: name it, as in --system decgan"),
        ("augment --system resnet --preset small --resnet.epochs 1 --dataset.people 2 --out x", "makes no faces"),
        ("augment --preset small", "out"),
    ],
)
def test_the_verb_refuses(
    line: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
