"""Data sets: the registry, a line each, and :func:`load`.

A new data set is one file in this folder and one line in :data:`REGISTRY`. The file has

- a loader, a function with plain typed keyword arguments (the command line is built from them) that gives a
  :class:`~ferdis.faces.Faces`;
- ``build_table(root, ..., problems=None) -> (table, notes)``, which reads names and labels but no pixels, so that
  :func:`ferdis.datasets.check.check` can look at a folder that does not load: given a list, it puts there what is
  wrong with single files instead of raising it. The loader passes the table to
  :func:`ferdis.datasets.common.prepared`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ferdis.datasets.common import closest
from ferdis.faces import Faces


@dataclass(frozen=True)
class Entry:
    """One data set of the registry.

    Parameters
    ----------
    name : str
        What :func:`load` and the command line call it.
    loader : str
        ``"module:function"``; imported when the set is first loaded.
    title, people, classes, images : str
        Its name in words, and how many of each there are.
    layout : str
        The files that the loader expects under its root.
    where : str
        Where to get it, and on what terms.
    subject_namespace : str
        What its subjects' names begin with; two copies of one set share it.
    """

    name: str
    loader: str
    title: str
    people: str
    classes: str
    images: str
    layout: str
    where: str
    subject_namespace: str

    def load_function(self) -> Callable[..., Faces]:
        """Import the loader."""
        module, function = self.loader.split(":")
        return getattr(importlib.import_module(module), function)


def _registry(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


REGISTRY: dict[str, Entry] = _registry(
    Entry(
        name="synthetic",
        loader="ferdis.datasets.synthetic.dataset:load_synthetic",
        title="Embedded synthetic people",
        people="as asked",
        classes="7",
        images="as asked",
        layout="no files: rendered",
        where="inside ferdis",
        subject_namespace="synthetic",
    ),
    Entry(
        name="manifest",
        loader="ferdis.datasets.manifest:load_manifest",
        title="Bring your own data: one CSV file",
        people="any",
        classes="any",
        images="any",
        layout="faces.csv (path, expression, subject, any further column) beside the pictures",
        where="yours",
        subject_namespace="<folder name>",
    ),
    Entry(
        name="folder",
        loader="ferdis.datasets.folder:load_folder",
        title="Folders named after expressions",
        people="any",
        classes="any",
        images="any",
        layout="{anger,disgust,...}/picture.jpg, the person in the path, found by a regular expression",
        where="yours",
        subject_namespace="<folder name>",
    ),
    Entry(
        name="ckplus",
        loader="ferdis.datasets.ckplus:load_ckplus",
        title="Extended Cohn-Kanade (CK+), official layout",
        people="118",
        classes="7 with contempt, 6 without",
        images="981, 927",
        layout="cohn-kanade-images/S005/001/*.png, Emotion/S005/001/*_emotion.txt, FACS (optional)",
        where="on request from its authors (Lucey et al. 2010)",
        subject_namespace="ck",
    ),
    Entry(
        name="ck48",
        loader="ferdis.datasets.ck48:load_ck48",
        title="CK+48: CK+'s last three frames, cropped to 48x48",
        people="118",
        classes="7 with contempt, 6 without",
        images="981, 927",
        layout="CK+48/{anger,contempt,...}/S010_004_00000017.png",
        where="a re-packing of CK+, under its terms; the same people as ckplus",
        subject_namespace="ck",
    ),
    Entry(
        name="disfa",
        loader="ferdis.datasets.disfa:load_disfa",
        title="DISFA: 12 action units coded by hand, frame by frame",
        people="27",
        classes="none coded",
        images="130,788 frames",
        layout="ActionUnit_Labels/SN001/SN001_au1.txt, Videos_LeftCamera/LeftVideoSN001_comp.avi or SN001/00001.jpg",
        where="on request from its authors (Mavadati et al. 2013)",
        subject_namespace="disfa",
    ),
)


def entry(name: str) -> Entry:
    """The registry's entry of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the choices.
    """
    if name not in REGISTRY:
        near, choices = closest(str(name), REGISTRY), ", ".join(REGISTRY)
        raise ValueError(f"no data set {name!r}{near} (there are {choices})")
    return REGISTRY[name]


def load(name: str, **arguments: Any) -> Faces:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        A key of :data:`REGISTRY`: ``synthetic``, ``manifest``, ``folder``, ``ckplus``, ``ck48``.
    **arguments
        The loader's arguments; see the loader's own documentation.

    Returns
    -------
    Faces

    Raises
    ------
    ValueError
        If the name or an argument is unknown, or an argument is missing; what a loader says of bad data.
    FileNotFoundError
        If the data is not where ``root`` says.
    """
    function = entry(name).load_function()
    check_arguments(name, function, arguments)
    return function(**arguments)


def check_arguments(name: str, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Raise a ValueError that lists the choices if ``arguments`` do not fit the loader of ``name``."""
    parameters = inspect.signature(function).parameters
    choices = ", ".join(parameters)
    for argument in arguments:
        if argument not in parameters:
            near = closest(argument, parameters)
            raise ValueError(f"{name} has no argument {argument!r}{near} (it has {choices})")
    needed = [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
    missing = [key for key in needed if key not in arguments]
    if missing:
        layout = entry(name).layout
        raise ValueError(f"{name} needs {missing[0]}=: it expects {layout} (it has {choices})")


def describe_datasets() -> str:
    """The registry as text for reading: name, title, people, classes, images, layout and where to get it."""
    lines = []
    for item in REGISTRY.values():
        lines += [
            f"{item.name}: {item.title}",
            f"    people: {item.people} · classes: {item.classes} · images: {item.images}",
            f"    subjects: {item.subject_namespace}/...",
            f"    layout: {item.layout}",
            f"    where:  {item.where}",
        ]
    return "\n".join(lines)
