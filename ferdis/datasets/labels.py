"""Labels as data sets spell them, and the class names they are turned into."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ferdis.labels import (
    EXPRESSIONS,
    NAMES,
    SEVEN_EXPRESSIONS,
    SIX_EXPRESSIONS,
    can_name_a_class,
    known_expression,
    misspelt,
)
from ferdis.messages import named, quoted


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
    return known_expression(text)


def closest_expression(text: str) -> str:
    """What to say about an unknown label: the nearest known name where one is near, else all of them."""
    near = difflib.get_close_matches(text.strip().lower(), NAMES, n=1, cutoff=0.6)
    return f"did you mean {NAMES[near[0]]!r}?" if near else f"known are {', '.join(EXPRESSIONS)}"


@dataclass(frozen=True)
class ClassNames:
    """The labels of somebody's own set as class names.

    Attributes
    ----------
    names : spelling -> class name: the expression that it spells, else the label as it is written.
    doubts : spelling -> what is wrong with it, and the way out, in words.
    declared : class names that ``labels`` gave and that are no expressions: they are meant.
    """

    names: Mapping[str, str]
    doubts: Mapping[str, str]
    declared: tuple[str, ...] = ()

    def note(self, counts: Mapping[str, int]) -> list[str]:
        """A line on the classes that are no expressions, with how many images each has; none for none."""
        own = [f"{name} {count}" for name, count in sorted(counts.items()) if known_expression(name) is None]
        return [f"classes besides the eight expressions ({len(own)}): {named(own, 10)}"] if own else []


def class_names(spellings: Iterable[str], labels: Mapping[str, str] | None = None) -> ClassNames:
    """Class names for the labels of somebody's own set: any name is one.

    What cannot be meant is doubted: a label that looks like an expression misspelt where all others are expressions,
    and labels that differ in case, blanks, ``-`` or ``_`` alone. ``labels`` settles both: ``{"mad": "mad"}`` declares a
    class of that name, ``{"Engaged": "engaged"}`` makes two spellings one.

    Parameters
    ----------
    spellings : the different labels as they are written; those that ``labels`` does not have count for doubts.
    labels : spelling -> class name, looked up first, as written.
    """
    spellings, given = sorted(set(spellings)), dict(labels or {})
    names = {text: given[text].strip() if text in given else known_expression(text) or text for text in spellings}
    for text in set(given) & set(spellings):
        if given[text] != text:  # {"mad": "mad"} means mad, {"4": "happy"} means happiness
            names[text] = known_expression(given[text]) or names[text]
    declared = tuple(sorted({names[text] for text in given if text in names}))
    doubts = {
        text: f"did you mean {name!r}? (labels={{{text!r}: {name!r}}} translates it, {{{text!r}: {text!r}}} keeps it)"
        for text, name in misspelt([*names.values()]).items()
        if text not in declared
    }
    for name in set(names.values()):
        if not can_name_a_class(name):
            doubts[name] = "the name of a class has at most 100 characters, all of them printable"
    alike: dict[str, list[str]] = {}
    for name in sorted(set(names.values())):
        alike.setdefault(" ".join(name.casefold().replace("_", " ").replace("-", " ").split()), []).append(name)
    for first, *others in alike.values():
        for other in others:
            doubts[other] = f"there is {quoted(first)} too: pass labels={{{other!r}: {first!r}}}, or rename one"
    return ClassNames(names, doubts, declared)


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


def own_expressions(expressions: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """The classes of somebody's own set to keep: any names, sorted; None keeps all.

    Parameters
    ----------
    expressions : str, sequence of str or None
        ``"six"``, ``"seven"``, or names (in one string with commas between); None for all.

    Raises
    ------
    ValueError
        If there is no name.
    """
    if expressions is None:
        return None
    if isinstance(expressions, str):
        if expressions.strip() in ("six", "seven", "6", "7", "8"):
            return chosen_expressions(expressions)
        expressions = expressions.strip("[]()").split(",")
    texts = [str(text).strip(" \"'") for text in expressions]
    names = {known_expression(text) or text for text in texts if text}
    if not names:
        raise ValueError("expressions is empty: name the classes to keep, or leave it out to keep all")
    return tuple(sorted(names))
