"""``ferdis reproduce``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferdis.cli.arguments import UsageError, leading, long_form
from ferdis.cli.parsers import parser_of


def run(argv: Sequence[str]) -> None:
    """Run published tables again: published and measured figures, their difference, and a verdict."""
    from ferdis.reproduce.plans import names, overview, plan

    given, options = leading(argv)
    if "--list" in options:
        print(overview())
        return
    for name in given:
        plan(name)  # one that does not exist is named before anything is imported
    from ferdis.reproduce.run import reproduce

    parser = parser_of("reproduce")
    parser.add_argument("tables", type=str, nargs="*", help="tables to run, such as ifgan-table1")
    parser.add_argument("--list", type=bool, default=False, help="list the tables: sets needed, time and hardware")
    parser.add_argument("--all", type=bool, default=False, help="run every table of which a set is given")
    parser.add_function_arguments(reproduce, skip={"tables"})
    arguments = parser.parse_args([*given, *long_form(options)]).as_dict()
    tables, _, every = (arguments.pop(name) for name in ("tables", "list", "all"))
    if every:
        tables = [name for name in names() if arguments["dry_run"] or _has_a_column(plan(name), arguments)] or names()
    if not tables:
        raise UsageError(f"name a table ({', '.join(names())}), or --all; --list says what each needs")
    reproduce(tables, **arguments)


def _has_a_column(about: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    return any(arguments.get(what["dataset"]) for what in about["columns"].values())
