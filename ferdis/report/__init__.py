"""`ferdis report RUN...`: one or several runs as a self-contained page, with the tables in LaTeX and Markdown.

:func:`write_report` reads run folders (:mod:`ferdis.run_folder`) and nothing else: no system is loaded and nothing is
fitted, so a report may be made anywhere, at any time, of runs from other machines. Only the images of the worst
mistakes are looked up in the data set, and the page says so where they are not found.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from ferdis import run_folder
from ferdis.faces import Faces
from ferdis.report.joining import Group, join
from ferdis.report.mistakes import Loader
from ferdis.report.page import Part, Section, render
from ferdis.report.record import as_json, changes_text, read_report, report_record
from ferdis.report.sections import section, summary_of
from ferdis.report.tables import groups_of
from ferdis.run_folder import read_run

__all__ = ["write_report"]


def write_report(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    by: Sequence[str] = (),
    mistakes: int = 12,
    faces: Faces | None = None,
    load: Loader | None = None,
    against: str | Path | None = None,
) -> Path:
    """Write ``report.html``, ``report.json``, ``tables/*.md``, ``tables/*.tex`` and ``figures/*.png``.

    Parameters
    ----------
    runs : list of str
        Run folders. Those that tested the same images in the same folds are joined and compared in pairs; others
        stand side by side, and the page says why.
    out : str, optional
        Folder of the report; by default ``report`` inside the run, or beside the first of several.
    by : list of str, optional
        Further columns of the rows to report recall by; age, gender and ethnicity are found by themselves.
    mistakes : int
        Images of the worst mistakes of each system; 0 for none.
    faces : Faces, optional
        Where to look for these images, by path; by default the data set is loaded as the run's config.yaml says.
    load : callable, optional
        ``load(name, **arguments) -> Faces`` that does so, such as :func:`ferdis.load`; without it, and without
        ``faces``, the mistakes are listed without images.
    against : str, optional
        An earlier report (its folder, page or report.json): the page says what changed since.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FileNotFoundError, ValueError
        One line: a folder that is not there, holds no run or an unfinished one, or a column that is not in the rows.
    DiskError
        If the disk is full or ``out`` cannot be written.
    """
    if not runs:
        raise ValueError("no run was named: give one or more folders that ferdis kfold --out wrote")
    if mistakes < 0:
        raise ValueError(f"mistakes={mistakes}: a number of images, 0 or more")
    twice = [path for path in runs if sum(Path(path).resolve() == Path(other).resolve() for other in runs) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice: name each run once")
    if against is not None:
        read_report(against)  # before anything is written
    groups, apart = join([read_run(path) for path in runs])
    attributes = [groups_of(group.rows, by) for group in groups]  # refuses what images cannot be grouped by
    folder = Path(out) if out is not None else _default(runs)
    with run_folder.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    sections = [
        section(group, f"g{number}", attributes=found, mistakes=mistakes, faces=faces, load=load)
        for number, (group, found) in enumerate(zip(groups, attributes, strict=True), 1)
    ]
    record = report_record(groups, sections, [summary_of(group) for group in groups])
    if against is not None:
        text = changes_text(read_report(against), record)
        sections[0].parts.insert(1, Part("Since an earlier report", "g1-since", prose=[text]))
    _write_parts(folder, sections)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    version = run_folder.version("ferdis")
    made = f"Made by ferdis report {version} on {now}. The tables lie beside it, in LaTeX, Markdown and JSON."
    run_folder.write_text(folder / "report.json", as_json({**record, "made": made}))
    page = folder / "report.html"
    run_folder.write_text(page, render(_title(groups), _subtitle(groups), apart, sections, made))
    return page


def _default(runs: Sequence[str | Path]) -> Path:
    first = Path(runs[0])
    return first / "report" if len(runs) == 1 else first.parent / "report"


def _title(groups: Sequence[Group]) -> str:
    names = dict.fromkeys(system for group in groups for system in dict.fromkeys(group.rows["system"]))
    sets = dict.fromkeys(group.title for group in groups)
    return f"{', '.join(names)} on {', '.join(sets)}"


def _subtitle(groups: Sequence[Group]) -> str:
    runs = [run for group in groups for run in group.runs]
    return f"Facial expression recognition, {len(runs)} run{'s' * (len(runs) != 1)}"


def _write_parts(folder: Path, sections: Sequence[Section]) -> None:
    """Tables and figures as files; with several groups each file's name begins with its group's."""
    for item in sections:
        prefix = f"{item.anchor}-" if len(sections) > 1 else ""
        for part in item.parts:
            for table in part.tables:
                run_folder.write_text(folder / "tables" / f"{prefix}{table.name}.md", table.markdown())
                run_folder.write_text(folder / "tables" / f"{prefix}{table.name}.tex", table.latex())
            for figure in part.figures:
                if figure.name:
                    run_folder.write_bytes(folder / "figures" / f"{prefix}{_file_name(figure.name)}.png", figure.png)


def _file_name(name: str) -> str:
    """A system's label may hold a path: letters, digits and a few marks are kept."""
    return "".join(letter if letter.isalnum() or letter in "-_.+=" else "-" for letter in name)
