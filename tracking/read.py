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

COMMON_PARAMS = ("detector", "families")
"""Parameters that runs of every detector have; its own hyperparameters stand beside them."""
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
    """Give a folder that holds some of a run's artifacts until the block ends: read them, change nothing.

    In the lab's own folder that is where the run's artifacts are: MLflow would copy each of them.
    """
    if store.is_local:
        yield local_folder(store.client.get_run(run_id))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            store.client.download_artifacts(run_id, name, folder)
        yield Path(folder)


def local_folder(run: Run) -> Path:
    """Return where the artifacts of a run are, in a lab whose database is its own."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(run.info.artifact_uri))


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
