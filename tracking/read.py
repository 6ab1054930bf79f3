"""Read: runs of a store as a table."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from anomaly_lab.errors import StoreError
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

SHOWN = f"tags.`{PREFIX}ranked` != 'false' and attributes.status = 'FINISHED'"
"""Runs of a board: ranked ones ('true'), and those that answered a part of the question ('partial')."""


def read_runs(stores: Sequence[Store]) -> pd.DataFrame:
    """Return every finished run of some stores: tags (without prefix), metrics and ``param.<name>`` as columns.

    Raises
    ------
    StoreError
        If there is none.
    """
    rows = [_row(run, store) for store in stores for run in shown_runs(store)]
    if not rows:
        folders = ", ".join(str(store.folder) for store in stores)
        raise StoreError(f"{folders}: there must be finished runs, found none; run `anomaly-lab tune` first")
    return pd.DataFrame(rows)


def shown_runs(store: Store) -> list[Run]:
    """Return every finished run of a store that boards show."""
    experiments = [one.experiment_id for one in store.client.search_experiments()]
    found: list[Run] = []
    token = None
    while True:
        page = store.client.search_runs(experiments, SHOWN, max_results=5000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def find_run(store: Store, run_id: str) -> Run:
    """Return a run by its id or an unambiguous beginning of it.

    Raises
    ------
    StoreError
        If no run, or more than one, fits.
    """
    fitting = [run for run in shown_runs(store) if run.info.run_id.startswith(run_id)]
    if len(fitting) != 1:
        raise StoreError(
            f"{store.folder}: --run must name one finished run, found {len(fitting)} beginning with '{run_id}'; "
            "see `anomaly-lab leaderboard`"
        )
    return fitting[0]


@contextmanager
def artifacts(store: Store, run_id: str, names: Sequence[str]) -> Iterator[Path]:
    """Give a folder with copies of some of a run's artifacts, removed when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            store.client.download_artifacts(run_id, name, folder)
        yield Path(folder)


def _row(run: Run, store: Store) -> dict[str, Any]:
    tags = {key.removeprefix(PREFIX): value for key, value in run.data.tags.items() if key.startswith(PREFIX)}
    params = {f"param.{key}": value for key, value in run.data.params.items()}
    return {
        "run_id": run.info.run_id,
        "store": str(store.folder),
        "submitted": run.info.end_time / 1000,
        **params,
        **tags,
        **run.data.metrics,
    }
