"""Train the weights that ship with ferdis, measure them, and write them with their cards.

Run it as ``python -m tools.train_zoo NAME --out FOLDER``; a folder other than ``ferdis/zoo`` leaves what ships alone.
Everything is trained on rendered people. Photographs, where there are any (``$FERDIS_SHARED``), are only measured on.
``--quick`` is the smallest training that shows that everything works; its card says so.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ferdis import __version__
from ferdis._io import file_digest
from tools.zoo_entries import Entry, Options, detector, expression, identity, trunks

SHIPPED = Path(__file__).resolve().parents[1] / "ferdis" / "zoo"
LICENCE = "MIT"

ENTRIES: dict[str, Callable[[Options], Entry]] = {
    "expression": expression.make,
    "resnet-small": trunks.resnet,
    "cnn-small": trunks.cnn,
    "relgan-small": trunks.relgan,
    "identity": identity.make,
    "mtcnn": detector.make,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the entries that are named; prints each card."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_zoo", description=__doc__.split("\n")[0])
    parser.add_argument(
        "names", nargs="+", choices=[*ENTRIES, "all"], metavar="NAME", help=f"{', '.join(ENTRIES)}, all"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--quick", action="store_true", help="minutes instead of hours, of no use but to try it")
    parser.add_argument("--networks", type=Path, help="networks that tools.train_recogniser --out wrote: train none")
    chosen = parser.parse_args(arguments)
    for name in ENTRIES if "all" in chosen.names else chosen.names:
        print(json.dumps(make(name, Options(chosen.out, chosen.quick, chosen.networks)), indent=1), flush=True)
    return 0


def make(name: str, options: Options) -> dict[str, Any]:
    """Make one entry in ``options.out``; returns its card."""
    started = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    entry = ENTRIES[name](options)
    card = {
        "name": name,
        "licence": LICENCE,
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "command": f"python -m tools.train_zoo {name}" + " --quick" * options.quick,
        **entry.card,
        "ferdis_version": __version__,
        "files": {
            file.relative_to(options.out).as_posix(): {"bytes": file.stat().st_size, "sha256": file_digest(file)}
            for file in sorted(entry.files)
        },
    }
    (options.out / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


if __name__ == "__main__":
    raise SystemExit(main())
