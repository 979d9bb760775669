"""The run that puts EGGAN, DECGAN and their rivals side by side, at sizes that only show that it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferdis import DECGAN, HomoInterpGAN, IcGAN, StarGAN
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge
from tests.systems import test_decgan, test_homointerpgan, test_icgan, test_stargan
from tests.test_experiments import eggan

__all__ = ["eggan"]  # the fixture


@pytest.fixture
def editors(eggan: list[str], monkeypatch: pytest.MonkeyPatch):
    import editors as experiment

    tiny = {DECGAN: {**test_decgan.TINY, "image_size": 32}, IcGAN: test_icgan.TINY, StarGAN: test_stargan.TINY,
            HomoInterpGAN: test_homointerpgan.TINY}  # fmt: skip
    for cls, sizes in tiny.items():
        monkeypatch.setattr(cls, "preset", {**cls.preset, **sizes})

    def judges(load, **arguments):
        faces = load("synthetic", people=14, images_per_expression=1, expressions="8", image_size=32, seed=77)
        sizes = {"widths": (8, 8), "image_size": 32, "epochs": 1}
        return ExpressionJudge(**sizes).fit(faces), IdentityJudge(**sizes).fit(faces)

    monkeypatch.setattr(experiment, "standard_judges", judges)
    yield experiment, eggan
    sys.modules.pop("editors", None)


@pytest.mark.slow
def test_all_systems_in_one_run_that_goes_on(editors, tmp_path: Path, monkeypatch, capsys) -> None:
    experiment, small = editors
    argv = [*small, "--out", str(tmp_path)]
    experiment.main([*argv, "--only", "StarGAN", "IcGAN"])
    fits = []
    real = StarGAN.fit
    monkeypatch.setattr(StarGAN, "fit", lambda self, *a, **k: fits.append(1) or real(self, *a, **k))
    edited, moved = experiment.main(argv)
    assert not fits, "a finished training is read again"
    assert list(edited.index) == ["EGGAN", "StarGAN", "HomoInterpGAN", "the source unchanged", "another person's face"]
    assert edited.loc["EGGAN", "published PCC"] == 0.66 and edited.loc["StarGAN", "published MSE"] == 0.60
    assert edited.loc["StarGAN", "published, same person (%)"] == 93.32
    assert edited.loc["the source unchanged", "cross-talk (%)"] == 0
    assert edited[["MSE", "same person (%)", "cross-talk (%)"]].notna().all().all()
    assert list(moved.index) == ["DECGAN", "DECGAN, unpaired", "IcGAN"] and moved.notna().all().all()
    for name, rows in (("editors", 5), ("transferrers", 6)):
        size = Image.open(tmp_path / f"{name}.png").size
        assert size == (8 * 32, rows * 32)
        assert (tmp_path / f"{name}.csv").is_file()


def test_steps_are_the_same_for_all(editors) -> None:
    experiment, small = editors
    place = small.index("--epochs")
    options = experiment.arguments([*small[:place], *small[place + 2 :]], "a table", steps={"type": int, "default": 40})
    seen: dict[str, float] = {}
    for name, (cls, changes) in {**experiment.EDITORS, **experiment.TRANSFERRERS}.items():

        class Kept(cls):
            def fit(self, faces, **_):
                seen[name] = self.training_epochs(len(faces)) * len(faces) / self.batch_size  # noqa: B023
                return self

        experiment.fitted(name, Kept, changes, options, np.zeros(120))
    assert set(seen) == {*experiment.EDITORS, *experiment.TRANSFERRERS}
    assert all(abs(steps - 40) <= 12 for steps in seen.values()), seen
