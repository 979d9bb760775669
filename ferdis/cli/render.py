"""``ferdis render``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import long_form
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Draw synthetic people into a folder: images, and a faces.csv that `manifest` reads back."""
    from ferdis.datasets.synthetic.dataset import load_synthetic, write_images

    parser = parser_of("render", run)
    parser.add_argument("--out", type=str, required=True, help="folder for the images and faces.csv")
    parser.add_function_arguments(load_synthetic, skip={"cache"})
    arguments = parser.parse_args(long_form(argv)).as_dict()
    out = arguments.pop("out")
    faces = load_synthetic(**arguments, cache=False)
    print(f"{faces} -> {write_images(faces, out)}")
