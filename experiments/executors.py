"""Executors: where jobs run. Workers get parameters and return results; they touch no database."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Protocol

from anomaly_lab.errors import LabError
from experiments.interrupts import interrupts_deferred
from experiments.workbench import Job, Outcome, Workbench
from experiments.worker_server import start_server


class Executor(AbstractContextManager["Executor"], Protocol):
    """Runs jobs on a workbench.

    Parameters
    ----------
    capacity : int
        How many jobs to hand over at a time while results decide what is run next; it grows where workers join.
    queue : int
        How many to hand over at a time once nothing hangs on results.
    """

    @property
    def capacity(self) -> int:
        """How many jobs to hand over while results decide what is run next."""

    @property
    def queue(self) -> int:
        """How many jobs to hand over once nothing hangs on results."""

    def submit(self, job: Job) -> Future[Outcome]:
        """Return the future outcome of a job."""

    def prepare(self, number: int) -> Future[None]:
        """Return the future of one of the workbench's feature matrices."""

    def stop(self) -> None:
        """Drop what has not finished."""


class SerialExecutor(AbstractContextManager["SerialExecutor"]):
    """Runs each job at once, in this process.

    Parameters
    ----------
    bench : Workbench
        What the jobs run on.
    """

    capacity = queue = 1  # a second job would be run before the first one's result is written

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench

    def submit(self, job: Job) -> Future[Outcome]:
        """Run a job and return its outcome as a finished future."""
        return _finished(lambda: self.bench.run(job))

    def prepare(self, number: int) -> Future[None]:
        """Compute one feature matrix."""
        return _finished(lambda: self.bench.prepare(number))

    def stop(self) -> None:
        """Nothing is ever left unfinished."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing to put away."""


class ProcessExecutor(AbstractContextManager["ProcessExecutor"]):
    """Runs jobs in processes of one numeric thread each.

    Parameters
    ----------
    bench : Workbench
        What the jobs run on; sent to every worker once.
    workers : int
        Number of processes.
    """

    def __init__(self, bench: Workbench, workers: int) -> None:
        self.capacity = 2 * workers  # as many wait in the pool, so that no worker idles while results are written
        self.queue = sys.maxsize
        self.pool = ProcessPoolExecutor(workers, start_server(), _begin_worker, (pickle.dumps(bench),))

    def submit(self, job: Job) -> Future[Outcome]:
        """Queue a job."""
        with interrupts_deferred():  # a worker that is being started is known to the pool, and ended with it
            return self.pool.submit(_run, job)

    def prepare(self, number: int) -> Future[None]:
        """Queue the computation of one feature matrix."""
        with interrupts_deferred():
            return self.pool.submit(_prepare, number)

    def stop(self) -> None:
        """Drop queued jobs and end the workers at once."""
        processes = list((self.pool._processes or {}).values())
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Wait for the workers, or end them if something went wrong."""
        if kind is not None:
            self.stop()
        self.pool.shutdown(wait=True, cancel_futures=True)


EXECUTORS = ("serial", "processes", "dask")


@contextmanager
def make_executor(
    bench: Workbench, jobs: int, executor: str | None = None, scheduler: str | None = None
) -> Iterator[Executor]:
    """Give an executor.

    Parameters
    ----------
    bench : Workbench
        What jobs run on.
    jobs : int
        Processes on this machine.
    executor : str, optional
        One of `EXECUTORS`; by default ``processes``, ``serial`` for one job, ``dask`` where a scheduler is given.
    scheduler : str, optional
        Address of a running Dask scheduler.

    Raises
    ------
    ConfigError
        If Dask cannot be used (see `experiments.dask_executor.DaskExecutor`).
    LabError
        If a worker process dies.
    """
    try:
        with _executor(bench, jobs, executor, scheduler) as chosen:
            yield chosen
    except BrokenExecutor as error:
        on_dask = executor == "dask" or scheduler is not None
        died = f"Dask could not end a job: {error}" if on_dask else "a worker process died, perhaps for want of memory"
        again = "the same command" if on_dask else "the same command with fewer --jobs"
        raise LabError(f"{died}; what is finished is kept: {again} goes on from here") from error


def _executor(bench: Workbench, jobs: int, executor: str | None, scheduler: str | None) -> Executor:
    if executor == "dask" or scheduler is not None:
        from experiments.dask_executor import DaskExecutor

        return DaskExecutor(bench, jobs, scheduler)
    if executor == "serial" or (executor is None and jobs == 1):
        return SerialExecutor(bench)
    return ProcessExecutor(bench, jobs)


def _finished(work: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(work())
    except Exception as error:  # handed on, as a pool would
        future.set_exception(error)
    return future


_bench: Workbench | None = None


def _begin_worker(pickled: bytes) -> None:
    global _bench  # noqa: PLW0603 - a worker's one state, set once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_driver, daemon=True).start()
    _bench = pickle.loads(pickled)


def _die_with_driver() -> None:
    """End this worker when its driver is killed, so that no orphan computes on."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


def _run(job: Job) -> Outcome:
    assert _bench is not None
    return _bench.run(job)


def _prepare(number: int) -> None:
    assert _bench is not None
    _bench.prepare(number)
