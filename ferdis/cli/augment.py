"""``ferdis augment``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ferdis.cli.arguments import UsageError, long_form, options, with_config
from ferdis.cli.building import build_estimator, without_name
from ferdis.cli.chosen import choose, spread
from ferdis.cli.parsers import add_named, add_system, parser_of


def run(argv: Sequence[str]) -> None:
    """Write a set of generated faces, with their provenance and a contact sheet, from all people of a data set."""
    from ferdis import run_folder
    from ferdis.augmentation import QualityFilter
    from ferdis.augmentation.generated_set import write_generated
    from ferdis.datasets import entry, load

    argv = with_config(argv)
    named = any(option in ("--system", "--system.name") for option, _ in options(argv))
    chosen = choose(argv if named else [*argv, "--system", "decgan"])
    if len(chosen.systems) != 1:
        raise UsageError(f"--system names {len(chosen.systems)} systems: a set is made by one")
    (label, cls), *_ = chosen.systems.items()
    parser = parser_of("augment")
    parser.add_argument("--config", type=str, help="YAML file of these arguments")
    parser.add_argument("--system", type=list[str], default=["decgan"], help="the generator: NAME or LABEL=NAME")
    parser.add_argument("--preset", type=Literal["paper", "small"], default="paper", help="its starting point")
    parser.add_argument("--filter", type=bool, default=True, help="reject faces that two judges do not accept")
    parser.add_function_arguments(write_generated, skip={"faces", "generator", "filter"})
    add_named(parser, "dataset", entry(chosen.dataset).imported(), chosen.dataset)
    add_system(parser, label, cls, chosen)
    settings = parser.parse_args(long_form(spread(argv, chosen))).as_dict()
    arguments = run_folder.plain(settings)
    faces = load(chosen.dataset, **without_name(settings["dataset"]))
    keywords = {name: settings[name] for name in ("per_class", "strategy", "seed")}
    filter = QualityFilter() if settings["filter"] else None
    made = write_generated(faces, build_estimator(cls, settings[label]), settings["out"], filter=filter, **keywords)
    run_folder.write_provenance(settings["out"], arguments)
    print(f"{made}\npictures, faces.csv, contact.png and notes.txt are in {settings['out']}")
