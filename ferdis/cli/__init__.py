"""`ferdis VERB`: a thin face over the functions of the library.

Every argument is read from a signature and its docstring: a data set's loader, a system's constructor, the
protocol, ``evaluate`` itself. A verb parses, calls the library, and prints what it gives back.

How the arguments of ``ferdis kfold`` are named:

- ``--dataset NAME`` chooses a data set; ``--dataset.ARGUMENT`` is an argument of its loader.
- ``--system NAME ...`` chooses one or more systems; ``--NAME.ARGUMENT`` is an argument of that system's
  constructor, ``--system.ARGUMENT`` the same argument of every chosen system that has it.
- ``--system LABEL=NAME`` runs a system under a name of its own: ``--system ifgan plain=ifgan
  --plain.attention false`` compares IF-GAN with itself without attention.
- ``--preset small`` starts from the systems' small size; arguments that are given override it.
- Where a constructor takes faces (``extra_train``), name the data set and its loader's arguments:
  ``--ifgan.extra_train '{name: ckplus, root: DIR}'``, or a list of such.
- ``--protocol NAME`` and ``--protocol.ARGUMENT`` likewise; ``--folds N`` is short for
  ``--protocol.n_splits N``, ``--jobs N`` for ``--n_jobs N``.
- ``--config FILE`` reads all of this from YAML, a run's own ``config.yaml`` among others; what stands after
  it wins. ``--print_config`` shows what would be run. A folder of a sweep's winners gives each fold its own.
- ``--gpus-per-fold`` and ``--gpus_per_fold`` are the same.

Exit status: 0; 2 for what the user can put right, in one line; 130 after Ctrl-C; 1 for anything else
(``FERDIS_DEBUG=1`` shows where).
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from typing import Any

from ferdis.cli import (
    augment,
    check,
    datasets,
    demo,
    disentangle,
    export,
    fit,
    kfold,
    models,
    pack,
    predict,
    protocols,
    render,
    report,
    reproduce,
    sweep,
    verify,
    web,
)
from ferdis.cli.arguments import USER_ERROR, UsageError, with_config, with_present_names
from ferdis.cli.help import asked, completion, help_of, overview
from ferdis.cli.known import check_line
from ferdis.cli.signatures import is_module
from ferdis.messages import LINE, closest, one_line, short

__all__ = ["BUG", "INTERRUPTED", "USER_ERROR", "VERBS", "UsageError", "main"]

BUG, INTERRUPTED = 1, 130

# A verb is one file of this package and one line here. The first line of its docstring is what `ferdis --help` says;
# what options it has is read from its source (ferdis.cli.known), so that help and a first look import nothing.
VERBS: dict[str, Callable[[Sequence[str]], Any]] = {
    "datasets": datasets.run,
    "protocols": protocols.run,
    "check": check.run,
    "render": render.run,
    "kfold": kfold.run,
    "fit": fit.run,
    "disentangle": disentangle.run,
    "sweep": sweep.run,
    "augment": augment.run,
    "report": report.run,
    "verify": verify.run,
    "pack": pack.run,
    "predict": predict.run,
    "models": models.run,
    "export": export.run,
    "web": web.run,
    "demo": demo.run,
    "reproduce": reproduce.run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ferdis` as the shell would.

    Parameters
    ----------
    argv : sequence of str, optional
        What stands after ``ferdis``; by default the process's own arguments.

    Returns
    -------
    int
        Exit status: 0, 1, 2 or 130.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview({name: _about(name) for name in VERBS}))
        return 0 if argv else USER_ERROR
    if argv[0] == "--version":
        from ferdis import __version__

        print(f"ferdis {__version__}")
        return 0
    warnings.showwarning = _one_line_warning
    try:
        verb, line = argv[0], with_present_names(argv[1:])
        if verb == "completion":
            print(completion(line, VERBS))
            return 0
        if verb not in VERBS:
            raise UsageError(f"no verb {verb!r}{closest(verb, VERBS)} (there are {', '.join(VERBS)})")
        if how := asked(line):
            print(help_of(verb, _about(verb), line, every=how == "all"))
            return 0
        # `fit` looks itself, when it has read the run that --like names; a program's own verb has no source here.
        if verb != "fit" and is_module(f"{__name__}.{verb}"):
            check_line(verb, with_config(line, tell=False))  # the verb reads the file again, and tells
        return int(VERBS[verb](line) or 0)
    except SystemExit as finished:
        return int(finished.code or 0)
    except KeyboardInterrupt:
        return _complain("interrupted; what is finished is kept, and the same command goes on from there", INTERRUPTED)
    except BrokenPipeError:  # `ferdis datasets | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ArgumentError, ArithmeticError) as error:
        return _complain(one_line(error), USER_ERROR)
    except Exception as error:
        return _complain(f"{type(error).__name__}: {one_line(error)} (FERDIS_DEBUG=1 shows where)", BUG)


def _about(verb: str) -> str:
    """What a verb does, in a sentence."""
    return (VERBS[verb].__doc__ or "").splitlines()[0]


def _complain(message: str, status: int) -> int:
    if os.environ.get("FERDIS_DEBUG") == "1":
        traceback.print_exc()
    print(f"ferdis: error: {message}", file=sys.stderr)
    return status


def _one_line_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    print(f"ferdis: warning: {short(message, LINE)}", file=sys.stderr)
