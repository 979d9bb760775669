"""``ferdis export``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ferdis.cli.arguments import UsageError, leading, long_form, value_of
from ferdis.cli.building import build_faces
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Write a fitted system as an ONNX file with its preprocessing inside, and a model card."""
    names, rest = leading(argv)
    if len(names) != 1:
        raise UsageError("name one model: ferdis export MODEL --out model.onnx")
    from ferdis.run_folder import find_model

    find_model(names[0], value_of(rest, "--system"))
    from ferdis.export import command  # imports torch

    parser = parser_of("export")
    parser.add_function_arguments(command.run, skip={"model", "calibration"})
    parser.add_argument(
        "--calibration", type=dict[str, Any], default=None, help="{name: DATASET, ...}: the set it was trained on"
    )
    arguments = parser.parse_args(long_form(rest, lists=())).as_dict()
    if arguments["calibration"] is not None:
        arguments["calibration"] = build_faces(arguments["calibration"])
    print(command.run(names[0], **arguments), file=sys.stderr)
