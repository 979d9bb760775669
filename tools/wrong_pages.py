"""Wrong programs in figures, pages and records of a report, and in what the audit says.

A part of ``tools/wrong_programs.py``, in its form.
"""

from __future__ import annotations

from tools.wrong_form import Programs

FIGURES = "tests/test_figures.py"
LEAKAGE = "tests/protocol/test_leakage.py"
NOTES = "tests/report/test_report_notes.py"
TABLES = "tests/report/test_report_tables.py"

PAGES: Programs = {
    "ferdis/report/__init__.py": (
        ("tests/report/test_report.py",),
        {
            "columns are refused when the folder is there": (
                "[groups_of(group.rows, by) for group in groups]",
                "(groups_of(group.rows, by) for group in groups)",
            )
        },
    ),
    "ferdis/figures.py": (
        (FIGURES,),
        {
            "* shares written in transposed cells": ("axes.text(j, i - 0.13", "axes.text(i, j - 0.13"),
            "* folds of two seeds pooled": ('one.groupby(["seed", "fold"])', 'one.groupby("fold")'),
            "* chance of the classes that occur": (
                "chance = 100 / len(classes_of(rows))",
                'chance = 100 / rows["true"].nunique()',
            ),
            "* title promises new people where one is not known": (
                'bool((rows["subject"] != "").all())',
                'bool((rows["subject"] != "").any())',
            ),
            "* confidence and accuracy swapped in the diagram": (
                'axes.plot(filled["confidence"], filled["accuracy"], "o"',
                'axes.plot(filled["accuracy"], filled["confidence"], "o"',
            ),
            "* images per bin are accuracies": (
                'below.bar(table["low"], table["n"]',
                'below.bar(table["low"], table["accuracy"]',
            ),
            "* calibration error of another number of bins": (
                "list(known), bins=bins)\n    axes.set_title",
                "list(known))\n    axes.set_title",
            ),
            "* interval ends at the value": ("[100 * line.low, 100 * line.high]", "[100 * line.low, 100 * line.uar]"),
            "* a group's images for its people": ("({first['people'] or first['images']})", "({first['images']})"),
            "* all systems in one colour": (
                'height, "o", color=COLOURS[k % len(COLOURS)]',
                'height, "o", color=COLOURS[0]',
            ),
            "* transfers in transposed cells": ("place = i * len(references) + k", "place = k * len(faces) + i"),
            "* references under the faces' names": ("references.expression[k])", "faces.expression[k % len(faces)])"),
            "* map of unscaled representations": (
                "scaled = StandardScaler().fit_transform(np.asarray(representations, dtype=np.float64))",
                "scaled = np.asarray(representations, dtype=np.float64)",
            ),
            "* map of seed 0 whatever is asked": ("random_state=seed)", "random_state=0)"),
            "* averages cut, not rounded": ("np.rint(total / len(rows)).astype", "(total / len(rows)).astype"),
            "* average of the last block": ("total += faces.pixels", "total = faces.pixels"),
            "* a third stage starts where the second alone ended": (
                "start += float(epochs.max())",
                "start = float(epochs.max())",
            ),
        },
    ),
    "ferdis/report/sections.py": (
        (NOTES,),
        {
            "seconds of fitting alone": (
                '(group.fits["fit_seconds"] + group.fits["predict_seconds"])',
                '(group.fits["fit_seconds"])',
            ),
            "seconds of all folds": ('.groupby(group.fits["system"]).mean()', '.groupby(group.fits["system"]).sum()'),
            "every answer is an image": (
                "f\"{group.title}: {rows['path'].nunique()} test images",
                'f"{group.title}: {len(rows)} test images',
            ),
            "best by accuracy": (
                'summary.sort_values("uar", ascending=False',
                'summary.sort_values("accuracy", ascending=False',
            ),
            "chance of the classes of the first rows": (
                "chance = 1 / len(group.runs[0].record",
                "chance = 0.5 / len(group.runs[0].record",
            ),
            "below chance by its value": ('order["uar_low"] <= chance', 'order["uar"] <= chance'),
            "sign of a gap": ('sign = 1 if pair["first"] == best else -1', 'sign = -1 if pair["first"] == best else 1'),
            "a gap by p before Holm": ('p = pair["uar_holm"]', 'p = pair["uar_p"]'),
            "shown at one in ten": ("ALPHA = 0.05", "ALPHA = 0.5"),
            "what is not shown is": ("    if gain.shown:\n", "    if not gain.shown:\n"),
            "accuracies of the single seeds": (
                '(system, metrics.uar(part["true"], part["predicted"]))',
                '(system, metrics.accuracy(part["true"], part["predicted"]))',
            ),
            "sealed runs are unsealed": (
                "        if not run.sealed\n",
                "        if run.sealed\n",
            ),
            "leaks of the first run alone": (
                "for run in group.runs]\n    lines =",
                "for run in group.runs[:1]]\n    lines =",
            ),
            "leaks are not said first": (
                "    lines = list(dict.fromkeys(filter(None, leaks)))\n",
                "    lines: list[str] = []\n",
            ),
            "nobody trained on though folds leak": (
                "if has_people(group.rows) and not lines:",
                "if has_people(group.rows):",
            ),
            "published figures beside those of across sets": (
                'protocol.get("class") == "CrossDataset":',
                'protocol.get("class") == "":',
            ),
            "* published beside pooled accuracy": (
                'with_spread(measured["accuracy_mean"], measured["accuracy_std"], 2)',
                'with_spread(measured["accuracy"], measured["accuracy_std"], 2)',
            ),
            "losses of a system by its label": (
                'own = history[history["system"] == system]',
                'own = history[history["system"] == label]',
            ),
            "true transfers drawn twice": (
                'if kind != "transfer" or not path.name.startswith("transfer-truth-"):',
                "if True:",
            ),
            "commit of the first rows": (
                'dict.fromkeys(run.rows["commit"].astype(str))',
                'dict.fromkeys(run.rows["commit"].astype(str)[:1])',
            ),
            "remarks of joined runs lost": (
                "[*group.remarks, *_single_seeds(group.rows)]",
                "_single_seeds(group.rows)",
            ),
            "gaps are not given": (
                "*([] if gaps is None else [gaps])",
                "*([] if gaps is None or True else [gaps])",
            ),
            "the worst of all systems under each name": (
                "wrong = {str(system): worst(rows, count) for",
                "wrong = {str(system): worst(group.rows, count) for",
            ),
            "corrected though there is one comparison": (
                '", Holm-corrected" if len(compared) > 1',
                '", Holm-corrected" if len(compared)',
            ),
        },
    ),
    "ferdis/report/page.py": (
        (TABLES,),
        {
            "foreign markup obeyed": ("jinja2.Environment(autoescape=True,", "jinja2.Environment(autoescape=False,"),
            "figures wider than they are": (
                "round(96 * figure.get_figwidth())",
                "round(figure.dpi * figure.get_figwidth())",
            ),
            "empty parts are shown": ('if name not in ("title", "anchor"))', 'if name != "anchor")'),
            "parts of one kind alone are empty": ("return any(value for name", "return all(value for name"),
            "the columns of the first table": ('f"{part.anchor}-{table.name}"', 'f"{table.name}"'),
        },
    ),
    "ferdis/protocol/audit_report.py": (
        (LEAKAGE,),
        {
            "* missing classes are well": (
                "return not self.leaks and not self.missing_classes",
                "return not self.leaks",
            ),
            "* share of all images": (
                "return self.seen_slots / self.test_slots if",
                "return self.seen_slots / self.images if",
            ),
            "* no test slots divide": (
                "if self.people is not None and self.test_slots else",
                "if self.people is not None else",
            ),
            "* unknown people are not seen": ('else float("nan")', "else 0.0"),
            "* missing classes let pass": (
                "        self.let_pass = bool(self.leaks)\n        if self.missing_classes:",
                "        self.let_pass = bool(self.leaks)\n        if False:",
            ),
            "* nothing is let pass and said so": ("self.let_pass = bool(self.leaks)", "self.let_pass = True"),
            "* one more than there are": ("and_more(self.count - 1)", "and_more(self.count)"),
            "* findings without missing classes": (
                "count = len(self.leaks) + len(self.missing_classes)",
                "count = len(self.leaks)",
            ),
            "* other findings counted with the first": ("others = len(self.leaks) - 1", "others = len(self.leaks)"),
            "* the rest is all": ("and_more(len(refused) - SHOWN)", "and_more(len(refused))"),
            "* leaks let pass are refused": ('word = "leak" if self.let_pass', 'word = "leak" if not self.let_pass'),
            "* duplicates that were not looked for are none": (
                "if self.duplicate_groups is not None:",
                "if self.duplicate_groups:",
            ),
        },
    ),
    "ferdis/report/record.py": (
        ("tests/report/test_report_record.py",),
        {
            "then and now swapped": (
                '"then": one, "now": other}',
                '"then": other, "now": one}',
            ),
            "* only now and only earlier swapped": (
                '((set(new) - set(old), "only now"), (set(old) - set(new), "only earlier"))',
                '((set(old) - set(new), "only now"), (set(new) - set(old), "only earlier"))',
            ),
            "* further groups overlooked": (
                "            remarks.append(f\"{group['title']}: the earlier report has no such group.\")\n",
                "",
            ),
            "* compared with the first group": (
                'before = then["groups"][number]',
                'before = then["groups"][0]',
            ),
            "* ends of an interval swapped": (
                '"low": gain.both_low, "high": gain.both_high',
                '"low": gain.both_high, "high": gain.both_low',
            ),
            "* the first system in both places": (
                '{"first": one, "second": other,',
                '{"first": one, "second": one,',
            ),
            "* zero is unknown": (
                "if one is None or other is None:",
                "if not one or not other:",
            ),
            "* the names of runs are their systems": (
                "[run.name for run in group.runs]",
                "[run.name for run in group.runs[:1]]",
            ),
            "* what is not known is 0": (
                "return None if isinstance(value, float) and value != value else value",
                "return 0.0 if isinstance(value, float) and value != value else value",
            ),
            "* another file's record": (
                'path / "report.json" if path.is_dir() else path.with_suffix(".json")',
                'path / "report.json" if path.is_dir() else path',
            ),
            "a change in shares": (
                "{100 * line.change:+.1f}",
                "{line.change:+.1f}",
            ),
        },
    ),
}
