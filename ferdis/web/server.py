"""A file server on localhost for the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from ferdis.messages import reason

HOST = "127.0.0.1"
"""Nobody else on the network sees the page."""

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the page may do, also in its worker: nothing is asked of another server."""

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",  # with the next one, WebAssembly may use threads
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class _Handler(SimpleHTTPRequestHandler):
    """Files with the headers that threads need; no listing of folders, no line per request."""

    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".gz": "application/octet-stream",
        ".onnx": "application/octet-stream",
    }

    def end_headers(self) -> None:
        """Close the header."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        """Refuse."""
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: str | Path, port: int = 8000) -> Iterator[str]:
    """Serve a folder on localhost until the block ends.

    Parameters
    ----------
    folder : path
        That :func:`ferdis.web.write_site` wrote.
    port : int
        0 takes any that is free.

    Yields
    ------
    str
        The page's address.

    Raises
    ------
    ValueError
        If the port is taken or no port.
    """
    if not 0 <= port < 65536:
        raise ValueError(f"port={port}: 1 to 65535, or 0 for any that is free")
    try:
        server = ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise ValueError(f"port {port} cannot be used ({reason(error)}): name another with --port") from error
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
