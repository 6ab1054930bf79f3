"""Dask executor: jobs on the workers of a Dask scheduler, on this machine or on many."""

from __future__ import annotations

import hashlib
import math
import os
import pickle
import sys
import time
import warnings
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from anomaly_lab.errors import LabError
from experiments.dask_client import PATIENCE, DaskClient, OtherVersionsError, broken
from experiments.workbench import Job, Outcome, Workbench

COUNT_SECONDS = 1


class DaskExecutor(AbstractContextManager["DaskExecutor"]):
    """Runs jobs on Dask's workers, of one numeric thread each.

    The workbench is sent once, under the digest of its content: a worker that joins later gets it from another, and the
    scheduler gives it anew if all that held it died. Dask runs the job of a worker that died on another one. Workers
    touch no database.

    Parameters
    ----------
    bench : Workbench
        What the jobs run on.
    workers, scheduler
        As in `experiments.dask_client.DaskClient`, whose errors it raises.
    """

    queue = sys.maxsize

    def __init__(self, bench: Workbench, workers: int, scheduler: str | None = None) -> None:
        pickled = pickle.dumps(_with_absolute_folder(bench))
        self.digest = hashlib.sha256(pickled).hexdigest()
        self._n_workers, self._counted = 0, -math.inf
        self.dask = DaskClient(workers, scheduler)
        with ExitStack() as unless_ready:
            unless_ready.callback(self.stop)
            self.data = self._send(pickled)
            unless_ready.pop_all()

    @property
    def capacity(self) -> int:
        """Twice as many jobs as there are workers now, for more may have joined.

        Raises
        ------
        BrokenExecutor
            If the scheduler is gone.
        """
        if time.monotonic() > self._counted + COUNT_SECONDS:
            try:
                self._n_workers = len(self.dask.workers)
            except Exception as error:  # the client was closed by the loss of its scheduler
                raise broken(error) from error
            self._counted = time.monotonic()
        return 2 * max(1, self._n_workers)

    def submit(self, job: Job) -> Future[Outcome]:
        """Queue a job."""
        return self._begin(_run, job, Future())

    def prepare(self, number: int) -> Future[None]:
        """Queue the computation of one feature matrix."""
        return self._begin(_prepare, number, Future())

    def stop(self) -> None:
        """Drop what has not finished; what a worker elsewhere is at runs to its end there, unheard."""
        self.dask.stop()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Leave the scheduler as it was, or end the one that was started here."""
        self.stop()

    def _send(self, pickled: bytes) -> Any:
        """Send the workbench once, as a task without work: scattered data would be lost with its last holder."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            return self.dask.client.submit(bytes, pickled, key=f"workbench-{self.digest}")

    def _begin(self, work: Any, argument: Any, future: Future[Any]) -> Future[Any]:
        try:
            there = self.dask.submit(work, self.digest, self.data, argument)
            there.add_done_callback(partial(self._hand_on, work, argument, future))
        except Exception as error:  # the client was closed by the loss of its scheduler
            future.set_exception(broken(error))
        return future

    def _hand_on(self, work: Any, argument: Any, future: Future[Any], there: Any) -> None:
        """Hand on what came of a task, or why nothing did; one that met a worker of other versions begins anew."""
        try:
            future.set_result(there.result(timeout=PATIENCE))
        except OtherVersionsError as error:
            self._begin_elsewhere(work, argument, future, error)
        except LabError as error:  # said by the lab on the worker
            future.set_exception(error)
        except (Exception, CancelledError) as error:
            future.set_exception(broken(error, _said(argument)))

    def _begin_elsewhere(self, work: Any, argument: Any, future: Future[Any], met: OtherVersionsError) -> None:
        try:
            elsewhere = self.dask.workers
        except Exception as error:  # the client was closed by the loss of its scheduler
            future.set_exception(broken(error))
            return
        if elsewhere:
            self._begin(work, argument, future)
        else:
            future.set_exception(met)


def _said(argument: Job | int) -> str:
    return f"a trial of {argument.detector}" if isinstance(argument, Job) else "the description of users"


def _with_absolute_folder(bench: Workbench) -> Workbench:
    """Return a workbench without what it has learnt, whose folder is named from the root of the file system."""
    folder = None if bench.features.folder is None else bench.features.folder.absolute()
    return Workbench(bench.question, replace(bench.features, folder=folder, _memory=OrderedDict()))


_benches: dict[str, Workbench] = {}
_one_at_a_time = Lock()


def _bench(digest: str, payload: bytes) -> Workbench:
    """Return a worker's workbench; features are kept in the lab's folder if it is seen from here, else in its own."""
    from distributed import get_worker

    if digest not in _benches:
        _benches.clear()
        bench: Workbench = pickle.loads(payload)
        folder = bench.features.folder
        if folder is not None and not os.access(folder.parent.parent, os.W_OK):
            bench.features.folder = Path(get_worker().local_directory) / "features"
        _benches[digest] = bench
    return _benches[digest]


def _run(digest: str, payload: bytes, job: Job) -> Outcome:
    from threadpoolctl import threadpool_limits

    with _one_at_a_time, threadpool_limits(1):  # a worker of several threads has one workbench
        return _bench(digest, payload).run(job)


def _prepare(digest: str, payload: bytes, number: int) -> None:
    from threadpoolctl import threadpool_limits

    with _one_at_a_time, threadpool_limits(1):
        _bench(digest, payload).prepare(number)
