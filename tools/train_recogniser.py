"""Train recognisers that have never seen a photograph, and test them on photographs.

Run it as ``python -m tools.train_recogniser``. Each mixture ``SYNTHETIC+FACEKIT`` names how many people of either set
there are per sort of image (there are four sorts of eight images per person, see ``tools/synthetic_checks/real.py``);
each is drawn once and kept in ``$FERDIS_CACHE``. The networks learn expressions and action units together. Photographs
are only ever tested on; choices are to be made on the development half (``--half``), and the other half is for one
report at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.torch import save_file

from ferdis.faces import AU_COLUMNS, SEVEN_EXPRESSIONS, Faces
from tools.synthetic_checks.cnn import FiveBlockCNN
from tools.synthetic_checks.real import (
    AT_REST,
    HALVES,
    augment,
    augment_creased,
    drawn_crops,
    fit,
    half_of,
    read,
    real_crops,
    resting_crops,
    score,
    shared_folder,
)

PHOTOGRAPHED = ("london", "wild")
_SEEDS = {"synthetic": 40, "facekit": 60}  # populations that no other check draws


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and test every mixture; prints a row for each."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_recogniser", description=__doc__.split("\n")[0])
    parser.add_argument("mixtures", nargs="+", help="people of synthetic + of facekit per sort of image: 125+0, 0+125")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--networks", type=int, default=1, help="their answers are averaged")
    parser.add_argument(
        "--images", type=int, help="of each set's people, chosen at random: more people, as many images"
    )
    parser.add_argument("--rest", type=int, default=0, help="people of each set who speak or blink and are neutral")
    parser.add_argument(
        "--creased", action="store_true", help="draw folds that mean nothing over the faces, cut some off"
    )
    parser.add_argument("--half", choices=[*HALVES, "both"], default=HALVES[0])
    parser.add_argument("--out", type=Path, help="folder for weights and, of each photographed set, the answers")
    chosen = parser.parse_args(arguments)
    rows = []
    for mixture in chosen.mixtures:
        started = time.perf_counter()
        synthetic, facekit = map(int, mixture.split("+"))
        crops, faces = mixed_crops(synthetic, facekit, chosen.rest, chosen.images)
        augmented = augment_creased if chosen.creased else augment
        models = [fit(crops, faces, chosen.epochs, k, augmented) for k in range(chosen.networks)]
        row = {
            "mixture": mixture,
            "people": len(set(faces.subject)),
            "images": len(crops),
            "epochs": chosen.epochs,
            "networks": chosen.networks,
        }
        row |= test(models, chosen.half, chosen.out and chosen.out / mixture)
        if chosen.out:
            write_weights(models, chosen.out / mixture)
            write_recipe(chosen, mixture, faces, chosen.out / mixture)
        rows.append(row | {"minutes": (time.perf_counter() - started) / 60})
        print(pd.DataFrame(rows).to_string(index=False, float_format=lambda value: f"{value:.3f}"), flush=True)
    return 0


def mixed_crops(synthetic: int, facekit: int, rest: int = 0, images: int | None = None) -> tuple[np.ndarray, Faces]:
    """Grey crops (n, 64, 64, 1) of both sets and their table."""
    used = [(name, people) for name, people in (("synthetic", synthetic), ("facekit", facekit)) if people]
    parts = [kept_crops(name, people, images=images) for name, people in used]
    parts += [kept_crops(name, rest, resting_crops) for name, _ in used if rest]
    if not parts:
        raise SystemExit("a mixture needs people: 125+0, 0+125 or 125+125")
    crops = np.concatenate([part for part, _ in parts])
    table = pd.concat([table for _, table in parts], ignore_index=True)
    return crops, Faces(np.repeat(crops, 3, axis=3), table)


def kept_crops(
    name: str,
    people: int,
    draw: Callable[..., tuple[np.ndarray, Faces]] = drawn_crops,
    seed: int | None = None,
    images: int | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops of one set, drawn once and kept; a change of its renderer draws them anew.

    A seed: other people. ``images``: so many of theirs, see :func:`drawn_crops`.
    """
    if name == "facekit":
        from ferdis.datasets.facekit.lazy import renderer_digest
    else:
        from ferdis.datasets.synthetic.lazy import renderer_digest
    folder = cache_place()
    rest = draw is resting_crops
    key = hashlib.sha256(f"{renderer_digest()} {_expressions_digest(name, rest)} {people}".encode()).hexdigest()[:16]
    population = "" if seed is None else f"seed{seed}-"
    population += "" if images is None else f"{images}-images-"
    file = folder / f"{'rest-' * rest}{name}-{people}-{population}{key}.npz"
    columns = ["expression", "subject", "path", *AU_COLUMNS]
    if not file.exists():
        some = {} if images is None else {"images": images}
        crops, faces = draw(people, _SEEDS[name] + 1000 * rest if seed is None else seed, name, **some)
        folder.mkdir(parents=True, exist_ok=True)
        faces.table[columns].to_csv(file.with_suffix(".csv"), index=False)
        np.savez(file, crops=crops)
    with np.load(file) as kept:
        return kept["crops"], pd.read_csv(file.with_suffix(".csv"))


def photographs(name: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Crops of a photographed set, found once and kept; rows of unknown classes left out."""
    file = cache_place() / f"photographs-{name}.npz"
    if not file.exists():
        crops, table = real_crops(name, shared_folder())
        file.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(file.with_suffix(".csv"), index=False)
        np.savez(file, crops=crops)
    with np.load(file) as kept:
        crops, table = kept["crops"], pd.read_csv(file.with_suffix(".csv"), dtype=str)
    known = table["expression"].isin(SEVEN_EXPRESSIONS).to_numpy()
    return crops[known], table[known].reset_index(drop=True)


def test(models: list[FiveBlockCNN], half: str, out: Path | None) -> dict[str, float]:
    """UAR on each photographed set's half, and recall of each class; answers and worst errors written to ``out``."""
    figures: dict[str, float] = {}
    for name in PHOTOGRAPHED:
        crops, table = photographs(name)
        chosen = np.array([half in ("both", half_of(subject)) for subject in table["subject"]])
        crops, table = crops[chosen], table[chosen].reset_index(drop=True)
        probabilities, true = read(models, crops), table["expression"].to_numpy()
        figures[name], confusion = score(probabilities, true)
        if len(confusion) > len(("neutral", "happiness")):
            figures |= {f"{name[0]}:{kind[:4]}": confusion.loc[kind, kind] for kind in confusion.index}
        if out:
            out.mkdir(parents=True, exist_ok=True)
            answers = pd.DataFrame(probabilities, columns=[f"p_{kind}" for kind in SEVEN_EXPRESSIONS])
            pd.concat([table, answers], axis=1).to_csv(out / f"{name}.csv", index=False)
            confusion.to_csv(out / f"{name}-confusion.csv")
            error_sheet(crops, true, probabilities).save(out / f"{name}-errors.png")
    return figures


def error_sheet(crops: np.ndarray, true: np.ndarray, probabilities: np.ndarray, across: int = 16) -> Image.Image:
    """A row per class of what was least believed to be of it; a last column shows one that was recognised."""
    rows = []
    for kind in sorted(set(true)):
        own = np.flatnonzero(true == kind)
        order = own[np.argsort(probabilities[own, SEVEN_EXPRESSIONS.index(kind)])]
        shown = [*order[: across - 1], order[-1]]
        tiles = [crops[row, ..., 0] for row in shown] + [np.zeros_like(crops[0, ..., 0])] * (across - len(shown))
        rows.append(np.concatenate(tiles, axis=1))
    return Image.fromarray(np.concatenate(rows, axis=0))


def write_weights(models: list[FiveBlockCNN], out: Path) -> None:
    """Each network as safetensors."""
    out.mkdir(parents=True, exist_ok=True)
    for number, model in enumerate(models):
        save_file(
            {name: value.contiguous() for name, value in model.state_dict().items()}, out / f"{number}.safetensors"
        )


def write_recipe(chosen: argparse.Namespace, mixture: str, faces: Faces, out: Path) -> None:
    """How the networks beside it were trained: ``tools.train_zoo`` puts it on the card of what ships."""
    options = f"--epochs {chosen.epochs} --networks {chosen.networks} --rest {chosen.rest}"
    options += f" --images {chosen.images}" * bool(chosen.images) + " --creased" * chosen.creased
    recipe = {
        "command": f"python -m tools.train_recogniser {mixture} {options} --out DIR",
        "trained_on": f"{len(faces)} images of {len(set(faces.subject))} rendered people, {chosen.epochs} epochs",
    }
    (out / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")


def cache_place() -> Path:
    """Where crops are kept."""
    return Path(os.environ.get("FERDIS_CACHE") or Path.home() / ".cache" / "ferdis") / "recogniser"


def _expressions_digest(name: str, rest: bool) -> str:
    """What of a set is no part of its renderer and changes its rows."""
    from ferdis.datasets.facekit import expression

    shown = hashlib.sha256(repr(expression.VARIANTS).encode()).hexdigest() if name == "facekit" else ""
    return f"{shown} {sorted(AT_REST.items())}" if rest else shown


if __name__ == "__main__":
    raise SystemExit(main())
