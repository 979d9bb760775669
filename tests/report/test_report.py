"""The page says what the rows say, holds everything itself, and names what is wrong in one line."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferdis import cli, metrics, run_folder
from ferdis.evaluation.runner import evaluate
from ferdis.faces import Faces
from ferdis.protocol import SubjectKFold, repeat
from ferdis.report import write_report
from ferdis.report.mistakes import find_faces
from tests.evaluation.runner_fakes import PROTOCOL, NearestMean, Plain, make_faces
from tests.quickly import quickly

pytestmark = pytest.mark.usefixtures("quick")  # but for the page, which is made before it

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """What a browser would see: text, tags that fit, what is asked for from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.images: list[dict[str, str]] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.ids += [given["id"]] if "id" in given else []
        self.images += [given] if tag == "img" else []
        self.links += [given[name] for name in ("href", "src", "srcset", "action") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Nine people with ages, genders, sequences; two images of each of three classes."""
    faces = make_faces()
    table = faces.to_frame()
    person = table["subject"].str[-1].astype(int)
    table = table.assign(gender=np.where(person % 2, "female", "male"), age=18.0 + 5 * person, ward=person % 3)
    table.loc[person == 8, "age"] = np.nan
    return faces.with_table(table)


@pytest.fixture(scope="module")
def runs(faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: two systems; one of the same name with other parameters; a further seed; other folds."""
    root = tmp_path_factory.mktemp("runs")
    with quickly("0123456789ab+changes"):
        systems = {"mean": NearestMean(), "weak_one": NearestMean(epochs=1)}
        evaluate(systems, faces, PROTOCOL, out=root / "first", progress=False, diagnose_peeking=True)
        evaluate({"mean": NearestMean(epochs=2)}, faces, PROTOCOL, out=root / "changed", progress=False)
        evaluate({"mean": NearestMean()}, faces, PROTOCOL, seeds=(5,), out=root / "reseeded", progress=False)
        other = SubjectKFold(3, validation_folds=1, scheme="id-ascending")
        evaluate({"mean": NearestMean()}, faces, other, out=root / "elsewhere", progress=False)
        evaluate({"plain": Plain()}, faces[faces.expression != "fear"], PROTOCOL, out=root / "fewer", progress=False)
    return root


@pytest.fixture(scope="module")
def written(runs: Path, faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the first run, with what ferdis disentangle would have added."""
    run = tmp_path_factory.mktemp("whole") / "first"
    shutil.copytree(runs / "first", run)
    (run / "disentanglement.md").write_text("# What the codes hold\n\n| code | <b> |\n| --- | --- |\n| z | 0.5 |\n")
    (run / "figures").mkdir()
    Image.new("RGB", (8, 8)).save(run / "figures" / "codes-mean.png")
    return write_report([run], faces=faces)


@pytest.fixture(scope="module")
def page(written: Path) -> Page:
    return Page(written.read_text(encoding="utf-8"))


def test_everything_is_inside_and_fits(written: Path, page: Page) -> None:
    assert not page.open
    anchors = [link for link in page.links if link.startswith("#")]
    assert anchors and {link[1:] for link in anchors} <= set(page.ids) and len(set(page.ids)) == len(page.ids)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert page.images and all(image["alt"] for image in page.images)
    source = written.read_text(encoding="utf-8")
    assert "url(" not in source and "@import" not in source and "<script" not in source
    assert not re.search(r"\bnan\b", page.text, re.IGNORECASE)


def test_every_part_is_there(page: Page) -> None:
    for heading in (
        "Result", "Paired comparison", "Folds", "Classes", "Groups of people", "Calibration", "Worst mistakes",
        "Disentanglement", "Peeking", "Training", "Audit", "Provenance",
    ):  # fmt: skip
        assert f"#g1-{heading.split()[-1].lower()}" in page.links or heading in page.text
    # summary, comparison, classes, groups, calibration, temperature, selective, disentanglement's own
    assert page.tags["table"] == 8
    assert "Published figures" not in page.text  # no paper has tested on these


def test_the_result_stands_first_in_words(page: Page, runs: Path) -> None:
    rows = run_folder.read_rows(runs / "first" / "rows.csv")
    uar = {name: metrics.uar(part["true"], part["predicted"]) for name, part in rows.groupby("system")}
    assert uar["mean"] > uar["weak_one"]
    found = metrics.compare(rows, "mean", "weak_one")
    assert f"mean has the highest UAR, {100 * uar['mean']:.1f} [" in page.text
    assert f"ahead of weak_one by +{100 * found.difference:.1f} [" in page.text or "Its lead over weak_one" in page.text
    assert page.text.index("highest UAR") < page.text.index("Accuracy, UAR and calibration")


def test_shortcuts_are_named(page: Page) -> None:
    for words in (
        "the last epoch", "18 of 54 images a fold sat out", "Peeking was diagnosed", "as centre crops",
        "1 face was not",
        "Choosing the best test epoch would have claimed", "Files differed from that commit", "no leak",
    ):  # fmt: skip
        assert words in page.text, words


def test_mistakes_have_their_pictures(page: Page, runs: Path, faces: Faces) -> None:
    rows = run_folder.read_rows(runs / "first" / "rows.csv")
    wrong = set(rows.loc[rows["true"] != rows["predicted"], "path"])
    shown = [image for image in page.images if ", called " in image["alt"]]
    assert 2 <= len(shown) <= 24 and len({image["src"] for image in shown}) > 1
    assert sum(path in page.text for path in wrong) >= 2
    assert "no picture" not in page.text


def test_foreign_markup_is_shown_and_not_obeyed(page: Page) -> None:
    assert page.tags["b"] == page.text.count("→") - 1  # one for each mistake; none of disentanglement.md
    assert "<b>" in page.text and "z 0.5" in page.text


def test_tables_say_the_same_in_every_form(written: Path, page: Page) -> None:
    tables = written.parent / "tables"
    names = {"summary", "comparison", "classes", "groups", "calibration", "temperature", "selective"}
    assert {path.stem for path in tables.glob("*.md")} == names == {path.stem for path in tables.glob("*.tex")}
    for name in names:
        markdown = (tables / f"{name}.md").read_text(encoding="utf-8")
        latex = (tables / f"{name}.tex").read_text(encoding="utf-8")
        lines = [line for line in markdown.splitlines() if line.startswith("|")]
        cells = [cell.strip() for line in lines for cell in line.split("|")]
        assert all(cell in page.text for cell in cells if cell != "---")
        body = latex[latex.index(r"\toprule") :].splitlines()
        heads = markdown.splitlines()[2].count("|") - 1
        assert all(line.count(" & ") == heads - 1 for line in body if line.endswith(r"\\"))
        assert r"\begin{tabular}" in latex and latex.count("{") == latex.count("}")
        assert "±" not in latex and not re.search(r"(?<!\\)_", latex.replace("tab:", "").split(r"\toprule")[1])
    assert r"weak\_one" in (tables / "classes.tex").read_text(encoding="utf-8")
    assert {path.name for path in (written.parent / "figures").iterdir()} >= {"folds.png", "reliability-mean.png"}


def test_runs_of_the_same_folds_are_paired(runs: Path, tmp_path: Path) -> None:
    out = write_report([runs / "first", runs / "changed", runs / "reseeded"], tmp_path, mistakes=0)
    page = Page(out.read_text(encoding="utf-8"))
    assert "not paired" not in page.text
    table = (tmp_path / "tables" / "comparison.md").read_text(encoding="utf-8")
    pairs = re.findall(r"^\| (.*?) − (.*?) \|", table, re.MULTILINE)[1:]  # the first is the head
    assert len(pairs) == 3 and {name for pair in pairs for name in pair} == {"mean", "weak_one", "mean (changed)"}
    # the further seed joined the system that it belongs to
    assert "UAR (%) of the single seeds: mean" in page.text and "Holm" in page.text


def test_runs_of_other_folds_or_pictures_stand_side_by_side(runs: Path, tmp_path: Path) -> None:
    out = write_report([runs / "first", runs / "elsewhere", runs / "fewer"], tmp_path, mistakes=0)
    page = Page(out.read_text(encoding="utf-8"))
    assert "elsewhere is not paired with first: it tested the same images in other folds" in page.text
    assert "fewer is not paired with first: it tested other images (36 of its 36 are among the 54" in page.text
    assert {"g1", "g2", "g3"} <= set(page.ids)
    assert (tmp_path / "tables" / "g2-summary.md").exists() and not (tmp_path / "tables" / "g2-comparison.md").exists()


def test_other_training_pictures_of_the_same_folds_are_said(runs: Path, faces: Faces, tmp_path: Path) -> None:
    more = SubjectKFold(3, validation_folds=0)
    evaluate({"all": NearestMean()}, faces, more, out=tmp_path / "more", progress=False)
    page = Page(write_report([runs / "first", tmp_path / "more"], tmp_path / "out", mistakes=0).read_text("utf-8"))
    assert "more trained on other images of the folds than first" in page.text and "not paired" not in page.text


def test_pictures_that_are_not_found_are_said(runs: Path, faces: Faces, tmp_path: Path) -> None:
    def gone(name: str, **arguments: object) -> Faces:
        raise FileNotFoundError("data/toy: no such folder")

    run = run_folder.read_run(runs / "first")
    assert find_faces(run, None, None) == (None, "no loader was given to look for them")
    assert "does not say how its data set was loaded" in find_faces(run, gone, None)[1]
    named = dataclasses.replace(run, config={"dataset": {"name": "toy", "size": 3}})
    assert find_faces(named, gone, None)[1] == "the data set could not be loaded again (data/toy: no such folder)"
    assert find_faces(named, lambda name, size: faces if (name, size) == ("toy", 3) else gone(name), None) == (
        faces,
        "",
    )
    page = Page(write_report([runs / "first"], tmp_path, load=gone).read_text("utf-8"))
    assert "Without pictures: first/config.yaml does not say" in page.text and "no picture" in page.text


# ---------------------------------------------------------------- what is wrong


def _no_folder(run: Path) -> None:
    shutil.rmtree(run)


def _foreign(run: Path) -> None:
    (run / "resolved.json").unlink()


def _unfinished(run: Path) -> None:
    (run / "fold-01" / "mean" / "done.json").unlink()


def _no_rows(run: Path) -> None:
    (run / "rows.csv").unlink()


def _shorter(run: Path) -> None:
    path = run / "rows.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))


def _changed(run: Path) -> None:
    path = run / "fold-02" / "mean" / "rows.csv"
    path.write_text(path.read_text().replace("fear", "anger"))


def _no_folds(run: Path) -> None:
    (run / "folds.csv").unlink()


def _damaged(run: Path) -> None:
    (run / "resolved.json").write_text('{"dataset"')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_folder, "no such folder; give one that ferdis kfold --out wrote"),
        (_foreign, r"holds no run \(no resolved.json\)"),
        (_unfinished, "is not finished: 5 of 6 fits are done; run the same command again, it goes on there"),
        (_no_rows, "rows.csv is missing: run the same command again, it gathers it"),
        (_shorter, r"rows\.csv was changed after the run wrote it: undo the change, or delete it and run"),
        (_changed, r"fold-02/mean/rows\.csv is missing or was changed after the fold was finished: undo"),
        (_no_folds, "folds.csv is missing"),
        (_damaged, r"resolved\.json was changed after the run wrote it: undo the change, or choose"),
    ],
)
def test_a_run_that_is_not_whole_is_one_line(
    runs: Path, tmp_path: Path, damage: Callable[[Path], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs / "first", run)
    damage(run)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        write_report([run])
    assert cli.main(["report", str(run)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("ferdis: error: ") and not (run / "report").exists()


def test_arguments_that_do_not_fit(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run was named"):
        write_report([])
    with pytest.raises(ValueError, match="is named twice"):
        write_report([runs / "first", runs / "changed" / ".." / "first"])
    with pytest.raises(ValueError, match="mistakes=-1"):
        write_report([runs / "first"], mistakes=-1)
    with pytest.raises(ValueError, match="the rows have no column 'height' to group by"):
        write_report([runs / "first"], by=["height"])
    assert not (runs / "first" / "report").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(run_folder.DiskError, match="cannot be written"):
        write_report([runs / "first"], tmp_path / "file", mistakes=0)


def test_command_line(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["report", runs / "first", runs / "changed", "--out", tmp_path / "out", "--mistakes", "0", "--by", "ward"]
    assert cli.main([str(item) for item in line]) == 0
    assert str(tmp_path / "out" / "report.html") in capsys.readouterr().out
    text = (tmp_path / "out" / "tables" / "groups.md").read_text(encoding="utf-8")
    assert re.search(r"^\| ward \| 0 \|", text, re.MULTILINE)
    assert cli.main(["report"]) == 2
    assert cli.main(["report", str(runs / "first"), "--faces", "{root: here}"]) == 2
    assert "does not say which data set" in capsys.readouterr().err


def test_several_seeds_with_folds_of_their_own(faces: Faces, tmp_path: Path) -> None:
    protocols = repeat(PROTOCOL, (0, 1))
    evaluate({"a": Plain(), "b": Plain()}, faces, protocols, seeds=(0, 1), out=tmp_path / "run", progress=False)
    run = run_folder.read_run(tmp_path / "run")
    assert set(run.folds["seed"]) == {0, 1} and len(run.fits) == 12
    page = Page(write_report([tmp_path / "run"], mistakes=0).read_text("utf-8"))
    assert "2 partitions into 3 folds, 1 seed each (0, 1)" in page.text
    assert "is not shown (0 is in the interval" in page.text
