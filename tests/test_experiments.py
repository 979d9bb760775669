"""The experiments: their plans, their published figures, the tables they print. Only a tiny EGGAN is trained here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import load_file

from ferdis.faces import Faces
from ferdis.report.published import figures

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


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
    for name in [name for name in sys.modules if name.startswith(("eggan", "decgan_evaluation", "real_people"))]:
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


@pytest.fixture
def real_set(tmp_path: Path) -> Path:
    """Images of seven people with action units in ``faces.csv``, as a set of one's own has them."""
    from ferdis.datasets.synthetic.dataset import load_synthetic, write_images

    faces = load_synthetic(7, ["neutral", "happiness", "anger"], 1, 48, "easy", 9, cache=False)
    write_images(faces, tmp_path / "people")
    return tmp_path / "people"


AS_IT_IS = "{align: false, cache: false, progress: false}"


def test_eggan_tables_on_a_set_of_ones_own(eggan: list[str], real_set: Path, tmp_path: Path, monkeypatch, capsys):
    import eggan_table1
    import eggan_table2

    quick = [*eggan, "--data", "manifest", "--root", str(real_set), "--data_arguments", AS_IT_IS]
    quick[quick.index("--test_people") + 1] = "2"
    argv = [*quick, "--out", str(tmp_path / "out")]
    table = eggan_table1.main(argv)
    said = capsys.readouterr().out
    assert "manifest: 15 images of 5 people to learn from, 6 of 2 others to test on" in said
    assert "both judges have learned the people that EGGAN learns from, and nobody who is edited" in said
    assert table.loc["mean", ["EGGAN mse", "the source mse"]].notna().all() and "inferred" not in said
    verified = eggan_table2.main(argv)
    assert 0 <= verified.loc["EGGAN", "measured"] <= 100
    import eggan as shared

    on = shared.bench(shared.arguments(argv, "a table"))
    tested = set(on.unseen.subject)
    assert len(tested) == 2 and not tested & {*on.learned.subject, *on.estimator.people_, *on.identity.people_}
    assert set(on.sources.subject) <= tested and not set(on.shown.subject) & tested


def test_decgan_on_a_set_of_ones_own(eggan: list[str], real_set: Path, tmp_path: Path, monkeypatch, capsys):
    import decgan_evaluation

    from tests.systems.test_decgan import TINY

    monkeypatch.setattr(decgan_evaluation.DECGAN, "preset", {**decgan_evaluation.DECGAN.preset, **TINY})
    argv = ["--data", "manifest", "--root", str(real_set), "--data_arguments", AS_IT_IS, "--test_people", "2"]
    table = decgan_evaluation.main([*argv, "--epochs", "1", "--out", str(tmp_path / "out")])
    assert "both judges have learned the people that DECGAN learns from" in capsys.readouterr().out
    rows = table.set_index("what")["value"]
    assert rows["expression: of the references themselves"] >= 0 and "FID, judge's features: the real faces" in rows
    assert (tmp_path / "out" / "transfers.png").is_file() and (tmp_path / "out" / "decgan.csv").is_file()


def test_the_split_of_rafd_is_called_inferred(eggan: list[str], capsys):
    import real_people

    table = pd.DataFrame({"expression": "fear", "subject": [f"rafd/{k:02d}" for k in range(67)]})
    faces = Faces(np.zeros((67, 8, 8, 3), np.uint8), table)
    options = SimpleNamespace(data="rafd", test_people=None, seed=1)
    learned, unseen = real_people.parted(options, faces)
    assert (len(set(learned.subject)), len(set(unseen.subject))) == (58, 9)
    assert "that nine people test is inferred: the paper's 1,392" in capsys.readouterr().out
    other = real_people.parted(SimpleNamespace(data="disfa", test_people=None, seed=1), faces[:27])[1]
    assert len(set(other.subject)) == 4 and "inferred" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="--test_people 67: the set has 67 people"):
        real_people.parted(SimpleNamespace(data="rafd", test_people=67, seed=1), faces)


def test_what_a_real_set_lacks_is_one_line(eggan: list[str], real_set: Path):
    import eggan as shared

    def refused(*argv: str) -> str:
        with pytest.raises(ValueError) as error:
            shared.bench(shared.arguments([*eggan, *argv], "a table"))
        return str(error.value)

    own = ("--data", "manifest", "--root", str(real_set), "--data_arguments", AS_IT_IS)
    assert "--data rafd needs --root" in refused("--data", "rafd")
    assert "manifest takes no files of OpenFace" in refused(*own, "--au", "units.csv")
    listed = pd.read_csv(real_set / "faces.csv")
    listed[[name for name in listed if not name.startswith("AU")]].to_csv(real_set / "faces.csv", index=False)
    assert "no image of manifest has action units: give --au" in refused(*own)
    listed[["path", "expression"]].to_csv(real_set / "faces.csv", index=False)
    assert "does not name its people" in refused(*own)
