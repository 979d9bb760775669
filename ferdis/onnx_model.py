"""An exported file: its metadata, and how to run it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferdis.messages import one_line

FORMAT = 1  # of the metadata; raised when an older ferdis could not read it
_BATCH = 64
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}  # onnxruntime's names of what ferdis exports
_JSON = ("classes", "preprocessing", "crop_template", "protocol", "action_units")  # keys whose text is JSON


def required(*names: str) -> list[Any]:
    """Import modules of the extra ``export``.

    Raises
    ------
    ValueError
        If one is not installed.
    """
    from importlib import import_module

    try:
        return [import_module(name) for name in names]
    except ImportError as error:
        raise ValueError(f"this needs {error.name}: pip install 'ferdis[export]'") from error


def session(path: str | Path, threads: int | None = None) -> Any:
    """An ONNX Runtime session of a file on the CPU.

    Parameters
    ----------
    path : path
    threads : int, optional
        By default ``$OMP_NUM_THREADS``, or all cores.

    Raises
    ------
    ValueError
        If the file cannot be read, or onnxruntime is not installed.
    """
    (onnxruntime,) = required("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that wait sleep. By default they spin, and take the cores from the detector's and from other sessions'.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    given = os.environ.get("OMP_NUM_THREADS", "")
    if threads is not None or given.isdigit():
        options.intra_op_num_threads = int(given) if threads is None else threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class of its own for every status
        raise ValueError(f"{path} cannot be read as an ONNX model ({one_line(error, 160)}): export it again") from error


def as_metadata(record: Mapping[str, Any]) -> dict[str, str]:
    """A record as ONNX metadata: text by name."""
    return {key: json.dumps(value) if key in _JSON else str(value) for key, value in record.items()}


class OnnxModel:
    """A file that :func:`ferdis.export.export` wrote, run on the CPU.

    Parameters
    ----------
    path : path
    threads : int, optional
        Threads of onnxruntime; by default all cores.

    Attributes
    ----------
    about : dict
        The file's metadata: system, method, classes, preprocessing, crop_template, training_digest, protocol, ...
    inputs, outputs : list of str
        Names of its inputs and outputs, in order.
    classes : list of str
        What its probabilities are of; empty for a generator.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, is no ONNX file, was not written by ferdis or by a newer version, or onnxruntime is not
        installed.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"{path}: no such file; ferdis export writes one")
        self.session = session(path, threads)
        self.about = self._read_about()
        self.inputs = [item.name for item in self.session.get_inputs()]
        self.outputs = [item.name for item in self.session.get_outputs()]
        self.classes = [str(name) for name in self.about["classes"]]

    def _read_about(self) -> dict[str, Any]:
        metadata = dict(self.session.get_modelmeta().custom_metadata_map)
        if "ferdis_format" not in metadata:
            raise ValueError(
                f"{self.path} was not written by ferdis export: it does not say what its classes are, nor how faces "
                "are to be cropped for it"
            )
        if int(metadata["ferdis_format"]) > FORMAT:
            raise ValueError(
                f"{self.path} has format {metadata['ferdis_format']}, this ferdis reads up to {FORMAT}: install a "
                "newer ferdis"
            )
        return {key: json.loads(value) if key in _JSON else value for key, value in metadata.items()}

    def __call__(self, **inputs: np.ndarray) -> np.ndarray:
        """Its first output; arguments as for :meth:`answers`."""
        return next(iter(self.answers(**inputs).values()))

    def answers(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run it, 64 rows at a time: faces (n, H, W, 3) uint8 and action units float32, by name of the input.

        Returns
        -------
        dict
            Its outputs by name, n rows each.

        Raises
        ------
        ValueError
            If an input is missing, has no rows, or has another shape or type than the file takes.
        """
        self._refuse(inputs)
        count = len(next(iter(inputs.values())))
        parts = [
            self.session.run(None, {name: given[start : start + _BATCH] for name, given in inputs.items()})
            for start in range(0, count, _BATCH)
        ]
        return {name: np.concatenate(found) for name, found in zip(self.outputs, zip(*parts, strict=True), strict=True)}

    def _refuse(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError for inputs that onnxruntime would refuse with a status of its own."""
        if set(inputs) != set(self.inputs):
            raise ValueError(f"{self.path} takes {' and '.join(self.inputs)}, not {' and '.join(inputs) or 'nothing'}")
        for wanted in self.session.get_inputs():
            given = inputs[wanted.name]
            sides = [side if isinstance(side, int) else "n" for side in wanted.shape]
            fits = len(sides) == given.ndim and all(s in ("n", n) for s, n in zip(sides, given.shape, strict=True))
            dtype = _DTYPES.get(wanted.type, given.dtype.name)
            if not fits or given.dtype != dtype or not len(given):
                raise ValueError(
                    f"{self.path}: {wanted.name} are {given.dtype} {given.shape}, and it takes {dtype} "
                    f"({', '.join(map(str, sides))}) with n of 1 or more: ferdis.predict crops any image for it"
                )

    def predict_proba(self, faces: Any) -> np.ndarray:
        """Probabilities (n, K) of crops (n, H, W, 3) uint8 or of Faces, aligned as the file wants them.

        Raises
        ------
        ValueError
            If the file names no classes, or the faces have another size than it takes.
        """
        if not self.classes:
            raise ValueError(f"{self.path} names no expression: it was exported from a generator")
        return self(faces=faces if isinstance(faces, np.ndarray) else faces.pixels())

    def predict(self, faces: Any) -> np.ndarray:
        """The most probable class of each face, (n,) of str; arguments as for :meth:`predict_proba`."""
        return np.array(self.classes)[self.predict_proba(faces).argmax(1)]
