"""`ferdis export MODEL --out model.onnx`: a saved model, with what its run measured, as one file."""

from __future__ import annotations

import sys
from pathlib import Path

from ferdis.export import export
from ferdis.faces import Faces
from ferdis.protocol.folds import read_folds
from ferdis.run_folder import find_model
from ferdis.saved_models import Evidence, evidence_of, load_model, training_faces


def run(
    model: str,
    out: str,
    half: bool = False,
    int8: bool = False,
    method: str | None = None,
    system: str | None = None,
    calibration: Faces | None = None,
) -> str:
    """Export a model.

    Parameters
    ----------
    model : str
        A saved model (the folder of ferdis fit), or a fold of a run (runs/x/fold-03).
    out : str
        The .onnx file; its model card is written beside it.
    half : bool
        float16 weights and activations.
    int8 : bool
        8-bit weights and activations, calibrated on the training faces.
    method : str, optional
        The method to export: predict_proba, or one that generates images (average, transfer, edit).
    system : str, optional
        Which model, where a fold holds several.
    calibration : Faces, optional
        The data set that the model was trained on, or its training part; by default the run says how to load it.

    Returns
    -------
    str
        The files that were written, and how far the model is from the system.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line: no such model, a name that does not end in .onnx, ``calibration`` is another set, or as
        :func:`ferdis.export.export`.
    """
    if not out.endswith(".onnx"):
        raise ValueError(f"out={out!r}: give the name of an .onnx file")
    folder = find_model(model, system)
    estimator, evidence = load_model(folder), evidence_of(folder)
    training, test = _material(calibration, evidence, estimator.training_digest_, folder, needed=int8)
    written = export(
        estimator, out, method=method, half=half, int8=int8, training=training, test=test, evidence=evidence
    )
    return f"{written.path}: {written.weights}, {written.differences}; model card in {written.card}"


def _material(
    given: Faces | None, evidence: Evidence | None, digest: str, folder: Path, *, needed: bool
) -> tuple[Faces | None, Faces | None]:
    """The training faces of the model and the test faces of its fold, as far as they are available."""
    if given is not None:
        return _parts(given, evidence, digest)
    try:
        if evidence is None or evidence.fold is None:
            return training_faces(folder, digest), None
        return evidence.faces()
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
    if needed:
        raise ValueError(
            f"int8 is calibrated on the training faces and on no others, and they are not at hand ({reason}): name "
            "the set with --calibration '{name: DATASET, root: DIR}'"
        )
    print(f"the training faces are not at hand ({reason}): compared on synthetic people", file=sys.stderr)
    return None, None


def _parts(given: Faces, evidence: Evidence | None, digest: str) -> tuple[Faces, Faces | None]:
    """Training and test part of the given faces, which may be the training part alone."""
    if given.digest() == digest:
        return given, None
    if evidence is not None and evidence.fold_list is not None:
        fold = next(fold for fold in read_folds(evidence.fold_list, given) if fold.index == evidence.fold)
        if given[fold.train].digest() == digest:
            return given[fold.train], given[fold.test]
    raise ValueError(
        f"calibration: {given!r} holds other faces than the model was trained on (digest {digest[:12]}): name the set "
        "of its run, loaded with the same arguments"
    )
