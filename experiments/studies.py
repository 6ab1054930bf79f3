"""Studies: where Optuna keeps them, which is the lab's journal or a PostgreSQL database that machines share."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from anomaly_lab.errors import StoreError
from experiments.journal import open_journal
from tracking.remote import advisory_lock, normalised, require_answer, shown
from tracking.store import Store

SETTING = "ANOMALY_LAB_STUDIES"
"""Environment variable with the address of the studies' database."""
HEARTBEAT_SECONDS = 5
GRACE_SECONDS = 20
"""A trial whose heart has not beaten for so long is nobody's any more."""


def open_studies(store: Store) -> BaseStorage:
    """Return Optuna's storage: the database that ``ANOMALY_LAB_STUDIES`` names, else the journal in the lab's folder.

    Raises
    ------
    StoreError
        If the journal is none, the address is not PostgreSQL's, nothing answers there, or MLflow's tables are in it.
    """
    address = os.environ.get(SETTING)
    if not address:
        return open_journal(store.journal)
    address = normalised(address)
    _require_own_database(address, store)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with advisory_lock(address, "tables"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat, which Optuna has had since 2.9
        return RDBStorage(
            address,
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
        )


def has_studies(store: Store) -> bool:
    """Return whether there is a place with studies to be read."""
    return bool(os.environ.get(SETTING)) or store.journal.exists()


@contextmanager
def one_driver(storage: BaseStorage, study: str, report: Callable[[str], None]) -> Iterator[None]:
    """Keep other drivers, on whatever machine, from a study in a shared database.

    The lock is the database's own and goes with its holder's connection. A holder that lost its connection and
    computes on still has a heartbeat: its trials are waited for. Of a journal the lock of the lab's folder is enough.

    Parameters
    ----------
    storage : BaseStorage
        From `open_studies`.
    study : str
        Name of the study.
    report : callable
        Called with a line if there is something to wait for.
    """
    if not isinstance(storage, RDBStorage):
        yield
        return
    with advisory_lock(
        storage.url, study, lambda: report(f"waiting for another tune of '{study}' in {shown(storage.url)}")
    ):
        _await_silence(storage, study, report)
        yield


@contextmanager
def heartbeats(storage: BaseStorage, studies: Sequence[optuna.Study]) -> Iterator[None]:
    """Record while the block runs that running trials of some studies are being worked on; nothing for a journal."""
    if not isinstance(storage, RDBStorage):
        yield
        return
    over = Event()

    def beat() -> None:
        while True:
            try:
                for study in studies:
                    for trial in _running(storage, study._study_id):
                        storage.record_heartbeat(trial)
            except (SQLAlchemyError, StorageInternalError):
                pass  # whoever tells a trial meets it too, and says so
            if over.wait(HEARTBEAT_SECONDS):
                return

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what a database of studies raises when it goes away into one line.

    Raises
    ------
    StoreError
        If it does.
    """
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(getattr(error.__cause__ or error, "orig", None) or error).strip().partition("\n")[0]
        raise StoreError(
            f"a database must answer until a tune has ended, found: {reason}; what is finished is kept: "
            "start it, and the same command goes on from here"
        ) from error


def _await_silence(storage: RDBStorage, study: str, report: Callable[[str], None]) -> None:
    """Wait until no trial of a study has a heartbeat."""
    numbers = {one.study_name: one._study_id for one in storage.get_all_studies()}
    if study not in numbers:
        return
    alive = _running(storage, numbers[study]) - set(storage._get_stale_trial_ids(numbers[study]))
    if alive:
        report(f"waiting up to {GRACE_SECONDS} s to see that the last driver of '{study}' has died")
    for trial in alive:
        storage.record_heartbeat(trial)  # one asked a moment before its driver died has none
    while alive:
        time.sleep(1)
        alive &= _running(storage, numbers[study]) - set(storage._get_stale_trial_ids(numbers[study]))


def _running(storage: RDBStorage, study_id: int) -> set[int]:
    return {one._trial_id for one in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))}


def _require_own_database(address: str, store: Store) -> None:
    """Raise `StoreError` unless an address is that of a PostgreSQL database without MLflow's tables.

    MLflow and Optuna both own a table ``alembic_version``, and each takes the other's for its own.
    """
    require_answer(address, SETTING)
    url = make_url(address)
    if url.get_backend_name() != "postgresql":
        raise StoreError(f"{SETTING} must be the address of a PostgreSQL database, found {shown(address)}")
    engine = create_engine(url, poolclass=NullPool)
    if normalised(store.tracking_uri) == address or inspect(engine).has_table("experiments"):
        raise StoreError(
            f"{SETTING} must name another database than MLflow's, found {shown(address)}; make one: createdb studies"
        )
