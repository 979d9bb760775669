"""Several trainings advance together: one fused step for the networks of several folds.

Each training keeps its own :class:`~ferdis.training.trainer.Trainer`, with its batches, optimisers, schedules,
checkpoints and random state, and runs in a turn of its own (:mod:`ferdis.training.turns`). Where its step comes to a
forward or to a phase it asks for it and waits. What all of them wait for at one place of their steps is computed at
once where it is alike::

    tensors of the networks, stacked -> torch.vmap of the phase's terms -> loss = sum over trainings
    -> one backward -> each training's gradient, which no other training's loss depends on

Dropout draws each training's mask from its own random state. What cannot be computed so (what torch.vmap refuses,
terms that hold what cannot be compared) is computed apart, as without this module, and :func:`remarks` says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ferdis.messages import one_line
from ferdis.training import turns
from ferdis.training.batches import Batch
from ferdis.training.phases import DrawThenForward, LivePhase, Modules, Phase, Stage, loss_of
from ferdis.training.stacked import Networks, Stack, build_of, compared, rows_of, shared_graphs
from ferdis.training.turns import RandomState, Turn

T = TypeVar("T")


def together(functions: Sequence[Callable[[], T]], watch: Watch | None = None) -> Generator[tuple[int, T], None, None]:
    """Call functions whose trainings advance together; their number and result, as they end.

    Parameters
    ----------
    functions : each trains what it likes, or nothing; one that raises ends all.
    watch : times steps in either way, and ends all when it has seen enough, or when the first of them ends.
    """
    remarks = [f"Folds were trained {len(functions)} at a time, in fused steps (fold_batch)."]
    members, ours = [Turn(function, remarks) for function in functions], RandomState()
    work = _Work(remarks, watch)
    try:
        answers: dict[Turn, Any] = dict.fromkeys(members)
        while answers:
            for turn, answer in answers.items():
                turn.go_on(answer)
                if turn.ended:
                    ours.put()
                    result = turn.result
                    if watch is not None:
                        return
                    try:
                        yield members.index(turn), result
                    finally:
                        ours.take()  # who listens may draw
            answers = work.answers([turn for turn in members if not turn.ended])
    finally:
        for turn in members:
            turn.stop()
        ours.put()


def remarks() -> list[str]:
    """With how many the training of this thread advances together; what was computed apart, and why. A line each."""
    turn = turns.current()
    return [] if turn is None else list(turn.remarks)


class Watch:
    """Times fused and separate steps in turn, until there are enough of both.

    Parameters
    ----------
    enough : seconds of timed steps after which it is over; there is one of each kind at least.

    Attributes
    ----------
    seconds : whether fused -> seconds of each step, of all trainings together.
    """

    def __init__(self, enough: float = 2.0) -> None:
        self.enough = enough
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self._step, self._since = -1, 0.0

    def fuses(self, step: int) -> bool:
        """Whether a step is to be fused; asked before each of its parts."""
        return step % 2 == 0

    def is_over(self, step: int) -> bool:
        """Take the time at the first part of each step; True when nothing more is to be measured."""
        if step != self._step:
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            now = time.perf_counter()
            if self._step > 2:  # the first of each kind also warms up
                self.seconds[self.fuses(self._step)].append(now - self._since)
            self._step, self._since = step, now
        return all(self.seconds.values()) and sum(map(sum, self.seconds.values())) >= self.enough


# ------------------------------------------------------------------------------------------- the training's side


class Member:
    """One stage of a training that advances with others.

    Parameters
    ----------
    turn : of the training.
    stage, trainable : what it trains, and which parameters may require gradients.
    autocast : gives the context that forwards run in.
    """

    def __init__(
        self, turn: Turn, stage: Stage, trainable: Iterable[nn.Parameter],
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:  # fmt: skip
        self.turn, self.stage, self.autocast = turn, stage, autocast
        self.modules, self.networks = Modules(**stage.modules), Networks(stage.modules)
        self.parameters = dict(self.networks.named_parameters())
        self.names = {id(parameter): name for name, parameter in self.parameters.items()}
        self.trainable = {self.names[id(parameter)] for parameter in trainable}
        build, reason = _or_reason(build_of, self.networks)
        self.kind = (stage.name, build)
        forward = [stage.prepare.forward] if isinstance(stage.prepare, DrawThenForward) else [None]
        functions = (*forward, *(phase.terms for phase in stage.phases))
        self._alike = [(None, reason) if reason else _or_reason(compared, function) for function in functions]

    @property
    def required(self) -> list[str]:
        """The parameters that require gradients now."""
        return [name for name, parameter in self.parameters.items() if parameter.requires_grad]

    def begin_step(self) -> None:
        """A step begins: trainings meet at equal steps."""
        self.turn.steps += 1

    def forward(self, function: Callable[[Modules, Batch], Batch], batch: Batch) -> Batch | None:
        """``function(modules, batch)``, or None where it is to be computed apart."""
        return self._ask(0, function, batch, None)

    def phase(self, live: LivePhase, batch: Batch) -> dict[str, Tensor] | None:
        """The phase's terms without their graph, its gradients put into the parameters; or None, see above."""
        return self._ask(1 + self.stage.phases.index(live.phase), live.phase.terms, batch, live)

    def _ask(self, part: int, function: Callable[..., Any], batch: Batch, live: LivePhase | None) -> Any:
        weighted = None if live is None else tuple(name for name, weight in live.weights.items() if weight)
        shapes = tuple((name, tensor.shape, tensor.dtype) for name, tensor in batch.items())
        alike, reason = self._alike[part]
        key = (self.kind, part, weighted, shapes, alike)
        return self.turn.ask(_Request(self, (self.turn.steps, part), key, reason, function, batch, live))


def member(
    stage: Stage, trainable: Iterable[nn.Parameter], autocast: Callable[[], AbstractContextManager[Any]],
    precision: str,
) -> Member | None:  # fmt: skip
    """What a stage asks; None where it is trained apart: outside of :func:`together`, and with scaled losses."""
    turn = turns.current()
    if turn is None:
        return None
    if precision == "16-mixed":
        _remark(turn.remarks, stage.name, "precision='16-mixed' scales each loss by itself")
        return None
    return Member(turn, stage, trainable, autocast)


def _or_reason(look: Callable[[Any], Any], what: Any) -> tuple[Hashable, str]:
    """What is equal for those that can be computed at once, or why this one cannot be."""
    try:
        found = look(what)
        return found[0] if look is compared else found, ""
    except TypeError as error:
        return id(what), str(error)


@dataclass(frozen=True, eq=False)
class _Request:
    """What a training waits for: a phase, or without ``live`` a forward."""

    member: Member
    place: tuple[int, int]  # step, part of the step
    key: Hashable  # equal for what can be computed at once
    reason: str  # why it can be with none
    function: Callable[[Modules, Batch], Any]
    batch: Batch
    live: LivePhase | None

    @property
    def name(self) -> str:
        stage = self.member.stage.name
        return f"{stage}, its forward" if self.live is None else f"{stage}, {self.live.phase.name}"


# ------------------------------------------------------------------------------------------------ what is computed


class _Work:
    """Answers what trainings wait for.

    Parameters
    ----------
    remarks : takes in what is computed apart, and why.
    watch : see :func:`together`.
    """

    def __init__(self, remarks: list[str], watch: Watch | None) -> None:
        self.remarks, self.watch = remarks, watch
        self.stacks: dict[Hashable, tuple[list[Member], Stack]] = {}
        self.tried: set[Hashable] = set()  # keys of what has been computed at once
        self.apart: set[tuple[str, int]] = set()  # (stage, part of its step) that cannot be

    def answers(self, waiting: Sequence[Turn]) -> dict[Turn, Any]:
        """Answers for those who are furthest behind; the others wait on. Empty when all is over."""
        requests: list[_Request] = [turn.asked for turn in waiting]
        first = min((request.place for request in requests), default=None)
        if first is None or (self.watch is not None and self.watch.is_over(first[0])):
            return {}
        groups: dict[Hashable, list[_Request]] = {}
        for request in requests:
            if request.place == first:
                groups.setdefault(request.key, []).append(request)
        found: dict[Turn, Any] = {}
        for group in groups.values():
            start = time.perf_counter()
            found |= zip((one.member.turn for one in group), self._answer(group, requests), strict=True)
            for one in group:
                one.member.turn.seconds += (time.perf_counter() - start) / len(group)
        return found

    def _answer(self, group: Sequence[_Request], present: Sequence[_Request]) -> Sequence[Any]:
        """What each of the group gets; None is to be computed apart."""
        leader, shared = group[0], any(shared_graphs(one.batch) for one in group)
        fuses = self.watch is None or self.watch.fuses(leader.place[0])
        if leader.reason:
            self._set_apart(leader, leader.reason)
        if not shared and (len(group) == 1 or not fuses or self._is_apart(leader)):
            return [None] * len(group)
        members, stack = self._stack(group, present, shared)
        rows = [members.index(one.member) for one in group]
        if not self._is_apart(leader):
            known = leader.key in self.tried
            self.tried.add(leader.key)
            try:
                return _at_once(group, stack, rows) if known else self._try(group, stack, rows)
            except Exception as error:  # at first of torch.vmap, or of one training, which then has it for itself
                if known:
                    return [error] * len(group)
                self._set_apart(leader, one_line(error).split(". ")[0])
        return _one_by_one(group, stack, rows) if shared else [None] * len(group)

    def _try(self, group: Sequence[_Request], stack: Stack, rows: Sequence[int]) -> Sequence[Any]:
        """The first time: if it fails all is as before."""
        buffers = {name: whole.clone() for name, whole in stack.buffers.items()}
        randoms = [one.member.turn.random for one in group]
        states = [(random.torch, random.cuda) for random in randoms]
        try:
            return _at_once(group, stack, rows, retain=True)
        except Exception:
            for name, whole in stack.buffers.items():
                whole.data.copy_(buffers[name])
            for random, state in zip(randoms, states, strict=True):
                random.torch, random.cuda = state
            stack.forget_gradients()
            raise

    def _is_apart(self, request: _Request) -> bool:
        """Whether it is known that it cannot be computed at once: a forward, where a phase cannot that shares it."""
        stage, part = request.member.stage, request.place[1]
        return any((stage.name, number) in self.apart for number in ([part] if part else range(1 + len(stage.phases))))

    def _set_apart(self, request: _Request, reason: str) -> None:
        self.apart.add((request.member.stage.name, request.place[1]))
        _remark(self.remarks, request.name, reason)

    def _stack(
        self, group: Sequence[_Request], present: Sequence[_Request], shared: bool
    ) -> tuple[list[Member], Stack]:
        """Of all who are in the stage now, and who they are; while a graph leads to its tensors it stays as it is."""
        kind = group[0].member.kind
        known = self.stacks.get(kind)
        if shared and known is not None:
            return known
        members = [one.member for one in present if one.member.kind == kind]
        if known is None or known[0] != members or not known[1].holds():
            known = self.stacks[kind] = members, Stack([one.networks for one in members])
        return known


def _at_once(
    group: Sequence[_Request], stack: Stack, rows: Sequence[int], retain: bool = False
) -> Sequence[dict[str, Tensor]]:
    """Each one's answer, from one call of the function that all of them ask for."""
    leader, live = group[0].member, group[0].live
    stack.require_gradients(leader.trainable if live is None else leader.required)
    with leader.autocast():
        found, left = stack.call(
            leader.networks,
            rows,
            [one.function for one in group],
            [one.batch for one in group],
            [one.member.turn.random for one in group],
        )
    if live is None:
        return rows_of(found, len(group))
    loss = _loss(live.phase, found, [one.live.weights for one in group if one.live is not None])
    retain = retain or any(len(whole) != len(group) for whole in shared_graphs(group[0].batch))
    loss.backward(retain_graph=retain)  # type: ignore[no-untyped-call]
    _collect(group, stack, rows)
    for one, own in zip(group, rows_of(left, len(group)), strict=True):
        one.batch.update(own)
    return rows_of({name: term.detach() for name, term in found.items()}, len(group))


def _loss(phase: Phase, terms: Mapping[str, Tensor], weights: Sequence[Mapping[str, float]]) -> Tensor:
    """The sum of the trainings' losses; of terms of shape (trainings,), and weights that may differ where they do."""
    for name, term in terms.items():
        if term.shape != (len(weights),):
            raise ValueError(f"phase {phase.name!r}: term {name!r} is no scalar")
    if all(some == weights[0] for some in weights):
        return loss_of(phase, {name: term.float().sum() for name, term in terms.items()}, weights[0])
    weighted = {
        name: (
            terms[name].float() * terms[name].new_tensor([some[name] for some in weights], dtype=torch.float32)
        ).sum()
        for name, weight in weights[0].items()
        if weight
    }
    return loss_of(phase, weighted, dict.fromkeys(weighted, 1.0))


def _one_by_one(group: Sequence[_Request], stack: Stack, rows: Sequence[int]) -> Sequence[Any]:
    """The phase of each, with its own networks, where the graph of a forward leads to those of all."""
    found: list[Any] = []
    losses: list[Tensor] = []
    stack.require_gradients(group[0].member.required)
    for one in group:
        random, live = one.member.turn.random, one.live
        random.put_torch()
        try:
            with one.member.autocast():
                terms = one.function(one.member.modules, one.batch)
            if live is not None:
                losses.append(loss_of(live.phase, terms, live.weights))
            found.append({name: term.detach() for name, term in terms.items()})
        except Exception as error:  # that training's own
            found.append(error)
        random.take_torch()
    if losses:
        torch.stack(losses).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
        _collect(group, stack, rows)
    return found


def _collect(group: Sequence[_Request], stack: Stack, rows: Sequence[int]) -> None:
    """Add each training's row of the gradients to those of the parameters that its phase updates."""
    for one, row in zip(group, rows, strict=True):
        for parameter in one.live.parameters if one.live is not None else ():
            own = stack.gradient(one.member.names[id(parameter)], row)
            if own is not None:
                parameter.grad = own if parameter.grad is None else parameter.grad + own
    stack.forget_gradients()


def _remark(remarks: list[str], what: str, reason: str) -> None:
    line = f"Not in the fused steps: {what} ({reason})."
    if line not in remarks:
        remarks.append(line)
