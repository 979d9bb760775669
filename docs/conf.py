"""Sphinx: the guide by hand, the rest read from the code.

The equation index comes from the tables in the systems' docstrings, the reference from all docstrings, with a paper's
equations below the summary of the functions that compute them, the gallery from running examples/plot_*.py. All loop
over the registries: a new system or data set appears by itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from api_reference import skip_foreign_members, write_reference
from equation_index import by_function, shown_below_summary, write_equations

import ferdis

project = "ferdis"
author = "The ferdis authors"
copyright = "2026, the ferdis authors"
version = release = ferdis.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.katex",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["_build", "_generated", "gallery/*.ipynb", "gallery/*.py", "gallery/*.md5", "gallery/*.zip"]
html_theme = "furo"
html_title = f"ferdis {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["versions.js"]
templates_path = ["_templates"]
# furo's own, and the list of versions that tools/docs_versions.py makes; it is hidden where there are none.
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/versions.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
# Equations are drawn by the browser itself, from MathML: no font and no script of another server, so offline as well.
html_math_renderer = "katex"
katex_options = '{output: "mathml", throwOnError: false}'
katex_css_path = "katex-math.css"  # the extension's own, in the place of a file on a server

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings state types, with shapes and ranges
# A name is described where it is written, not again wherever __all__ passes it on.
# What a class inherits from ferdis is shown with it: fit, predict, save, load of a system.
autodoc_default_options = {
    "members": True,
    "inherited-members": True,
    "show-inheritance": True,
    "ignore-module-all": True,
}
napoleon_use_ivar = True  # the attributes of a dataclass are described once, in its docstring
napoleon_use_param = False  # "array of shape (n,)" is prose: no word of it is a link
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": str(DOCS.parent / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",  # every one is run
    "ignore_pattern": r"onnx_only\.py",  # a program, no page
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
}


def write(path: Path, text: str) -> None:
    """Write unless it is there already, so that Sphinx rebuilds only what has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def datasets_table() -> None:
    """docs/api/datasets.inc: the registry as a table, for the page on data sets."""
    from ferdis.datasets import REGISTRY

    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 12 30 10 15 33", ""]
    lines += ["   * - Name", "     - What it is", "     - People", "     - Classes", "     - Layout"]
    for item in REGISTRY.values():
        lines += [f"   * - ``{item.name}``", f"     - {item.title}", f"     - {item.people}"]
        lines += [f"     - {item.classes}", f"     - ``{item.layout}``"]
    write(DOCS / "api" / "datasets.inc", "\n".join([*lines, ""]))


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for sources."""
    app.connect("autodoc-skip-member", skip_foreign_members)
    equations = by_function(DOCS / "papers")

    def show_equations(_app: Any, _what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
        if name in equations:
            shown_below_summary(lines, equations[name])

    app.connect("autodoc-process-docstring", show_equations)
    write_equations(DOCS / "_generated", DOCS / "papers")
    write_reference(DOCS / "api")
    datasets_table()
