"""The experiments: their plans, their published figures, the tables they print. Only a tiny EGGAN is trained here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file

from ferdis.report.published import figures

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
PLANS = sorted(path for path in EXPERIMENTS.glob("*.yaml") if "paper" in yaml.safe_load(path.read_text()))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import table

    yield table
    sys.modules.pop("table", None)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_each_plan_has_figures_for_every_column_and_method(table, path: Path):
    plan = yaml.safe_load(path.read_text())
    published = figures()
    rows = published[(published.paper == plan["paper"]) & (published.table == plan["table"])]
    assert set(plan["columns"]) == set(rows.dataset)
    for _, part in rows.groupby("dataset"):
        assert set(part.method) == set(plan["methods"].values())
    assert path.with_suffix(".py").is_file() and plan["protocol"]["name"] in table.PROTOCOLS


def test_published_and_measured_stand_side_by_side(table):
    plan = yaml.safe_load((EXPERIMENTS / "ifgan_table1.yaml").read_text())
    # Fold 0: 3 of 4 right; fold 1: 1 of 2 right.
    rows = pd.DataFrame(
        {
            "system": "ifgan",
            "fold": [0, 0, 0, 0, 1, 1],
            "true": ["fear"] * 6,
            "predicted": ["fear", "fear", "fear", "anger", "fear", "anger"],
        }
    )
    line = table.side_by_side(plan, "CK+", rows).iloc[0]
    assert (line.method, line.published, line.folds) == ("IF-GAN", 97.52, 2)
    assert line.measured == pytest.approx((75 + 50) / 2)
    assert line["std"] == pytest.approx(17.6777, abs=1e-3)  # ddof 1


@pytest.mark.parametrize(
    ("script", "argv", "says"),
    [
        ("ifgan_table1", ["--dataset", "CK+"], "official layout"),
        ("ifgan_table1", ["--dataset", "MMI"], "official layout"),
        ("ifgan_table2", ["--dataset", "RAF-DB", "--root", "."], "is empty: give root= the folder that holds the"),
    ],
)
def test_a_set_that_is_not_there_says_what_to_do(table, tmp_path, monkeypatch, script, argv, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        table.run(script, lambda *_: {}, "", argv)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_further_sets_are_read_with_the_tables_arguments(table, monkeypatch):
    from ferdis import load

    faces = load("synthetic", people=2, expressions=6, images_per_expression=1, image_size=48, cache=False)
    asked: list[tuple[str, dict]] = []
    monkeypatch.setattr(table, "load", lambda name, **arguments: asked.append((name, arguments)) or faces)
    plan = yaml.safe_load((EXPERIMENTS / "ifgan_table2.yaml").read_text())["further"]
    given = ["ckplus=CK", "bu3dfe=BU", "{name: mmi, root: M, frames: apex, image_size: 64}"]
    assert len(table.read_further("extra_train", given, faces, plan["arguments"])) == 3 * len(faces)
    assert asked == [
        ("ckplus", {"image_size": 48, "root": "CK", "expressions": 6, "frames": "last3", "neutral": "first"}),
        ("bu3dfe", {"image_size": 48, "root": "BU", "expressions": 7, "intensity": [3, 4]}),
        ("mmi", {"image_size": 64, "root": "M", "frames": "apex"}),
    ]
    for wrong, says in (
        ("ckplus", "write NAME=DIR"),
        ("{name: mmi}", "name and root are needed"),
        ("{a", "while parsing"),
    ):
        with pytest.raises(ValueError, match=says):
            table.read_further("extra_train", [wrong], faces)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_arguments_of_further_sets_are_those_of_their_loaders(path: Path):
    from ferdis.datasets import check_arguments, entry

    for name, arguments in yaml.safe_load(path.read_text())["further"].get("arguments", {}).items():
        check_arguments(name, entry(name).imported(), {"root": "", **arguments})


def test_table_2_has_the_papers_averages_and_trains_on_every_image(table, tmp_path, monkeypatch):
    """The posed sets bring a neutral average; all of RAF-DB's training part trains."""
    from ferdis import load
    from tests.datasets import layouts, trees

    pictures = layouts.rafdb(train=14, test=7)
    raf = {"basic/EmoLabel/list_patition_label.txt": layouts.rafdb_list(pictures)}
    image = lambda path: trees.picture(path, 3)  # noqa: E731
    layouts.written(tmp_path / "raf", pictures, raf, image)
    layouts.written(tmp_path / "bu", layouts.bu3dfe(women=1, men=1), picture=image)
    trees.ckplus(tmp_path / "ck")
    monkeypatch.setattr(table, "load", lambda name, **arguments: load(name, align=False, cache=False, **arguments))
    plan = yaml.safe_load((EXPERIMENTS / "ifgan_table2.yaml").read_text())
    given = ["--dataset", "RAF-DB", "--root", str(tmp_path / "raf")]
    faces = table.read_faces(table.arguments("", plan, given), plan)
    further = [f"ckplus={tmp_path / 'ck'}", f"bu3dfe={tmp_path / 'bu'}"]
    extra = table.read_further("extra_train", further, faces, plan["further"]["arguments"])
    for name in ("ck/", "bu3d/"):
        assert "neutral" in {e for e, s in zip(extra.expression, extra.subject, strict=True) if s.startswith(name)}
    assert "contempt" not in extra.expression and set(extra.table["intensity"].dropna()) == {0, 3, 4}
    (fold,) = table.PROTOCOLS["official"](validation=plan["protocol"]["validation"]).split(faces)
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (14, 0, 7)
    assert table.parts([fold]) == "of these images 14 train, 0 validate (and choose nothing), 7 test in a fold"

    import ifgan_table2

    systems = ifgan_table2.systems(True, extra, {})
    assert systems["ifgan"].average_from == "extra" and systems["ifgan-no-attention"].average_from == "extra"
    assert ifgan_table2.systems(True, None, {})["ifgan"].average_from == "target"


def test_differences_name_what_the_dry_run_is(table):
    from ferdis import load

    faces = load("synthetic", people=2, expressions=6, images_per_expression=1, image_size=48, cache=False)
    plan = yaml.safe_load((EXPERIMENTS / "ifgan_table1.yaml").read_text())
    options = table.arguments("", plan, ["--dataset", "synthetic", "--small", "--epochs", "3"])
    text = "\n".join(table.differences(plan, options, faces, None))
    for said in ("2 synthetic people", "3 epochs, 100 in the paper", "random weights", "three other sets"):
        assert said in text


def test_the_former_name_of_the_dry_run_is_understood(table, capsys):
    plan = yaml.safe_load((EXPERIMENTS / "relgan_table1_ckplus.yaml").read_text())
    options = table.arguments("", plan, ["--dataset", "embedded", "--pretrain", "embedded=3"])
    assert (options.dataset, options.further) == ("synthetic", ["synthetic=3"])
    assert "'embedded' is now 'synthetic'" in capsys.readouterr().err


@pytest.fixture
def eggan(monkeypatch: pytest.MonkeyPatch):
    """The experiments' EGGAN tables, at sizes that only show that they run."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    from ferdis import EGGAN
    from ferdis.evaluators.au_estimator import AUEstimator

    sizes = {"image_size": 32, "generator_channels": (8, 8, 8, 8), "critic_channels": (8, 8, 8), "code_width": 8}
    classifier = {"classifier_channels": (8, 8), "classifier_depths": (1, 1), "perceptual_layer": "relu2_1"}
    monkeypatch.setattr(EGGAN, "preset", {**EGGAN.preset, **sizes, **classifier, "progress": False})
    reader = {"image_size": 32, "channels": (8, 8), "depths": (1, 1), "progress": False}
    monkeypatch.setattr(AUEstimator, "preset", {**AUEstimator.preset, **reader})
    counts = {"people": 3, "images": 1, "judge_people": 14, "test_people": 3, "edits": 10, "epochs": 1}
    yield [*(text for name, count in counts.items() for text in (f"--{name}", str(count))), "--difficulty", "easy"]
    for name in [name for name in sys.modules if name.startswith("eggan")]:
        sys.modules.pop(name)


def test_eggan_tables(eggan: list[str], tmp_path: Path, capsys):
    import eggan_table1
    import eggan_table2

    argv = [*eggan, "--out", str(tmp_path), "--arguments", "{code_width: 12, batch_size: 6}"]
    table = eggan_table1.main(argv)
    assert table.loc["AU12", "EGGAN published mse"] == 0.41 and table.loc["mean", "StarGAN published pcc"] == 0.30
    assert table.loc["mean", ["EGGAN mse", "the source mse", "a real face mse"]].notna().all()
    assert (tmp_path / "table1.csv").is_file()
    said = capsys.readouterr().out
    assert "people it never saw" in said and "spearman of driven action units" in said
    weights = (tmp_path / "eggan" / "checkpoint.safetensors").stat().st_mtime_ns
    assert load_file(tmp_path / "eggan" / "checkpoint.safetensors")["weights/encoder.code.weight"].shape[0] == 12
    verified = eggan_table2.main(argv)
    assert verified.loc["EGGAN", "published (RaFD)"] == 97.04 and 0 <= verified.loc["EGGAN", "measured"] <= 100
    assert (tmp_path / "eggan" / "checkpoint.safetensors").stat().st_mtime_ns == weights  # not trained again


@pytest.mark.parametrize("seed", ["1", "3000", "1000"])
def test_nobody_is_in_two_of_learned_tested_and_judging_people(eggan: list[str], seed: str, monkeypatch, capsys):
    import eggan as shared

    asked: list[int] = []
    monkeypatch.setattr(shared, "standard_judges", lambda load, judged, seed: asked.append(seed) or (None, NoJudge()))
    quick = [*eggan[: eggan.index("--epochs")], *eggan[eggan.index("--epochs") + 2 :]]
    monkeypatch.setattr(shared.AUEstimator, "preset", {**shared.AUEstimator.preset, "epochs": 1, "min_steps": 1})
    on = shared.bench(shared.arguments([*quick, "--seed", seed], "a table"))
    groups = [set(on.learned.subject), set(on.unseen.subject), set(on.estimator.people_)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 3 + 3 + 14
    assert len(asked) == 1 and f"/s{asked[0]}/" not in on.unseen.subject[0]  # whose population the identity judge is of
    for faces in (on.learned, on.unseen):
        on.estimator.refuse_overlap(faces)
    judged = on.learned[:1]
    on.estimator.people_ = [*on.estimator.people_, str(judged.subject[0])]
    with pytest.raises(ValueError, match=r"the AUEstimator was trained on .*P0000 \(1 of the judged people"):
        on.estimator.refuse_overlap(judged)


class NoJudge:
    """Knows nobody."""

    own = "nothing"

    def refuse_overlap(self, faces) -> None:
        """Nobody."""


def test_groups_that_share_people_are_refused_by_name():
    from ferdis import load
    from ferdis.evaluators.held_out import refuse_shared_people, seed_apart

    faces = load("synthetic", people=3, expressions=["fear"], images_per_expression=1, image_size=32, cache=False)
    refuse_shared_people(training=faces[:2], testing=faces[2:])
    with pytest.raises(
        ValueError, match=r"P0001 is among the faces of 'training' and of 'judging' \(1 people in all\)"
    ):
        refuse_shared_people(training=faces[:2], testing=faces[2:], judging=faces[1:2])
    assert [seed_apart(3000, used) for used in (1, 3000)] == [3000, 3001] and seed_apart(1, 1, 2) == 3


@pytest.mark.parametrize(
    "change", [["--judge_people", "15"], ["--expressions", "7"], ["--difficulty", "normal"], ["--epochs", "2"]]
)
def test_a_judge_of_other_arguments_is_not_reused(eggan: list[str], change: list[str], tmp_path: Path, monkeypatch):
    import eggan as shared

    monkeypatch.setattr(shared, "IdentityJudge", lambda epochs: SimpleNamespace(fit=lambda faces: NoJudge()))
    fitted: list[int] = []
    fit = shared.AUEstimator.fit
    monkeypatch.setattr(shared.AUEstimator, "fit", lambda judge, faces: fitted.append(len(faces)) or fit(judge, faces))

    def judged(*more: str) -> str:
        return shared.bench(shared.arguments([*eggan, "--out", str(tmp_path), *more], "a table")).estimator.own

    first = judged()
    assert judged() == first and len(fitted) == 1
    judged(*change)
    assert len(fitted) == 2
    assert judged() == first and len(fitted) == 2  # which is kept


@pytest.mark.parametrize("given", ["12", "{batch: 6}"])
def test_what_is_no_argument_of_eggan_is_one_line(eggan: list[str], given: str, capsys):
    import eggan_table1

    with pytest.raises(SystemExit):
        eggan_table1.main([*eggan, "--arguments", given])
    assert "a mapping of EGGAN's arguments" in capsys.readouterr().err.splitlines()[-1]


def test_identity_may_be_judged_by_a_published_embedder(eggan: list[str], monkeypatch, capsys):
    import eggan as shared

    class Published:
        own = "an embedder from a file"

        def embed(self, images):
            pixels = images.pixels() if hasattr(images, "pixels") else images
            return pixels.reshape(len(pixels), -1).astype(float)

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(shared, "get_embedder", lambda *how: asked.append(how) or Published())
    options = shared.arguments([*eggan, "--embedder", "lightcnn-29", "--embedder_weights", "w.safetensors"], "a table")
    on = shared.bench(options)
    assert asked == [("lightcnn-29", "w.safetensors")] and "an embedder from a file" in capsys.readouterr().out
    assert shared.identity_kept(on, on.sources.pixels()).accuracy == 1
    with pytest.raises(SystemExit):
        shared.arguments([*eggan, "--embedder", "lightcnn-29"], "a table")
    assert "go together" in capsys.readouterr().err


def test_eggan_on_images_it_was_not_trained_for(eggan: list[str], tmp_path: Path, monkeypatch):
    monkeypatch.setenv("FERDIS_CACHE", str(tmp_path / "cache"))
    import eggan_unseen

    from ferdis.datasets.synthetic.dataset import load_synthetic, write_images

    write_images(load_synthetic(2, ["neutral"], 1, 96, "easy", 9, cache=False), tmp_path / "photographs")
    table = eggan_unseen.main([*eggan, "--root", str(tmp_path / "photographs"), "--out", str(tmp_path)])
    assert list(table.index) == ["neutral", "happiness", "sadness", "surprise", "anger"]
    assert table.notna().all().all() and (table > 0).all().all()
    with Image.open(tmp_path / "unseen.png") as grid:
        assert grid.size == (2 * 32, 7 * 32)


def test_eggan_ablation(eggan: list[str], tmp_path: Path):
    import eggan_ablation

    table = eggan_ablation.main([*eggan, "--out", str(tmp_path)])
    assert list(table.index) == ["EGGAN", "without perceptual", "without identity", "without MS-SSIM"]
    assert table["reconstruction L1 of 255"].nunique() == 4  # each was trained
    assert table.notna().all().all()
    assert (tmp_path / "ablation.png").stat().st_size > 1000


def test_published_rows_of_eggan_have_their_printed_means():
    rows = figures().query("paper == 'EGGAN' and table == 1")
    for _, part in rows.groupby(["method", "metric"]):
        values = part.set_index("dataset")["value"]
        assert values.drop("RaFD mean").mean() == pytest.approx(values["RaFD mean"], abs=0.0051) and len(values) == 18
