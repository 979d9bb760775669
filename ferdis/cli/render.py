"""``ferdis render``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferdis.cli.arguments import UsageError, long_form
from ferdis.cli.parsers import parser_of

SETS = ("synthetic", "facekit")


def run(argv: Sequence[str]) -> None:
    """Draw people into a folder: images, and a faces.csv that `manifest` reads back."""
    from ferdis.datasets import entry
    from ferdis.datasets.rendered import write_images

    argv = long_form(argv)
    name = next((value for token in argv for option, _, value in [token.partition("=")] if option == "--name"), SETS[0])
    if name not in SETS:
        raise UsageError(f"--name {name}: choose {' or '.join(SETS)}, the sets that are drawn")
    load = entry(name).imported()
    parser = parser_of("render")
    parser.add_argument("--name", type=str, default=name, help=f"which people: {' or '.join(SETS)}")
    parser.add_argument("--out", type=str, required=True, help="folder for the images and faces.csv")
    parser.add_function_arguments(load, skip={"cache"})
    arguments = parser.parse_args(argv).as_dict()
    out, _ = arguments.pop("out"), arguments.pop("name")
    faces: Any = load(**arguments, cache=False)
    print(f"{faces} -> {write_images(faces, out)}")
