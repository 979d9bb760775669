"""One static page that runs the models in the browser: faces, expressions, action units, and generators of one's own.

>>> from ferdis.web import write_site
>>> write_site("site/")                                                                      # doctest: +SKIP

``ferdis web --out site/`` writes it, ``ferdis web`` serves it on localhost. The folder needs no server code: any file
server will do, and nothing is requested after the page has loaded. Models run in ONNX Runtime Web; detection, alignment
and preprocessing are those of Python, ported to plain JavaScript (``page/js``).
"""

from __future__ import annotations

from ferdis.web.runtime import VERSION
from ferdis.web.server import serving
from ferdis.web.site import Site, write_site

__all__ = ["VERSION", "Site", "serving", "write_site"]
