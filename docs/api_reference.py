"""The API reference: a page for each topic, and below it a page for each public module.

A module belongs to the topic that names the longest beginning of its name, so a new module appears by itself; one in a
room that no topic names stops the build. Modules whose name begins with an underscore, and those of ``IMPLEMENTATION``,
have no page: nothing in them is meant to be imported from outside.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ferdis


@dataclass(frozen=True)
class Topic:
    """One page of the reference: its file name, its title, a sentence, and the beginnings of its modules' names."""

    file: str
    title: str
    text: str
    rooms: tuple[str, ...]


TOPICS = (
    Topic(
        "faces",
        "Faces and data sets",
        "Images with a table of what is known about each, and the loaders that make them (:doc:`/datasets`).",
        ("ferdis.faces", "ferdis.labels", "ferdis.datasets"),
    ),
    Topic(
        "synthetic",
        "Synthetic people",
        "Rendered people whose identity, expression, action units, pose and light are known (:doc:`/synthetic`).",
        ("ferdis.datasets.synthetic", "ferdis.datasets.facekit"),
    ),
    Topic(
        "preprocess",
        "Preprocessing",
        "Face detection, alignment to a constant template, augmentation, and the cache of aligned faces.",
        ("ferdis.preprocess",),
    ),
    Topic(
        "protocol",
        "Protocols and the audit",
        "Subject-exclusive folds, and the search for leaks between their parts (:doc:`/protocol`).",
        ("ferdis.protocol",),
    ),
    Topic(
        "systems",
        "Systems",
        "The published systems and their baselines. All share :class:`~ferdis.systems.base.Estimator`; classifiers "
        "also share :class:`~ferdis.systems.classifier.Classifier`. They are scikit-learn estimators: ``get_params``, "
        "``set_params`` and ``clone`` work. Their equations are in the :doc:`/papers/index`.",
        ("ferdis.systems", "ferdis.capabilities"),
    ),
    Topic(
        "training",
        "Training",
        "Phases and stages, the trainer that runs them, and the losses and networks that several papers share.",
        ("ferdis.training", "ferdis.losses", "ferdis.nn", "ferdis.weights"),
    ),
    Topic(
        "evaluation",
        "Evaluation",
        "Every system on every fold, one row per test image, in a run folder (:doc:`/quickstart`, :doc:`/run_folder`).",
        ("ferdis.evaluation", "ferdis.run_folder"),
    ),
    Topic(
        "metrics",
        "Metrics and figures",
        "Pure functions of rows and arrays: accuracy, UAR and their intervals, paired comparisons, action units, "
        "verification, generated images, disentanglement; and the figures drawn from them.",
        ("ferdis.metrics", "ferdis.figures"),
    ),
    Topic(
        "sweep",
        "Sweeps",
        "Hyperparameters chosen on training subjects alone (:doc:`/sweeps`).",
        ("ferdis.sweep",),
    ),
    Topic(
        "disentanglement",
        "Disentanglement and evaluators",
        "What a representation holds of identity and of expression (:doc:`/disentanglement`), and the networks that "
        "measure generated faces.",
        ("ferdis.disentanglement", "ferdis.evaluators"),
    ),
    Topic(
        "augmentation",
        "Generated training faces",
        "Generators as augmenters inside the training part of a fold (:doc:`/augmentation`).",
        ("ferdis.augmentation",),
    ),
    Topic(
        "predict",
        "Prediction and export",
        "Saved models on new images (:doc:`/predict`), and as ONNX files (:doc:`/export`).",
        ("ferdis.predict", "ferdis.export", "ferdis.onnx_model", "ferdis.saved_models", "ferdis.zoo"),
    ),
    Topic(
        "report",
        "Reports and pages",
        "One page about one or several runs (:doc:`/report`), and one that runs models in the browser (:doc:`/web`).",
        ("ferdis.report", "ferdis.reproduce", "ferdis.web"),
    ),
    Topic(
        "helpers",
        "Helpers",
        "Small modules that the others share.",
        ("ferdis.messages", "ferdis.progress"),
    ),
)

# Beginnings of names of modules that are parts of another module's work.
IMPLEMENTATION = (
    "ferdis.cli",  # the verbs are described by `ferdis --help`
    "ferdis.datasets.synthetic.canvas",
    "ferdis.datasets.synthetic.camera",
    "ferdis.datasets.synthetic.creases",
    "ferdis.datasets.synthetic.eyes",
    "ferdis.datasets.synthetic.geometry",
    "ferdis.datasets.synthetic.hair",
    "ferdis.datasets.synthetic.lazy",
    "ferdis.datasets.synthetic.memory",
    "ferdis.datasets.synthetic.mouth",
    "ferdis.datasets.synthetic.scene",
    "ferdis.datasets.synthetic.shading",
    "ferdis.datasets.synthetic.skin",
    "ferdis.export.card",
    "ferdis.export.command",
    "ferdis.export.writing",
    "ferdis.notebook",  # what Faces and Evaluation show of themselves
    "ferdis.predict.command",
    "ferdis.predict.drawing",
    "ferdis.report.joining",
    "ferdis.report.mistakes",
    "ferdis.report.notes",
    "ferdis.report.page",
    "ferdis.report.sections",
    "ferdis.web.command",
)

SPHINX_ROLE = re.compile(r":[\w:]+:`(?:[^<`]*<)?~?(?:[\w.]+\.)?([^`>]+)>?`")


def modules() -> list[str]:
    """Every public module below ferdis, packages first."""
    found = []
    for item in pkgutil.walk_packages(ferdis.__path__, "ferdis."):
        private = any(part.startswith("_") for part in item.name.split("."))
        if not private and not any(is_in(item.name, prefix) for prefix in IMPLEMENTATION):
            found.append(item.name)
    return found


def is_in(module: str, room: str) -> bool:
    """Whether a module is the room itself or below it."""
    return module == room or module.startswith(f"{room}.")


def topic_of(module: str) -> Topic:
    """The topic that names the longest beginning of the module's name."""
    found = [(len(room), topic) for topic in TOPICS for room in topic.rooms if is_in(module, room)]
    if not found:
        raise ValueError(f"{module} is in no topic of the reference: name its room in TOPICS of docs/api_reference.py")
    return max(found, key=lambda item: item[0])[1]


def public_names(module: ModuleType) -> list[str]:
    """Names of the functions and classes that the module defines for others, in the order of ``__all__`` or source."""
    mine = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    listed = getattr(module, "__all__", None)
    return mine if listed is None else [name for name in listed if name in mine]


def sentence(text: str | None) -> str:
    """The first line of a docstring without its Sphinx roles."""
    lines = (text or "").strip().splitlines()
    return SPHINX_ROLE.sub(r"``\1``", lines[0]) if lines else ""


def name_table(rows: list[tuple[str, str]]) -> list[str]:
    """A two-column table of (link, what it is)."""
    lines = [".. list-table::", "   :widths: 34 66", ""]
    for link, text in rows:
        lines += [f"   * - {link}", f"     - {text}"]
    return [*lines, ""]


def link_of(module: str, name: str) -> str:
    """A cross-reference to a class or function by its bare name."""
    role = "class" if inspect.isclass(getattr(importlib.import_module(module), name)) else "func"
    return f":{role}:`~{module}.{name}`"


def topic_page(topic: Topic, names: list[str]) -> str:
    """The page of one topic: its modules with their public names, and the pages below it."""
    lines = [topic.text, ""]
    for name in names:
        module = importlib.import_module(name)
        rows = [(link_of(name, public), sentence(vars(module)[public].__doc__)) for public in public_names(module)]
        lines += [name, "-" * len(name), "", f":doc:`{name}`: {sentence(module.__doc__)}", ""]
        lines += name_table(rows) if rows else []
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names)]
    return titled(topic.title, *lines)


def index_page(used: list[Topic]) -> str:
    """The first page: what is importable from ferdis itself, and the topics."""
    rows = []
    for name in sorted(ferdis._PUBLIC, key=str.lower):
        value = getattr(ferdis, name)
        # A package that can be called, such as `sweep`, stands for its function; any other, such as `zoo`, for itself.
        target = getattr(value, name, value) if inspect.ismodule(value) else value
        if inspect.ismodule(target):
            rows.append((f":doc:`{target.__name__}`", sentence(target.__doc__)))
        else:
            rows.append((link_of(target.__module__, target.__name__), sentence(target.__doc__)))
    lines = ["Importable from ``ferdis`` itself, and everything else by topic.", ""]
    lines += [".. toctree::", "   :maxdepth: 1", "   :caption: Topics", "", *(f"   {topic.file}" for topic in used), ""]
    lines += ["From ``ferdis``", "-" * 15, "", *name_table(rows)]
    return titled("API reference", *lines)


def titled(title: str, *lines: str) -> str:
    """A page of reStructuredText."""
    return "\n".join([title, "=" * len(title), "", *lines, ""])


def pages() -> dict[str, str]:
    """All pages of the reference, by file name."""
    by_topic: dict[Topic, list[str]] = {}
    for name in modules():
        by_topic.setdefault(topic_of(name), []).append(name)
    found = {f"{name}.rst": titled(name, f".. automodule:: {name}") for names in by_topic.values() for name in names}
    used = [topic for topic in TOPICS if topic in by_topic]
    found |= {f"{topic.file}.rst": topic_page(topic, by_topic[topic]) for topic in used}
    return {**found, "index.rst": index_page(used)}


def write_reference(folder: Path) -> None:
    """Write the reference, only files that have changed, and remove pages of modules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for page in folder.glob("*.rst"):
        if page.name not in wanted:
            page.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def skip_foreign_members(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Of inherited members keep those that ferdis defines; leave out scikit-learn's ``set_..._request``."""
    if re.fullmatch(r"set_\w+_request", name):
        return True
    if what not in ("class", "exception"):
        return None
    defined = obj.fget if isinstance(obj, property) else obj
    home = getattr(defined, "__module__", None) or getattr(getattr(obj, "__objclass__", None), "__module__", None)
    return True if isinstance(home, str) and not is_in(home, "ferdis") else None
