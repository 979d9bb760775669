"""Measure what the audit sees: ``python -m tools.check_copies``.

Copies of real faces, of each kind that data sets meet, are written as files under new names and loaded twice, aligned
(the default) and as they are. Printed are the share of copies that the audit takes for what they are, and how often it
takes two people's images for one; each figure stands beside what is asked of it, and the exit status is 1 if any
fails. The threshold and the constants of the comparison were chosen with these two sets in view.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from ferdis import Faces, load
from ferdis.protocol.near_duplicates import NEAR_DUPLICATE, Prints, fingerprints, similar

SHARED = Path(os.environ.get("FERDIS_SHARED", Path(__file__).parents[2] / "shared")) / "data"
SETS = ("london", "wild")
FALSE_ALARMS = 1e-5
"""Pairs of two people's images that may be taken for one image, of all such pairs."""


class Copy(NamedTuple):
    """A kind of copy: how it is made, and the share that must be caught."""

    make: Callable[[Image.Image], Image.Image]
    demanded: float


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The image as JPEG of that quality gives it back."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def mirrored(image: Image.Image) -> Image.Image:
    """The mirror image."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without that share of the width and height at each side, scaled up to the old size."""
    across, down = round(image.width * share), round(image.height * share)
    inner = image.crop((across, down, image.width - across, image.height - down))
    return inner.resize(image.size, Image.Resampling.BICUBIC)


def shifted(image: Image.Image, pixels: int) -> Image.Image:
    """Moved right and down; what comes in is black."""
    moved = Image.new("RGB", image.size)
    moved.paste(image, (pixels, pixels))
    return moved


def lettered(image: Image.Image, text: str, place: tuple[float, float], height: float) -> Image.Image:
    """White letters on the image: their middle and height as shares of the image's size."""
    image = image.copy()
    across, down = (share * side for share, side in zip(place, image.size, strict=True))
    font = ImageFont.load_default(height * image.height)
    ImageDraw.Draw(image).text((across, down), text, (255, 255, 255), font, anchor="mm")
    return image


COPIES: dict[str, Copy] = {
    "exact": Copy(lambda image: image, 1.0),
    "mirrored": Copy(mirrored, 1.0),
    "mirrored, JPEG 75": Copy(lambda image: jpeg(mirrored(image), 75), 0.99),
    "JPEG 30": Copy(lambda image: jpeg(image, 30), 0.99),
    "JPEG 10": Copy(lambda image: jpeg(image, 10), 0.95),
    "brightness +10 %": Copy(lambda image: ImageEnhance.Brightness(image).enhance(1.1), 0.99),
    "contrast 1.2, JPEG 60": Copy(lambda image: jpeg(ImageEnhance.Contrast(image).enhance(1.2), 60), 0.99),
    "half size": Copy(lambda image: image.resize((image.width // 2, image.height // 2)), 0.99),
    "grey": Copy(lambda image: image.convert("L").convert("RGB"), 0.99),
    "rotated 2 degrees": Copy(lambda image: image.rotate(2, Image.Resampling.BILINEAR), 0.95),
    "crop 1.5 % each side": Copy(lambda image: cropped(image, 0.015), 0.95),
    "crop 3 % each side": Copy(lambda image: cropped(image, 0.03), 0.95),
    "shift 1 px": Copy(lambda image: shifted(image, 1), 0.99),
    "shift 4 px": Copy(lambda image: shifted(image, 4), 0.95),
    "text in a corner": Copy(lambda image: lettered(image, "(c) 2021", (0.2, 0.93), 0.08), 0.99),
    "text on the face": Copy(lambda image: lettered(image, "SAMPLE", (0.5, 0.5), 0.13), 0.95),
}
"""The kinds that are asked for. Those below are not, and show where the audit's sight ends."""

BEYOND: dict[str, Copy] = {
    "rotated 4 degrees": Copy(lambda image: image.rotate(4, Image.Resampling.BILINEAR), 0.0),
    "rotated 2 degrees, whole": Copy(lambda image: image.rotate(2, Image.Resampling.BILINEAR, expand=True), 0.0),
    "crop 6 % each side": Copy(lambda image: cropped(image, 0.06), 0.0),
    "crop 10 % each side": Copy(lambda image: cropped(image, 0.10), 0.0),
    "shift 8 px": Copy(lambda image: shifted(image, 8), 0.0),
    "large text on the face": Copy(lambda image: lettered(image, "SAM\nPLE", (0.5, 0.5), 0.25), 0.0),
    "mirrored, rotated 1.5 degrees, crop 2 %, JPEG 40": Copy(
        lambda image: jpeg(cropped(mirrored(image).rotate(1.5, Image.Resampling.BILINEAR), 0.02), 40), 0.0
    ),
}


def write_copies(faces: pd.DataFrame, root: Path, chosen: Sequence[int], out: Path) -> pd.DataFrame:
    """Write every kind of copy of the chosen rows: a row per file, with ``kind`` and ``of`` (the row copied)."""
    rows = []
    for number, row in enumerate(chosen):
        with Image.open(root / faces["path"][row]) as file:
            image = file.convert("RGB")
        for place, (kind, copy) in enumerate({**COPIES, **BEYOND}.items()):
            path = f"{place}_{number}.png"
            copy.make(image).save(out / path)
            rows.append(
                {"path": path, "expression": faces["expression"][row], "subject": "copy", "kind": kind, "of": row}
            )
    return pd.DataFrame(rows)


def caught(originals: Prints, copies: Prints, kind: str, of: np.ndarray, threshold: float) -> np.ndarray:
    """Which copies (m,) the audit connects with the image that they are of."""
    if COPIES.get(kind, BEYOND.get(kind)) in (COPIES["exact"], COPIES["mirrored"]):
        return originals.key[of] == copies.key
    pairs = similar(copies, originals, threshold)
    return np.isin(np.arange(len(of)), pairs.first[pairs.second == of[pairs.first]])


def measure_set(name: str, people: str, count: int, threshold: float) -> tuple[pd.DataFrame, Prints, np.ndarray]:
    """Shares caught by kind, aligned and not; fingerprints of the whole set, and who each image shows."""
    table = pd.read_csv(SHARED / name / "faces.csv", dtype=str)
    person = np.unique(table["subject"], return_inverse=True)[1]
    candidates = half_of(person, people)
    chosen = candidates[np.linspace(0, len(candidates) - 1, min(count, len(candidates))).astype(int)]
    shares: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copies = write_copies(table, SHARED / name, chosen, Path(folder))
        copies.to_csv(Path(folder) / "faces.csv", index=False)
        for align in (True, False):
            options: dict[str, Any] = {"align": align, "image_size": 48, "progress": False}
            originals = fingerprints(load("manifest", root=SHARED / name, **options))
            theirs = fingerprints(load("manifest", root=folder, cache=False, **options))
            shares[f"{name}, {'aligned' if align else 'as it is'}"] = {
                kind: caught(originals, theirs[rows.index.to_numpy()], kind, rows["of"].to_numpy(), threshold).mean()
                for kind, rows in copies.groupby("kind", sort=False)
            }
    return pd.DataFrame(shares), originals, person


def small_grey_crops(name: str) -> Faces:
    """A set's aligned faces as FER2013 keeps them: 48x48, grey, without files."""
    faces = load("manifest", root=SHARED / name, image_size=48, progress=False)
    grey = faces.pixels() @ np.array([0.299, 0.587, 0.114])
    return Faces(np.repeat(np.rint(grey)[..., None], 3, axis=3).astype(np.uint8), faces.table)


class Alarms(NamedTuple):
    """Pairs of two people's images of a set, how many are taken for one image, and the highest similarity."""

    of: str
    pairs: int
    false: int
    highest: float

    @property
    def passed(self) -> bool:
        """Whether there are no more than is allowed."""
        return self.false <= FALSE_ALARMS * self.pairs


def alarms(of: str, prints: Prints, person: np.ndarray, threshold: float) -> Alarms:
    """Look for pairs of two people that are taken for one image; identical pixels are no false alarm."""
    found = similar(prints, prints, 0.0, subject=person)
    differ = prints.key[found.first] != prints.key[found.second]
    sizes = np.unique(person, return_counts=True)[1]
    pairs = (len(person) ** 2 - int((sizes**2).sum())) // 2
    highest = float(found.similarity[differ].max(initial=0.0))
    return Alarms(of, pairs, int((found.similarity[differ] > threshold).sum()), highest)


def drawn_sets() -> dict[str, Faces]:
    """Rendered people of one population, by difficulty."""
    sizes = {"people": 60, "images_per_expression": 2, "image_size": 128, "seed": 1, "cache": False}
    return {f"synthetic, {name}": load("synthetic", difficulty=name, **sizes) for name in ("easy", "normal", "hard")}


def half_of(person: np.ndarray, people: str) -> np.ndarray:
    """Rows of the people that count: of even number, of odd number, or all."""
    return np.flatnonzero(np.isin(person % 2, {"even": [0], "odd": [1], "all": [0, 1]}[people]))


def markdown(table: pd.DataFrame) -> str:
    """A table for docs/protocol.md."""
    lines = [["", *map(str, table.columns)], ["---"] * (table.shape[1] + 1)]
    lines += [[str(name), *map(str, row)] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 0 if every figure is as demanded."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_copies", description=__doc__.split("\n")[0])
    parser.add_argument("--copies", type=int, default=60, help="copies of each kind and set")
    parser.add_argument("--people", choices=("even", "odd", "all"), default="all", help="every other person only")
    parser.add_argument("--threshold", type=float, default=NEAR_DUPLICATE)
    given = parser.parse_args(arguments)
    shares, counted = [], []
    for name in SETS:
        table, prints, person = measure_set(name, given.people, given.copies, given.threshold)
        shares.append(table)
        grey = small_grey_crops(name)
        for of, each in ((f"{name}, whole images", prints), (f"{name}, 48x48 grey crops", fingerprints(grey))):
            rows = half_of(person, given.people)
            counted.append(alarms(of, each[rows], person[rows], given.threshold))
    for of, faces in drawn_sets().items():
        counted.append(alarms(of, fingerprints(faces), faces.subject, given.threshold))
    found = pd.concat(shares, axis=1)
    demanded = pd.Series({kind: copy.demanded for kind, copy in (COPIES | BEYOND).items()})
    percent = found.apply(lambda column: [f"{100 * share:.4g} %" for share in column])
    percent["asked for"] = [f"{100 * share:.4g} %" if share else "" for share in demanded[found.index]]
    print(markdown(percent))
    rates = {each.of: (f"{each.pairs:,}", each.false, f"{each.highest:.3f}") for each in counted}
    columns = ["pairs of two people", f"taken for one image (over {given.threshold:g})", "highest similarity"]
    print(f"\n{markdown(pd.DataFrame.from_dict(rates, orient='index', columns=columns))}")
    wrong = [f"{kind}, {of}" for of in found for kind in found.index[found[of] < demanded[found.index]]]
    wrong += [each.of for each in counted if not each.passed]
    print(f"\nNOT as demanded: {'; '.join(wrong)}" if wrong else "\nall as demanded")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
