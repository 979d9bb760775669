"""Wrong programs in images: made worse, inside files, kept, restored; and in what data sets share.

A part of ``tools/wrong_programs.py``, in its form.
"""

from __future__ import annotations

from tools.wrong_form import Programs

INSIDE = "tests/datasets/test_inside_files.py"
ORIGINALS = "tests/preprocess/test_originals.py"
REGISTRY = "tests/datasets/test_registry.py"
STORE = "tests/preprocess/test_image_store.py"
STRESS = "tests/preprocess/test_stress.py"

IMAGES: Programs = {
    "ferdis/preprocess/stress.py": (
        (STRESS,),
        {
            "* seed ignored": ('f"{seed}:{kind}:{name}"', 'f"{kind}:{name}"'),
            "* blur by the height": ("_BLUR[level] * min(image.shape[:2])", "_BLUR[level] * image.shape[0]"),
            "* blur over colours": ("(sigma, sigma, 0)", "sigma"),
            "* a share of the side under the square": ("share = np.sqrt(_COVERED[level])", "share = _COVERED[level]"),
            "* square in the upper left corner": (
                "int(random.random() * (height - tall + 1)), int(random.random() * (width - wide + 1))",
                "0, 0",
            ),
            "* the square's sides swapped": (
                "max(1, round(share * height)), max(1, round(share * width))",
                "max(1, round(share * width)), max(1, round(share * height))",
            ),
            "* low light without noise": (
                "np.sqrt(np.maximum(light, 0) / 2000 + 1e-5)",
                "0 * np.sqrt(np.maximum(light, 0) / 2000 + 1e-5)",
            ),
            "* width and height of the small image swapped": (
                "(max(2, round(width * _RESOLUTION[level])), max(2, round(height * _RESOLUTION[level])))",
                "(max(2, round(height * _RESOLUTION[level])), max(2, round(width * _RESOLUTION[level])))",
            ),
            "* noise of one image on another's seed": ("_random(seed, kind, name)", "_random(seed, kind, names[0])"),
            "* values cut, not rounded": ("np.clip(np.rint(values), 0, 255)", "np.clip(values, 0, 255)"),
            "* grey noise": (
                "random.normal(0, 255 * _NOISE[level], image.shape)",
                "random.normal(0, 255 * _NOISE[level], (*image.shape[:2], 1))",
            ),
            "* the fourth strength is the fifth": (
                "np.asarray(image), strength - 1,",
                "np.asarray(image), min(strength, 4),",
            ),
        },
    ),
    "ferdis/preprocess/containers.py": (
        (INSIDE,),
        {
            "* rotation marks turned the other way": (
                'format="rgb24"), _quarter_turns(frame))',
                'format="rgb24"), -_quarter_turns(frame))',
            ),
            "* rotation marks ignored": ('format="rgb24"), _quarter_turns(frame))', 'format="rgb24"), 0)'),
            "first of every n skipped": ("if number % every == 0:", "if (number + 1) % every == 0:"),
            "a frame that cannot be decoded has no number": (
                "            number += 1\n            continue\n",
                "            continue\n",
            ),
            "* a changed video is the former one": ("_video(place.file, status.st_mtime_ns)", "_video(place.file, 0)"),
            "* a changed CSV is the former one": (
                "_csv_pictures(place.file, status.st_mtime_ns)",
                "_csv_pictures(place.file, 0)",
            ),
            "* videos without a count have no frames": (
                "int(stream.frames) or sum(1 for packet in container.demux(stream) if packet.size)",
                "int(stream.frames)",
            ),
            "* the empty last packet counted": ("container.demux(stream) if packet.size)", "container.demux(stream))"),
            "* the row after the last": ("if place.number >= len(rows):", "if place.number > len(rows):"),
            "capital suffixes are no videos": ('))#(\\d+)", re.IGNORECASE)', '))#(\\d+)")'),
            "* large by its width alone": ("stream.width * stream.height > MAX_PIXELS", "stream.width > MAX_PIXELS"),
            "* sound is a video": ("if not container.streams.video:", "if not container.streams:"),
            "* the first rows of a long CSV": ("flat = np.concatenate(parts)", "flat = parts[0]"),
            "* blue for red": ('to_ndarray(format="rgb24")', 'to_ndarray(format="bgr24")'),
            "seconds are numbers of frames": (
                "yield Picture(number, frame.time,",
                "yield Picture(number, float(number),",
            ),
            "* the number of a camera on a Mac is a Linux device": (
                'if sys.platform.startswith("linux") else (camera, "avfoundation")',
                'if True else (camera, "avfoundation")',
            ),
            "* an address is a camera's name on Windows": (
                'elif sys.platform == "win32" and "://" not in camera:',
                'elif sys.platform == "win32":',
            ),
        },
    ),
    "ferdis/preprocess/database.py": (
        (STORE,),
        {
            "* the oldest file counts": ("self.folder / max(names) if names", "self.folder / min(names) if names"),
            "* a new file may be older than the damaged one": (
                'max(time.time_ns(), 1 + int(old.stem.removeprefix("images-"), 16) if old else 0)',
                "time.time_ns()",
            ),
            "* drafts of the killed stay": ("            draft.unlink()\n", "            pass\n"),
            "* half a write stays": ('connection.execute("ROLLBACK")', 'connection.execute("COMMIT")'),
            "* a locked file is damaged": ('"is full", "locked", "disk i/o"', '"is full", "disk i/o"'),
            "* a full disk is damage": ('("readonly", "is full",', '("readonly",'),
            "* writes to a removed file": ("(not write or _inode(self._file) == self._inode)", "True"),
            "* nothing is rescued": ("                    self.rescue(damaged, new)\n", "                    pass\n"),
            "* a file that another has mended is replaced again": ("if self._newest() != damaged:", "if False:"),
            "* a read-only file system is no reason": (
                "if code in (errno.EACCES, errno.EPERM, errno.EROFS) or",
                "if code in (errno.EACCES, errno.EPERM) or",
            ),
        },
    ),
    "ferdis/preprocess/originals.py": (
        (ORIGINALS,),
        {
            "* the first thousands of files": (
                "for start in range(0, len(alone), _AHEAD):",
                "for start in range(0, min(len(alone), _AHEAD), _AHEAD):",
            ),
        },
    ),
    "ferdis/datasets/__init__.py": (
        (REGISTRY,),
        {
            "* RAF-DB is posed": ('subject_namespace="rafd",\n', 'subject_namespace="rafd",\n        posed=True,\n'),
            "* JAFFE is not posed": ('subject_namespace="jaffe",\n        posed=True,', 'subject_namespace="jaffe",'),
            "a model is no model": (
                'path.suffix == ".onnx" or (path / "estimator.json").is_file()',
                'path.suffix == ".onnx"',
            ),
            "* a run is a folder": (
                '    if (path / "resolved.json").is_file():',
                '    if (path / "resolve.json").is_file():',
            ),
            "* folders with a list are of classes": (
                'kind = "manifest" if any(path.glob("*.csv")) else "folder"',
                'kind = "folder" if any(path.glob("*.csv")) else "manifest"',
            ),
        },
    ),
    "ferdis/datasets/common.py": (
        (REGISTRY,),
        {
            "* a home folder does not exist": ("folder = Path(root).expanduser()", "folder = Path(root)"),
            "* numbers of rows kept": ("return table[kept].reset_index(drop=True)", "return table[kept]"),
        },
    ),
    "ferdis/datasets/base.py": (
        (REGISTRY,),
        {
            "* cache not passed on": ("            cache=self.cache,\n", ""),
            "* device not passed on": ("            device=self.device,\n", ""),
            "* align ignored": (
                "self.prepared(*self.table(), align=self.align)",
                "self.prepared(*self.table(), align=True)",
            ),
            "* notes of reading lost": (
                'attrs["notes"] = [*notes, *faces.attrs.get("notes", [])]',
                'attrs["notes"] = [*notes]',
            ),
            "* notes printed all the same": ("for note in notes if self.progress else ():", "for note in notes:"),
            "* a home folder does not exist": ("self.root = Path(root).expanduser()", "self.root = Path(root)"),
        },
    ),
    "ferdis/preprocess/restore.py": (
        (
            "tests/preprocess/test_align.py",
            "tests/predict/test_predictor.py",
        ),
        {
            "* device of the detector ignored": (
                "aligner = Aligner(device, turned",
                'aligner = Aligner("cpu", turned',
            ),
            "* device of drawn faces ignored": (
                "return Aligner(device, template=_template(record, model))",
                'return Aligner("cpu", template=_template(record, model))',
            ),
            "* turning forgotten": (
                'turned="turned" in params, ',
                "",
            ),
            "the filling outside forgotten": (
                ", outside=outside_of(params))",
                ")",
            ),
            "digests not compared": (
                'if record.get("digest") != aligner.digest:',
                "if False:",
            ),
            "* a record without a size is whole": (
                'if name is None or "image_size" not in record:',
                "if name is None:",
            ),
            "* there and here swapped": (
                'there, here = record.get("params", {}), aligner.params',
                'here, there = record.get("params", {}), aligner.params',
            ),
            "* lists and tuples differ": (
                "return [_plain(item) for item in value] if isinstance(value, list | tuple) else value",
                "return value",
            ),
            "drawn faces at the template of photographs": (
                "return Aligner(device, template=_template(record, model))",
                "return Aligner(device)",
            ),
            "another way of aligning is this one": (
                "if name != aligner.name:",
                "if False:",
            ),
        },
    ),
}
