"""The MLflow UI on a store, on this machine only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tracking.store import Store
from tracking.sweep import sweep


def command(store: Store, port: int) -> list[str]:
    """Return the command that serves a store's runs on 127.0.0.1."""
    artifacts = (store.folder / "artifacts").absolute().as_uri()
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", store.tracking_uri, "--default-artifact-root", artifacts),
    ]


@contextmanager
def serve(store: Store, port: int = 5000) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a store's runs until the block ends.

    Job execution, which MLflow starts eight processes for, is off: the lab needs none of it.
    """
    sweep(store)
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command(store, port), env=os.environ | settings)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
