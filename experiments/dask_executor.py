"""Dask executor: jobs on the workers of a Dask scheduler, on this machine or on many."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import pickle
import sys
import time
import warnings
from collections import OrderedDict
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from anomaly_lab.errors import ConfigError, LabError
from experiments.interrupts import interrupts_blocked
from experiments.workbench import Job, Outcome, Workbench
from tracking.spec import versions

COUNT_SECONDS = 1
PATIENCE = 30
"""Seconds that a scheduler may take to answer, and its first worker to come."""


class DaskExecutor(AbstractContextManager["DaskExecutor"]):
    """Runs jobs on Dask's workers, of one numeric thread each.

    The workbench is sent once, under the digest of its content: a worker that joins later gets it from another, and the
    scheduler gives it anew if all that held it died. Dask runs the job of a worker that died on another one. Workers
    touch no database.

    Parameters
    ----------
    bench : Workbench
        What the jobs run on.
    workers : int
        Number of processes on this machine where no scheduler is given.
    scheduler : str, optional
        Address of a running one, ``tcp://host:port``.

    Raises
    ------
    ConfigError
        If Dask is not installed, nothing answers, no worker comes, or workers have other versions than this process.
    """

    queue = sys.maxsize

    def __init__(self, bench: Workbench, workers: int, scheduler: str | None = None) -> None:
        self.client, self.cluster = _connect(workers, scheduler)
        try:
            _require_same_versions(self.client)
            pickled = pickle.dumps(_with_absolute_folder(bench))
            self.digest = hashlib.sha256(pickled).hexdigest()
            self.data = self._send(pickled)
            self._n_workers, self._counted = 0, -math.inf
        except BaseException:
            self.stop()
            raise

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
                self._n_workers = len(self.client.nthreads())
            except Exception as error:  # the client was closed by the loss of its scheduler
                raise _broken(error) from error
            self._counted = time.monotonic()
        return 2 * max(1, self._n_workers)

    def submit(self, job: Job) -> Future[Outcome]:
        """Queue a job."""
        return self._begin(_run, job)

    def prepare(self, number: int) -> Future[None]:
        """Queue the computation of one feature matrix."""
        return self._begin(_prepare, number)

    def stop(self) -> None:
        """Drop what has not finished; what a worker elsewhere is at runs to its end there, unheard."""
        with suppress(Exception):  # the scheduler may be gone
            self.client.close(timeout=5)
        if self.cluster is not None:
            with suppress(Exception):
                self.cluster.close(timeout=5)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Leave the scheduler as it was, or end the one that was started here."""
        self.stop()

    def _send(self, pickled: bytes) -> Any:
        """Send the workbench once, as a task without work: scattered data would be lost with its last holder."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            return self.client.submit(bytes, pickled, key=f"workbench-{self.digest}")

    def _begin(self, work: Any, argument: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            there = self.client.submit(work, self.digest, self.data, versions(), argument, pure=False)
            there.add_done_callback(partial(_hand_on, future, _said(argument)))
        except Exception as error:  # the client was closed by the loss of its scheduler
            future.set_exception(_broken(error))
        return future


def _said(argument: Job | int) -> str:
    return argument.detector if isinstance(argument, Job) else "describing users"


def _hand_on(future: Future[Any], what: str, there: Any) -> None:
    """Hand on what came of a task, or why nothing did."""
    from distributed import KilledWorker

    try:
        future.set_result(there.result(timeout=PATIENCE))
    except LabError as error:  # said by the lab on the worker
        future.set_exception(error)
    except KilledWorker as error:
        ended = f"{error.allowed_failures + 1} workers, one after the other, died of {what}"
        future.set_exception(BrokenExecutor(f"{ended}, perhaps for want of memory; give them more or leave it out"))
    except (Exception, CancelledError) as error:
        future.set_exception(_broken(error))


def _connect(workers: int, scheduler: str | None) -> tuple[Any, Any]:
    """Return a client, and the cluster behind it if it was started here."""
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--executor dask needs {error.name}, which is not installed: pip install 'anomaly-lab[dask]'"
        ) from None
    for name in ("distributed", "distributed.client", "tornado.application"):  # this command says it in one line
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if scheduler is None:
        with interrupts_blocked():  # Ctrl-C is the driver's to handle
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=None,  # like other processes, they may take what there is
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
        return Client(cluster, set_as_default=False), cluster
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = " ".join(str(error).split()) or "no answer"
        raise ConfigError(
            f"--scheduler must be the address of a running Dask scheduler, tcp://host:port, found {scheduler}: {reason}"
        ) from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise ConfigError(
            f"--scheduler {scheduler} must have a worker, found none in {PATIENCE} s; "
            f"start one: dask worker {scheduler} --nworkers auto --nthreads 1"
        ) from None
    return client, None


def _require_same_versions(client: Any) -> None:
    """Raise `ConfigError` unless every worker has this process's Python and packages: they make the numbers."""
    here = versions()
    try:
        there = client.run(versions)
    except Exception as error:  # whatever a worker raises is raised here
        client.close()
        raise ConfigError(f"Dask's workers must have anomaly-lab installed as it is here, found: {error}") from None
    for worker, found in there.items():
        if found != here:
            client.close()
            raise ConfigError(
                f"Dask's worker {worker} must have the versions of this process: {_differing(here, found)}"
            )


def _require_versions(wanted: str) -> None:
    """Raise `ConfigError` on a worker that joined after the others were asked for their versions, and has others."""
    from distributed import get_worker

    if (found := versions()) != wanted:
        raise ConfigError(
            f"Dask's worker {get_worker().address}, which joined later, must have the versions of this process: "
            f"{_differing(wanted, found)}; stop it: what is finished is kept, and the same command goes on from here"
        )


def _differing(wanted: str, found: str) -> str:
    """Return the packages whose versions differ, of two texts of `versions`."""
    here, there = json.loads(wanted), json.loads(found)
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return ", ".join(f"{name} {here.get(name, 'absent')}, found {there.get(name, 'none')}" for name in names)


def _with_absolute_folder(bench: Workbench) -> Workbench:
    """Return a workbench without what it has learnt, whose folder is named from the root of the file system."""
    folder = None if bench.features.folder is None else bench.features.folder.absolute()
    return Workbench(bench.question, replace(bench.features, folder=folder, _memory=OrderedDict()))


def _broken(error: BaseException | None) -> BrokenExecutor:
    return BrokenExecutor(str(error) or "the scheduler is gone")


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


def _run(digest: str, payload: bytes, wanted: str, job: Job) -> Outcome:
    from threadpoolctl import threadpool_limits

    _require_versions(wanted)
    with _one_at_a_time, threadpool_limits(1):  # a worker of several threads has one workbench
        return _bench(digest, payload).run(job)


def _prepare(digest: str, payload: bytes, wanted: str, number: int) -> None:
    from threadpoolctl import threadpool_limits

    _require_versions(wanted)
    with _one_at_a_time, threadpool_limits(1):
        _bench(digest, payload).prepare(number)
