"""Damages the files of every reader in many ways and sees what the readers say of it.

    python -m tools.fuzz_readers --seconds 600 --seed 1

A reader may load what is left, or raise a ValueError or FileNotFoundError of one short line that names the file or its
folder. Anything else is printed with the seed that repeats it, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
import pandas as pd
from PIL import Image

from ferdis import BaselineCNN
from ferdis._io import file_digest, sealed, write_json
from ferdis.datasets import load
from ferdis.datasets.au_files import join_units, read_units
from ferdis.faces import Faces
from ferdis.preprocess import read_image
from ferdis.protocol.folds import read_folds
from ferdis.saved_models import load_model

LONGEST = 2000  # characters of an error's line
_HUGE = (b"1e30", b"-1e30", b"1e999", b"9" * 400, b"-1", b"inf", b"nan", b"0x1F", b"2147483648")
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Reader:
    """One reader and a small set of files that it reads.

    Attributes
    ----------
    name : str
    write : function (root) -> None
        Writes the files.
    read : function (root) -> None
        Reads all of them, pixels included.
    damaged : tuple of str
        The files that are damaged, relative to the root.
    """

    name: str
    write: Callable[[Path], None]
    read: Callable[[Path], object]
    damaged: tuple[str, ...]


@dataclass
class Findings:
    """What came of the attempts.

    Attributes
    ----------
    counts : Counter
        ``"loaded"``, ``"ValueError"``, ``"FileNotFoundError"``: how often.
    wrong : list of str
        What should not have happened, one line each.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------ the damage


def _lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")


def _column_of(data: bytes, random: Random, change: Callable[[list[bytes], int], None]) -> bytes:
    """Change one cell of each line, or of one line, in a place that the first line has."""
    lines = _lines(data)
    mark = next((mark for mark in (b",", b";", b"\t", b" ") if mark in lines[0]), b",")
    place = random.randrange(lines[0].count(mark) + 1)
    for number, line in enumerate(lines):
        cells = line.split(mark)
        if line and place < len(cells):
            change(cells, place)
            lines[number] = mark.join(cells)
    return b"\n".join(lines)


def missing_column(data: bytes, random: Random) -> bytes:
    """One column is gone."""

    def drop(cells: list[bytes], place: int) -> None:
        del cells[place]

    return _column_of(data, random, drop)


def doubled_column(data: bytes, random: Random) -> bytes:
    """One column is there twice, header and all."""
    return _column_of(data, random, lambda cells, place: cells.insert(random.randrange(len(cells) + 1), cells[place]))


def doubled_header(data: bytes, random: Random) -> bytes:
    """Two columns have one name."""
    lines = _lines(data)
    names = lines[0].split(b",")
    names[random.randrange(len(names))] = random.choice(names)
    return b"\n".join([b",".join(names), *lines[1:]])


def wrong_type(data: bytes, random: Random) -> bytes:
    """A number, or any word, is another word, nothing, or very long."""
    word = random.choice([b"anna", b"None", b"", b"[1, 2]", b"{}", b"true", b"\xc3\xa9", b"x" * 100_000, b'"'])
    found = list(re.finditer(random.choice([rb"\d+(?:\.\d+)?", rb"[A-Za-z]+"]), data))
    if not found:
        return word
    match = random.choice(found)
    return data[: match.start()] + word + data[match.end() :]


def binary(data: bytes, random: Random) -> bytes:
    """Bytes of no format."""
    return random.randbytes(random.choice([1, 16, 1000, 5000]))


def empty(data: bytes, random: Random) -> bytes:
    """Nothing, or nothing but blanks."""
    return random.choice([b"", b"\n", b" \n\n", b"\xef\xbb\xbf", b","])


def truncated(data: bytes, random: Random) -> bytes:
    """The end is missing."""
    return data[: random.randrange(len(data))]


def huge_number(data: bytes, random: Random) -> bytes:
    """One number is far out of its range."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return data + random.choice(_HUGE)
    match = random.choice(found)
    return data[: match.start()] + random.choice(_HUGE) + data[match.end() :]


def nul(data: bytes, random: Random) -> bytes:
    """A byte, or a block, is 0."""
    place, length = random.randrange(len(data)), random.choice([1, 1, 100])
    return data[:place] + b"\0" * length + data[place + length :]


def encoding(data: bytes, random: Random) -> bytes:
    """Another encoding, or a mark of one."""
    text = data.decode("latin-1")
    return random.choice(
        [
            text.encode("utf-16"),
            text.encode("utf-16-be"),
            text.encode("utf-32"),
            b"\xef\xbb\xbf" + data,
            b"\xff\xfe" + data,
            data.replace(b"\n", b"\r"),
            data.replace(b"\n", b"\r\n"),
        ]
    )


def nesting(data: bytes, random: Random) -> bytes:
    """Brackets, tags or quotes inside each other, very deep."""
    depth = random.choice([100, 10_000, 100_000])
    deep = random.choice(
        [b"[" * depth + b"]" * depth, b"<a>" * depth + b"</a>" * depth, b'"' * depth, b'{"a":' * depth]
    )
    place = random.choice([0, data.find(b"<") + 1, random.randrange(len(data))])
    return random.choice([deep, data[:place] + deep + data[place:]])


def flipped(data: bytes, random: Random) -> bytes:
    """A few bytes are others."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 3, 20])):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def shuffled(data: bytes, random: Random) -> bytes:
    """Lines are there twice, not at all, or in another order."""
    lines = _lines(data)
    return b"\n".join(random.choice(lines) for _ in range(random.randrange(1, 2 * len(lines) + 1)))


DAMAGES: dict[str, Callable[[bytes, Random], bytes]] = {
    damage.__name__: damage
    for damage in (
        missing_column, doubled_column, doubled_header, wrong_type, binary, empty, truncated, huge_number, nul,
        encoding, nesting, flipped, shuffled,
    )
}  # fmt: skip


# ----------------------------------------------------------------------------------------------------- the readers


def _image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _pixels(name: str, **arguments: object) -> Callable[[Path], object]:
    """Reads a data set with all its pixels."""

    def read(root: Path) -> object:
        faces = load(name, root=root, align=False, cache=False, progress=False, image_size=8, **arguments)
        return faces.pixels()

    return read


def _write_manifest(root: Path) -> None:
    names = ["1.png", "a/2.jpg", "3.tiff", "a/4.png"]
    for seed, name in enumerate(names):
        _image(root / name, seed)
    people, labels = ("anna", "ben", "007", "Zo\u00eb"), ("happy", "fear", "neutral", "anger")
    rows = [
        f"{name},{label},{person},{k},train,s{k},{k},{k / 2},"
        for k, (name, label, person) in enumerate(zip(names, labels, people, strict=True))
    ]
    _text(root / "faces.csv", "\n".join(["path,expression,subject,age,split,sequence,frame,AU01,AU12", *rows, ""]))


def _write_ckplus(root: Path) -> None:
    for sequence, label in (("001", "3.0000000e+00"), ("002", "7")):
        for frame in range(1, 5):
            _image(root / f"cohn-kanade-images/S005/{sequence}/S005_{sequence}_{frame:08d}.png", frame)
        _text(root / f"Emotion/S005/{sequence}/S005_{sequence}_00000004_emotion.txt", f"   {label}\n")
        _text(root / f"FACS/S005/{sequence}/S005_{sequence}_00000004_facs.txt", "  1.0  3.0\n 25 0.0\n 12 5\n")


def _write_rafdb(root: Path) -> None:
    names = [f"train_{n:05d}" for n in range(1, 5)] + ["test_0001", "test_0002"]
    for seed, name in enumerate(names):
        _image(root / f"Image/aligned/{name}_aligned.jpg", seed)
    _text(root / "EmoLabel/list_patition_label.txt", "".join(f"{n}.jpg {k + 1}\n" for k, n in enumerate(names)))


def _write_fer2013(root: Path) -> None:
    usage = ("Training", "Training", "PublicTest", "PrivateTest")
    rows = [f"{k},{' '.join([str(60 * k)] * 16)},{part}" for k, part in enumerate(usage)]
    _text(root / "fer2013.csv", "\n".join(["emotion,pixels,Usage", *rows, ""]))


def _write_ferplus(root: Path) -> None:
    _write_fer2013(root)
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = ["8,2,0,0,0,0,0,0,0,0", "0,10,0,0,0,0,0,0,0,0", "1,0,7,0,0,0,1,0,1,0", "0,0,0,9,0,0,0,0,0,1"]
    usage = ("Training", "Training", "PublicTest", "PrivateTest")
    rows = [f"{part},fer{k:07d}.png,{vote}" for k, (part, vote) in enumerate(zip(usage, votes, strict=True))]
    _text(root / "fer2013new.csv", "\n".join([f"Usage,Image name,{names}", *rows, ""]))


def _write_disfa(root: Path) -> None:
    for unit in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26):
        _text(root / f"ActionUnit_Labels/SN001/SN001_au{unit}.txt", "".join(f"{k},{k % 6}\n" for k in range(1, 5)))
    for frame in range(1, 5):
        _image(root / f"Images/SN001/{frame:05d}.png", frame)


def _write_video(path: Path, frames: int = 4) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for number in range(frames):
            pixels = np.full((32, 32, 3), 40 * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _write_mmi(root: Path) -> None:
    folder = root / "Sessions/1"
    _write_video(folder / "S001-002.avi")
    _text(folder / "S001-002.xml", '<Annotation><Metatag Name="Emotion" Value="4"/></Annotation>')
    _text(folder / "session.xml", '<session sessionId="1"><track view="0"/></session>')


def _faces(count: int, **columns: list) -> Faces:
    names = [f"clip/{k}.jpg" for k in range(count)]
    table = pd.DataFrame({"expression": "fear", "subject": [f"m/{k}" for k in range(count)], "path": names, **columns})
    return Faces(np.zeros((count, 4, 4, 3), np.uint8), table)


def _write_openface(root: Path) -> None:
    head = "frame, face_id, timestamp, confidence, success, AU01_r, AU12_r, AU45_r, AU01_c"
    rows = [f"{k}, 0, {k / 25}, 0.98, 1, 0.{k}, 2.5, 0, 1" for k in range(1, 5)]
    _text(root / "units/clip.csv", "\n".join([head, *rows, ""]))


def _joined(units: pd.DataFrame, faces: Faces, by: Literal["path", "frame"]) -> None:
    """Join them, if they fit: a refusal speaks of the faces and need not name the file."""
    with contextlib.suppress(ValueError):
        join_units(faces, units, by=by, missing="nan")


def _read_openface(root: Path) -> None:
    _joined(read_units(root / "units"), _faces(4, sequence=["clip"] * 4, frame=[1, 2, 3, 4]), "frame")


def _write_pyfeat(root: Path) -> None:
    rows = [f"clip/{k}.jpg,0,0.9,0.{k},0.5" for k in range(4)]
    _text(root / "units.csv", "\n".join(["input,frame,FaceScore,AU01,AU12", *rows, ""]))


def _read_pyfeat(root: Path) -> None:
    _joined(read_units(root / "units.csv", scale=1), _faces(4), "path")


def _write_folds(root: Path) -> None:
    rows = [f"{fold},{'test' if k == fold else 'train'},m/{k},clip/{k}.jpg" for fold in range(4) for k in range(4)]
    _text(root / "folds.csv", "\n".join(["fold,part,subject,path", *rows, ""]))


def _read_folds(root: Path) -> object:
    return read_folds(root / "folds.csv", _faces(4))


def _write_images(root: Path) -> None:
    for name in ("1.png", "2.jpg", "3.tiff", "4.bmp", "5.gif", "6.webp", "7.ppm"):
        _image(root / name, 1)


def _read_images(root: Path) -> object:
    return [read_image(path) for path in sorted(root.iterdir())]


def _write_model(root: Path) -> None:
    small = {"image_size": 36, "crop_size": 32, "encoder_channels": (4, 4, 4, 4, 4), "progress": False, "logger": None}
    BaselineCNN.small(epochs=1, **small).fit(_people(6)).save(root)


def _read_model(root: Path) -> object:
    model: Any = load_model(root)
    return model.predict_proba(_people(2))


def _read_sealed_model(root: Path) -> object:
    """With digests that fit what was damaged, so that its content is all that can tell."""
    path = root / "estimator.json"
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
        record = json.loads(path.read_bytes())
        record["weights_sha256"] = file_digest(root / "weights.safetensors")
        write_json(path, sealed(record))
    return _read_model(root)


def _people(count: int) -> Faces:
    images = np.random.default_rng(0).integers(0, 256, (count, 36, 36, 3)).astype(np.uint8)
    names = [("anger", "fear", "neutral")[k % 3] for k in range(count)]
    return Faces(images, pd.DataFrame({"expression": names, "subject": [f"s{k}" for k in range(count)]}))


READERS = (
    Reader("model", _write_model, _read_model, ("estimator.json", "weights.safetensors")),
    Reader("sealed model", _write_model, _read_sealed_model, ("estimator.json", "weights.safetensors")),
    Reader("manifest", _write_manifest, _pixels("manifest"), ("faces.csv", "a/2.jpg")),
    Reader(
        "ckplus",
        _write_ckplus,
        _pixels("ckplus"),
        (
            "Emotion/S005/001/S005_001_00000004_emotion.txt",
            "FACS/S005/001/S005_001_00000004_facs.txt",
            "cohn-kanade-images/S005/001/S005_001_00000004.png",
        ),
    ),
    Reader("rafdb", _write_rafdb, _pixels("rafdb"), ("EmoLabel/list_patition_label.txt",)),
    Reader("fer2013", _write_fer2013, _pixels("fer2013"), ("fer2013.csv",)),
    Reader("ferplus", _write_ferplus, _pixels("ferplus"), ("fer2013new.csv", "fer2013.csv")),
    Reader(
        "disfa",
        _write_disfa,
        _pixels("disfa"),
        ("ActionUnit_Labels/SN001/SN001_au4.txt", "ActionUnit_Labels/SN001/SN001_au26.txt"),
    ),
    Reader(
        "mmi",
        _write_mmi,
        _pixels("mmi"),
        ("Sessions/1/S001-002.avi", "Sessions/1/S001-002.xml", "Sessions/1/session.xml"),
    ),
    Reader("openface", _write_openface, _read_openface, ("units/clip.csv",)),
    Reader("pyfeat", _write_pyfeat, _read_pyfeat, ("units.csv",)),
    Reader("folds", _write_folds, _read_folds, ("folds.csv",)),
    Reader("images", _write_images, _read_images, ("1.png", "2.jpg", "3.tiff", "4.bmp", "5.gif", "6.webp", "7.ppm")),
)


# ------------------------------------------------------------------------------------------------------- the trial


def attempt(reader: Reader, damage: str, seed: int, root: Path) -> tuple[str, str | None]:
    """Damage one file of a reader's set and read it.

    Parameters
    ----------
    reader : Reader
    damage : str
        A name of :data:`DAMAGES`.
    seed : int
        What is drawn, which file is damaged among it.
    root : Path
        Where the reader's files lie, whole; they are whole again afterwards.

    Returns
    -------
    outcome : str
        ``"loaded"``, or the name of what was raised.
    wrong : str or None
        What is wrong with that, in one line.
    """
    random = Random(f"{reader.name} {damage} {seed}")
    file = root / random.choice(reader.damaged)
    whole = file.read_bytes()
    file.write_bytes(DAMAGES[damage](whole, random))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            reader.read(root)
        return "loaded", None
    except Exception as error:
        what = type(error).__name__
        problem = _wrong_error(error, file, root)
        where = f"{reader.name}, {damage}, seed {seed}, {file.relative_to(root)}"
        return what, problem and f"{where}: {problem}: {what}: {' '.join(str(error).split())[:300]}"
    finally:
        file.write_bytes(whole)


def _wrong_error(error: Exception, file: Path, root: Path) -> str | None:
    """What a user would hold against an error, or None."""
    text = str(error)
    if not isinstance(error, ValueError | FileNotFoundError) or isinstance(error, UnicodeError):
        return "another error than ValueError and FileNotFoundError"
    if "\n" in text:
        return "more than one line"
    if len(text) > LONGEST:
        return f"{len(text)} characters"
    if file.name not in text and str(root) not in text:
        return "names neither the file nor its folder"
    return None


def attempts(seed: int, folder: Path) -> Iterator[tuple[Reader, str, str, str | None]]:
    """Every reader under every damage, once: the reader, the damage, and what :func:`attempt` gave."""
    for reader in READERS:
        root = folder / reader.name
        if not root.exists():
            root.mkdir(parents=True)
            reader.write(root)
            reader.read(root)  # whole, it loads
        for damage in DAMAGES:
            yield reader, damage, *attempt(reader, damage, seed, root)


def fuzz(seconds: float, seed: int, folder: Path) -> Findings:
    """Go on for some seconds, with a new seed for each round."""
    findings, end = Findings(), time.monotonic() + seconds
    while time.monotonic() < end:
        for _, _, outcome, wrong in attempts(seed, folder):
            findings.counts[outcome] += 1
            if wrong is not None:
                findings.wrong.append(wrong)
                print(wrong, flush=True)
        seed += 1
    return findings


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long (whole rounds)")
    parser.add_argument("--seed", type=int, default=1, help="the first round's seed")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-readers-"))
    try:
        findings = fuzz(given.seconds, given.seed, folder)
    finally:
        shutil.rmtree(folder)
    counts = ", ".join(f"{count} {name}" for name, count in findings.counts.most_common())
    print(f"{findings.counts.total()} damaged sets: {counts}; {len(findings.wrong)} findings")
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
