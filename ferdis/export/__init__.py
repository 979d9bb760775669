"""Fitted systems as ONNX files, with preprocessing inside, parity checked, metadata, and a model card.

The input is uint8 (N, H, W, 3), RGB, crops aligned as in training, of any size; the output float32: probabilities
(N, K) in the order of the metadata's ``classes``, or images (N, S, S, 3) in 0..1. A float32 file is written only if
onnxruntime reproduces the system's own results; for ``half`` and ``int8`` the differences and the change in accuracy
are reported. A model card in Markdown is written beside the file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ferdis import run_folder
from ferdis._former_names import CallablePackage
from ferdis.export.card import model_card
from ferdis.export.differences import Differences, accuracies, differences, spread
from ferdis.export.graph import UNITS, Graph, by_the_system, methods_of
from ferdis.export.writing import OPSET, quantise, write
from ferdis.faces import AU_COLUMNS, Faces
from ferdis.onnx_model import FORMAT, OnnxModel, required
from ferdis.preprocess.align import LANDMARKS
from ferdis.saved_models import Evidence
from ferdis.systems.base import Estimator

__all__ = ["LARGEST_DIFFERENCE", "OPSET", "Exported", "OnnxModel", "export"]

LARGEST_DIFFERENCE = {"probabilities": 1e-4, "image": 1e-3}
"""Largest accepted difference of a float32 file from the system it was exported from."""

_CHECKED = 64  # faces
_CALIBRATION = 256  # training faces at most
_ROUNDED = 0.5 / 255  # rounding error of a system's own uint8 images


@dataclass(frozen=True)
class Exported:
    """The result of :func:`export`.

    Attributes
    ----------
    path, card : Path
        The model and its card.
    weights : {"float32", "float16", "int8"}
    differences : Differences
        From the system itself, on the faces that were compared.
    about : mapping
        The file's metadata.
    """

    path: Path
    card: Path
    weights: str
    differences: Differences
    about: Mapping[str, Any]


def export(
    system: Estimator,
    out: str | Path,
    *,
    method: str | None = None,
    half: bool = False,
    int8: bool = False,
    training: Faces | None = None,
    test: Faces | None = None,
    evidence: Evidence | None = None,
) -> Exported:
    """Write a fitted system as an ONNX file, and its model card.

    Parameters
    ----------
    system : Estimator
        A fitted classifier or generator.
    out : path
        The ``.onnx`` file; the card has the same name with ``.md``.
    method : str, optional
        The method to export: "predict_proba", or one that generates images ("average", "transfer", "edit"). By
        default the probabilities of a classifier, the images of a generator.
    half : bool
        float16 weights and activations.
    int8 : bool
        Quantised convolutions and matrices, calibrated on the training faces.
    training : Faces, optional
        The faces that the system was trained on; their digest is checked. File and system are compared on 64 of them
        (by default on 64 synthetic faces), and ``int8`` needs them.
    test : Faces, optional
        Labelled faces that it was not trained on, to measure the accuracy of ``half`` and ``int8``.
    evidence : Evidence, optional
        What a run measured, for metadata and card.

    Returns
    -------
    Exported

    Raises
    ------
    ValueError
        If the file's results differ from the system's (nothing is written), ``training`` holds other faces than those
        of the training, ``int8`` has none, an argument does not fit, or a package of the extra ``export`` is missing.
    """
    required("onnx", "onnxscript", "onnxruntime")
    out, graph = Path(out), Graph(system, _chosen(system, method))
    weights = _weights(half, int8, training)
    if training is not None and training.digest() != system.training_digest_:
        raise ValueError("these are not the faces that the system was trained on: their digests differ")
    checked = spread(_synthetic(system) if training is None else training, _CHECKED)
    on = "faces of synthetic people" if training is None else "training faces"
    inputs, about = inputs_for(graph, checked.pixels()), _about(system, graph, weights, evidence)
    with run_folder.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        draft_folder = tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent, ignore_cleanup_errors=True)
    with draft_folder as folder:
        draft = write(graph, Path(folder) / "float32.onnx", about)
        expected = _expected(graph, inputs)
        _refuse_other_results(graph, inputs, expected, OnnxModel(draft)(**inputs))
        if half:
            draft = write(Graph(system, graph.method, half=True), Path(folder) / "float16.onnx", about)
        elif int8 and training is not None:
            calibration = inputs_for(graph, spread(training, _CALIBRATION).pixels())
            draft = quantise(draft, Path(folder) / "int8.onnx", calibration, about)
        model = OnnxModel(draft)
        found = differences(expected, model(**inputs), on)
        if graph.output == "probabilities" and weights != "float32":
            labelled = {"the fold's test people": test, "the training people": training}
            found = replace(found, accuracies=accuracies(graph.system, model, labelled))
        card = model_card(out.name, system, about, found, evidence, draft.stat().st_size)
        with run_folder.writing(out):
            draft.replace(out)
    run_folder.write_text(out.with_suffix(".md"), card)
    return Exported(out, out.with_suffix(".md"), weights, found, about)


def inputs_for(graph: Graph, crops: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs of a graph from crops (n, H, W, 3): a second input of faces is the next face; action units are random."""
    n, random = len(crops), np.random.default_rng(0)
    coded = np.isin(AU_COLUMNS, getattr(graph.system, "coded_", ()))
    units = (random.uniform(0, 5, (n, len(AU_COLUMNS))) * coded).astype(np.float32)
    return {name: units if name == UNITS else np.roll(crops, -k, axis=0) for k, name in enumerate(graph.inputs)}


def _chosen(system: Estimator, method: str | None) -> str:
    """The method to export."""
    methods = methods_of(system)
    chosen = next(iter(methods)) if method is None else method
    if chosen not in methods:
        raise ValueError(f"{type(system).__name__} exports no {chosen!r}: choose one of {', '.join(methods)}")
    return chosen


def _weights(half: bool, int8: bool, training: Faces | None) -> str:
    if half and int8:
        raise ValueError("half and int8 are two kinds of weights: choose one")
    if int8 and training is None:
        raise ValueError(
            "int8 is calibrated on the training faces and on no others, and they are not at hand: name them"
        )
    return "float16" if half else "int8" if int8 else "float32"


def _expected(graph: Graph, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The results the file should reproduce: the system's own probabilities; its images before rounding to uint8."""
    if graph.output == "probabilities":
        return by_the_system(graph.system, graph.method, inputs)
    return graph.run(inputs)


def _refuse_other_results(
    graph: Graph, inputs: Mapping[str, np.ndarray], expected: np.ndarray, found: np.ndarray
) -> None:
    """Raise ValueError unless the file reproduces the system's results, for images also those of its public method."""
    limit = LARGEST_DIFFERENCE[graph.output]
    gap = float(np.abs(found - expected).max())
    if graph.output == "image":
        gap = max(gap, float(np.abs(found - by_the_system(graph.system, graph.method, inputs)).max()) - _ROUNDED)
    if not gap <= limit:  # a NaN is refused, too
        raise ValueError(
            f"not written: onnxruntime's {graph.output} differ by {gap:.2g} from the system's own on {len(found)} faces"
            f" (at most {limit:g} is allowed); report this with the versions of torch, onnxscript and onnxruntime"
        )


def _synthetic(system: Estimator) -> Faces:
    """Faces of synthetic people, to compare on where the training faces are not available."""
    from ferdis.datasets import load

    size = (system.preprocessing_ or {}).get("image_size") or [system.image_size]
    return load("synthetic", people=10, images_per_expression=1, image_size=int(np.clip(size[0], 32, 512)), cache=False)


def _about(system: Estimator, graph: Graph, weights: str, evidence: Evidence | None) -> dict[str, Any]:
    """The file's metadata."""
    preprocessing = system.preprocessing_ or {"name": None}
    template = preprocessing.get("params", {}).get("template")
    units = {"action_units": list(AU_COLUMNS)} if UNITS in graph.inputs else {}
    return {
        "ferdis_format": FORMAT,
        "ferdis_version": run_folder.version("ferdis"),
        "system": type(system).__name__,
        "method": graph.method,
        "weights": weights,
        "opset": OPSET,
        "input": "uint8 (N, H, W, 3), RGB, faces cropped as crop_template says; resized inside to image_size",
        "output": "probabilities (N, K) by classes" if graph.output == "probabilities" else "images (N, S, S, 3), 0..1",
        "classes": [str(name) for name in getattr(system, "classes_", [])],
        **units,
        "image_size": system.image_size,
        "crop_template": None if template is None else dict(zip(LANDMARKS, template, strict=False)),
        "preprocessing": preprocessing,
        "training_digest": system.training_digest_,
        "protocol": {"what": "none: no protocol has measured this model"} if evidence is None else evidence.record(),
    }


sys.modules[__name__].__class__ = CallablePackage  # so that `from ferdis import export` can be called
