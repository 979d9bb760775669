"""``ferdis report``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ferdis.cli.arguments import leading, long_form
from ferdis.cli.building import build_faces
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Turn one or several run folders into a self-contained HTML page, with its tables in LaTeX and Markdown."""
    from ferdis.datasets import load
    from ferdis.report import write_report

    parser = parser_of("report")
    parser.add_argument("runs", type=str, nargs="+", help="a run folder of ferdis kfold, or several")
    parser.add_function_arguments(write_report, skip={"runs", "faces", "load"})
    parser.add_argument("--faces", type=dict[str, Any], default=None, help="{name: DATASET, ...}: images of the runs")
    names, options = leading(argv)
    arguments = parser.parse_args([*names, *long_form(options)]).as_dict()
    if arguments["faces"] is not None:
        arguments["faces"] = build_faces(arguments["faces"])
    page = write_report(arguments.pop("runs"), load=load, **arguments)
    print(f"{page} (tables and figures beside it)")
