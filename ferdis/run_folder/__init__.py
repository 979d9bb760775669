"""The run folder: where everything about one evaluation lies, one layout for every command.

::

    RUN/
      config.yaml         the arguments, as ``ferdis kfold --config`` takes them again
      resolved.json       what they came to: data, protocol, every parameter of every system, seeds, selection rule
      audit.txt           what the audit of the folds found
      folds.csv           who is where, readable by ``ferdis.protocol.splitters.read_folds``
      environment.json    machine, versions, threads, commit, time
      rows.csv            one line per test image and system: the source of every table and figure
      history.csv         every loss term of every fold
      summary.csv .md     the table
      seal.json           the digest of each of these files
      figures/*.png
      fold-03/<system>/   weights, rows.csv, history.csv, training/ (checkpoints), done.json
      seed-1/fold-03/...  the same with several seeds

A file is written under another name and then renamed, so it is there whole or not at all. ``done.json`` is the last
file of a fold: with it the fold is finished for good, without it the fold is run (again). It holds the digests of the
others, and a file that was changed since is refused by whatever reads it (:mod:`ferdis.run_folder.seals`).
"""

from __future__ import annotations

from ferdis._io import (
    DiskError,
    digest,
    file_digest,
    is_disk_full,
    plain,
    read_json,
    replacing,
    write_bytes,
    write_csv,
    write_json,
    write_text,
    writing,
)
from ferdis.run_folder.folder import (
    NON_REPRODUCIBILITY_PARAMS,
    RunFolder,
    Task,
    first_difference,
    write_config,
    write_environment,
    write_provenance,
)
from ferdis.run_folder.machine import PACKAGES, environment, git_commit, version
from ferdis.run_folder.models import find_model
from ferdis.run_folder.reading import (
    ROW_COLUMNS,
    TEXT_COLUMNS,
    FinishedRun,
    finished_fits,
    fold_lists,
    joined_rows,
    read_config,
    read_record,
    read_rows,
    read_run,
)
from ferdis.run_folder.recipe import (
    FIT_RECORD,
    measured_recipe,
    other_recipe,
    pooled_rows,
    read_fit_record,
    recipe_parameters,
    write_fit_record,
)
from ferdis.run_folder.seals import check_rows, check_sealed, close_fit, is_sealed, read_fit, seal

__all__ = [
    "FIT_RECORD", "NON_REPRODUCIBILITY_PARAMS", "PACKAGES", "ROW_COLUMNS", "TEXT_COLUMNS", "DiskError",
    "FinishedRun", "RunFolder", "Task", "check_rows", "check_sealed", "close_fit", "digest", "environment",
    "file_digest", "find_model", "finished_fits", "first_difference", "fold_lists", "git_commit", "is_disk_full",
    "is_sealed", "joined_rows", "measured_recipe", "other_recipe", "plain", "pooled_rows", "read_config",
    "read_fit", "read_fit_record", "read_json", "read_record", "read_rows", "read_run", "recipe_parameters",
    "replacing", "seal", "version", "write_bytes", "write_config", "write_csv", "write_environment",
    "write_fit_record", "write_json", "write_provenance", "write_text", "writing",
]  # fmt: skip
