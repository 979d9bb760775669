"""ONNX Runtime Web: three files of its npm package, fetched once and kept.

They are third-party binaries of 11 MB, so that they are neither in git nor in the wheel. The version and the digest of
the archive are fixed here; what is fetched is used only if it is that archive.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

from ferdis._io import write_bytes
from ferdis.messages import one_line
from ferdis.preprocess.cache import default_directory

VERSION = "1.22.0"
"""The version of the npm package ``onnxruntime-web``."""

INTEGRITY = "sha512-Ud/+EBo6mhuaQWt/OjaOk0iNWjXqJoeeMFr6xQEERZdIZH2OWpGzuujz7lfuOBjUa6TEE/sc4nb7Da5dNL34fg=="
"""Of its archive, as the registry states it."""

SCRIPT, LOADER, BINARY = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
"""What the page needs of it: the interface, what starts the WebAssembly and its threads, and the WebAssembly."""

_KEPT = (SCRIPT, LOADER, f"{BINARY}.gz")
_REGISTRY = "https://registry.npmjs.org"
_LARGEST = 64 << 20  # bytes of the archive
_SECONDS = 60.0  # without an answer


class Runtime(NamedTuple):
    """The three files, the WebAssembly packed with gzip (a quarter of its size; the page unpacks it)."""

    script: bytes
    loader: bytes
    binary: bytes
    version: str


def runtime(source: str | Path | None = None) -> Runtime:
    """The files of ONNX Runtime Web.

    Parameters
    ----------
    source : path, optional
        A folder that holds them (an unpacked npm package, or its ``dist``), or the archive that ``npm pack
        onnxruntime-web@VERSION`` writes. By default they are taken from ``$FERDIS_CACHE`` (``~/.cache/ferdis``), where
        they are put when the registry is first asked (``$NPM_CONFIG_REGISTRY``, by default registry.npmjs.org).

    Raises
    ------
    FileNotFoundError, ValueError
        One line: the folder does not hold them, the archive is another one, or there is no network.
    """
    if source is None:
        return _kept(default_directory() / f"onnxruntime-web-{VERSION}")
    source = Path(source)
    if source.is_file():
        return _unpacked(source.read_bytes(), str(source))
    return _of_folder(source)


def _kept(folder: Path) -> Runtime:
    """From the cache; fetched first where it is not there."""
    if not all((folder / name).is_file() for name in _KEPT):
        made = _unpacked(_fetched(), f"onnxruntime-web {VERSION} of the registry")
        for name, content in zip(_KEPT, made[:3], strict=True):
            write_bytes(folder / name, content)
    script, loader, binary = ((folder / name).read_bytes() for name in _KEPT)
    return Runtime(script, loader, binary, VERSION)


def _of_folder(folder: Path) -> Runtime:
    if all((folder / name).is_file() for name in _KEPT):
        return _kept(folder)
    names = (SCRIPT, LOADER, BINARY)
    places = (folder, folder / "dist", folder / "package" / "dist")
    place = next((place for place in places if all((place / name).is_file() for name in names)), None)
    if place is None:
        raise FileNotFoundError(
            f"{folder} does not hold {', '.join(names)}: name the folder of an unpacked npm package onnxruntime-web "
            f"(npm pack onnxruntime-web@{VERSION})"
        )
    about = place.parent / "package.json"
    version = json.loads(about.read_text("utf-8")).get("version", "") if about.is_file() else ""
    script, loader, binary = ((place / name).read_bytes() for name in names)
    return Runtime(script, loader, gzip.compress(binary, mtime=0), str(version))


def _fetched() -> bytes:
    """The archive, from the registry."""
    registry = (os.environ.get("NPM_CONFIG_REGISTRY") or _REGISTRY).rstrip("/")
    address = f"{registry}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    if not address.startswith(("https://", "http://")):
        raise ValueError(f"NPM_CONFIG_REGISTRY={registry}: an address that begins with https:// is needed")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            return answer.read(_LARGEST)
    except OSError as error:
        raise FileNotFoundError(
            f"onnxruntime-web {VERSION} cannot be fetched from {registry} ({one_line(error, 80)}): it is needed once; "
            f"or name it with --runtime, the archive of npm pack onnxruntime-web@{VERSION} or its folder"
        ) from error


def _unpacked(archive: bytes, name: str) -> Runtime:
    """The two files of the archive, if it is the one that is meant."""
    found = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
    if found != INTEGRITY:
        raise ValueError(
            f"{name} is not the archive of onnxruntime-web {VERSION} (its SHA-512 differs): fetch it again"
        )
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        script, loader, binary = (_member(files, f"package/dist/{part}", name) for part in (SCRIPT, LOADER, BINARY))
    return Runtime(script, loader, gzip.compress(binary, mtime=0), VERSION)


def _member(files: tarfile.TarFile, path: str, name: str) -> bytes:
    try:
        member = files.extractfile(path)
    except KeyError:
        member = None
    if member is None:
        raise ValueError(f"{name} lacks {path}")
    return member.read()
