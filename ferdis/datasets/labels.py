"""Expression names as data sets spell them, and the one vocabulary they are turned into."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

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


Expressions = int | str | Sequence[str]
"""6, 7 or 8 (a rule of the papers), names, ``"six"`` or ``"seven"``."""


def chosen_expressions(expressions: Expressions | None, seven: Sequence[str] = SEVEN_EXPRESSIONS) -> tuple[str, ...]:
    """The classes to keep, sorted.

    Parameters
    ----------
    expressions : int, str, sequence of str or None
        6 or ``"six"`` (basic), 7 (``seven``), ``"seven"`` (basic and neutral), 8 or None (all), or names.
    seven : sequence of str
        What 7 means for a set: CK+ has contempt where others have neutral.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    if expressions is None:
        return EXPRESSIONS
    numbered = {"6": SIX_EXPRESSIONS, "six": SIX_EXPRESSIONS, "7": tuple(sorted(seven)), "8": EXPRESSIONS}
    numbered["seven"] = SEVEN_EXPRESSIONS
    if isinstance(expressions, int | str):
        text = str(expressions).strip()
        if text in numbered:
            return numbered[text]
        if isinstance(expressions, int):
            raise ValueError(f"expressions={expressions}: choose 6, 7, 8 or names ({', '.join(EXPRESSIONS)})")
        expressions = text.strip("[]()").split(",")
    names = []
    for text in expressions:
        name = expression_of(str(text).strip(" \"'"))
        if name is None:
            raise ValueError(f"expressions: {text!r} is no expression; {closest_expression(str(text))}")
        names.append(name)
    if not names:
        raise ValueError("expressions is empty: name the classes to keep, or leave it out to keep all")
    return tuple(sorted(set(names)))
