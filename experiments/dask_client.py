"""Dask client: a scheduler and its workers, on this machine or on many, all of this process's versions."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import ExitStack, suppress
from threading import Lock
from typing import Any

import typer

from anomaly_lab.errors import ConfigError, LabError
from experiments.interrupts import interrupts_blocked
from tracking.spec import versions

PATIENCE = 30
"""Seconds that a scheduler may take to answer, and its first worker to come."""
REFUSAL_SECONDS = 1
"""A worker of other versions takes as long to say so: Dask hands an idle worker one task after another."""


class OtherVersionsError(ConfigError):
    """A task was given to a worker that joined after the others were asked for their versions, and has others."""


class DaskClient:
    """A client of Dask's workers, each asked for its versions before it does anything.

    A worker of other versions that joins later is left running, for a cluster may be others' too, and given nothing
    more once it is known.

    Parameters
    ----------
    workers : int
        Number of processes on this machine where no scheduler is given.
    scheduler : str, optional
        Address of a running one, ``tcp://host:port``.

    Raises
    ------
    ConfigError
        If Dask is not installed, nothing answers, no worker comes, the scheduler has not this project, or workers have
        other versions than this process.
    """

    def __init__(self, workers: int, scheduler: str | None = None) -> None:
        self.client, self._cluster = _connect(workers, scheduler)
        self._known: set[str] = set()
        self._passed_over: set[str] = set()
        self._looking = Lock()
        with ExitStack() as unless_ready:
            unless_ready.callback(self.stop)
            _require_project(self.client)
            self._known |= self.client.nthreads().keys()
            for worker, why in _others(self.client, self._known).items():
                raise ConfigError(f"Dask's worker {worker} {why}")
            unless_ready.pop_all()

    @property
    def workers(self) -> list[str]:
        """Addresses of the workers that are given work; those that have joined are looked at first."""
        with self._looking:
            present = self.client.nthreads().keys()
            if new := present - self._known:
                self._known |= new
                for worker, why in _others(self.client, new).items():
                    self._passed_over.add(worker)
                    typer.echo(f"warning: Dask's worker {worker} joined and is passed over: it {why}", err=True)
            return [worker for worker in present if worker not in self._passed_over]

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return Dask's future of a piece of work; futures among its arguments are waited for.

        Its result is an `OtherVersionsError` if a worker took it that joined later and has other versions.
        """
        where: dict[str, Any] = {"workers": self.workers, "allow_other_workers": True} if self._passed_over else {}
        return self.client.submit(_checked, versions(), work, *arguments, pure=False, **where)

    def send(self, value: Any) -> Any:
        """Send a value to every worker once, under the digest of its content, and return Dask's future of it."""
        return self.client.scatter(value, broadcast=True, hash=True)

    def results(self, futures: Sequence[Any], what: str) -> list[Any]:
        """Wait for futures and return their results, in order; `what` says in messages what they are of.

        Raises
        ------
        LabError
            What the lab itself said on a worker, or that Dask lost its scheduler or all workers that tried.
        """
        found = []
        for future in futures:
            try:
                found.append(future.result())
            except LabError:
                raise
            except (Exception, CancelledError) as error:
                raise LabError(f"Dask could not end a job: {in_words(error, what)}") from error
        return found

    def stop(self) -> None:
        """Leave the scheduler as it was, or end the one that was started here."""
        with suppress(Exception):  # the scheduler may be gone
            self.client.close(timeout=5)
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=5)


def in_words(error: BaseException, what: str) -> str:
    """Return why Dask could not do a piece of work, and what to do; `what` says whose it was.

    Dask counts the death of a worker against everything that waited there, too.
    """
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        died = f"{error.allowed_failures + 1} workers died, one after the other, that had been given {what}"
        return f"{died}, perhaps for want of memory; give them more, or leave out what takes it"
    return str(error) or "the scheduler is gone"


def broken(error: BaseException, what: str = "a job") -> BrokenExecutor:
    """Return the error that ends a tune."""
    return BrokenExecutor(in_words(error, what))


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
    warnings.filterwarnings("ignore", "Mismatched versions", module="distributed")
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
        reason = _one_line(error) or "no answer"
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


def _require_project(client: Any) -> None:
    """Raise `ConfigError` unless the scheduler has this project: it reads what workers are to do."""
    try:
        client.run_on_scheduler(versions)
    except Exception as error:  # whatever is raised there is raised here
        raise ConfigError(
            f"Dask's scheduler must have anomaly-lab installed, as its workers must, found: {_one_line(error)}"
        ) from None


def _others(client: Any, workers: Iterable[str]) -> dict[str, str]:
    """Return which workers have not this process's Python and packages, which make the numbers, and what must be."""
    there = client.run(versions, workers=list(workers), on_error="return")
    return {
        worker: _differing(found)
        for worker, found in there.items()
        if found != versions() and not isinstance(found, OSError)  # it has just left
    }


def _checked(wanted: str, work: Callable[..., Any], *arguments: Any) -> Any:
    from distributed import get_worker

    if (found := versions()) != wanted:
        time.sleep(REFUSAL_SECONDS)
        raise OtherVersionsError(
            f"Dask's worker {get_worker().address}, which joined later, {_differing(found, wanted)}; "
            "stop it: what is finished is kept, and the same command goes on from here"
        )
    return work(*arguments)


def _differing(found: str | Exception, wanted: str | None = None) -> str:
    """Return what a worker must have, and what it has, of texts of `versions`; the first may be why there is none."""
    if isinstance(found, Exception):
        return f"must have anomaly-lab installed as it is here, found: {_one_line(found)}"
    here, there = json.loads(wanted or versions()), json.loads(found)
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    differing = ", ".join(f"{name} {here.get(name, 'absent')}, found {there.get(name, 'none of it')}" for name in names)
    return f"must have the versions of this process: {differing}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
