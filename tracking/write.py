"""Write: a run that has ended, into a lab's own database as one transaction, or by MLflow's client.

The client takes five requests and some fifty statements, forty times what the rows themselves take. A lab's own
database gets the same rows at once: a run is there whole or not at all.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from math import copysign, isinf, isnan
from pathlib import Path
from sys import float_info
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from tracking.artifacts import artifact_folder
from tracking.lab_database import is_known
from tracking.store import Store
from tracking.whole_run import CONTEXT, DatasetFacts, Point, WholeRun

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

PLAIN = re.compile(r"[A-Za-z_][\w.\- ]{0,249}")
"""Names that MLflow takes as they are; others are left to it to refuse."""
LONGEST = 6000
"""Characters of a value that MLflow takes as it is; longer ones are left to it to cut or refuse."""

Draw = Callable[[Path], object]
"""Writes a run's artifacts into a folder."""


def write_run(store: Store, run: WholeRun, draw: Draw | None = None) -> str:
    """Write a run and its artifacts, and return its id.

    Parameters
    ----------
    store : Store
        Where to.
    run : WholeRun
        What it left.
    draw : callable, optional
        Writes its artifacts into a folder.
    """
    if store.is_local and _is_plain(run):
        with closing(sqlite3.connect(store.database, timeout=30, isolation_level=None)) as database:
            if (location := _artifacts_of(database, run.experiment_id)) is not None:
                return _insert(database, run, location, draw)
    return _send(store, run, draw)


def log(
    store: Store,
    run_id: str,
    points: Sequence[Point],
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add values of metrics, parameters and tags to a run."""
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    store.client.log_batch(
        run_id,
        metrics=[Metric(one.key, one.value, now, one.step) for one in points],
        params=[Param(key, value) for key, value in (params or {}).items()],
        tags=[RunTag(key, value) for key, value in (tags or {}).items()],
    )


def _is_plain(run: WholeRun) -> bool:
    names = {*run.tags, *run.params, *(point.key for point in run.points)}
    values = (*run.tags.values(), *run.params.values())
    return all(map(PLAIN.fullmatch, names)) and max(map(len, values), default=0) <= LONGEST


def _artifacts_of(database: sqlite3.Connection, experiment_id: str) -> str | None:
    """Return where an experiment's artifacts are; None where MLflow must look at it."""
    if not is_known(database):
        return None
    found = database.execute(
        "select artifact_location from experiments where experiment_id = ? and lifecycle_stage = 'active'",
        (int(experiment_id),),
    ).fetchone()
    return found[0] if found and found[0].startswith("file:///") else None


def _insert(database: sqlite3.Connection, run: WholeRun, location: str, draw: Draw | None) -> str:
    run_id = uuid4().hex
    artifact_uri = f"{location}/{run_id}/artifacts"
    if draw is not None:
        folder = Path(unquote(urlsplit(artifact_uri).path))
        folder.mkdir(parents=True)
        draw(folder)
    database.execute("pragma foreign_keys = on")
    database.execute("begin immediate")
    with database:
        now = int(time.time() * 1000)
        _insert_run(database, run, run_id, artifact_uri, now)
        _insert_points(database, run.points, run_id, now)
        for one in run.datasets:
            _insert_input(database, one, run.experiment_id, run_id)
    return run_id


def _insert_run(database: sqlite3.Connection, run: WholeRun, run_id: str, artifact_uri: str, now: int) -> None:
    row = {
        "run_uuid": run_id,
        "name": run.name,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": run.tags.get("mlflow.user", "unknown"),
        "status": run.status,
        "start_time": int(run.started * 1000),
        "end_time": now,
        "source_version": "",
        "lifecycle_stage": "active",
        "artifact_uri": artifact_uri,
        "experiment_id": int(run.experiment_id),
    }
    places = ", ".join(f":{name}" for name in row)
    database.execute(f"insert into runs ({', '.join(row)}) values ({places})", row)
    tags = {**run.tags, "mlflow.runName": run.name}
    for table, values in (("tags", tags), ("params", run.params)):
        rows = [(key, value, run_id) for key, value in values.items()]
        database.executemany(f"insert into {table} (key, value, run_uuid) values (?, ?, ?)", rows)


def _insert_points(database: sqlite3.Connection, points: Sequence[Point], run_id: str, now: int) -> None:
    columns = "(key, value, timestamp, step, is_nan, run_uuid) values (?, ?, ?, ?, ?, ?)"
    rows = [(one.key, _finite(one.value), now, one.step, isnan(one.value), run_id) for one in points]
    latest = {row[0]: row for row in sorted(rows, key=lambda row: (row[3], row[1]))}
    database.executemany(f"insert or ignore into metrics {columns}", rows)
    database.executemany(f"insert into latest_metrics {columns}", latest.values())


def _finite(value: float) -> float:
    """Return how MLflow keeps a value: NaN as 0 and a mark, infinity as the largest number."""
    if isnan(value):
        return 0.0
    return copysign(float_info.max, value) if isinf(value) else value


def _insert_input(database: sqlite3.Connection, one: DatasetFacts, experiment_id: str, run_id: str) -> None:
    database.execute(
        "insert or ignore into datasets values (?, ?, ?, ?, ?, ?, null, ?)",
        (uuid4().hex, int(experiment_id), one.name, one.digest, one.source_type, one.source, one.profile),
    )
    input_id = uuid4().hex
    added = database.execute(
        "insert or ignore into inputs (input_uuid, source_type, source_id, destination_type, destination_id) "
        "select ?, 'DATASET', dataset_uuid, 'RUN', ? from datasets where experiment_id = ? and name = ? and digest = ?",
        (input_id, run_id, int(experiment_id), one.name, one.digest),
    )
    if added.rowcount:  # of two datasets alike MLflow keeps one
        database.execute("insert into input_tags values (?, ?, ?)", (input_id, CONTEXT, one.context))


def _send(store: Store, whole: WholeRun, draw: Draw | None) -> str:
    """Write by MLflow's client; whoever finds a run still RUNNING knows that its writer died."""
    client = store.client
    run = client.create_run(
        whole.experiment_id, start_time=int(whole.started * 1000), tags=dict(whole.tags), run_name=whole.name
    )
    run_id = str(run.info.run_id)
    if draw is not None:
        with artifact_folder(store, run) as folder:
            draw(folder)
    if whole.datasets:
        client.log_inputs(run_id, dataset_inputs(whole.datasets))
    log(store, run_id, whole.points, whole.params)
    client.set_terminated(run_id, status=whole.status)
    return run_id


def dataset_inputs(datasets: Sequence[DatasetFacts]) -> list[DatasetInput]:
    """Return datasets as MLflow takes them."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(one.name, one.digest, one.source_type, one.source, profile=one.profile),
            [InputTag(CONTEXT, one.context)],
        )
        for one in datasets
    ]
