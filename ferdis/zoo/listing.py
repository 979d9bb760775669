"""The zoo in words: a line per entry, and an entry's card as text."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from ferdis import zoo

_WIDTH = 100
_KNOWN = (
    "name", "kind", "title", "input", "classes", "action_units", "fits", "trained_on", "parameters", "networks",
    "temperature", "licence", "command", "minutes", "ferdis_version",
)  # fmt: skip


def overview() -> str:
    """A line per entry: name, kind, size, classes, a figure; and below it what it was trained on."""
    lines = []
    for name in zoo.names():
        card = zoo.card(name)
        size = sum(file["bytes"] for file in card["files"].values()) / 1e6
        classes = f"{len(card['classes'])} classes, " if card.get("classes") else ""
        lines.append(f"{name:<16} {card['title']}")
        lines.append(f"{'':<16} {card['kind']}, {size:.1f} MB, {classes}{card['licence']}")
        lines += [f"{'':<16} {text}" for text in wrap(f"trained on {card['trained_on']}", _WIDTH - 17)]
        lines += [f"{'':<16} {figure}" for figure in headlines(card)]
    lines.append("")
    lines.append("ferdis models NAME prints a card; weights=zoo:NAME starts a training from it.")
    return "\n".join(lines)


def headlines(card: Mapping[str, Any]) -> list[str]:
    """One line per measured set: unweighted recall, or whatever the card calls its headline."""
    lines = []
    for where, about in card["figures"].items():
        if "uar" in about:
            lines.append(f"UAR {about['uar']:.1%} of {about['images']} images ({where})")
        elif "headline" in about:
            lines.append(f"{about['headline']} ({where})")
    return lines


def text(name: str) -> str:
    """The card of one entry."""
    card = zoo.card(name)
    lines = [f"{card['name']}: {card['title']}", ""]
    for key in _KNOWN:
        if key in card and key not in ("name", "title"):
            value = card[key]
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines += _paragraph(key.replace("_", " "), shown)
    files = ", ".join(f"{file} ({about['bytes'] / 1e6:.2f} MB)" for file, about in card["files"].items())
    lines += _paragraph("files", files)
    for where, about in card["figures"].items():
        lines += ["", f"measured on {where}"]
        for key, value in about.items():
            lines += _paragraph(key.replace("_", " "), _figure(value))
    lines += ["", "what it cannot do", *(line for limit in card["limits"] for line in _item(limit))]
    return "\n".join(lines)


def _figure(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_figure(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(_figure(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _paragraph(key: str, shown: str) -> list[str]:
    return wrap(f"{key + ':':<16} {shown}", _WIDTH, initial_indent="  ", subsequent_indent=" " * 19)


def _item(limit: str) -> list[str]:
    return wrap(limit, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
