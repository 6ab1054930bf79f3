"""The process that workers are forked from: it imports once what all of them need."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

from experiments.interrupts import interrupts_blocked

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
IMPORTS = ["experiments.workbench", "sklearn.ensemble", "imblearn.pipeline", "anomaly_lab.features.kernels"]


def start_server() -> BaseContext:
    """Start the server if it does not run yet, without waiting for its imports, and return how workers are started.

    A fork would share the driver's database connections; a server that has imported the engine once is as quick. It is
    started with Ctrl-C blocked, and its workers inherit that: Ctrl-C is the driver's to handle. Every process has one
    numeric thread, for there are as many as cores.
    """
    for name in THREAD_SETTINGS:
        os.environ.setdefault(name, "1")
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    with interrupts_blocked():
        forkserver.ensure_running()
    return context
