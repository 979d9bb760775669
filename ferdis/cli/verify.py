"""``ferdis verify``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferdis.cli.arguments import USER_ERROR, leading, long_form
from ferdis.cli.building import build_faces
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> int:
    """Verify a run or a packed run: digests, rows, folds, tables, and a sample of predictions from the weights."""
    from ferdis.datasets import load
    from ferdis.evaluation.verify import verify

    parser = parser_of("verify")
    parser.add_argument("run", type=str, help="a run folder of ferdis kfold, or a file of ferdis pack")
    parser.add_argument("--sample", type=int, default=32, help="images whose predictions are computed again")
    parser.add_argument("--faces", type=dict[str, Any], default=None, help="{name: DATASET, ...}: images of the run")
    names, options = leading(argv)
    given = parser.parse_args([*names, *long_form(options)]).as_dict()
    faces = build_faces(given["faces"]) if given["faces"] is not None else None
    found = verify(given["run"], faces=faces, load=load, sample=given["sample"])
    print(found)
    return 0 if found.ok else USER_ERROR
