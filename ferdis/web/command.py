"""`ferdis web`: the page written into a folder, or served on localhost."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from ferdis.run_folder import find_model
from ferdis.web.server import serving
from ferdis.web.site import Site, write_site


def run(
    out: str | None = None,
    model: str | None = None,
    runtime: str | None = None,
    port: int = 8000,
    gradio: bool = False,
) -> None:
    """Write the page, or serve it on localhost until Ctrl-C.

    Parameters
    ----------
    out : str, optional
        The folder to write the page into; without it the page is served.
    model : str, optional
        A model of your own beside the one that ships with ferdis: an .onnx file of ferdis export, a folder of such
        files, or a saved model (the folder of ferdis fit), which is exported first.
    runtime : str, optional
        Folder or archive of the npm package onnxruntime-web; by default it is fetched once and kept.
    port : int
        Of localhost.
    gradio : bool
        Serve a plainer page that Python computes, with Gradio, for any classifier that ferdis predict takes; nothing
        is exported for it.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line: as :func:`ferdis.web.write_site`, or the port is taken; with ``gradio``, if it is not installed.
    """
    if gradio:
        if out is not None or runtime is not None:
            raise ValueError("the page of --gradio is computed by a server: leave out --out and --runtime")
        from ferdis.web.gradio_page import serve  # an extra

        serve(model, port)
        return
    with _files_of(model) as files:
        if out is not None:
            _tell(write_site(out, files, runtime))
            print(f"{out} is served by any file server; `ferdis web` serves it with threads, which are faster")
            return
        with tempfile.TemporaryDirectory(prefix="ferdis-web-") as folder:
            _tell(write_site(folder, files, runtime))
            with serving(folder, port) as address:
                print(f"{address} (Ctrl-C ends it)", flush=True)
                try:
                    Event().wait()
                except KeyboardInterrupt:
                    print()


def _tell(site: Site) -> None:
    for note in site.notes:
        print(note, file=sys.stderr)
    print(f"{site.size / 1e6:.1f} MB: {', '.join(site.models)}", file=sys.stderr)


@contextmanager
def _files_of(model: str | None) -> Iterator[list[Path]]:
    """The .onnx files that a name means; a saved model is exported for as long as the block runs."""
    path = Path(model or "")
    if model is None:
        yield []
    elif path.suffix == ".onnx":
        yield [path]
    elif found := sorted(path.glob("*.onnx")):
        yield found
    else:
        from ferdis.export import export  # imports torch
        from ferdis.saved_models import evidence_of, load_model

        folder = find_model(model)
        with tempfile.TemporaryDirectory(prefix="ferdis-web-") as exported:
            print(f"{model} is exported for the page; ferdis export writes a file to keep", file=sys.stderr)
            yield [export(load_model(folder), Path(exported) / f"{path.name}.onnx", evidence=evidence_of(folder)).path]
