"""Optuna's journal file, safe to be killed at any moment."""

from __future__ import annotations

from pathlib import Path

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from anomaly_lab.errors import StoreError


class _SystemLock(BaseJournalFileLock):
    """A lock the system frees when its holder dies; Optuna's own is a file that outlives a killed process by 30 s."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        _drop_torn_line(self._journal)
        return True

    def release(self) -> None:
        self._lock.release()


def _drop_torn_line(journal: Path) -> None:
    """Cut off a last line whose writer was killed; appended to, it would make the whole journal unreadable."""
    if not journal.exists() or journal.stat().st_size == 0:
        return
    with journal.open("rb+") as file:
        file.seek(-1, 2)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        whole = file.read()
        file.truncate(whole.rfind(b"\n") + 1)


def open_journal(path: Path) -> JournalStorage:
    """Return Optuna's storage on a journal file, made if need be.

    Raises
    ------
    StoreError
        If the file holds something else.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lock = _SystemLock(path)
    with FileLock(f"{path}.lock"):
        _drop_torn_line(path)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: must be Optuna's journal, found: {error}; move it away, finished trials are read back from MLflow"
        ) from error
