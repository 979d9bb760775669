"""What a training step of each system costs, and how far that is from what its layers cost alone.

    python benchmarks/steps.py [SYSTEM ...] [--paper] [--batch-size N] [--compile] [--reference DIR]

Each system is built by its own ``fit`` up to the trainer, and its costliest stage is stepped by the trainer itself on
synthetic people. Beside the trainer's step stands that of a bare loop: the same terms and optimisers without a trainer.
The convolutions and matrix products of a step are recorded with their shapes, layouts and precision and timed alone,
forward and backward, as they are and in the fastest layout; their sum is what is attainable, and its share in the step
the figure to raise. A profile says what the rest is. All of it takes turns in one run.

``--compile`` also steps a bare loop whose modules ``torch.compile`` has compiled, in turns with one whose modules are
as they are: the gain, and the seconds on the clock until the first steps are done.

``--reference DIR`` compares with somebody else's code, which stays where it is: ``DIR/ferdis_reference.py`` defines
``step(images, labels)``, called with float32 images (n, 3, S, S) in [-1, 1] and int64 labels (n,), as many and as large
as the batches of the first SYSTEM; it does one whole training step: forward, backward, optimisers. It may define
``prepare(image_size, batch_size, n_classes)``, called once before.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import torch
from layer_calls import LayerCalls
from measuring import finish, forget_peak, in_turns, medians, parser, peak_mb
from step_profile import shares
from torch import Tensor, nn

from ferdis import load
from ferdis.faces import Faces
from ferdis.systems import base, get
from ferdis.training import Batch, Modules, Phase, Stage, Trainer
from ferdis.training.phases import weighted_sum

SYSTEMS = ("cnn", "resnet", "ifgan", "relgan", "eggan", "decgan")
SHORT = 2.5e-3  # seconds of the step that the trainer's own cost is compared with
REFERENCE = "ferdis_reference.py"


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure, print the table and return it: one row per system."""
    options = parser(__doc__)
    options.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"by default {' '.join(SYSTEMS)}")
    options.add_argument("--paper", action="store_true", help="the paper's size instead of small()")
    options.add_argument("--batch-size", type=int, help="by default the system's own")
    options.add_argument("--steps", type=int, default=4, help="steps in a turn")
    options.add_argument("--precision", default="auto")
    options.add_argument("--compile", action="store_true", help="step compiled modules too")
    options.add_argument("--reference", type=Path, help="folder with " + REFERENCE)
    given = options.parse_args(argv)
    given.systems = given.systems or list(SYSTEMS)
    torch.set_num_threads(given.threads)
    reference = None if given.reference is None else reference_in(given.reference, options.error)
    rows = [measured(name, given) for name in given.systems]
    ratios = {f"{row['system']}: share of attainable": row["share"] for row in rows}
    if given.compile:
        ratios |= {f"{row['system']}: times faster compiled": row["compiled"] for row in rows}
    if not given.paper:
        own = trainer_cost(given.rounds)
        print(f"the trainer adds {own * 1e6:.0f} us to a step of {SHORT * 1e3:g} ms")
        ratios["trainer: share of a 2.5 ms step"] = own / SHORT
    if reference is not None:
        ratios[f"reference: times a step of {given.systems[0]}"] = compared(reference, given)
    return finish("steps at paper size" if given.paper else "steps", given, rows, ratios)


class Stepper:
    """A stage, stepped by the trainer and by a bare loop.

    Parameters
    ----------
    stage : Stage
    batches : what is stepped on, again and again
    steps : in a turn
    precision : as in :class:`~ferdis.training.Trainer`
    """

    def __init__(self, stage: Stage, batches: Sequence[Batch], steps: int, precision: str) -> None:
        self.stage, self.batches, self.steps, self.precision = stage, batches, steps, precision
        self.period = max(phase.every for phase in stage.phases if isinstance(phase.every, int))
        self.loop = BareLoop(stage, precision=Trainer(accelerator="cpu", precision=precision).precision)

    def by_trainer(self) -> float:
        """Processor seconds of a step as ``fit`` does it, without the first ones."""
        marks: list[float] = []

        def ticking(_: int) -> Iterator[Batch]:
            for batch in islice(cycle(self.batches), self.period * (1 + self.steps)):
                marks.append(time.process_time())
                yield batch
            marks.append(time.process_time())

        for parameter in self.loop.every:
            parameter.requires_grad_(True)
        trainer = Trainer(accelerator="cpu", precision=self.precision, logger=None, progress=False)
        trainer.run([replace(self.stage, epochs=1, batches=ticking, start=None, validate=None)])
        return (marks[-1] - marks[self.period]) / (len(marks) - 1 - self.period)

    def by_loop(self) -> float:
        """The same of the bare loop."""
        self.run(self.period)
        start = time.process_time()
        self.run(self.period * self.steps)
        return (time.process_time() - start) / (self.period * self.steps)

    def run(self, steps: int) -> None:
        """Step the bare loop."""
        for number, batch in enumerate(islice(cycle(self.batches), steps)):
            self.loop.step(batch, number)

    def compiled(self) -> Stepper:
        """The same with copies of the modules, which their first call compiles."""
        twins = {name: copy.deepcopy(module) for name, module in self.stage.modules.items()}
        for twin in twins.values():
            twin.compile()
        return Stepper(replace(self.stage, modules=twins), self.batches, self.steps, self.precision)


class BareLoop:
    """The phases of a stage without a trainer: as short as a loop for one system could be.

    Parameters
    ----------
    stage : Stage
    precision : "32-true", or "bf16-mixed" for autocast
    """

    def __init__(self, stage: Stage, precision: str) -> None:
        self.stage, self.half = stage, precision != "32-true"
        self.modules, self.generator = Modules(**stage.modules), torch.Generator().manual_seed(0)
        still = {id(p) for name in stage.frozen for p in stage.modules[name].parameters()}
        self.parts = []
        for phase in stage.phases:
            own = [p for name in phase.updates for p in stage.modules[name].parameters() if id(p) not in still]
            self.parts.append((phase, phase.optimizer(own), phase.weights_in(0), {id(p) for p in own}))
        self.every = [p for module in stage.modules.values() for p in module.parameters()]

    def step(self, batch: Batch, number: int) -> None:
        """One step of all phases that are due at its number."""
        for name, module in self.stage.modules.items():
            if module.training == (name in self.stage.frozen):
                module.train(name not in self.stage.frozen)
        due = [part for part in self.parts if not isinstance(part[0].every, int) or number % part[0].every == 0]
        if self.stage.prepare is not None:
            self._require(set().union(*(own for _, _, _, own in due)))
            with self._autocast():
                batch = self.stage.prepare(self.modules, batch, self.generator)
        for phase, optimizer, weights, own in due:
            self._require(own)
            optimizer.zero_grad()
            with self._autocast():
                terms = phase.terms(self.modules, batch)
            weighted_sum(phase, terms, weights).backward()
            optimizer.step()
            if phase.after_step is not None:
                with torch.no_grad():
                    phase.after_step(self.modules, batch, lambda tensor: tensor)

    def _require(self, wanted: set[int]) -> None:
        for parameter in self.every:
            if parameter.requires_grad != (id(parameter) in wanted):
                parameter.requires_grad_(not parameter.requires_grad)

    def _autocast(self) -> Any:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half, cache_enabled=False)


def stepped(name: str, given: argparse.Namespace) -> tuple[Any, Stepper]:
    """A system and its costliest stage.

    Parameters
    ----------
    name : of a system
    given : the options ``paper``, ``batch_size``, ``precision`` and ``steps``
    """
    changes: dict[str, Any] = {"progress": False, "logger": None, "accelerator": "cpu"}
    if given.batch_size:
        changes["batch_size"] = given.batch_size
    if given.paper and "weights" in get(name)().get_params():
        changes["weights"] = None  # random ones: nothing is downloaded, and the speed is the same
    system = get(name)(**changes) if given.paper else get(name).small(**changes)
    stage = max(stages_of(system, people(system.batch_size)), key=lambda stage: len(stage.phases))
    batches = [batch for batch in stage.batches(0) if len(next(iter(batch.values()))) == system.batch_size]
    return system, Stepper(stage, batches, given.steps, given.precision)


def people(batch_size: int) -> Faces:
    """Synthetic people enough for three batches, and more than one of each expression."""
    faces = load("synthetic", people=max(6, -(-3 * batch_size // 14)), images_per_expression=2, image_size=64,
                 difficulty="easy")  # fmt: skip
    return faces


def stages_of(system: Any, faces: Faces) -> list[Stage]:
    """What ``system.fit(faces)`` would train; nothing is trained."""

    class Taken(Exception):
        pass

    class Taker:
        def __init__(self, **_: Any) -> None:
            pass

        def run(self, stages: list[Stage], **_: Any) -> None:
            raise Taken(stages)

    try:
        with mock.patch.object(base, "Trainer", Taker):
            system.fit(faces)
    except Taken as taken:
        return list(taken.args[0])
    raise RuntimeError(f"{type(system).__name__}.fit trained nothing")


def measured(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """One row of the table."""
    forget_peak()
    system, stepper = stepped(name, given)
    stepper.run(stepper.period)
    with LayerCalls() as layers:
        stepper.run(stepper.period)
    spent = medians({"trainer": stepper.by_trainer, "loop": stepper.by_loop}, given.rounds)
    peak = peak_mb()
    own, best = (seconds / stepper.period for seconds in layers.seconds(given.rounds))
    flop = layers.flop / stepper.period
    print(f"{name}: {1e3 * spent['trainer']:.3g} ms a step", file=sys.stderr)
    parts = shares(lambda: stepper.run(stepper.period * stepper.steps))
    if given.compile:
        parts |= gained_by_compiling(stepper, given.rounds)
    return {
        "system": name,
        "batch": system.batch_size,
        "pixels": system.image_size,
        "ms": 1e3 * spent["trainer"],
        "ms bare": 1e3 * spent["loop"],
        "GFLOP": flop / 1e9,
        "GFLOP/s": flop / spent["loop"] / 1e9,
        "attainable": flop / best / 1e9,
        "share": best / spent["loop"],
        "own layout": own / best,
        "peak MB": peak,
        **parts,
    }


def gained_by_compiling(stepper: Stepper, rounds: int) -> dict[str, float]:
    """How many times faster the bare loop is with compiled modules, and the seconds until its first steps are done.

    A critic whose penalty needs a second gradient cannot be compiled: its system gains nothing that is known.
    """
    twin, start = stepper.compiled(), time.perf_counter()
    try:
        twin.run(2 * stepper.period)
    except RuntimeError as error:
        if "double backward" not in str(error):
            raise
        return {"compiled": float("nan"), "compile s": float("nan")}
    waited = time.perf_counter() - start
    spent = medians({"plain": stepper.by_loop, "compiled": twin.by_loop}, rounds)
    return {"compiled": spent["plain"] / spent["compiled"], "compile s": waited}


def trainer_cost(rounds: int, steps: int = 200) -> float:
    """Seconds that the trainer adds to a step of about :data:`SHORT`, of one phase with two terms."""
    batch = {"x": torch.randn(64, 512)}

    def terms(modules: Modules, batch: Batch) -> dict[str, Tensor]:
        made = modules.network(batch["x"])
        return {"one": made.float().square().mean(), "two": made.float().abs().mean()}

    network = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))
    phase = Phase("only", ("network",), terms, {"one": 1.0, "two": 1.0}, partial(torch.optim.Adam, fused=True))
    stepper = Stepper(Stage("short", {"network": network}, [phase], 1, lambda _: []), [batch], steps, "32-true")
    spent = medians({"trainer": stepper.by_trainer, "loop": stepper.by_loop}, max(5, rounds))
    return spent["trainer"] - spent["loop"]


def reference_in(folder: Path, refuse: Callable[[str], Any]) -> Any:
    """The module of somebody else's training step; one line where it is missing or has no ``step``."""
    path = folder / REFERENCE
    if not path.is_file():
        refuse(f"--reference {folder}: there is no {REFERENCE}, which defines step(images, labels)")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder.resolve()))  # it imports what lies beside it
    spec.loader.exec_module(module)
    if not callable(getattr(module, "step", None)):
        refuse(f"--reference {folder}: {REFERENCE} defines no step(images, labels)")
    return module


def compared(reference: Any, given: argparse.Namespace) -> float:
    """How many times the first system's step somebody else's takes, in turns."""
    system, stepper = stepped(given.systems[0], given)
    size, count = system.image_size, system.batch_size
    images, labels = torch.rand(count, 3, size, size) * 2 - 1, torch.arange(count) % 7
    if hasattr(reference, "prepare"):
        reference.prepare(size, count, 7)
    ways = {"reference": lambda: reference.step(images, labels), "own": lambda: stepper.run(stepper.period)}
    spent = in_turns(ways, given.rounds)
    own = spent["own"] / stepper.period
    print(
        f"reference {1e3 * spent['reference']:.1f} ms, {given.systems[0]} {1e3 * own:.1f} ms a step of {count} images"
    )
    return spent["reference"] / own


if __name__ == "__main__":
    main()
