"""Lab database: a lab's own SQLite file, read without MLflow, which takes seconds to import and a millisecond a run.

What is read here is what MLflow's client would say. A file of another schema than these queries were written for is
left to that client.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from math import inf, nan
from pathlib import Path

from tracking.store import PREFIX, Store

SCHEMAS = frozenset({"dc11669786a5"})
"""Versions of MLflow's tables, as `alembic_version` has them, that these queries are known to read."""

Asked = tuple[str, int, float, str]
"""A question: its fingerprint, the number of its runs, when the newest ended (seconds), and that run's id."""
Shown = tuple[str, float, str]
"""A run of a board: its id, when it ended (seconds), and its tag ``ranked``."""

# A cross join keeps its order: without statistics SQLite may begin at the tags, of which there are ten times as many.
_JOINED = f"""
    cross join experiments using (experiment_id)
    cross join tags as ranked on ranked.run_uuid = runs.run_uuid and ranked.key = '{PREFIX}ranked'
    cross join tags as question on question.run_uuid = runs.run_uuid and question.key = '{PREFIX}question'
    where runs.status = 'FINISHED' and ranked.value != 'false'
        and runs.lifecycle_stage = 'active' and experiments.lifecycle_stage = 'active'
"""
_ASKED = f"""
    select question.value, count(*), max(end_time) / 1000.0, substr(max(end_time || runs.run_uuid), -32)
    from runs {_JOINED} group by question.value
"""
_SHOWN = f"""
    select runs.run_uuid, runs.end_time / 1000.0, ranked.value from runs {_JOINED}
        and question.value = ? order by runs.start_time desc, runs.run_uuid
"""
# The limit keeps the inner query apart: it is sorted once, and runs are looked up for as long as rows are taken.
_BEST = f"""
    select runs.run_uuid, runs.end_time / 1000.0, ranked.value, figure.value
    from (select run_uuid, value from latest_metrics where key = ? and not is_nan order by value desc limit -1) figure
    cross join runs using (run_uuid) {_JOINED}
        and question.value = ? and ranked.value = 'true'
"""
_TAG = """
    select run_uuid, tags.value
    from json_each(?) as wanted cross join tags on run_uuid = wanted.value and tags.key = ?
"""
_METRIC = """
    select run_uuid, metric.value, is_nan
    from json_each(?) as wanted cross join latest_metrics as metric on run_uuid = wanted.value and metric.key = ?
"""
_STEPS = """
    select run_uuid, step, metrics.value, is_nan
    from json_each(?) as wanted cross join metrics on run_uuid = wanted.value and metrics.key = ?
    order by run_uuid, step, metrics.value
"""
_RUNNING = """
    select runs.run_uuid, coalesce(study.value, '')
    from runs
    cross join experiments using (experiment_id)
    cross join tags as home on home.run_uuid = runs.run_uuid and home.key = ? and home.value = ?
    left join tags as study on study.run_uuid = runs.run_uuid and study.key = ?
    where runs.status = 'RUNNING' and runs.lifecycle_stage = 'active' and experiments.lifecycle_stage = 'active'
"""


class LabDatabase:
    """Reads one state of a lab's database; see `open_database`.

    Parameters
    ----------
    connection : Connection
        In a transaction that reads.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def asked(self) -> list[Asked]:
        """Return the questions that shown runs answered."""
        return self._connection.execute(_ASKED).fetchall()

    def shown(self, question: str) -> list[Shown]:
        """Return the runs that the board of a question shows, the one begun last first."""
        return self._connection.execute(_SHOWN, (question,)).fetchall()

    def best(self, question: str, metric: str, number: int, margin: float) -> list[Shown]:
        """Return a number of ranked runs with the highest values of a metric, and those less than a margin below."""
        found: list[Shown] = []
        last = -inf
        for *run, value in self._connection.execute(_BEST, (metric, question)):
            if value <= last - margin:
                break
            found.append(tuple(run))
            if len(found) == number:
                last = value
        return found

    def values(self, run_ids: Sequence[str], name: str) -> dict[str, str | float]:
        """Return a metric, or else a tag without prefix, of those runs that have it."""
        wanted = json.dumps(list(run_ids))
        found: dict[str, str | float] = {}
        if self._has("tags", PREFIX + name):
            found.update(self._connection.execute(_TAG, (wanted, PREFIX + name)).fetchall())
        if self._has("latest_metrics", name):
            rows = self._connection.execute(_METRIC, (wanted, name)).fetchall()
            found.update((run_id, nan if is_nan else value) for run_id, value, is_nan in rows)
        return found

    def _has(self, table: str, key: str) -> bool:
        """Return whether any run has a tag or metric."""
        return self._connection.execute(f"select 1 from {table} where key = ? limit 1", (key,)).fetchone() is not None

    def steps(self, run_ids: Sequence[str], metric: str) -> dict[str, dict[int, float]]:
        """Return a metric's values by step, of those runs that have it."""
        found: dict[str, dict[int, float]] = {}
        for run_id, step, value, is_nan in self._connection.execute(_STEPS, (json.dumps(list(run_ids)), metric)):
            found.setdefault(run_id, {})[step] = nan if is_nan else value
        return found

    def running(self, home: str) -> list[tuple[str, str]]:
        """Return runs that were begun in a home and not ended, each with its study."""
        names = (PREFIX + "home", home, PREFIX + "study")
        return self._connection.execute(_RUNNING, names).fetchall()


@contextmanager
def open_database(store: Store) -> Iterator[LabDatabase | None]:
    """Give the database of a store for reading; None if it is not a lab's own, or of a schema that is not known."""
    if not store.is_local or not store.database.exists():
        yield None
        return
    with closing(_connect(store.database)) as connection:
        yield LabDatabase(connection) if is_known(connection) else None


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30, isolation_level=None)
    connection.execute("pragma mmap_size = 1073741824")  # pages are read in place: half the time
    connection.execute("begin")
    return connection


def is_known(connection: sqlite3.Connection) -> bool:
    """Return whether a database has a schema of `SCHEMAS`."""
    try:
        return {version for (version,) in connection.execute("select version_num from alembic_version")} <= SCHEMAS
    except sqlite3.DatabaseError:  # whoever opens it by MLflow is told what is wrong
        return False
