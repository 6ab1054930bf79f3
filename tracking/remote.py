"""Remote: MLflow servers and databases named by ``MLFLOW_TRACKING_URI``, asked once whether they answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anomaly_lab.errors import StoreError

PATIENCE = 10
"""Seconds that a server or database may take to answer; MLflow itself tries for minutes before it says anything."""
HOW_TO_INSTALL = "pip install 'anomaly-lab[postgres]'"


def normalised(uri: str) -> str:
    """Return an address as SQLAlchemy 2 has it: ``postgres://`` is another word for ``postgresql://``."""
    return "postgresql://" + uri.removeprefix("postgres://") if uri.startswith("postgres://") else uri


def is_database(uri: str) -> bool:
    """Return whether an address is that of a database, and not of a server in front of one."""
    return uri.partition("://")[0].partition("+")[0] in {"sqlite", "postgresql", "mysql", "mssql"}


def require_answer(uri: str, setting: str) -> None:
    """Raise `StoreError` unless a server or a database answers.

    Parameters
    ----------
    uri : str
        Its address.
    setting : str
        Where the address was given: for the message.

    Raises
    ------
    StoreError
        If nothing answers, the address cannot be read, or the driver of the database is not installed.
    """
    if is_database(uri):
        _require_database(uri, setting)
    elif uri.startswith(("http://", "https://")):
        _require_server(uri, setting)


@contextmanager
def advisory_lock(uri: str, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock of a PostgreSQL database by name: all machines see it, and it goes with its holder's connection.

    Parameters
    ----------
    uri : str
        Address of the database; of any other make nothing is held.
    name : str
        Of the lock.
    waiting : callable
        Called if somebody else holds it.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    if not uri.startswith("postgresql"):
        yield
        return
    key = {"key": int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)}
    engine = create_engine(uri, poolclass=NullPool).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
            waiting()
            connection.execute(text("SELECT pg_advisory_lock(:key)"), key)
        yield


def shown(uri: str) -> str:
    """Return an address without its password."""
    from sqlalchemy import make_url

    return make_url(uri).render_as_string(hide_password=True) if is_database(uri) else uri


def _require_database(uri: str, setting: str) -> None:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        url = make_url(uri)
        patience = {"connect_timeout": PATIENCE} if url.get_backend_name() == "postgresql" else {}
        with create_engine(url, poolclass=NullPool, connect_args=patience).connect():
            pass
    except ModuleNotFoundError as error:
        raise StoreError(f"{setting}: its driver {error.name} must be installed: {HOW_TO_INSTALL}") from None
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(f"{setting} must be the address of a database, found: {_first_line(error)}") from None
    except SQLAlchemyError as error:
        reason = _first_line(error)
        raise StoreError(
            f"{setting}: the database {shown(uri)} must answer, found: {reason}; start it, or mend the address"
        ) from None


def _require_server(uri: str, setting: str) -> None:
    import requests

    try:
        requests.get(uri.rstrip("/") + "/health", timeout=PATIENCE)
    except requests.RequestException as error:
        reason = "no answer in time" if isinstance(error, requests.Timeout) else "no answer"
        raise StoreError(
            f"{setting}: the server {uri} must answer, found {reason}; start it, or mend the address"
        ) from None


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
