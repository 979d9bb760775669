"""``ferdis pack``."""

from __future__ import annotations

from collections.abc import Sequence

from ferdis.cli.arguments import leading, long_form
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Pack a run into one file for a paper's supplement, without any image; ferdis verify reads it again."""
    from ferdis.run_folder.packing import pack

    parser = parser_of("pack")
    parser.add_argument("run", type=str, help="a run folder of ferdis kfold")
    parser.add_argument("out", type=str, help="the file, such as supplement.zip")
    parser.add_argument("--weights", type=bool, default=True, help="whether the fitted systems go in")
    names, options = leading(argv)
    given = parser.parse_args([*names, *long_form(options)])
    out = pack(given.run, given.out, weights=given.weights)
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB): ferdis verify {out}")
