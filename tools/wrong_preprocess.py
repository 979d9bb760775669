"""Wrong programs in what finds, reads, aligns and keeps images: a part of ``tools/wrong_programs.py``, in its form."""

from __future__ import annotations

from tools.wrong_form import Programs

MTCNN = "tests/preprocess/test_mtcnn.py"
SEARCHES = "tests/preprocess/test_searches.py"
IMAGES = "tests/preprocess/test_images.py"
PIPELINE = "tests/preprocess/test_pipeline.py"
CROPS = "tests/preprocess/test_cache.py"
STORE = "tests/preprocess/test_image_store.py"
DAMAGE = "tests/preprocess/test_damage.py"

PREPROCESS: Programs = {
    "ferdis/preprocess/mtcnn.py": (
        (MTCNN, SEARCHES),
        {
            "the pyramid shrinks faster": (
                "FACTOR = 0.709",
                "FACTOR = 0.6",
            ),
            "one threshold for all networks": (
                "THRESHOLDS = (0.6, 0.7, 0.7)",
                "THRESHOLDS = (0.6, 0.7, 0.6)",
            ),
            "black outside the image": (
                "total + GREY * outside[..., None]",
                "total",
            ),
            "x and y of a point exchanged": (
                " 2, 5).swapaxes(1,",
                " 5,",
            ),
            "points by the moved box": (
                "points = side * points + corner - 1\n    boxes = _moved(boxes, moves)",
                (
                    "boxes = _moved(boxes, moves)\n"
                    "    corner, side = boxes[:, None, :2], boxes[:, None, 2:4] - boxes[:, None, :2] + 1\n"
                    "    points = side * points + corner - 1"
                ),
            ),
            "points a pixel off": (
                "points + corner - 1",
                "points + corner",
            ),
            "a box inside another stays": (
                "_suppressed_inside(boxes,",
                "_suppressed(boxes,",
            ),
            "least sure first": (
                (
                    '-boxes[:, 4], kind="stable"), []\n'
                    "    while len(rest):\n"
                    "        first, rest = rest[0], rest[1:]\n"
                    "        kept.append(first)\n        low, high = np.maximum(corners"
                ),
                (
                    'boxes[:, 4], kind="stable"), []\n'
                    "    while len(rest):\n"
                    "        first, rest = rest[0], rest[1:]\n"
                    "        kept.append(first)\n        low, high = np.maximum(corners"
                ),
            ),
            "squares of the shorter side": (
                "= side.max(1, keepdims",
                "= side.min(1, keepdims",
            ),
            "squares about the corner": (
                " + side * np.float32(0.5) - longer * np.float32(0.5)",
                "",
            ),
            "levels suppressed by one offset": (
                "(2 * max(table.height, table.width))",
                "0",
            ),
            "a level's part of the sheet a column off": (
                "2, level.left // 2",
                "2, level.left // 2 + 1",
            ),
            "averages of whole steps": (
                "- (-(steps + 1) * length // count)",
                "+ (steps + 1) * length // count",
            ),
            "sums of the first channel": (
                "cumsum(image, axis=0, dtype",
                "cumsum(image[..., :1], axis=0, dtype",
            ),
            "scaled by 127.5": (
                "np.float32(1 / 128)",
                "np.float32(1 / 127.5)",
            ),
            "moves of the second network lost": (
                "_moved(boxes[kept], moves[kept])",
                "boxes[kept]",
            ),
            "moves in another order": (
                "kept], moves[kept]))",
                "kept], moves[: len(kept)]))",
            ),
            "first network's moves as pixels": (
                "np.tile(side, 2) * boxes",
                "boxes",
            ),
            "smallest face ignored": (
                "_CELL / min_face, 0, 0",
                "_CELL / 20, 0, 0",
            ),
            "candidates outside stay": (
                "seen], pixels[seen",
                "seen | True], pixels[seen | True",
            ),
            "side without its last pixel": (
                "2] + 1\n    return np",
                "2]\n    return np",
            ),
        },
    ),
    "ferdis/preprocess/images.py": (
        (IMAGES,),
        {
            "16 bit clipped": (
                "rint(np.asarray(image, np.float64) / _SIXTEEN_BIT_STEP",
                "clip(np.asarray(image), 0, 255",
            ),
            "16 bit cut off": (
                "np.rint(np.asarray(image, np.float64) / _SIXTEEN_BIT_STEP",
                "(np.asarray(image) // 257",
            ),
            "transparency over black": (
                "(*_WHITE, 255)",
                "(0, 0, 0, 255)",
            ),
            "pictures lie as they are stored": (
                "ImageOps.exif_transpose(image, in_place=True)",
                "pass",
            ),
            "height and width exchanged": (
                "resize((width, height), Image",
                "resize((height, width), Image",
            ),
            "nearest pixels": (
                "Resampling.BILINEAR",
                "Resampling.NEAREST",
            ),
            "size as width and height": (
                "height, image.width",
                "width, image.height",
            ),
            "a side of 0": (
                "if not 1 <= side <",
                "if not 0 <= side <",
            ),
            "True is a side": (
                "and not isinstance(side, bool)",
                "",
            ),
            "every format of Pillow": (
                "file, formats=FORMATS",
                "file",
            ),
            "any size of image": (
                "image.width * image.height > MAX_PIXELS",
                "False",
            ),
            "32 bit as it comes": (
                'mode in ("I", "F") and',
                'mode == "I" and',
            ),
        },
    ),
    "ferdis/preprocess/pipeline.py": (
        (PIPELINE, CROPS),
        {
            "rows of dropped images stay": (
                "table.iloc[kept].reset_index",
                "table.iloc[: len(kept)].reset_index",
            ),
            "what was skipped is what stayed": (
                ".drop(index=kept).tolist",
                ".iloc[kept].tolist",
            ),
            "crops in the order of the files": (
                "files[row]] for row in kept",
                "file] for file in sorted(sources) if file not in problems",
            ),
            "faces found counted from those not found": (
                'table.loc[~table["detected',
                'table.loc[table["detected',
            ),
            "aligned whatever was done": (
                'name if "detected" in table else "no"',
                "name",
            ),
            "errors are skipped always": (
                '(errors == "raise" or not kept)',
                "not kept",
            ),
            "one error for many": (
                "len(problems) == 1",
                "problems",
            ),
            "missing files as unreadable": (
                "FileNotFoundError if",
                "None if",
            ),
            "the corner of a picture": (
                "centre_crop(read_image(self.files[row])",
                "read_image(self.files[row]",
            ),
            "a folder of its own is ignored": (
                "isinstance(cache, bool) else",
                "isinstance(cache, (bool, str)) else",
            ),
            "decoded when there is nothing to skip": (
                'decode=errors == "skip")',
                "decode=False)",
            ),
            "all made again": (
                " - set(self.notes)",
                "",
            ),
            "held in memory though stored": (
                " if not stored:\n  ",
                " if stored:\n  ",
            ),
            "probabilities of other rows": (
                "found.probability)",
                "found.probability[::-1])",
            ),
        },
    ),
    "ferdis/preprocess/cache.py": (
        (CROPS, PIPELINE),
        {
            "a changed file keeps its crop": (
                "bytes, self.mtime_ns",
                "bytes",
            ),
            "a file of another length keeps its crop": (
                "bytes, self.mtime_ns",
                "mtime_ns",
            ),
            "files of one name share a crop": (
                "key_of(self.path, self",
                "key_of(os.path.basename(self.path), self",
            ),
            "preprocessings share a store": (
                "preprocessor.name, **about}",
                "preprocessor.name}",
            ),
            "landmarks before the box": (
                "boxes[row], *detections.landmarks[row].ravel()",
                "landmarks[row].ravel(), *detections.boxes[row]",
            ),
            "everything was found": (
                "~np.isnan(values[:, 0]",
                "np.ones(len(values), bool",
            ),
            "notes of the first row": (
                "detections, k) for k in",
                "detections, 0) for k in",
            ),
            "a changed image is cropped anew": (
                "Source.of(source.path) != source",
                "False",
            ),
            "problems of other rows": (
                "   problems[row] =",
                "   problems[len(chunk)] =",
            ),
            "any number of pixels at once": (
                "or sum(image.size for image in chunk.values()) > 3 * _CHUNK_PIXELS",
                "",
            ),
        },
    ),
    "ferdis/preprocess/image_store.py": (
        (STORE, CROPS, DAMAGE),
        {
            "keys of parts run together": (
                'content = b"\\0".join(',
                'content = b"".join(',
            ),
            "what makes an image does not name its store": (
                " digest(self.about,",
                ' digest({"size": size},',
            ),
            "pixels are not checked": (
                "            and pixels_crc == self._pixels_crc(key, data)\n",
                "",
            ),
            "notes are not checked": (
                "crc == self._note_crc(key, place, note, pixels_crc):",
                "True:",
            ),
            "files of another store pass": (
                "zlib.crc32(identity.encode())",
                "0",
            ),
            "the newest make room": (
                "ORDER BY place LIMIT ?",
                "ORDER BY place DESC LIMIT ?",
            ),
            "no bound": (
                "over <= 0:\n       ",
                "over <= 10**18:\n       ",
            ),
            "images in the order of their keys": (
                "return images[back]",
                "return images",
            ),
            "held images in the order of their keys": (
                "held[self.which[rows]]",
                "held[np.unique(self.which[rows])]",
            ),
            "what was made is not kept": (
                "self.store.keep([self.keys[number] for number in some], made.images, made.notes)",
                "pass",
            ),
            "a damaged image as it is": (
                "flatnonzero(state != INTACT)",
                "flatnonzero(state == ABSENT)",
            ),
            "a copy of what is in memory": (
                '{**self.__dict__, "_read": None}',
                "dict(self.__dict__)",
            ),
            "gigabytes of 2**30": (
                "float(given) * 1e9",
                "float(given) * 2**30",
            ),
            "infinite stores": (
                "< most < math.inf:",
                "< most:",
            ),
            "old pixels stay": (
                (
                    '            connection.execute("DELETE FROM pixels WHERE place = (SELECT place'
                    ' FROM rows WHERE key = ?)", [key])\n'
                ),
                "",
            ),
            "only what stands before the damage": (
                'in ("ASC", "DESC"):',
                'in ("ASC",):',
            ),
        },
    ),
}
