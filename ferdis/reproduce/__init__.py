"""Published tables, run again: ``ferdis reproduce ifgan-table1 --ckplus DIR``.

Each table has a plan (the paper's data, folds, methods and figures; :mod:`ferdis.reproduce.plans`) and rows
(:mod:`ferdis.reproduce.systems`). :func:`ferdis.reproduce.run.reproduce` says first what is missing, then runs the
columns whose sets are there, and prints published and measured figures with a verdict.
"""

from ferdis.reproduce.plans import missing, names, overview, plan
from ferdis.reproduce.verdict import verdict

__all__ = ["missing", "names", "overview", "plan", "verdict"]
