"""Small data sets written in the layouts that the loaders read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# subject -> sequence -> (emotion number or None, frames)
CK_SEQUENCES = {
    "S005": {"001": (3, 11), "002": (None, 6)},
    "S010": {"001": (7, 5), "002": (5, 4), "004": (1, 8)},
    "S138": {"008": (2, 9)},
}


def picture(path: Path, seed: int, size: tuple[int, int] = (24, 20)) -> Path:
    """An image of noise that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, size)).save(path)
    return path


def noise(seed: int, size: tuple[int, int] = (24, 20)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def manifest(root: Path, lines: list[str], header: str = "path,expression,subject") -> Path:
    """faces.csv of these lines, and the images they name (first value) that end in .png."""
    root.mkdir(parents=True, exist_ok=True)
    for seed, line in enumerate(lines):
        name = line.split(",")[0].strip()
        if name.endswith(".png") and not (root / name).exists():
            picture(root / name, seed)
    (root / "faces.csv").write_text("\n".join([header, *lines]) + "\n")
    return root


def ckplus(
    root: Path,
    *,
    images: str = "cohn-kanade-images",
    emotion: str = "Emotion",
    upper: bool = False,
    doubles: bool = False,
    facs: bool = True,
) -> Path:
    """CK+ as its authors give it, with six sequences of three people."""
    seed = 0
    for subject, sequences in CK_SEQUENCES.items():
        for number, (label, frames) in sequences.items():
            stem = f"{subject}_{number}_"
            for frame in range(1, frames + 1):
                seed += 1
                suffix = ".PNG" if upper else ".png"
                path = picture(root / images / subject / number / f"{stem}{frame:08d}{suffix}", seed, (12, 10))
                if doubles:
                    (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
            labels = root / emotion / subject / number
            labels.mkdir(parents=True)
            if label is not None:
                text = labels / f"{stem}{frames:08d}_emotion.txt"
                text.write_text(f"   {label:.7e}\n")
                if doubles:
                    (labels / f"._{text.name}").write_bytes(b"\x00\x05\x16\x07")
            if facs:
                codes = root / "FACS" / subject / number / f"{stem}{frames:08d}_facs.txt"
                codes.parent.mkdir(parents=True)
                codes.write_text("   4.0000000e+00   4.0000000e+00\n   9.0e+00   0.0e+00\n   2.7e+01   2.0e+00\n")
    return root


def ck48(root: Path, names: dict[str, str] | None = None) -> Path:
    """CK+48 of the same labelled sequences: their last three frames, in folders by class."""
    folders = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happy", 6: "sadness", 7: "surprise"}
    seed = 1000
    for subject, sequences in CK_SEQUENCES.items():
        for number, (label, frames) in sequences.items():
            for frame in range(frames - 2, frames + 1) if label else ():
                seed += 1
                folder = folders[label]
                folder = (names or {}).get(folder, folder)
                picture(root / folder / f"{subject}_{number}_{frame:08d}.png", seed, (48, 48))
    return root
