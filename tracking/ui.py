"""The MLflow UI on a store, on this machine only."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anomaly_lab.errors import ConfigError, StoreError
from tracking.store import QUIET, Store
from tracking.sweep import sweep
from tracking.views import BEST

HOST = "127.0.0.1"
PATIENCE = 300.0
"""Seconds for the server to start; on busy machines it has taken more than a minute."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Parameters
    ----------
    process : Popen
        Its process.
    url : str
        Where it answers.
    best_runs : str
        Where it shows the best run of each detector on the newest question.
    """

    process: subprocess.Popen[bytes]
    url: str
    best_runs: str


@contextmanager
def serve(store: Store, port: int = 5000) -> Iterator[Server]:
    """Serve a store's runs on 127.0.0.1 until the block ends; the block begins when the server answers.

    What the server has to say goes to ``ui.log`` in the store's folder.

    Parameters
    ----------
    store : Store
        Whose runs.
    port : int
        From 1 to 65535.

    Raises
    ------
    ConfigError
        If the port is taken or cannot be used.
    StoreError
        If the store's runs are on a server already, or the server does not start.
    """
    if store.tracking_uri.startswith("http"):
        raise StoreError(f"MLFLOW_TRACKING_URI: the runs are on a server already; open {store.tracking_uri}")
    _require_free(port)
    sweep(store)
    store.analyze()
    log = store.folder / "ui.log"
    url = f"http://{HOST}:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(_command(store, port), env=_environment(), stdout=output, stderr=output)
    try:
        _await_answer(process, port, log)
        yield Server(process, url, url + _best_runs(store))
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def _command(store: Store, port: int) -> list[str]:
    artifacts = (store.folder / "artifacts").absolute().as_uri()
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", store.tracking_uri, "--default-artifact-root", artifacts),
    ]


def _environment() -> dict[str, str]:
    """Job execution, which MLflow starts eight processes for, is off: the lab needs none of it."""
    return os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _require_free(port: int) -> None:
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port must lie in [1, 65535], found {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just ended holds no port
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(f"--port {port} must be free on {HOST}: {error.strerror}; give another --port") from None


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if _is_healthy(port):
            return
        time.sleep(0.2)
    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    raise StoreError(f"MLflow's server did not start; see {log}, which ends: {said or '(nothing)'}")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)  # goes past any proxy of the environment
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _best_runs(store: Store) -> str:
    """Return the address within the UI of the best runs on the newest question."""
    experiments = [one.experiment_id for one in store.client.search_experiments()]
    newest = store.client.search_runs(experiments, max_results=1, order_by=["attributes.start_time DESC"])
    if not newest:
        return "/#/experiments?workflowType=machine_learning"
    place = f"/#/experiments/{newest[0].info.experiment_id}/runs"
    return f"{place}?workflowType=machine_learning&viewStateShareKey={BEST}"
