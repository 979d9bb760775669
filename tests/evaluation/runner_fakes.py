"""Small faces and a small estimator with the contract of a system; apart, so that workers import little."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator

from ferdis import run_folder
from ferdis.faces import Faces
from ferdis.protocol import SubjectKFold

CLASSES = ("anger", "fear", "happiness")
PROTOCOL = SubjectKFold(3, validation_folds=1)


class NearestMean(BaseEstimator):
    """Nearest class mean of small images, "trained" for some epochs with checkpoints: the contract in little.

    ``diary`` is a file that each event appends a line to, so that fits can be counted across processes. The
    environment variable FERDIS_TEST_WAIT makes each epoch longer without being a parameter.
    """

    def __init__(
        self,
        seed: int = 0,
        epochs: int = 3,
        diary: str | None = None,
        wait: float = 0.0,
        fail_on: str | None = None,
        die_once: str | None = None,
        extra_train: Faces | None = None,
    ) -> None:
        self.seed = seed
        self.epochs = epochs
        self.diary = diary
        self.wait = wait
        self.fail_on = fail_on
        self.die_once = die_once
        self.extra_train = extra_train

    def _note(self, event: str) -> None:
        if self.diary is not None:
            with Path(self.diary).open("a") as file:
                file.write(event + "\n")

    def fit(
        self,
        faces: Faces,
        y: Any = None,
        *,
        validation: Faces | None = None,
        run_dir: str | Path | None = None,
        keep_epochs: bool = False,
    ) -> NearestMean:
        people = sorted(set(faces.subject))
        self._note(f"fit {len(people)} validation={None if validation is None else len(validation)}")
        self._note(f"images {type(faces._images).__name__}")
        if self.fail_on is not None and self.fail_on not in people:  # fails where that person is not in training
            raise ValueError(f"cannot do without {self.fail_on}\nand more")
        if self.die_once is not None and not Path(self.die_once).exists():
            Path(self.die_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.classes_ = np.array(faces.classes)
        self.selection_ = "last" if validation is None else "validation"
        small = _small(faces)
        target = np.stack([small[faces.expression == name].mean(axis=0) for name in self.classes_])
        # Noise that shrinks with the epochs; drawn per epoch, so that a resumed fit must find its place again.
        checkpoint = None if run_dir is None else Path(run_dir) / "checkpoint.json"
        first = json.loads(checkpoint.read_text())["epoch"] if checkpoint is not None and checkpoint.exists() else 0
        records = []
        for epoch in range(1, self.epochs + 1):
            noise = np.random.default_rng((self.seed, epoch)).normal(0, 60 / epoch, target.shape)
            self.means_ = target + noise
            records.append(("train", epoch, epoch, "classifier", "distance", float(np.abs(noise).mean())))
            if epoch <= first:
                continue
            self._note(f"epoch {epoch}")
            time.sleep(self.wait + float(os.environ.get("FERDIS_TEST_WAIT", "0")))
            if keep_epochs and run_dir is not None:
                self._write(Path(run_dir) / "epochs" / f"epoch-{epoch:03d}.safetensors")
            if checkpoint is not None:
                run_folder.write_json(checkpoint, {"epoch": epoch})
        self.history_ = pd.DataFrame(records, columns=["stage", "epoch", "step", "phase", "term", "value"])
        return self

    def predict_proba(self, faces: Faces) -> np.ndarray:
        self._note(f"predict {len(faces)}")
        distance = ((_small(faces)[:, None] - self.means_[None]) ** 2).mean(axis=(2, 3, 4))
        score = np.exp(-(distance - distance.min(axis=1, keepdims=True)) / 500)
        return (score / score.sum(axis=1, keepdims=True)).astype(np.float32)

    def average(self, faces: Faces) -> np.ndarray:
        return 255 - faces.pixels()

    def save(self, folder: Path) -> None:
        self._write(Path(folder) / "weights.safetensors")
        (Path(folder) / "classes.json").write_text(json.dumps(list(self.classes_)))

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"means": self.means_}, path)

    @classmethod
    def load(cls, folder: Path) -> NearestMean:
        estimator = cls()
        estimator.classes_ = np.array(json.loads((Path(folder) / "classes.json").read_text()))
        return estimator.load_epoch(Path(folder) / "weights.safetensors")

    def load_epoch(self, path: Path) -> NearestMean:
        self.means_ = load_file(path)["means"]
        return self


class Placed(NearestMean):
    """Notes in its diary where it runs, and ends its process where a person is not among those it trains on."""

    def __init__(
        self, seed: int = 0, epochs: int = 1, diary: str | None = None, die_without: str | None = None
    ) -> None:
        super().__init__(seed, epochs, diary)
        self.die_without = die_without

    def fit(self, faces: Faces, y: Any = None, **more: Any) -> NearestMean:
        self._note(f"placed under {os.getppid()} on {os.environ.get('CUDA_VISIBLE_DEVICES')}")
        if self.die_without is not None and self.die_without not in set(faces.subject):
            os._exit(3)
        time.sleep(float(os.environ.get("FERDIS_TEST_WAIT", "0")))
        return super().fit(faces, y, **more)


class Plain(BaseEstimator):
    """A classifier that knows nothing of ferdis beyond fit and predict_proba."""

    def fit(self, faces: Faces, y: Any = None) -> Plain:
        self.classes_ = np.array(faces.classes)
        return self

    def predict_proba(self, faces: Faces) -> np.ndarray:
        return np.full((len(faces), len(self.classes_)), 1 / len(self.classes_))


def reseal(root: Path) -> None:
    """Have the seals of a run vouch for its files as they are now: what is tested is then another check."""
    for marker in root.rglob("fold-*/*/done.json"):
        done = json.loads(marker.read_text())
        run_folder.close_fit(marker.parent, {name: value for name, value in done.items() if name != "files"})
    run_folder.seal(root, *(root / name for name in json.loads((root / "seal.json").read_text())["files"]))


def _small(faces: Faces) -> np.ndarray:
    return faces.pixels()[:, ::4, ::4].astype(float)


def make_faces(people: int = 9, size: int = 16) -> Faces:
    rng = np.random.default_rng(3)
    records = [
        {"expression": name, "subject": f"t/{person:03d}", "path": f"{person}/{name}-{k}.png", "frame": k,
         "sequence": f"{person}-{name}", "age": 20 + person, "AU01": float(k), "detected": person != 2}
        for person in range(people) for name in CLASSES for k in range(2)
    ]  # fmt: skip
    table = pd.DataFrame(records)
    tint = table["expression"].map({name: 40 * k for k, name in enumerate(CLASSES)}).to_numpy()
    noise = rng.integers(0, 130, (len(table), size, size, 3))
    images = (noise + tint[:, None, None, None]).astype(np.uint8)
    return Faces(images, table, {"dataset": "toy", "notes": ["1 face was not detected"]})
