"""Tables of a report: text cells, so that the page, LaTeX and Markdown show the very same figures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ferdis import metrics
from ferdis.messages import markdown_table
from ferdis.metrics.comparison import compare_systems
from ferdis.metrics.resampling import counts_by, draws, has_people, person_of, statistic_of

# Columns that name who somebody is, as sets call them.
ATTRIBUTES = ("gender", "sex", "age", "ethnicity", "race", "skin_tone", "skin tone", "skin", "fitzpatrick", "monk")
AGES = (0, 10, 20, 30, 40, 50, 60, np.inf)
FEW_PEOPLE = 5  # an interval over fewer people says little
_MOST_GROUPS = 12  # an attribute with more values than this is no grouping


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes
    ----------
    name : of its files: ``comparison`` -> ``comparison.tex``.
    title : caption, one sentence.
    cells : DataFrame of str; its columns are the head.
    notes : lines below it.
    """

    name: str
    title: str
    cells: pd.DataFrame
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table in Markdown, under its title."""
        below = "".join(f"- {note}\n" for note in self.notes)
        return f"### {self.title}\n\n{self.markdown_rows()}{below and chr(10) + below}"

    def markdown_rows(self) -> str:
        """Its head and rows in Markdown."""
        return markdown_table(self.cells.columns, self.cells.to_numpy().tolist())

    def latex(self) -> str:
        """A LaTeX ``table`` for the package booktabs, escaped."""
        cells = self.cells.map(_latex_text)
        cells.columns = [_latex_text(name) for name in cells.columns]
        layout = "".join("r" if is_number(self.cells[name]) else "l" for name in self.cells)
        text = cells.style.hide(axis="index").to_latex(
            hrules=True, column_format=layout, caption=_latex_text(self.title), label=f"tab:{self.name}",
            position_float="centering",
        )  # fmt: skip
        return "".join(f"% {note}\n" for note in self.notes) + text


def summary_table(summary: pd.DataFrame, digits: int = 1) -> Table:
    """The systems' figures, from :func:`ferdis.metrics.summary`; seconds a fold where it has them."""
    words = partial(percent, digits=digits)
    several = summary["dataset"].nunique() > 1
    lines = []
    for line in summary.to_dict("records"):
        cells = {"system": line["system"]}
        if several:
            cells["data set"] = line["dataset"]
        cells["accuracy over folds (%)"] = with_spread(line["accuracy_mean"], line["accuracy_std"], digits)
        cells["pooled accuracy (%)"] = bracketed(line["accuracy"], line["accuracy_low"], line["accuracy_high"], words)
        cells["UAR (%)"] = bracketed(line["uar"], line["uar_low"], line["uar_high"], words)
        cells["macro-F1 (%)"] = words(line["macro_f1"])
        if summary["sequence_accuracy"].notna().any():
            cells["sequence accuracy (%)"] = words(line["sequence_accuracy"])
        if summary["ece"].notna().any():
            cells["ECE (%)"] = words(line["ece"])
        if "seconds_per_fold" in line:
            cells["seconds a fold"] = f"{line['seconds_per_fold']:.1f}"
        lines.append(cells)
    return Table("summary", "Accuracy, UAR and calibration", pd.DataFrame(lines))


def comparison_table(compared: pd.DataFrame) -> Table:
    """Pairs of systems, from :func:`ferdis.metrics.compare_systems`."""
    lines = []
    for line in compared.to_dict("records"):
        cells = {"first − second": f"{line['first']} − {line['second']}"}
        for statistic, words in (("uar", "UAR"), ("accuracy", "accuracy")):
            value, low, high = (line[f"{statistic}_{key}"] for key in ("difference", "low", "high"))
            cells[f"{words} (points)"] = bracketed(value, low, high, signed)
            cells[f"p, {words}"] = p_text(line[f"{statistic}_p"])
            if len(compared) > 1:
                cells[f"p, {words}, Holm"] = p_text(line[f"{statistic}_holm"])
        cells["p, t"] = p_text(line["t_p"])
        cells["right: only first / only second"] = (
            f"{number(line['first_only'])} / {number(line['second_only'])} of {line['decisions']}"
        )
        cells["p, McNemar"] = p_text(line["mcnemar_p"])
        lines.append(cells)
    return Table("comparison", "Paired comparison of the systems", pd.DataFrame(lines), comparison_notes(compared))


def comparison_notes(compared: pd.DataFrame) -> tuple[str, ...]:
    """How the comparison is to be read."""
    first = compared.iloc[0]
    notes = [
        f"Brackets: 95 % intervals, paired cluster bootstrap over {first['people']} people (images where nobody is "
        "known). p, UAR and p, accuracy: permutation over people, each person's predictions given to the two systems "
        "by chance. These are the tests to cite: the images of one person are not independent.",
        f"p, t: corrected resampled t of the accuracies of {first['folds']} folds (Nadeau and Bengio 2003). p, "
        "McNemar: exact, one prediction a sequence where there are sequences; it takes those of one person as "
        "independent, which they are not.",
    ]
    if len(compared) > 1:
        notes.append(f"Holm: corrected for {len(compared)} comparisons.")
    return tuple(notes)


def class_table(rows: pd.DataFrame) -> Table:
    """Recall of each class and system, with intervals over people."""
    systems = list(dict.fromkeys(rows["system"]))
    lines = []
    for name in sorted(set(rows["true"])):
        shown = rows[rows["true"] == name]
        cells = {"class": name, "images": str(shown["path"].nunique())}
        for system in systems:
            part = shown[shown["system"] == system]
            value = metrics.accuracy(part["true"], part["predicted"])
            cells[f"{system} (%)"] = bracketed(value, *metrics.interval(part, "accuracy"))
        lines.append(cells)
    return Table("classes", "Recall of each class", pd.DataFrame(lines))


def groups_of(rows: pd.DataFrame, columns: Sequence[str] = ()) -> dict[str, pd.Series]:
    """What the test images can be grouped by: attribute -> group of each row (str), ages in decades.

    Parameters
    ----------
    rows : with an attribute a column, as the data set's table had them.
    columns : further columns to group by.

    Raises
    ------
    ValueError
        If a column that was asked for is not there or has too many values.
    """
    absent = [name for name in columns if name not in rows]
    if absent:
        raise ValueError(f"the rows have no column {absent[0]!r} to group by: there are {', '.join(rows.columns)}")
    known = [name for name in rows if str(name).lower() in ATTRIBUTES and rows[name].notna().any()]
    found = {}
    for name in dict.fromkeys([*known, *columns]):
        values = _group_names(rows[name])
        if values.nunique() > _MOST_GROUPS and name in columns:
            raise ValueError(f"column {name!r} has {values.nunique()} values, too many to group by")
        if 2 <= values.nunique() <= _MOST_GROUPS:
            found[str(name)] = values
    return found


def _group_names(values: pd.Series) -> pd.Series:
    """Groups in words: numbers with many values in decades (ages) or quarters, what is missing as such."""
    numbers = pd.to_numeric(values, errors="coerce")
    is_age = str(values.name).lower() == "age"
    if numbers.notna().sum() < values.notna().sum() or (not is_age and numbers.nunique() <= _MOST_GROUPS):
        return values.astype("string").fillna("not known").astype(str)
    if is_age:
        labels = [f"{low:.0f}–{high - 1:.0f}" for low, high in itertools.pairwise(AGES[:-1])]
        labels.append(f"{AGES[-2]:.0f} and over")
        bins = pd.cut(numbers, AGES, right=False, labels=labels)
    else:
        quarters = pd.qcut(numbers, 4, duplicates="drop")
        bins = quarters.cat.rename_categories(lambda part: f"{part.left:.3g} to {part.right:.3g}")
    return bins.astype("string").fillna("not known").astype(str)


def group_records(rows: pd.DataFrame, groups: Mapping[str, pd.Series]) -> pd.DataFrame:
    """UAR of each group and system: columns attribute, group, system, images, people, classes, uar, low, high."""
    records = []
    for attribute, values in groups.items():
        for group in sorted(set(values), key=_natural):
            here = rows[values == group]
            for system, part in here.groupby("system", sort=False):
                low, high = metrics.interval(part, "uar")
                records.append(
                    {
                        "attribute": attribute, "group": group, "system": system,
                        "images": part["path"].nunique(),
                        "people": part["subject"].nunique() if has_people(part) else 0,
                        "classes": part["true"].nunique(),
                        "uar": metrics.uar(part["true"], part["predicted"]), "low": low, "high": high,
                    }
                )  # fmt: skip
    return pd.DataFrame(records)


def group_table(records: pd.DataFrame) -> Table:
    """Mean recall of each group of test people, from :func:`group_records`."""
    lines: list[dict[str, str]] = []
    before = ""
    for (attribute, group), part in records.groupby(["attribute", "group"], sort=False):
        first = part.iloc[0]
        cells = {"attribute": "" if attribute == before else str(attribute), "group": str(group)}
        before = str(attribute)
        cells["people"] = str(first["people"] or "-")
        cells |= {"images": str(first["images"]), "classes": str(first["classes"])}
        for line in part.to_dict("records"):
            cells[f"{line['system']}, UAR (%)"] = bracketed(line["uar"], line["low"], line["high"])
        lines.append(cells)
    notes = ["UAR is the mean recall over the classes that the group shows; intervals are over its people."]
    few = records[(records["people"] > 0) & (records["people"] < FEW_PEOPLE)][["attribute", "group"]].drop_duplicates()
    if len(few):
        named = ", ".join(f"{line.attribute} {line.group}" for line in few.itertuples())
        notes.append(f"Fewer than {FEW_PEOPLE} people: {named}. Nothing follows from these.")
    return Table("groups", "Mean recall of groups of test people", pd.DataFrame(lines), tuple(notes))


def gap_table(rows: pd.DataFrame, records: pd.DataFrame, groups: Mapping[str, pd.Series]) -> Table | None:
    """The largest gap between two groups of each attribute and system, with an interval over people; None without any.

    Groups of fewer than :data:`FEW_PEOPLE` people, or with other classes than the rest, are left out.
    """
    lines = []
    for (attribute, system), part in records.groupby(["attribute", "system"], sort=False):
        fair = part[(part["people"] >= FEW_PEOPLE) & (part["classes"] == part["classes"].max())]
        if len(fair) < 2:
            continue
        best, worst = fair.loc[fair["uar"].idxmax()], fair.loc[fair["uar"].idxmin()]
        values = groups[str(attribute)]
        parts = [rows[(rows["system"] == system) & (values == one["group"])] for one in (best, worst)]
        low, high = _gap_interval(*parts)
        gap = bracketed(best["uar"] - worst["uar"], low, high, signed)
        shown = f"{best['group']} − {worst['group']}"
        lines.append({"attribute": attribute, "system": system, "groups": shown, "gap in UAR (points)": gap})
    if not lines:
        return None
    note = (
        f"The best less the worst of the groups with {FEW_PEOPLE} people or more and all classes; brackets are 95 % "
        "intervals over the people of both. The two were chosen after looking, so that some gap is found even "
        "where there is none."
    )
    return Table("gaps", "Largest gap between groups", pd.DataFrame(lines), (note,))


def _gap_interval(best: pd.DataFrame, worst: pd.DataFrame, replicates: int = 2000) -> tuple[float, float]:
    """Interval of a difference in UAR between two groups of different people; people of each are drawn apart."""
    drawn = []
    classes = sorted(set(best["true"]) | set(best["predicted"]) | set(worst["true"]) | set(worst["predicted"]))
    for number, part in enumerate((best, worst)):
        counts, _ = counts_by(part, person_of(part), classes)
        each = [statistic_of("uar")(times @ counts) for times in draws(len(counts), replicates, number)]
        drawn.append(np.concatenate(each))
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    return float(low), float(high)


def with_probabilities(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame, pd.Series]]:
    """Each system that gave probabilities: its name, all its rows, the probabilities of those that have them, whether
    each of these was answered rightly."""
    for system, part in rows.groupby("system", sort=False):
        known = metrics.probabilities(part).dropna()
        if known.shape[1] and not known.empty:
            answered = part.loc[known.index]
            yield str(system), part, known, answered["true"] == answered["predicted"]


def calibration_table(rows: pd.DataFrame) -> Table | None:
    """Expected calibration error, mean confidence and accuracy of each system; None without probabilities."""
    lines = []
    for system, part, known, answered_rightly in with_probabilities(rows):
        right, confidence = answered_rightly.mean(), known.max(axis=1).mean()
        error = metrics.expected_calibration_error(part.loc[known.index, "true"], known, list(known))
        lines.append(
            {
                "system": system, "ECE (%)": percent(error), "mean confidence (%)": percent(confidence),
                "accuracy (%)": percent(right), "confidence − accuracy": signed(confidence - right),
            }
        )  # fmt: skip
    if not lines:
        return None
    note = "ECE: mean gap of confidence and accuracy over 15 bins of confidence (Guo et al. 2017), pooled rows."
    return Table("calibration", "Calibration", pd.DataFrame(lines), (note,))


def compared(rows: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame | None:
    """Every pair of systems; None where there is one. The t test takes the training parts' true sizes."""
    if rows["system"].nunique() < 2:
        return None
    share = (fits["test_images"] / fits["train_images"]).groupby([fits["seed"], fits["fold"]]).mean()
    return compare_systems(rows, test_shares={(int(seed), int(fold)): value for (seed, fold), value in share.items()})  # type: ignore[misc]


# ---------------------------------------------------------------- figures in words


def percent(share: float, digits: int = 1) -> str:
    """0.1234 -> ``12.3``; ``-`` where it is not known."""
    return "-" if pd.isna(share) else f"{100 * share:.{digits}f}"


def with_spread(mean: float, std: float, digits: int = 1) -> str:
    """``71.2 ± 3.0``; the mean alone where there is no spread, as with one fold."""
    return percent(mean, digits) if pd.isna(std) else f"{percent(mean, digits)} ± {percent(std, digits)}"


def signed(share: float) -> str:
    """0.012 -> ``+1.2``, with a true minus sign."""
    return "-" if pd.isna(share) else f"{100 * share:+.1f}".replace("-", "−")


def bracketed(value: float, low: float, high: float, words: Callable[[float], str] = percent) -> str:
    """``71.2 [65.0, 77.1]``; the value alone where the interval is not known."""
    return words(value) if pd.isna(low) else f"{words(value)} [{words(low)}, {words(high)}]"


def p_text(value: float) -> str:
    """A p-value: two figures, never 0."""
    return "-" if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def number(value: float) -> str:
    """A count, or the mean of counts."""
    return "-" if pd.isna(value) else f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$", "–": "--", "<": "$<$", ">": "$>$",
}  # fmt: skip


def _latex_text(text: object) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in str(text))


def is_number(column: pd.Series) -> bool:
    """Whether a column of text holds figures, which are set flush right."""
    return bool(column.str.fullmatch(r"-|[-−+<]? ?\d[\d\s.,±/\[\]−+]*(of \d+)?").all())


def _natural(text: str) -> tuple[bool, float, str]:
    """Groups in order: numbers by size, what is not known last."""
    digits = text.split("–")[0].split(" ")[0]
    try:
        return text == "not known", float(digits), text
    except ValueError:
        return text == "not known", float("inf"), text
