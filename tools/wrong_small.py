"""Wrong programs in small modules that others stand on: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs

SMALL: Programs = {
    "ferdis/zoo/__init__.py": (
        ("tests/zoo/test_zoo.py",),
        {
            "a file that was changed is used": (
                'if not file.is_file() or _digest(file) != _card(name)["files"][relative]["sha256"]:',
                "if not file.is_file():",
            ),
            "a card that callers change": (
                "json.loads(json.dumps(_card(name.removeprefix(PREFIX))))",
                "_card(name.removeprefix(PREFIX))",
            ),
            "a folder whose second file was changed": ("    for file in files:\n", "    for file in files[:1]:\n"),
            "any entry is a saved model": ('if not all(file.startswith(f"{name}/") for file in files):', "if False:"),
            "names by the alphabet": (
                'sorted(found, key=lambda name: _ORDER.index(found[name]["kind"]))',
                "sorted(found)",
            ),
            "a folder outside is an entry": ('not name.replace("-", "").isalnum() or', ""),
            "a name of the zoo taken for a path": (
                "return path(weights) if str(weights).startswith(PREFIX) and",
                "return path(weights) if False and",
            ),
        },
    ),
    "ferdis/run_folder/models.py": (
        ("tests/test_saved_models.py",),
        {
            "the first model for the one that was named": ("return found[system]", "return next(iter(found.values()))"),
            "a model of another name where there is one": (
                "if len(found) > 1 or (found and system is not None):",
                "if len(found) > 1:",
            ),
            "the first of several": ("if len(found) > 1 or (found and", "if len(found) > 99 or (found and"),
            "what a wrapper wraps for the wrapper": ("if needs_reference(wrapper):", "if False:"),
            "a named wrapper passes": ('for wrapper in (path, path / (system or "")):', "for wrapper in (path,):"),
        },
    ),
    "ferdis/export/card.py": (
        ("tests/export/test_card.py",),
        {
            "a generator said to name expressions": ('draws = about["method"] != "predict_proba"', "draws = False"),
            "bytes for megabytes": ("{size / 1e6:.1f} MB", "{size:.1f} MB"),
            "classes of the alphabet": ("{', '.join(about['classes'])}", "{', '.join(sorted(about['classes']))}"),
            "a fold's model said to be of everybody": (
                '"everybody" if evidence.fold is None else',
                '"everybody" if True else',
            ),
            "people for images": ("- {evidence.training_images} images", "- {evidence.training_people} images"),
        },
    ),
    "ferdis/sweep/figures.py": (
        ("tests/sweep/test_figures.py",),
        {
            "the last score for the best": ("np.fmax.accumulate(score)", "score"),
            "the best lost at a trial without a score": ("np.fmax.accumulate(score)", "np.maximum.accumulate(score)"),
            "shares of 1": ('100 * one["score"]', '1 * one["score"]'),
            "failed trials counted as given up": (
                'int((trials["state"] == "pruned").sum())',
                'int((trials["state"] != "complete").sum())',
            ),
            "failed trials not counted": ('int((trials["state"] == "fail").sum())', "0"),
            "trials of all parts on one axis": (
                'one = trials[trials["part"] == part]',
                "one = trials",
            ),
            "an empty part counts as 0": (
                "[dict(part) for part in shares.values() if part]",
                "[dict(part) for part in shares.values()]",
            ),
            "the smallest on top": ("table.mean().sort_values()", "table.mean().sort_values(ascending=False)"),
            "the largest share of the parts": ("order = table.mean()", "order = table.max()"),
        },
    ),
}
