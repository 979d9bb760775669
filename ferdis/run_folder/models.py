"""Where a saved model lies: told from the names of files, without importing torch."""

from __future__ import annotations

from pathlib import Path

from ferdis.messages import named

PERSON_MEAN, WRAPPED = "person_mean.json", "estimator"
"""Of a system less a person's mean: its record, and the folder of the system that it wraps."""


def needs_reference(folder: Path) -> bool:
    """Whether a system lies there that needs other images of the person that it is asked about."""
    return (folder / PERSON_MEAN).is_file()


def find_model(path: str | Path, system: str | None = None) -> Path:
    """The folder of a saved model.

    Parameters
    ----------
    path : path
        The folder itself, or a fold of a run that holds it.
    system : str, optional
        Which one, where a fold holds several.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is none, or more than one; the message names them.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder; give a saved model, a fold of a run, or an .onnx file")
    if (path / "estimator.json").is_file():
        return path
    for wrapper in (path, path / (system or "")):
        if needs_reference(wrapper):
            raise ValueError(
                f"{wrapper} needs other images of the person that it is asked about (PersonMean), which a protocol "
                f"gives: for single images take what it wraps, {wrapper / WRAPPED}"
            )
    found = {file.parent.name: file.parent for file in sorted(path.glob("*/estimator.json"))}
    if system is not None and system in found:
        return found[system]
    if len(found) > 1 or (found and system is not None):
        names = ", ".join(found)
        raise ValueError(f"{path} holds the models {names}: name one, as in {next(iter(found.values()))} or --system")
    if found:
        return next(iter(found.values()))
    inner = sorted(path.rglob("fold-*/*/estimator.json"))
    if inner:
        raise ValueError(_several(path, inner))
    raise FileNotFoundError(f"{path} holds no saved model (estimator.json): give a folder that save() or kfold wrote")


def _several(path: Path, models: list[Path]) -> str:
    """What to say of a run folder where one model is wanted: which there are, and how to get one of everybody."""
    folders = [file.parent for file in models]
    systems = list(dict.fromkeys(folder.name for folder in folders))
    folds = list(dict.fromkeys(folder.parent.relative_to(path).as_posix() for folder in folders))
    which = f" --system {systems[0]}" if len(systems) > 1 else ""
    return (
        f"{path} is a run of {len(models)} models: {named(systems)} in {named(folds)}; each has seen a part of the "
        f"people: `ferdis fit --like {path}{which}` makes one of everybody; or name a fold's, as in {folders[0]}"
    )
