"""Blank: an empty database of MLflow's, kept in the user's cache: making one runs every migration since 2019."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock


def lay_blank(database: Path) -> None:
    """Put an empty database where there is none; where no cache can be kept MLflow makes one itself.

    Parameters
    ----------
    database : Path
        The lab's database.
    """
    if database.exists():
        return
    with suppress(OSError, RuntimeError), tempfile.TemporaryDirectory(dir=database.parent, prefix=".blank-") as folder:
        copy = Path(shutil.copy(_blank(), folder))
        os.replace(copy, database)


def _blank() -> Path:
    """Return the kept database of the installed MLflow, made if need be; others wait until it is there as a whole."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anomaly-lab"
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"blank-mlflow-{version('mlflow')}.db"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                os.replace(_make(Path(folder)), kept)
    return kept


def _make(folder: Path) -> Path:
    from mlflow import MlflowClient

    made, copy = folder / "made.db", folder / "copy.db"
    MlflowClient(f"sqlite:///{made}").search_experiments(max_results=1)
    with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("delete from experiments")  # MLflow's own one names the folder it was made in
        target.commit()
    return copy
