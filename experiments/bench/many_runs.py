"""A lab of many runs, written as rows of MLflow's own tables: recording each of them would take minutes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from anomaly_lab.evaluation.engine import FoldResult, RunResult
from anomaly_lab.evaluation.metrics import roc_auc_variance, score_metrics
from anomaly_lab.ratings import Round
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.tasks.question import Question
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import Store

DETECTORS = 12
SHARE_FAILED, SHARE_DELETED = 0.03, 0.02
VARIED = ("auc", "f1", "auc_low", "auc_high")


def make_result(rounds: list[Round]) -> RunResult:
    """Return the result of a detector that was right more often than not."""
    rng = np.random.default_rng(0)
    folds = []
    for one in rounds:
        assert one.labels is not None
        truth = one.labels.fake
        scores = truth + rng.normal(size=len(truth))
        metrics = score_metrics(truth, scores, 0.5) | {"auc_variance": roc_auc_variance(truth, scores)}
        folds.append(FoldResult(one.name, metrics, 0.5, 1.0, one.ratings.user_ids, scores, truth))
    params = {f"parameter_{number}": number / 7 for number in range(8)}
    return RunResult("bench", params, 0, tuple(folds), {"features": 0.1, "fit": 0.2, "score": 0.1})


def fill(folder: Path, n_runs: int, seed: int = 0) -> Store:
    """Return a lab with one recorded run and many that differ from it in detector, trial, time and figures.

    A few of them failed and a few are deleted, which boards do not show.

    Parameters
    ----------
    folder : Path
        Of the lab.
    n_runs : int
        How many runs the lab holds.
    seed : int
        Of the figures.
    """
    rounds = make_course(seed=0, n_rounds=2, n_users=200, n_items=80)
    question = Question.of(rounds)
    store = Store.open(folder, create=True)
    spec = RunSpec(question, "detector-0", "supervised", ("profile", "agreement"), study="bench")
    first = Recorder(store, question).record(spec, make_result(rounds), trial=0, started=time.time())
    store.client.set_terminated(first)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        _copy_run(database, first, n_runs - 1, np.random.default_rng(seed))
    return store


def _copy_run(database: sqlite3.Connection, run_id: str, n_copies: int, rng: np.random.Generator) -> None:
    """Insert copies of a run: each of its rows in four tables, and what is its own instead of the original's."""
    database.execute("create temp table copy (number integer primary key, run_uuid text, drawn real, failed, deleted)")
    drawn, failed, deleted = rng.uniform(0.5, 1.0, n_copies), rng.random(n_copies), rng.random(n_copies)
    numbers = range(1, n_copies + 1)
    rows = zip(numbers, _ids(rng, n_copies), drawn.tolist(), failed.tolist(), deleted.tolist(), strict=True)
    database.executemany("insert into copy values (?, ?, ?, ?, ?)", rows)
    changed = {
        "run_uuid": "copy.run_uuid",
        "start_time": "start_time + 1000 * number",
        "end_time": "end_time + 1000 * number",
        "status": f"iif(failed < {SHARE_FAILED}, 'FAILED', status)",
        "lifecycle_stage": f"iif(deleted < {SHARE_DELETED}, 'deleted', lifecycle_stage)",
    }
    _insert(database, "runs", run_id, changed)
    name = f"'detector-' || (number % {DETECTORS})"
    value = f"case key when 'lab.detector' then {name} when 'lab.trial' then cast(number as text) else value end"
    _insert(database, "tags", run_id, {"run_uuid": "copy.run_uuid", "value": value})
    _insert(database, "params", run_id, {"run_uuid": "copy.run_uuid"})
    figures = ", ".join(f"'{name}'" for name in VARIED)
    for table in ("metrics", "latest_metrics"):
        value = f"iif(key in ({figures}), round(drawn, 4), value)"
        _insert(database, table, run_id, {"run_uuid": "copy.run_uuid", "value": value})


def _insert(database: sqlite3.Connection, table: str, run_id: str, changed: dict[str, str]) -> None:
    columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
    values = [changed.get(column, f"{table}.{column}") for column in columns]
    database.execute(
        f"insert into {table} ({', '.join(columns)}) select {', '.join(values)} from {table}, copy "
        f"where {table}.run_uuid = ? order by number",
        (run_id,),
    )


def _ids(rng: np.random.Generator, number: int) -> Iterator[str]:
    for _ in range(number):
        yield rng.bytes(16).hex()
