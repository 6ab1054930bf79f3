"""How long does the command line take to start? `--help` and `models` beside what no command of Python can save.

Every start is a process of its own, in turns with ``python -c pass`` and ``python -c "import typer"``. The lab is as
fast as it can be where the ratio to typer alone is 1.

    python experiments/bench/bench_start.py [--starts 7]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import numpy as np

from experiments.bench.common import Timing, compare, machine

WAYS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import typer'": ["-c", "import typer"],
    "anomaly-lab --help": ["-m", "experiments.cli", "--help"],
    "anomaly-lab models": ["-m", "experiments.cli", "models"],
}


def start(arguments: list[str]) -> tuple[float, float]:
    """Return the seconds of a process on the clock and of its own work."""
    wall, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - wall, used


def measure(starts: int) -> dict[str, Timing]:
    """Return the time of each way; the first start of each, which may still have to compile, is not counted."""
    taken = {name: [start(arguments)] for name, arguments in WAYS.items()}
    for number in range(starts):
        for name in list(WAYS)[:: 1 if number % 2 == 0 else -1]:
            taken[name].append(start(WAYS[name]))
    columns = {name: np.array(seconds[1:]) for name, seconds in taken.items()}
    return {name: Timing(seconds[:, 0], seconds[:, 1], amount=1.0) for name, seconds in columns.items()}


def wall(timing: Timing) -> float:
    """Return the median seconds on the clock."""
    return float(np.median(timing.wall))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=7)
    settings = parser.parse_args()
    print(machine())
    timings = measure(settings.starts)
    for name, timing in timings.items():
        fastest = timing.wall.min()
        print(f"  {name:26} {wall(timing):.2f} s on the clock (fastest {fastest:.2f}), {np.median(timing.cpu):.2f} CPU")
    baseline = timings["python -c 'import typer'"]
    names = ("anomaly-lab --help", "anomaly-lab models")
    lines = [compare(f"start: typer alone / {name}, seconds", baseline, timings[name], wall) for name in names]
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
