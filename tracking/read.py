"""Read: finished runs of a store, as MLflow has them or as a table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from math import inf, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from anomaly_lab.errors import StoreError
from tracking.lab_database import Asked, Shown, open_database
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

COMMON_PARAMS = ("detector", "families", "form")
"""Parameters that runs of every detector have; its own hyperparameters stand beside them."""
SHOWN = f"tags.`{PREFIX}ranked` != 'false' and attributes.status = 'FINISHED'"
"""Runs of a board: ranked ones ('true'), and those that answered a part of the question ('partial')."""
PAGE = 5000
"""Runs or experiments that MLflow is asked for at once."""


class Reader(Protocol):
    """Reads what boards show of a store's runs."""

    def asked(self) -> list[Asked]:
        """Return the questions that shown runs answered."""
        ...

    def shown(self, question: str) -> list[Shown]:
        """Return the runs that the board of a question shows, the one begun last first."""
        ...

    def best(self, question: str, metric: str, number: int, margin: float) -> list[Shown]:
        """Return a number of ranked runs with the highest values of a metric, and those less than a margin below."""
        ...

    def values(self, run_ids: Sequence[str], name: str) -> dict[str, str | float]:
        """Return a metric, or else a tag without prefix, of those runs that have it."""
        ...

    def steps(self, run_ids: Sequence[str], metric: str) -> dict[str, dict[int, float]]:
        """Return a metric's values by step, of those runs that have it."""
        ...


class ClientReader:
    """Reads by MLflow's client: of a server, or of a database that is not a lab's own.

    Parameters
    ----------
    store : Store
        What is read.
    """

    def __init__(self, store: Store) -> None:
        self._client = store.client
        self._runs = {run.info.run_id: run for run in shown_runs(store) if PREFIX + "question" in run.data.tags}

    def asked(self) -> list[Asked]:
        """Return the questions that shown runs answered."""
        of: dict[str, list[tuple[float, str]]] = {}
        for run_id, run in self._runs.items():
            of.setdefault(run.data.tags[PREFIX + "question"], []).append((run.info.end_time / 1000, run_id))
        return [(question, len(runs), *max(runs)) for question, runs in sorted(of.items())]

    def shown(self, question: str) -> list[Shown]:
        """Return the runs that the board of a question shows, the one begun last first."""
        asked = [run for run in self._runs.values() if run.data.tags[PREFIX + "question"] == question]
        return [(run.info.run_id, run.info.end_time / 1000, run.data.tags[PREFIX + "ranked"]) for run in asked]

    def best(self, question: str, metric: str, number: int, margin: float) -> list[Shown]:
        """Return a number of ranked runs with the highest values of a metric, and those less than a margin below."""
        ranked = {one[0]: one for one in self.shown(question) if one[2] == "true"}
        values = {run_id: float(value) for run_id, value in self.values([*ranked], metric).items()}
        by_value = sorted((run_id for run_id in values if not isnan(values[run_id])), key=values.__getitem__)[::-1]
        last = values[by_value[number - 1]] if len(by_value) >= number else -inf
        return [ranked[run_id] for run_id in by_value if values[run_id] > last - margin]

    def values(self, run_ids: Sequence[str], name: str) -> dict[str, str | float]:
        """Return a metric, or else a tag without prefix, of those runs that have it."""
        data = {run_id: self._runs[run_id].data for run_id in run_ids}
        tags = {run_id: one.tags[PREFIX + name] for run_id, one in data.items() if PREFIX + name in one.tags}
        return tags | {run_id: one.metrics[name] for run_id, one in data.items() if name in one.metrics}

    def steps(self, run_ids: Sequence[str], metric: str) -> dict[str, dict[int, float]]:
        """Return a metric's values by step, of those runs that have it."""
        having = self.values(run_ids, metric)
        histories = {run_id: self._client.get_metric_history(run_id, metric) for run_id in having}
        return {run_id: dict(sorted((one.step, one.value) for one in found)) for run_id, found in histories.items()}


@contextmanager
def open_reader(store: Store) -> Iterator[Reader]:
    """Give a reader of a store: of its own database where that can be, else by MLflow's client."""
    with open_database(store) as database:
        yield database or ClientReader(store)


class ShownRuns:
    """Finished runs of some stores as a table that grows by the columns that are asked for; see `open_runs`.

    Parameters
    ----------
    readers : mapping of str to Reader
        By the store's folder.
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = readers

    def asked(self) -> pd.DataFrame:
        """Return the questions: index ``question``; number of ``runs``, when the ``newest`` ended, its ``run_id``."""
        rows = [(folder, *one) for folder, reader in self._readers.items() for one in reader.asked()]
        table = pd.DataFrame(rows, columns=["store", "question", "runs", "newest", "run_id"])
        table = table.sort_values(["question", "newest", "run_id"], ascending=[True, False, True], kind="stable")
        table = table.drop_duplicates("question").set_index("question")
        if len(self._readers) > 1:  # a run may be in several
            table["runs"] = [len(self.table(question)) for question in table.index]
        return table

    def table(self, question: str) -> pd.DataFrame:
        """Return the runs of a question: ``run_id``, ``store``, ``submitted`` (seconds), ``ranked``.

        A run that is in two labs is there once.
        """
        return self._table({folder: reader.shown(question) for folder, reader in self._readers.items()})

    def best(self, question: str, metric: str, number: int, margin: float) -> pd.DataFrame:
        """Return the like for a number of ranked runs with the highest metric, and those within a margin below."""
        readers = self._readers.items()
        return self._table({folder: reader.best(question, metric, number, margin) for folder, reader in readers})

    def _table(self, shown: Mapping[str, Sequence[Shown]]) -> pd.DataFrame:
        rows: dict[str, tuple[str, str, float, str]] = {}
        for folder, runs in shown.items():
            for run_id, ended, ranked in runs:
                rows.setdefault(run_id, (run_id, folder, ended, ranked))
        return pd.DataFrame(rows.values(), columns=["run_id", "store", "submitted", "ranked"])

    def add(self, table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        """Return a table of runs with tags (without prefix) and metrics as columns; NaN where a run lacks one."""
        of = {str(folder): runs.tolist() for folder, runs in table["run_id"].groupby(table["store"])}
        columns = {}
        for name in names:
            values = {key: value for folder, ids in of.items() for key, value in self._values(folder, ids, name)}
            columns[name] = table["run_id"].map(values) if values else nan
        return table.assign(**columns)

    def steps(self, run: pd.Series, metric: str) -> dict[int, float]:
        """Return a metric's values by step of one run, a row of the table; empty if it has none."""
        return self._readers[run["store"]].steps([run["run_id"]], metric).get(run["run_id"], {})

    def _values(self, folder: str, run_ids: Sequence[str], name: str) -> ItemsView[str, str | float]:
        return self._readers[folder].values(run_ids, name).items()


@contextmanager
def open_runs(stores: Sequence[Store]) -> Iterator[ShownRuns]:
    """Give the finished runs of some stores as they are at one moment."""
    with ExitStack() as readers:
        yield ShownRuns({str(store.folder): readers.enter_context(open_reader(store)) for store in stores})


def shown_runs(store: Store) -> list[Run]:
    """Return every finished run of a store that boards show."""
    return search_all(store, SHOWN)


def search_all(store: Store, wanted: str) -> list[Run]:
    """Return every run of a store that fits a filter of MLflow's, the one begun last first."""
    experiments = [one.experiment_id for one in _pages(store.client.search_experiments)]
    return list(_pages(partial(store.client.search_runs, experiments, wanted))) if experiments else []


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """Yield what a search finds, page by page."""
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def find_run(store: Store, run_id: str) -> Run:
    """Return a run by its id or an unambiguous beginning of it.

    Raises
    ------
    StoreError
        If no run, or more than one, fits.
    """
    with open_reader(store) as reader:
        every = [found for question, *_ in reader.asked() for found, *_ in reader.shown(question)]
    fitting = [found for found in every if found.startswith(run_id)]
    if len(fitting) != 1:
        raise StoreError(
            f"{store.folder}: --run must name one finished run, found {len(fitting)} beginning with '{run_id}'; "
            "see `anomaly-lab leaderboard`"
        )
    return store.client.get_run(fitting[0])


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
