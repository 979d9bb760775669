"""Class names: the eight expressions, how they are usually spelt, and which label looks like one of them misspelt.

Any name can be a class; the eight expressions are the ones that data sets agree on. Classes are always in alphabetical
order (capitals and accents as Python sorts them): that is the usual order of the eight, and class k of a fitted system
is the k-th name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXPRESSIONS = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
SIX_EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
SEVEN_EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
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
MOST_CLASSES = 1000
"""More different labels than this are no classes: the column holds something else."""

NAMES = {name: name for name in EXPRESSIONS} | {
    synonym: name for name, synonyms in SYNONYMS.items() for synonym in synonyms
}
"""Every usual spelling and the name it stands for."""

_LONGEST = 100  # characters of a name
_ALIKE = 0.75  # share of letters in common: "hapiness" has 0.94 of "happiness", "bored" 0.55 of "scared"


def known_expression(text: str) -> str | None:
    """The expression that ``text`` spells (``"Happy"`` -> ``"happiness"``), or None.

    Case, surrounding blanks, ``-`` and ``_`` do not matter.
    """
    return NAMES.get(text.strip().lower().replace("_", " ").replace("-", " "))


def can_name_a_class(label: object) -> bool:
    """Whether a label can be the name of a class: printable text of at most 100 characters."""
    return isinstance(label, str) and label.isprintable() and len(label) <= _LONGEST


def misspelt(labels: Iterable[str]) -> dict[str, str]:
    """Labels that look like an expression misspelt (or spelt otherwise), and the expression that each looks like.

    Only in a set whose other labels are all expressions: in a set of names of its own, a name that is near an
    expression's may well be meant.

    Parameters
    ----------
    labels : the different labels of a set.

    Examples
    --------
    >>> misspelt(["anger", "fear", "hapiness"])
    {'hapiness': 'happiness'}
    >>> misspelt(["bored", "engaged", "hapiness"])
    {}
    """
    names = sorted(set(labels))
    others = [name for name in names if name not in EXPRESSIONS]
    if len(others) == len(names):
        return {}
    near = {name: _nearest(name) for name in others}
    return {} if None in near.values() else {name: expression for name, expression in near.items() if expression}


def _nearest(text: str) -> str | None:
    if (name := known_expression(text)) is not None:
        return name
    found = difflib.get_close_matches(text.strip().lower(), NAMES, n=1, cutoff=_ALIKE)
    return NAMES[found[0]] if found else None
