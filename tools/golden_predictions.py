"""Check that a refactoring changes no prediction: digests of the outputs of every system, before and after.

    python -m tools.golden_predictions --write golden.json     # at the old commit
    python -m tools.golden_predictions --compare golden.json   # at the new one, on the same machine

Each system is trained for two epochs in its small size, in float32 on one thread, from fixed seeds, on the same
synthetic people. The digests depend on the machine and on torch's version, so the file is not kept in the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import ferdis


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over shapes, types and bytes."""
    total = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        total.update(f"{array.shape}{array.dtype.str}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def transfer(model: Any, people: ferdis.Faces, expressions: ferdis.Faces) -> np.ndarray:
    """``people`` with the expressions of ``expressions``, whichever order the model's ``transfer`` takes."""
    first = next(iter(inspect.signature(model.transfer).parameters))
    pair = (expressions, people) if first == "sources" else (people, expressions)
    return np.asarray(model.transfer(*pair))


def classifier(name: str, train: ferdis.Faces, test: ferdis.Faces, **changes: object) -> tuple[Any, dict[str, str]]:
    """A fitted classifier and the digests of its probabilities, features and history."""
    model = getattr(ferdis, name).small(
        epochs=2, seed=3, accelerator="cpu", precision="32-true", progress=False, **changes
    )
    model.fit(train)
    history = model.history_["value"].to_numpy()
    return model, {
        "predict_proba": digest(model.predict_proba(test)),
        "transform": digest(model.transform(test)),
        "history": digest(history),
    }


def measure() -> dict[str, dict[str, str]]:
    """Digests by system and output."""
    torch.set_num_threads(1)
    faces = ferdis.load("synthetic", people=8, images_per_expression=2, image_size=72, seed=5)
    people = np.unique(faces.subject)
    test, train = faces[np.isin(faces.subject, people[:2])], faces[~np.isin(faces.subject, people[:2])]
    found: dict[str, dict[str, str]] = {"faces": {"digest": digest(np.asarray(faces.images[:]))}}
    for name, changes in (("IFGAN", {}), ("ResNetClassifier", {}), ("BaselineCNN", {"mlp_epochs": 2}), ("RELGAN", {})):
        known = inspect.signature(getattr(ferdis, name)).parameters
        model, found[name] = classifier(name, train, test, **{k: v for k, v in changes.items() if k in known})
        if name == "IFGAN":
            found[name]["average"] = digest(np.asarray(model.average(test)))
        if name == "RELGAN":
            found[name]["transfer"] = digest(transfer(model, test, test[::-1]))
    for name in ("EGGAN", "DECGAN"):
        model = getattr(ferdis, name).small(epochs=2, seed=3, accelerator="cpu", precision="32-true", progress=False)
        model.fit(train)
        found[name] = {"history": digest(model.history_["value"].to_numpy())}
        if name == "EGGAN":
            found[name]["edit"] = digest(np.asarray(model.edit(test, {"AU12": 3.0})))
        else:
            found[name]["transfer"] = digest(transfer(model, test, test[::-1]))
    return found


def main() -> None:
    """Write the digests, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    found = measure()
    if arguments.write:
        arguments.write.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    before = json.loads(arguments.compare.read_text(encoding="utf-8")) if arguments.compare else found
    for system, digests in before.items():
        for output, value in digests.items():
            same = found.get(system, {}).get(output) == value
            print(f"{system:18} {output:14} {value[:16]}  {'same' if same else 'DIFFERS'}")
    raise SystemExit(0 if found == before else 1)


if __name__ == "__main__":
    main()
