"""What share of a tune's CPU do tracking and plots take? The command `tune` at its defaults, on the embedded course.

Every call that the driver makes to write runs and to draw plots is timed, in CPU seconds, and held against those of the
driver and its workers together. What MLflow and matplotlib take to be imported counts where they are first called.

    python experiments/bench/full_share.py [--trials 4] [--jobs 2]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

from experiments.bench.bench_tune import SUBREAPER, spend
from experiments.bench.common import machine

CHILD = "tune"


class Share:
    """CPU seconds spent in some functions, those that one of them calls counted with it."""

    def __init__(self) -> None:
        self.seconds = {"tracking": 0.0, "plots": 0.0}
        self._within = False

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is timed as part of something."""

        @wraps(work)
        def run(*given: Any, **named: Any) -> Any:
            if self._within:
                return work(*given, **named)
            self._within, before = True, time.process_time()
            try:
                return work(*given, **named)
            finally:
                self.seconds[part] += time.process_time() - before
                self._within = False

        return run


def tune(store: str, trials: str, jobs: str) -> None:
    """Run the command in this process, and print what was timed."""
    from experiments.cli import app
    from tracking.plots import log_plots
    from tracking.record import Recorder

    share = Share()
    for name, method in list(vars(Recorder).items()):
        if callable(method):
            setattr(Recorder, name, share.timed("tracking", method))
    with patch("experiments.winners.log_plots", share.timed("plots", log_plots)):
        app(["tune", "--store", store, "--trials", trials, "--jobs", jobs], standalone_mode=False)
    print(json.dumps(share.seconds))


def main(trials: int, jobs: int) -> None:
    print(machine())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as name:
        store = str(Path(name) / "lab")
        spent, printed = spend([sys.executable, __file__, CHILD, store, str(trials), str(jobs)])
    seconds = json.loads(printed.splitlines()[-1])
    print(
        f"  {trials} trials of every detector: {spent.wall:.0f} s on the clock, {spent.cpu:.0f} CPU seconds, of which"
    )
    print("  " + ", ".join(f"{part} {taken:.1f} ({taken / spent.cpu:.1%})" for part, taken in seconds.items()))
    share = sum(seconds.values()) / spent.cpu
    print("\n" + json.dumps({"name": "tracking and plots in a tune, share of CPU", "share": round(share, 4)} | seconds))


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        tune(*sys.argv[2:])
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--trials", type=int, default=4)
        parser.add_argument("--jobs", type=int, default=2)
        main(**vars(parser.parse_args()))
