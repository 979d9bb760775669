"""Expression names as data sets spell them, and the one vocabulary they are turned into."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from ferdis.faces import EXPRESSIONS, SEVEN_EXPRESSIONS, SIX_EXPRESSIONS

SYNONYMS: dict[str, tuple[str, ...]] = {
    "anger": ("angry", "mad"),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happiness": ("happy", "joy", "joyful"),
    "neutral": ("neutrality", "no expression"),
    "sadness": ("sad",),
    "surprise": ("surprised", "surprize"),
}
_NAMES = {name: name for name in EXPRESSIONS} | {
    synonym: name for name, synonyms in SYNONYMS.items() for synonym in synonyms
}


def expression_of(text: str, labels: Mapping[str, str] | None = None) -> str | None:
    """The vocabulary's name for ``text`` (``"Happy"`` -> ``"happiness"``), or None if it has none.

    Parameters
    ----------
    text : str
        A label or folder name; case, surrounding blanks, ``-`` and ``_`` do not matter.
    labels : mapping, optional
        A data set's own names (``{"4": "happiness"}``), looked up first, as written.
    """
    if labels and text.strip() in labels:
        text = labels[text.strip()]
    return _NAMES.get(text.strip().lower().replace("_", " ").replace("-", " "))


def closest_expression(text: str) -> str:
    """What to say about an unknown label: the nearest known name where one is near, else all of them."""
    near = difflib.get_close_matches(text.strip().lower(), _NAMES, n=1, cutoff=0.6)
    return f"did you mean {_NAMES[near[0]]!r}?" if near else f"known are {', '.join(EXPRESSIONS)}"


def chosen_expressions(expressions: str | Iterable[str] | None) -> tuple[str, ...]:
    """The classes to keep, sorted: names, ``"six"`` (basic), ``"seven"`` (six and neutral) or None (all).

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    if expressions is None:
        return EXPRESSIONS
    if isinstance(expressions, str):
        if expressions in ("six", "seven"):
            return SIX_EXPRESSIONS if expressions == "six" else SEVEN_EXPRESSIONS
        expressions = expressions.strip("[]").split(",")
    names = []
    for text in expressions:
        name = expression_of(str(text))
        if name is None:
            raise ValueError(f"expressions: {text!r} is no expression; {closest_expression(str(text))}")
        names.append(name)
    if not names:
        raise ValueError("expressions is empty: name the classes to keep, or leave it out to keep all")
    return tuple(sorted(set(names)))
