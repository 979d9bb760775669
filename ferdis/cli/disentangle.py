"""``ferdis disentangle``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferdis.cli.arguments import leading, long_form
from ferdis.cli.building import build_faces
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Measure what the representations of a run's systems hold of identity and expression, on unseen people."""
    from ferdis.disentanglement import report

    parser = parser_of("disentangle")
    parser.add_argument("folder", type=str, help="a run folder of ferdis kfold")
    parser.add_function_arguments(report.run, skip={"folder", "faces"})
    parser.add_argument("--faces", type=dict[str, Any], default=None, help="{name: DATASET, ...}: measure on these")
    names, options = leading(argv)
    arguments = parser.parse_args([*names, *long_form(options)]).as_dict()
    if arguments["faces"] is not None:
        arguments["faces"] = build_faces(arguments["faces"])
    report.run(**arguments)
