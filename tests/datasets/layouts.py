"""The official layouts as lists of what is in them: (path, expression, subject), whole sets or a few people of each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

SIX = {"anger": "AN", "disgust": "DI", "fear": "FE", "happiness": "HA", "sadness": "SA", "surprise": "SU"}
FOLDERS = {
    "anger": "Angry", "disgust": "Disgust", "fear": "Fear", "happiness": "Happy", "neutral": "Neutral",
    "sadness": "Sad", "surprise": "Surprise",
}  # fmt: skip


class Picture(NamedTuple):
    path: str
    expression: str | None
    subject: str | None = None
    split: str | None = None


def oulucasia(people=80, frames=4, camera="VL", light="Strong", top="B_OriginalImg"):
    names = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
    return [
        Picture(f"{top}/{camera}/{light}/P{person:03d}/{name}/{frame:03d}.jpeg", name.lower(), f"oulu/P{person:03d}")
        for person in range(1, people + 1)
        for name in names
        for frame in range(frames)
    ]


def bu3dfe(women=56, men=44):
    people = [f"F{n:04d}" for n in range(1, women + 1)] + [f"M{n:04d}" for n in range(1, men + 1)]
    return [
        Picture(f"{person}/{person}_{code}{level:02d}WH_F2D.bmp", name, f"bu3d/{person}")
        for person in people
        for name, code in {**SIX, "neutral": "NE"}.items()
        for level in ((0,) if name == "neutral" else (1, 2, 3, 4))
    ]


def bu4dfe(women=58, men=43, frames=2):
    people = [f"F{n:03d}" for n in range(1, women + 1)] + [f"M{n:03d}" for n in range(1, men + 1)]
    return [
        Picture(f"{person}/{FOLDERS[name]}/{frame:03d}.jpg", name, f"bu4d/{person}")
        for person in people
        for name in SIX
        for frame in range(frames)
    ]


def sfew(train=958, val=436):
    names = list(FOLDERS)
    return [
        Picture(f"{part}/{FOLDERS[names[n % 7]]}/Film{n % 5}_{n:09d}_{n % 90:08d}.png", names[n % 7], None, split)
        for part, count, split, first in (("Train", train, "train", 0), ("Val", val, "test", 10_000))
        for n in range(first, first + count)
    ]


RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


def rafdb(train=12_271, test=3_068):
    return [
        Picture(f"basic/Image/aligned/{part}_{n:05d}_aligned.jpg", RAFDB[n % 7], None, part)
        for part, count in (("train", train), ("test", test))
        for n in range(1, count + 1)
    ]


def rafdb_list(pictures):
    """EmoLabel's lines for these images."""
    names = [Path(picture.path).stem.removesuffix("_aligned") for picture in pictures]
    return "".join(
        f"{name}.jpg {RAFDB.index(picture.expression) + 1}\n" for name, picture in zip(names, pictures, strict=True)
    )


def rafd(people=67, angles=(0, 45, 90, 135, 180)):
    labels = {
        "angry": "anger", "contemptuous": "contempt", "disgusted": "disgust", "fearful": "fear", "happy": "happiness",
        "neutral": "neutral", "sad": "sadness", "surprised": "surprise",
    }  # fmt: skip
    numbers = [n for n in range(1, 74) if n not in (6, 13, 17, 34, 62, 66)][:people]
    return [
        Picture(f"Rafd{angle:03d}_{n:02d}_Caucasian_female_{label}_{gaze}.jpg", name, f"rafd/{n:02d}")
        for n in numbers
        for angle in angles
        for label, name in labels.items()
        for gaze in ("frontal", "left", "right")
    ]


def jaffe():
    people = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
    counts = {"AN": 30, "DI": 29, "FE": 32, "HA": 31, "NE": 30, "SA": 31, "SU": 30}
    names = {code: name for name, code in {**SIX, "neutral": "NE"}.items()}
    pictures, serial = [], 0
    for code, count in counts.items():
        for n in range(count):
            serial += 1
            person = people[n % 10]
            pictures.append(Picture(f"{person}.{code}{n // 10 + 1}.{serial}.tiff", names[code], f"jaffe/{person}"))
    return pictures


YALE = {
    "happy": "happiness", "normal": "neutral", "sad": "sadness", "surprised": "surprise", "sleepy": None, "wink": None,
    "glasses": None, "noglasses": None, "centerlight": None, "leftlight": None, "rightlight": None,
}  # fmt: skip


def yale(people=15, suffix=""):
    return [
        Picture(f"subject{n:02d}.{condition}{suffix}", name, f"yale/{n:02d}")
        for n in range(1, people + 1)
        for condition, name in YALE.items()
    ]


FER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FER_FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def fer2013_folders(train=20, validation=8, test=8):
    return [
        Picture(f"{folder}/{FER_FOLDERS[n % 7]}/{usage}_{n}.jpg", FER[n % 7], None, split)
        for folder, usage, split, count in (
            ("train", "Training", "train", train),
            ("test", "PublicTest", "validation", validation),
            ("test", "PrivateTest", "test", test),
        )
        for n in range(count)
    ]


def fer2013_csv(root, train=28_709, validation=3_589, test=3_589, *, spaced=False, name="fer2013.csv", side=2):
    """The CSV; image k is flat with grey value k % 256."""
    lines = [" emotion, Usage, pixels" if spaced else "emotion,pixels,Usage"]
    number = 0
    for usage, count in (("Training", train), ("PublicTest", validation), ("PrivateTest", test)):
        for _ in range(count):
            pixels = " ".join([str(number % 256)] * side * side)
            lines.append(f"{number % 7},{usage},{pixels}" if spaced else f"{number % 7},{pixels},{usage}")
            number += 1
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n")
    return root


def written(root: Path, pictures, files=None, picture=None):
    """Write the images (empty files, unless ``picture`` makes them) and label files under ``root``."""
    for item in pictures:
        path = root / item.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if picture is None else picture(path)
    for path, text in (files or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def video(path: Path, frames: int, size=(64, 48), paint=None, rotation=0):
    """A lossless video whose frame k is flat with grey value 10 * k, or what ``paint(k)`` gives."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        for number in range(frames):
            pixels = np.full((height, width, 3), 10 * number, np.uint8) if paint is None else paint(number)
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def mmi(root: Path, clips, frames=9, **how):
    """Sessions of (person, clip number, emotion or None, view); one video is written and copied (0 frames: none)."""
    first = None
    for session, (person, number, emotion, view) in enumerate(clips, 1):
        folder = root / "Sessions" / str(session)
        folder.mkdir(parents=True)
        name = f"S{person:03d}-{number:03d}"
        if frames == 0:
            (folder / f"{name}.avi").touch()
        elif first is None:
            first = video(folder / f"{name}.avi", frames, **how)
        else:
            (folder / f"{name}.avi").write_bytes(first.read_bytes())
        tag = "" if emotion is None else f'<Metatag Name="Emotion" Value="{emotion}"/>'
        other = '<Metatag Name="Source" Value="3"/>'
        (folder / f"{name}.xml").write_text(f"<Annotation>{other}{tag}</Annotation>")
        (folder / f"{name}-oao_aucs.xml").write_text("<ActionUnitCoding/>")
        (folder / "session.xml").write_text(f'<session sessionId="{session}"><track view="{view}"/></session>')
    return root
