"""The sections of a report, read off a group of runs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import yaml

from ferdis import figures, metrics
from ferdis._io import read_csv
from ferdis.faces import Faces
from ferdis.metrics.resampling import has_people
from ferdis.report import tables
from ferdis.report.confidence import calibration_part
from ferdis.report.joining import Group
from ferdis.report.mistakes import Loader, find_faces, with_pictures, worst
from ferdis.report.noise import gains_of, noise_part, verdict_between
from ferdis.report.notes import given_people, leak_of, notes, peeking_claims, repetition
from ferdis.report.page import Part, Section, drawing, drawing_from
from ferdis.report.published import beside
from ferdis.report.robustness import robustness_part
from ferdis.report.tables import Table, bracketed, p_text, percent, signed, with_spread

ALPHA = 0.05
_PEEKING = ("system", "seed", "fold", "epoch", "test_accuracy")
_HISTORY = ("system", "seed", "fold", "stage", "epoch", "step", "phase", "term", "value")


def section(
    group: Group,
    anchor: str,
    *,
    attributes: Mapping[str, pd.Series],
    mistakes: int = 12,
    faces: Faces | None = None,
    load: Loader | None = None,
) -> Section:
    """Everything about one group of runs.

    Parameters
    ----------
    group : Group
    anchor : begins every anchor of the section.
    attributes : what its images are grouped by, of :func:`ferdis.report.tables.groups_of`
    mistakes, faces, load
        As for :func:`ferdis.report.write_report`.
    """
    rows = group.rows
    summary = summary_of(group)
    compared = tables.compared(rows, group.fits)
    gains = gains_of(rows)
    parts = [
        _result(group, summary, anchor),
        _comparison(compared, anchor),
        noise_part(rows, gains, anchor),
        _folds(rows, anchor),
        _classes(rows, anchor),
        _groups(rows, attributes, anchor),
        calibration_part(rows, anchor),
        robustness_part(group, anchor),
        _mistakes(group, mistakes, faces, load, anchor),
        _published(group, summary, anchor),
        _disentanglement(group, anchor),
        _peeking(group, anchor),
        _training(group, anchor),
        _audit(group, anchor),
        _provenance(group, anchor),
    ]
    title = ", ".join(run.name for run in group.runs)
    return Section(
        title, anchor, about(group), headline(group, summary, compared, gains), [part for part in parts if part]
    )


def summary_of(group: Group) -> pd.DataFrame:
    """One row per system: its figures over all runs of the group, and the seconds a fold took."""
    summary = metrics.summary(group.rows.assign(dataset=group.title))
    seconds = (group.fits["fit_seconds"] + group.fits["predict_seconds"]).groupby(group.fits["system"]).mean()
    summary["seconds_per_fold"] = summary["system"].map(seconds).round(1)
    return summary


def about(group: Group) -> str:
    """What was tested, in one line."""
    rows, record = group.rows, group.runs[0].record
    people = f" of {rows['subject'].nunique()} people" if has_people(rows) else ", people not known"
    protocol = record["protocol"]
    kind = protocol.get("class", "") if isinstance(protocol, dict) else ""
    return (
        f"{group.title}: {rows['path'].nunique()} test images{people}, {len(record['faces']['classes'])} classes; "
        f"{repetition(rows)}{f' ({kind})' if kind else ''}; "
        f"runs: {', '.join(str(run.root) for run in group.runs)}"
    )


def headline(
    group: Group,
    summary: pd.DataFrame,
    compared: pd.DataFrame | None,
    gains: dict[tuple[str, str], metrics.Gain] | None = None,
) -> list[str]:
    """The result in words: who reads expressions best, by how much, and how sure that is."""
    chance = 1 / len(group.runs[0].record["faces"]["classes"])
    order = summary.sort_values("uar", ascending=False, kind="stable")
    best = order.iloc[0]
    drawn = "people" if has_people(group.rows) else "pictures"
    value = f"{bracketed(best['uar'], best['uar_low'], best['uar_high'])} %"
    first = f"The UAR of {best['system']} is" if len(summary) == 1 else f"{best['system']} has the highest UAR,"
    leaks = [leak_of(run.record) for run in group.runs]
    lines = list(dict.fromkeys(filter(None, leaks)))
    if has_people(group.rows) and not lines:
        images, people = group.rows["path"].nunique(), group.rows["subject"].nunique()
        lines.append(f"Tested on {images} images of {people} people, none of whom the tested system had trained on.")
    lines += given_people(group.rows)
    lines += [f"{first} {value}; chance is {percent(chance)} %. Brackets are 95 % intervals over {drawn}."]
    for other in order["system"].iloc[1:] if compared is not None else []:
        known = verdict_between(gains or {}, str(best["system"]), str(other))
        pair = (str(best["system"]), str(other))
        lines.append(_shown(*pair, *known, drawn) if known else _gap(*pair, compared, drawn))  # type: ignore[arg-type]
    if len(summary) > 1 and not gains:
        lines.append("Each was trained once: whether another seed or other folds would say the same is not known.")
    blind = order.loc[order["uar_low"] <= chance, "system"]
    if len(blind):
        lines.append(f"Not shown to be better than chance: {', '.join(blind)}.")
    return lines


def _shown(best: str, other: str, gain: metrics.Gain, sign: float, drawn: str) -> str:
    """One system against the best, where several trainings tell the noise."""
    low, high = sorted((sign * gain.both_low, sign * gain.both_high))
    gap = f"{bracketed(sign * gain.difference, low, high, signed)} points of UAR"
    trainings = f"{gain.trainings} trainings on {gain.partitions} partition{'s' * (gain.partitions != 1)}"
    if gain.shown:
        return f"It is ahead of {other} by {gap} (shown: over {gain.people} {drawn} and {trainings})."
    return f"Its lead over {other}, {gap}, is not shown ({gain.why_not}; {gain.people} {drawn}, {trainings})."


def _gap(best: str, other: str, compared: pd.DataFrame, drawn: str) -> str:
    """One system against the best, in a sentence."""
    pair = compared[compared["first"].isin((best, other)) & compared["second"].isin((best, other))].iloc[0]
    sign = 1 if pair["first"] == best else -1
    low, high = sorted((sign * pair["uar_low"], sign * pair["uar_high"]))
    gap = f"{bracketed(sign * pair['uar_difference'], low, high, signed)} points of UAR"
    p = pair["uar_holm"]
    if pd.isna(p):
        return f"Its lead over {other}, {gap}, cannot be tested: it was seen on a single one of the {drawn}."
    how = f"permutation over {drawn}, p {p_text(p) if p < 0.001 else f'= {p_text(p)}'}"
    corrected = ", Holm-corrected" if len(compared) > 1 else ""
    if p < ALPHA:
        return f"It is ahead of {other} by {gap} ({how}{corrected})."
    return f"Its lead over {other}, {gap}, is not more than chance may give ({how}{corrected})."


def _result(group: Group, summary: pd.DataFrame, anchor: str) -> Part:
    """The table, and what must be known to read it; every shortcut by name."""
    remarks: list[str] = []
    for run in group.runs:
        lines = notes(run.rows, run.record, run.fits)
        remarks += lines if len(group.runs) == 1 else [f"{run.name}: {line}" for line in lines]
    remarks += [*group.remarks, *_single_seeds(group.rows)]
    remarks += [
        f"{run.name} is unsealed: it carries no digests (an older ferdis made it), so changes of its files do not show."
        for run in group.runs
        if not run.sealed
    ]
    return Part("Result", f"{anchor}-result", tables=[tables.summary_table(summary)], remarks=remarks)


def _single_seeds(rows: pd.DataFrame) -> list[str]:
    """UAR of each seed: what training once more changes, which no interval over people holds."""
    if rows["seed"].nunique() < 2:
        return []
    each = [(system, metrics.uar(part["true"], part["predicted"]))
            for (system, _), part in rows.groupby(["system", "seed"], sort=False)]  # fmt: skip
    found = {name: ", ".join(percent(value) for system, value in each if system == name) for name, _ in each}
    told = "; ".join(f"{name} {values}" for name, values in found.items())
    return [f"UAR (%) of the single seeds: {told}. Intervals are over people; they do not hold this spread."]


def _comparison(compared: pd.DataFrame | None, anchor: str) -> Part:
    shown = [] if compared is None else [tables.comparison_table(compared)]
    return Part("Paired comparison", f"{anchor}-comparison", tables=shown)


def _folds(rows: pd.DataFrame, anchor: str) -> Part:
    if rows["fold"].nunique() < 2:
        return Part("Folds", f"{anchor}-folds")
    caption = "Accuracy of each fold (dots), their quartiles (box) and median; the dotted line is one over the classes."
    return Part("Folds", f"{anchor}-folds", figures=[drawing("folds", figures.fold_accuracy(rows), caption)])


def _classes(rows: pd.DataFrame, anchor: str) -> Part:
    shown = [
        drawing(f"confusion-{system}", figures.confusion_matrix(part), f"Confusion matrix of {system}, pooled folds.")
        for system, part in rows.groupby("system", sort=False)
    ]
    return Part("Classes", f"{anchor}-classes", tables=[tables.class_table(rows)], figures=shown)


def _groups(rows: pd.DataFrame, attributes: Mapping[str, pd.Series], anchor: str) -> Part:
    """Recall by attribute, where the data set names any."""
    title = "Groups of people"
    records = tables.group_records(rows, attributes)
    if records.empty:
        line = (
            "The rows name no age, gender, ethnicity or skin tone: a data set whose table has such columns is reported "
            "by them."
        )
        return Part(title, f"{anchor}-groups", lines=[line])
    caption = "Mean recall of each group; in brackets its people. Whether two groups differ is not tested."
    figure = drawing("groups", figures.group_recall(records), caption)
    gaps = tables.gap_table(rows, records, attributes)
    shown = [tables.group_table(records), *([] if gaps is None else [gaps])]
    return Part(title, f"{anchor}-groups", tables=shown, figures=[figure])


def _mistakes(group: Group, count: int, faces: Faces | None, load: Loader | None, anchor: str) -> Part:
    """Confident and wrong, by system, with images where the data set is at hand."""
    part = Part("Worst mistakes", f"{anchor}-mistakes")
    wrong = {str(system): worst(rows, count) for system, rows in group.rows.groupby("system", sort=False)}
    if count == 0 or all(table.empty for table in wrong.values()):
        return part
    pictures, why = find_faces(group.runs[0], load, faces)
    part.lines.append(
        "The most confident wrong answers, at most one for each person and class: the true class → the answer."
    )
    if why:
        part.lines.append(f"Without pictures: {why}.")
    for system, table in wrong.items():
        found, missing = with_pictures(table, pictures)
        if missing and not why:
            part.remarks.append(f"{system}: {missing}.")
        if found:
            part.mistakes.append((system, found))
    return part


def _published(group: Group, summary: pd.DataFrame, anchor: str) -> Part:
    """The papers' own figures beside those measured, where a system's paper names this data set."""
    part = Part("Published figures", f"{anchor}-published")
    lines = []
    for run, labels in zip(group.runs, group.labels, strict=True):
        protocol = run.record["protocol"]
        if isinstance(protocol, dict) and protocol.get("class") == "CrossDataset":
            continue
        for system, label in labels.items():
            measured = summary[summary["system"] == label].iloc[0]
            for line in beside(group.title, run.record["systems"][system]).to_dict("records"):
                lines.append(
                    {
                        "system": label, "paper": f"{line['paper']}, Table {line['table']}", "method": line["method"],
                        "published accuracy (%)": f"{line['value']:.2f}",
                        "measured, mean over folds (%)":
                            with_spread(measured["accuracy_mean"], measured["accuracy_std"], 2),
                    }
                )  # fmt: skip
    if not lines:
        return part
    note = (
        "A published figure is of the paper's folds, images and network; a run with other images, --preset small or "
        "fewer epochs is another experiment, and no paired test is possible."
    )
    part.tables.append(Table("published", "Published and measured", pd.DataFrame(lines), (note,)))
    part.prose += [text for run in group.runs if (text := run.text("differences.md"))]
    return part


def _disentanglement(group: Group, anchor: str) -> Part:
    """What ferdis disentangle has written into a run folder, and its images."""
    part = Part("Disentanglement", f"{anchor}-disentanglement")
    for run in group.runs:
        if not (text := run.text("disentanglement.md")):
            continue
        part.prose.append(text.replace("# ", "### ", 1).replace("\n## ", "\n#### "))
        for kind in ("representations", "codes", "identity", "transfer", "transfer-truth"):
            for path in sorted((run.root / "figures").glob(f"{kind}-*.png")):
                if kind != "transfer" or not path.name.startswith("transfer-truth-"):
                    part.figures.append(drawing_from(path, f"{run.name}: {path.stem}.", 760))
    return part


def _peeking(group: Group, anchor: str) -> Part:
    """The diagnosis, where it was asked for."""
    part = Part("Peeking", f"{anchor}-peeking")
    for run in group.runs:
        path = run.root / "peeking.csv"
        if path.is_file():
            part.remarks += peeking_claims(read_csv(path, _PEEKING, dtype={"system": str}), run.rows).splitlines()
    return part


def _training(group: Group, anchor: str) -> Part:
    """Every loss term over the epochs."""
    part = Part("Training", f"{anchor}-training")
    for run, labels in zip(group.runs, group.labels, strict=True):
        path = run.root / "history.csv"
        if not path.is_file():
            continue
        history = read_csv(path, _HISTORY, dtype={"system": str})
        for system, label in labels.items():
            own = history[history["system"] == system]
            if len(own):
                figure = figures.loss_curves(own, title=f"{label}: loss terms")
                part.figures.append(drawing(f"losses-{label}", figure, f"{label}: folds (thin) and their mean."))
    return part


def _audit(group: Group, anchor: str) -> Part:
    texts = [(run.name, run.audit.strip()) for run in group.runs if run.audit.strip()]
    lines = [] if texts else ["These runs hold no audit of their folds."]
    return Part("Audit", f"{anchor}-audit", lines=lines, texts=texts)


def _provenance(group: Group, anchor: str) -> Part:
    """Machine, versions, commit, arguments."""
    part = Part("Provenance", f"{anchor}-provenance")
    for run in group.runs:
        machine = run.environment
        commits = ", ".join(dict.fromkeys(run.rows["commit"].astype(str))) if "commit" in run.rows else "unknown"
        changes = " Files differed from that commit when it ran." if "+changes" in commits else ""
        part.lines.append(
            f"{run.name}: commit {commits}, ferdis {machine.get('ferdis', '?')}, Python {machine.get('python', '?')}, "
            f"torch {machine.get('packages', {}).get('torch', '?')}, {machine.get('processor', '?')}, "
            f"{machine.get('time', '?')}.{changes}"
        )
        text = yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True, width=100)
        part.folded.append((f"{run.name}/config.yaml", text))
        part.folded.append((f"{run.name}/environment.json", yaml.safe_dump(machine, sort_keys=False, width=100)))
    return part
