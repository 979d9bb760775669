"""The space of a sweep: which constructor arguments vary, and how; read from YAML.

::

    learning_rate: {low: 1e-5, high: 1e-3, log: true}     # a float, on a logarithmic scale
    batch_size: {low: 16, high: 64, step: 16}             # an int, because the argument is one
    decay: {low: 0.5, high: 1.0}                          # a float, evenly
    class_weight: [null, balanced]                        # one of a list; items may be lists and mappings too
    island_alpha:                                         # only where another argument has one of these values
      {low: 0.0, high: 0.1, when: {island_weight: [0.1, 1.0]}}
    island_weight: [0.0, 0.1, 1.0]

An argument that is not drawn, because its ``when`` does not hold, keeps the value that the system had before. Values
are drawn by Optuna's define-by-run interface (``trial.suggest_...``); what stands here is the file's grammar and the
checks that name what is wrong in it, for which neither Optuna nor ConfigSpace has a counterpart.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from ferdis.messages import closest, one_line, quoted, short

_RANGE = ("low", "high", "step", "log", "when")
_SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes
    ----------
    low, high : int or float
    integer : whether only whole numbers are drawn.
    step : distance of the values from ``low``; None for every one.
    log : draw evenly on a logarithmic scale.
    when : other arguments and the values of theirs for which this one is drawn.
    """

    low: float
    high: float
    integer: bool
    step: float | None = None
    log: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def draw(self, trial: Any, name: str) -> float:
        """Ask an optuna trial for a value."""
        if self.integer:
            return trial.suggest_int(name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values, of any kind that YAML knows; ``when`` as for :class:`Range`."""

    values: tuple[Any, ...]
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def draw(self, trial: Any, name: str) -> Any:
        """Ask an optuna trial for a value."""
        if all(isinstance(value, _SCALARS) for value in self.values):
            return trial.suggest_categorical(name, self.values)
        texts = {json.dumps(value): value for value in self.values}  # a storage keeps scalars only
        return texts[trial.suggest_categorical(name, list(texts))]


class Space:
    """Arguments of a system's constructor, each with what may be drawn for it.

    Parameters
    ----------
    given : mapping from an argument's name to its range, list, or mapping with ``choices`` (see the module).
    estimator : the system whose arguments they are; the kind of its present values decides between int and float.
    source : file that it was read from, for messages.

    Attributes
    ----------
    items : dict of name to :class:`Range` or :class:`Choice`, an argument after those that its ``when`` asks about.

    Raises
    ------
    ValueError
        In one line, naming the argument and what is wrong with it.
    """

    def __init__(self, given: Any, estimator: Any, source: str = "space") -> None:
        self._source = source
        if not isinstance(given, Mapping) or not given:
            raise ValueError(f"{source} is empty: name arguments, as in learning_rate: {{low: 1e-5, high: 1e-3}}")
        known = estimator.get_params(deep=False)
        faces = [n for n, p in inspect.signature(type(estimator)).parameters.items() if "Faces" in str(p.annotation)]
        items: dict[str, Range | Choice] = {}
        for name, entry in given.items():
            if name not in known:
                hint = closest(str(name), known) or f"; its arguments are {', '.join(known)}"
                raise self._wrong(name, f"is no argument of {type(estimator).__name__}{hint}")
            if name in faces or name == "seed":
                raise self._wrong(name, "cannot be drawn: faces are data, and a seed is not a setting to choose")
            items[name] = self._item(name, entry, known[name])
        self.items = self._ordered(items)

    @classmethod
    def read(cls, path: str | Path, estimator: Any) -> Space:
        """The space of a YAML file.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it holds no space.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"space {path}: no such file")
        try:
            given = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML: {one_line(error)}") from None
        return cls(given, estimator, str(path))

    def draw(self, trial: Any) -> dict[str, Any]:
        """Values that an optuna trial proposes, by argument; those whose ``when`` does not hold are left out."""
        drawn: dict[str, Any] = {}
        for name, item in self.items.items():
            if all(other in drawn and drawn[other] in values for other, values in item.when.items()):
                drawn[name] = item.draw(trial, name)
        return drawn

    def record(self) -> dict[str, Any]:
        """JSON-able, to tell one space from another."""
        return {name: {"kind": type(item).__name__, **vars(item)} for name, item in sorted(self.items.items())}

    def _wrong(self, name: Any, what: str) -> ValueError:
        return ValueError(f"{self._source}: {short(name)} {what}")

    def _item(self, name: str, entry: Any, now: Any) -> Range | Choice:
        if isinstance(entry, Mapping) and "choices" in entry:
            if extra := sorted(set(entry) - {"choices", "when"}):
                raise self._wrong(name, f"has choices and {extra[0]!r}: choices go with when alone")
            return self._choice(name, entry["choices"], self._when(name, entry))
        if isinstance(entry, Mapping):
            return self._range(name, entry, now)
        return self._choice(name, entry, {})

    def _choice(self, name: str, values: Any, when: dict[str, tuple[Any, ...]]) -> Choice:
        if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
            raise self._wrong(name, f"is {quoted(values)}: give a list of values, or {{low: ..., high: ...}}")
        texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
        if len(set(texts)) < len(texts):
            raise self._wrong(name, f"lists a value twice: {short(values)}")
        return Choice(tuple(_number(value) for value in values), when)

    def _range(self, name: str, entry: Mapping[str, Any], now: Any) -> Range:
        if unknown := sorted(str(key) for key in set(entry) - set(_RANGE)):
            raise self._wrong(name, f"has an unknown key {quoted(unknown[0])}: known are choices, {', '.join(_RANGE)}")
        numbers = {key: _number(entry[key]) for key in ("low", "high", "step") if entry.get(key) is not None}
        for key in ("low", "high"):
            if key not in numbers:
                raise self._wrong(name, f"needs {key}: {{low: ..., high: ...}}, or a list of values")
        for key, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self._wrong(name, f"has {key} {quoted(value)}, which is no number")
        log = entry.get("log", False)
        low, high, step = numbers["low"], numbers["high"], numbers.get("step")
        if not isinstance(log, bool):
            raise self._wrong(name, f"has log {quoted(log)}: true or false")
        if low >= high:
            raise self._wrong(name, f"goes from low {low} to high {high}: low must be the smaller")
        if log and low <= 0:
            raise self._wrong(name, f"has low {low}: a logarithmic scale starts above 0")
        if step is not None and (log or step <= 0):
            raise self._wrong(name, f"has step {step}: above 0, and not together with log")
        whole = all(isinstance(value, int) for value in numbers.values())
        if isinstance(now, int) and not isinstance(now, bool) and not whole:
            raise self._wrong(name, f"takes whole numbers (now {now}): write low, high and step without a point")
        integer = whole and not isinstance(now, float)
        return Range(low, high, integer, step, log, self._when(name, entry))

    def _when(self, name: str, entry: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        when = entry.get("when") or {}
        if not isinstance(when, Mapping):
            raise self._wrong(name, f"has when {quoted(when)}: write when: {{OTHER: [VALUE, ...]}}")
        return {str(k): tuple(map(_number, v if isinstance(v, list) else [v])) for k, v in when.items()}

    def _ordered(self, items: dict[str, Range | Choice]) -> dict[str, Range | Choice]:
        """Each argument after those that its ``when`` names."""
        for name, item in items.items():
            for other, values in item.when.items():
                there = items.get(other)
                if not isinstance(there, Choice):
                    raise self._wrong(name, f"depends on {other!r}, which must be in the space as a list of values")
                if missing := [value for value in values if value not in there.values]:
                    raise self._wrong(name, f"is drawn when {other} is {missing[0]!r}, which {other} never is")
        try:
            return {
                name: items[name] for name in TopologicalSorter({n: i.when for n, i in items.items()}).static_order()
            }
        except CycleError as error:
            circle = ", ".join(dict.fromkeys(error.args[1]))
            raise ValueError(f"{self._source}: {circle} depend on each other in a circle") from None


def _number(value: Any) -> Any:
    """YAML takes ``1e-5`` for text, because it has no point: here it is the number."""
    if not isinstance(value, str) or "e" not in value.lower():
        return value
    try:
        return float(value)
    except ValueError:
        return value
