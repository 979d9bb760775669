"""What an evaluation gives back, and how a notebook shows it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ferdis import figures, notebook
from ferdis.report import write_report

_FIGURES = ("confusion-*.png", "folds.png")  # that a notebook shows
_REPORT = "report"  # folder in the run


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What :func:`ferdis.evaluate` gives back.

    Attributes
    ----------
    rows : DataFrame, one row a test image, system and seed (the columns of rows.csv).
    summary : DataFrame, one row a system (see :func:`ferdis.metrics.summary`), and the seconds a fold took.
    folder : Path of the run folder; None when none was asked for.
    """

    rows: pd.DataFrame
    summary: pd.DataFrame
    folder: Path | None

    def confusion(self, system: str | None = None) -> Figure:
        """The confusion matrix of a system, over all its folds and seeds.

        Parameters
        ----------
        system : its name; may be left out where there is one.

        Raises
        ------
        ValueError
            If there is no such system, or no name where there are several.
        """
        names = list(dict.fromkeys(self.rows["system"]))
        name = names[0] if system is None and len(names) == 1 else system
        if name not in names:
            raise ValueError(f"system={system!r}: name one of {', '.join(names)}")
        return figures.confusion_matrix(self.rows[self.rows["system"] == name])

    def report(self, out: str | Path | None = None) -> Path:
        """Write the report of the run (``ferdis report``), by default into its folder; gives the page.

        Raises
        ------
        ValueError
            If the evaluation was made without ``out=``: a report is read off a run folder.
        """
        if self.folder is None:
            raise ValueError("a report is read off a run folder: give evaluate(..., out=...)")
        return write_report([self.folder], out=self.folder / _REPORT if out is None else out)

    def __repr__(self) -> str:
        parts = [f"{line.system} {100 * line.accuracy:.1f} %" for line in self.summary.itertuples()]
        where = "" if self.folder is None else f", {self.folder}"
        return f"Evaluation({len(self.rows)} rows; accuracy: {', '.join(parts) or 'unfinished'}{where})"

    def _repr_html_(self) -> str:
        """A notebook's view: the table, confusion matrices, and where the run and its report lie."""
        shown = [name for name in ("system", "n", "people", "accuracy", "uar", "macro_f1") if name in self.summary]
        rows = self.summary[shown].itertuples(index=False) if shown else ()
        parts = [notebook.table(shown, [tuple(row) for row in rows])]
        if self.folder is not None:
            for pattern in _FIGURES:
                for path in sorted((self.folder / "figures").glob(pattern)):
                    parts.append(notebook.picture(path.read_bytes(), path.stem))
            pages = sorted((self.folder / _REPORT).glob("*.html"))
            parts.append(notebook.link((pages or [self.folder])[0].as_posix(), "report" if pages else str(self.folder)))
        else:
            for name in dict.fromkeys(self.rows["system"]) if len(self.rows) else ():
                data = io.BytesIO()
                self.confusion(name).savefig(data, format="png")
                parts.append(notebook.picture(data.getvalue(), f"confusion-{name}"))
        return notebook.section(repr(self), *parts)
