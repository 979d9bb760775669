"""A study that several workers share: one storage, a common number of trials, nothing lost when a worker dies.

A worker claims a trial, and while it works a thread of its own writes the time beside the trial every
:data:`BEAT_SECONDS`. A trial whose last beat is older than :data:`GRACE_SECONDS` belonged to a worker that died:
whoever sees it first puts its arguments back into the queue. Optuna's own heartbeat
(``RDBStorage(heartbeat_interval=)``) beats inside ``study.optimize`` and into databases alone; a common number of
trials needs ``ask`` and ``tell``, and a journal file on a shared disk needs the beat as much.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError, TrialPruned, UpdateFinishedTrialError
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from ferdis import run_folder
from ferdis.messages import one_line, with_kind
from ferdis.training.seeding import derived_seed

BEAT_SECONDS = 15.0
GRACE_SECONDS = 120.0  # clocks of workers on several machines must agree better than this
RETRIES = 2  # deaths of a worker that a trial survives
LOCK_SECONDS = 60.0  # how long a worker waits for an SQLite file that another one is writing
_RECORD = "ferdis"  # attribute of a study: what decides its trials


class StorageError(OSError):
    """The storage cannot be opened, read or written; one line that names it and the way out."""


def open_storage(name: str) -> BaseStorage:
    """The storage that a name stands for.

    Parameters
    ----------
    name : ``sqlite:///sweep.db``, ``postgresql://...``, ``mysql+pymysql://...``: anything SQLAlchemy knows; or
        ``journal:FILE``, a file on a disk that all workers share, where SQLite's locks do not work.

    Raises
    ------
    StorageError, ValueError
        If it cannot be opened, or the name is no address.
    """
    with storage_errors(name):
        if name.startswith("journal:"):
            path = Path(name.removeprefix("journal:").removeprefix("//"))
            if not path.parent.is_dir():
                raise StorageError(f"{name}: there is no folder {path.parent}")
            return JournalStorage(JournalFileBackend(str(path)))
        if "://" not in name:
            raise ValueError(
                f"storage {name!r} is no address: write sqlite:///{name}, or journal:{name} on a shared disk"
            )
        engine = {"connect_args": {"timeout": LOCK_SECONDS}} if name.startswith("sqlite") else None
        try:
            return _open_database(name, engine)
        except ImportError as error:
            raise ValueError(f"{shown(name)} needs a driver: {one_line(error)}; install it with pip") from None


def _open_database(name: str, engine: dict[str, Any] | None) -> RDBStorage:
    for _ in range(5):
        try:
            return RDBStorage(name, engine_kwargs=engine)
        except (IntegrityError, OperationalError) as error:
            if isinstance(error, OperationalError) and "already exists" not in str(error):
                raise
            time.sleep(1.0)  # another worker has begun to make the tables at the same moment
    return RDBStorage(name, engine_kwargs=engine)


def shown(name: str) -> str:
    """A storage's name without the password that may stand in it."""
    try:
        return make_url(name).render_as_string(hide_password=True) if "://" in name else name
    except SQLAlchemyError:
        return name


@contextlib.contextmanager
def storage_errors(name: str) -> Iterator[None]:
    """Turn what a storage raises into one line."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        kept = "finished trials are kept, and the same command goes on"
        if "locked" in str(cause):
            raise StorageError(
                f"{shown(name)}: the database is locked: another program holds it; end that one, or give several "
                f"machines a server or --storage journal:FILE ({kept})"
            ) from None
        line = one_line(getattr(cause, "orig", None) or cause)
        raise StorageError(f"{shown(name)}: {line} ({kept})") from None


class PerTrialTPE(BaseSampler):
    """Optuna's TPE with random numbers from (seed, number of the trial).

    Workers that share a study then never draw the same, and a worker that goes on draws what it would have drawn.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tpe = self._fresh(0)

    def _fresh(self, number: int) -> TPESampler:
        seed = derived_seed(self._seed, number) % 2**32
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Start the trial's own random numbers."""
        self._tpe = self._fresh(trial.number)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """TPE's."""
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's."""
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """TPE's."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


class SharedStudy:
    """One study of a fixed number of trials, worked on by any number of processes.

    Parameters
    ----------
    storage : as :func:`open_storage` gives it.
    name : of the study, within the storage.
    record : JSON-able, what decides the trials: a study of another record is refused.
    where : the storage, for messages.
    trials : how many to finish, all workers together.
    seed : of the proposals.
    pruner : optuna's, or None.

    Raises
    ------
    ValueError
        If the study holds another sweep; the key that differs is named.
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        record: Mapping[str, Any],
        *,
        where: str,
        trials: int,
        seed: int,
        pruner: optuna.pruners.BasePruner | None = None,
    ) -> None:
        self._trials = trials
        self.study = optuna.create_study(
            storage=storage,
            sampler=PerTrialTPE(seed),
            pruner=pruner or optuna.pruners.NopPruner(),
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
        record = run_folder.plain(record)
        there = self.study.user_attrs.get(_RECORD)
        if there is None:
            self.study.set_user_attr(_RECORD, record)
        elif (
            key := run_folder.first_difference(there, record, ignored=run_folder.NON_REPRODUCIBILITY_PARAMS)
        ) is not None:
            raise ValueError(f"{where} holds another sweep under {name!r} ({key}): choose another --study or --storage")

    def claim(self) -> Trial | None:
        """A trial to work on; None if as many as are wanted are finished or in somebody's hands."""
        self._requeue_abandoned()
        held = self._select(TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return self.study.ask() if len(held) + len(self.failed()) < self._trials else None

    def finished(self) -> int:
        """Trials that have ended, by a score, by pruning, or by an error of their own."""
        return len(self.ended())

    def failed(self) -> list[FrozenTrial]:
        """Trials that ended in an error of their own, or whose worker died too often.

        Others that failed have been put back into the queue under a new number, and do not count.
        """

        def final(trial: FrozenTrial) -> bool:
            known = trial.user_attrs
            return "error" in known or (known.get("deaths", 0) >= RETRIES and "interrupted" not in known)

        return [trial for trial in self._select(TrialState.FAIL) if final(trial)]

    def scored(self) -> list[FrozenTrial]:
        """Trials that went through, in the order of their numbers."""
        return self._select(TrialState.COMPLETE)

    def work(self, trial: Trial, objective: Callable[[Trial], float]) -> None:
        """Do one claimed trial and tell the study how it ended.

        A loss that is not finite prunes it. Any other error is kept beside it; only the storage's own errors, a full
        disk and Ctrl-C end the work, and the last puts the trial back into the queue.
        """
        try:
            with _beating(trial):
                value = objective(trial)
        except UpdateFinishedTrialError:  # we were taken for dead: somebody else does it now
            return
        except TrialPruned:
            self._tell(trial, state=TrialState.PRUNED)
        except ArithmeticError as error:
            trial.set_user_attr("diverged", one_line(error))
            self._tell(trial, state=TrialState.PRUNED)
        except KeyboardInterrupt:
            trial.set_user_attr("interrupted", True)
            self._tell(trial, state=TrialState.FAIL)
            self._requeue(trial, trial.user_attrs.get("deaths", 0))
            raise
        except (StorageInternalError, SQLAlchemyError, run_folder.DiskError):
            raise
        except Exception as error:
            trial.set_user_attr("error", with_kind(error))
            self._tell(trial, state=TrialState.FAIL)
        else:
            self._tell(trial, value)

    def _tell(self, trial: Trial, value: float | None = None, state: TrialState | None = None) -> None:
        self.study.tell(trial, value, state, skip_if_finished=True)

    def _requeue(self, trial: Trial | FrozenTrial, deaths: int) -> None:
        self.study.enqueue_trial(trial.params, user_attrs={"deaths": deaths})

    def ended(self) -> list[FrozenTrial]:
        """All trials that count as finished, in the order of their numbers."""
        ended = [*self._select(TrialState.COMPLETE, TrialState.PRUNED), *self.failed()]
        return sorted(ended, key=lambda trial: trial.number)

    def _select(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)

    def _requeue_abandoned(self) -> None:
        for trial in self._select(TrialState.RUNNING):
            started = trial.datetime_start.timestamp() if trial.datetime_start else time.time()
            if time.time() - trial.user_attrs.get("beat", started) <= GRACE_SECONDS:
                continue
            try:
                self.study.tell(trial.number, state=TrialState.FAIL)
            except (ValueError, RuntimeError):  # another worker has seen it first
                continue
            deaths = trial.user_attrs.get("deaths", 0)
            if deaths < RETRIES:
                self._requeue(trial, deaths + 1)


@contextlib.contextmanager
def _beating(trial: Trial) -> Iterator[None]:
    """Write the time beside a trial, now and then, for as long as the block lasts."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            with contextlib.suppress(StorageInternalError, SQLAlchemyError, OSError, RuntimeError):  # the next may do
                trial.set_user_attr("beat", time.time())

    trial.set_user_attr("beat", time.time())
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
