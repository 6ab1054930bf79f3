"""Store: the folder of a lab, and the MLflow server or database behind it."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from anomaly_lab.errors import StoreError
from tracking.blank import lay_blank
from tracking.remote import advisory_lock, is_database, normalised, require_answer, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from anomaly_lab.ratings.cache import RatingCache

DEFAULT_FOLDER = Path("lab")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own words would stand between ours: a server's address after every run, a bar for every file."""
PREFIX = "lab."
"""Our tags in MLflow begin with this."""


@dataclass(frozen=True)
class Store:
    """Where a lab keeps what it remembers.

    Two databases, never one: MLflow and Optuna both own a table ``alembic_version``.

    Parameters
    ----------
    folder : Path
        Holds ``mlflow.db``, ``artifacts/``, Optuna's ``optuna.journal``, cached features, parsed tables and locks.
    tracking_uri : str, optional
        An MLflow server or database: the environment's ``MLFLOW_TRACKING_URI``, else the folder's own SQLite.
    """

    folder: Path
    tracking_uri: str

    @classmethod
    def open(cls, folder: str | Path = DEFAULT_FOLDER, *, create: bool = False) -> Store:
        """Return the store in a folder.

        Parameters
        ----------
        folder : path-like
            The lab's folder.
        create : bool
            Whether to make it, with the first thing that is written, if it does not exist.

        Raises
        ------
        StoreError
            If it is no folder, or does not exist and is not to be made.
        """
        folder = Path(folder)
        remote = os.environ.get("MLFLOW_TRACKING_URI")
        database = (folder / "mlflow.db").absolute()
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder}: --store must be a folder, found a file")
        if not create and remote is None and not database.exists():
            raise StoreError(f"{folder}: there must be a lab with runs, found none; run `anomaly-lab tune` first")
        return cls(folder, normalised(remote) if remote else f"sqlite:///{database}")

    @property
    def database(self) -> Path:
        """The folder's own database."""
        return (self.folder / "mlflow.db").absolute()

    @property
    def is_local(self) -> bool:
        """Whether MLflow's database is the folder's own."""
        return self.tracking_uri == f"sqlite:///{self.database}"

    @property
    def journal(self) -> Path:
        """Optuna's journal."""
        return self.folder / "optuna.journal"

    @property
    def feature_cache(self) -> Path:
        """Where features are kept between processes."""
        return self.folder / "cache" / "features"

    @property
    def rating_cache(self) -> RatingCache:
        """Where tables of ratings are kept once they are parsed."""
        from anomaly_lab.ratings.cache import RatingCache

        return RatingCache(self.folder / "cache" / "ratings")

    @cached_property
    def client(self) -> MlflowClient:
        """The MLflow client of this store; the first one makes the database.

        Raises
        ------
        StoreError
            If the folder cannot be written, its database is none of MLflow's, or a server or database elsewhere does
            not answer.
        """
        for setting, value in QUIET.items():
            os.environ.setdefault(setting, value)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        if not self.is_local:
            require_answer(self.tracking_uri, "MLFLOW_TRACKING_URI")

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # MLflow's own lock does not cover the making of a new database by two processes at once.
        with self.lock("database"):
            if self.is_local:
                lay_blank(self.folder / "mlflow.db")
                return _local_client(self.tracking_uri, self.folder / "mlflow.db")
            with advisory_lock(self.tracking_uri, "tables"):
                return _remote_client(self.tracking_uri)

    def analyze(self) -> None:
        """Let the lab's own database see how its tables are filled.

        Without that SQLite looks through every metric of every run where MLflow's UI sorts runs by one: seconds for
        10,000 runs. Looking at a thousand rows of each index says enough.
        """
        import sqlite3

        if not self.is_local or not self.database.exists():
            return
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            connection.execute("PRAGMA analysis_limit=1000")
            connection.execute("ANALYZE")

    def experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of an experiment, made with some tags if need be, restored if it was deleted in the UI."""
        with self.lock("experiment"):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                own = self.is_local or is_database(self.tracking_uri)  # a server says itself where artifacts go
                location = (self.folder / "artifacts").absolute().as_uri() if own else None
                return str(self.client.create_experiment(name, artifact_location=location, tags=dict(tags)))
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)

    @property
    def home(self) -> str:
        """Machine and folder: only here can a lock tell whether the writer of a run is alive."""
        return f"{platform.node()}:{self.folder.absolute()}"

    @contextmanager
    def lock(self, name: str, timeout: float = -1) -> Iterator[None]:
        """Hold a lock that the system frees when its holder dies.

        Raises
        ------
        StoreError
            If another living process holds it for longer than `timeout` seconds, or the folder cannot be written.
        """
        path = self.folder / "locks" / f"{name}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=timeout)
            lock.acquire()
        except Timeout:
            raise StoreError(f"{self.folder}: '{name}' is being written by another process") from None
        except OSError as error:
            raise StoreError(f"{self.folder}: must be a folder that can be written, found: {error.strerror}") from None
        try:
            yield
        finally:
            lock.release()

    def is_held(self, name: str) -> bool:
        """Return whether a living process holds a lock."""
        try:
            with self.lock(name, timeout=0):
                return False
        except StoreError:
            return True


def _local_client(tracking_uri: str, database: Path) -> MlflowClient:
    """Return a client of a database, with MLflow's tables made if need be."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = MlflowClient(tracking_uri)
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        raise StoreError(
            f"{database}: must be a database of this MLflow, found: {reason}; move it away or take another --store"
        ) from error
    _write_ahead(database)
    return client


def _remote_client(tracking_uri: str) -> MlflowClient:
    """Return a client of a server or a database elsewhere, with MLflow's tables made if need be."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        reason = str(error).partition("\n")[0]
        hint = "start it with --allowed-hosts and that name" if "Invalid Host" in reason else "mend it, or the address"
        raise StoreError(
            f"MLFLOW_TRACKING_URI: {shown(tracking_uri)} must let runs be read and written, found: {reason}; {hint}"
        ) from error
    return client


def _write_ahead(database: Path) -> None:
    """Let readers and one writer work at once; the setting stays in the file."""
    import sqlite3

    with sqlite3.connect(database, timeout=30) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
