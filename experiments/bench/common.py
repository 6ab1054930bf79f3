"""What every benchmark shares: timing in turns, the machine it ran on, and one JSON line a comparison."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from anomaly_lab.types import FloatArray

PACKAGES = ("numpy", "scipy", "pandas", "mlflow")


@dataclass(frozen=True, eq=False)
class Timing:
    """How long one way of doing the work took, round by round.

    Parameters
    ----------
    wall, cpu : ndarray of shape (n_rounds,)
        Seconds of each round on the clock, and of this process's own work (user and system).
    amount : float
        Work done in a round: rows, runs.
    """

    wall: FloatArray
    cpu: FloatArray
    amount: float

    def __add__(self, other: Timing) -> Timing:
        """Return the time of doing both to the same rows or runs."""
        if self.amount != other.amount:
            raise ValueError(f"both must be the same amount of work, found {self.amount} and {other.amount}")
        return Timing(self.wall + other.wall, self.cpu + other.cpu, self.amount)


def in_turns(ways: Mapping[str, tuple[Callable[[], object], float]], rounds: int) -> dict[str, Timing]:
    """Time several ways of doing a work in turns, so that what else the machine does meets them all alike.

    Every other round goes through them backwards. Nothing is warmed up: call each once before, which is also the place
    to check that they agree.

    Parameters
    ----------
    ways : mapping of str to (callable, float)
        Each way's name, the work, and how much of it is done in one call.
    rounds : int
        How often each is called.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 == 0 else -1]:
            seconds[name].append(_time(ways[name][0]))
    return {
        name: Timing(np.array([wall for wall, _ in taken]), np.array([cpu for _, cpu in taken]), ways[name][1])
        for name, taken in seconds.items()
    }


def _time(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(name: str, baseline: Timing, lab: Timing, figure: Callable[[Timing], float]) -> str:
    """Print how often the lab beats the baseline, and return the line of JSON that a benchmark ends with.

    The ratio is of CPU seconds for the same amount of work, the median over rounds: the clock also counts whatever
    else the machine does.

    Parameters
    ----------
    name : str
        What is compared, with the unit of the figures.
    baseline, lab : Timing
        Of the same rounds.
    figure : callable
        Turns a timing into the figure that is shown of it.
    """
    ratios = (baseline.cpu / baseline.amount) / (lab.cpu / lab.amount)
    ratio, low, high = (_three_digits(value) for value in (np.median(ratios), ratios.min(), ratios.max()))
    print(f"  {name}: {ratio:,g} times ({low:,g} to {high:,g} in {len(ratios)} rounds)")
    figures = {"baseline": _three_digits(figure(baseline)), "lab": _three_digits(figure(lab)), "ratio": ratio}
    return json.dumps({"name": name, **figures})


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def memory(kind: str) -> int:
    """Return this process's memory in bytes: what it holds (``VmRSS``) or the most it has held (``VmHWM``).

    `resource.getrusage` will not do: a process starts with the peak of the one that started it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{kind} must be VmRSS or VmHWM")


def peak_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process to end, and return the most memory that it was seen to hold, in bytes."""
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        held = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        peak = max([peak, *(int(line.split()[1]) * 1024 for line in held)])
        time.sleep(0.05)
    return peak


def machine() -> str:
    """Return what a timing depends on: processor, cores, load at the start, and versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{_processor()}, {os.cpu_count()} cores{load}; {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in facts.read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()
