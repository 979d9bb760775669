"""The page: what is on it, and one HTML file with everything inside."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import markdown_it
from matplotlib.figure import Figure

from ferdis.report.mistakes import Mistake, png_uri
from ferdis.report.tables import Table, is_number


@dataclass(frozen=True)
class Drawing:
    """A figure on the page.

    Attributes
    ----------
    name : of its PNG file; empty for a file that the run folder holds already.
    caption : what it shows, one sentence.
    png : bytes
    width : CSS pixels.
    """

    name: str
    caption: str
    png: bytes
    width: int

    @property
    def uri(self) -> str:
        """The figure as a ``data:`` URI."""
        return png_uri(self.png)


@dataclass
class Part:
    """A section: a heading, and whatever stands below it, in this order.

    Attributes
    ----------
    title, anchor : str
    lines : paragraphs.
    tables : list of Table
    remarks : items of a list.
    prose : pieces of Markdown.
    figures : list of Drawing
    mistakes : (system, images) pairs.
    texts : (heading, text) pairs, set as they are.
    folded : the same, to be opened by a click; they are not printed unless opened.
    """

    title: str
    anchor: str
    lines: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    figures: list[Drawing] = field(default_factory=list)
    mistakes: list[tuple[str, list[Mistake]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    folded: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything below the heading."""
        return any(value for name, value in vars(self).items() if name not in ("title", "anchor"))


@dataclass
class Section:
    """Runs that belong together: what they were, the result in words, and the parts.

    Attributes
    ----------
    title, anchor, about : str
    headline : the result in a few sentences.
    parts : list of Part
    """

    title: str
    anchor: str
    about: str
    headline: list[str]
    parts: list[Part]


def drawing(name: str, figure: Figure, caption: str) -> Drawing:
    """A figure as it stands on the page, at its own size."""
    memory = io.BytesIO()
    figure.savefig(memory, format="png")
    return Drawing(name, caption, memory.getvalue(), round(96 * figure.get_figwidth()))


def drawing_from(path: Path, caption: str, width: int = 640) -> Drawing:
    """A PNG file of a run folder as a figure."""
    return Drawing("", caption, path.read_bytes(), width)


def render(title: str, subtitle: str, apart: Sequence[str], sections: Sequence[Section], made: str) -> str:
    """The HTML page; nothing in it is fetched from anywhere.

    Parameters
    ----------
    title, subtitle : str
    apart : why runs were not paired, one line each.
    sections : list of Section
    made : how and when the page was made.
    """
    source = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    groups = [_plain_section(section) for section in sections]
    html = template.render(title=title, subtitle=subtitle, apart=apart, groups=groups, made=made)
    return html.replace(" %", "\N{NO-BREAK SPACE}%").replace("p = ", "p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def _plain_section(section: Section) -> dict[str, object]:
    parts = []
    for part in section.parts:
        tables = [_plain_table(table, f"{part.anchor}-{table.name}") for table in part.tables]
        prose = [_html(text) for text in part.prose]
        parts.append({**vars(part), "tables": tables, "prose": prose})
    return {**vars(section), "parts": parts}


def _plain_table(table: Table, anchor: str) -> dict[str, object]:
    numbers = [is_number(table.cells[name]) for name in table.cells]
    heads = list(zip(table.cells, numbers, strict=True))
    rows = [list(zip(line, numbers, strict=True)) for line in table.cells.to_numpy().tolist()]
    return {"anchor": anchor, "title": table.title, "heads": heads, "rows": rows, "notes": table.notes}


def _html(markdown: str) -> str:
    """Markdown as HTML; HTML, images and links in it are shown, not obeyed: a page fetches nothing."""
    parser = markdown_it.MarkdownIt("commonmark", {"html": False}).enable("table")
    return parser.disable(["image", "link", "autolink", "reference"]).render(markdown)
