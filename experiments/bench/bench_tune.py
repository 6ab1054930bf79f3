"""How long does a whole tune take? `anomaly-lab tune` with two workers beside a careful loop in one process.

Both are commands in fresh processes with stores of their own, so both pay for their imports and databases. The loop
(`tune_by_hand.py`) runs the lab's detectors with the parameters that the tune has asked: what is compared is the way,
not the models. An AUC that differs anywhere ends the benchmark with an error.

    python experiments/bench/bench_tune.py [--rounds A.npz B.npz C.npz] [--detectors NAME …] [--trials 2] [--jobs 2]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_lab.ratings.synthetic import write_course
from experiments.bench.common import machine
from experiments.bench.tune_by_hand import Trials, tuned_trials

DETECTORS = ("logistic-regression", "random-forest", "isolation-forest", "knn-distance", "mahalanobis")
BY_HAND = Path(__file__).with_name("tune_by_hand.py")
SUBREAPER = 36
"""Linux's `PR_SET_CHILD_SUBREAPER`: workers that outlive their driver become children of this process."""


@dataclass
class Spent:
    """Seconds of a command.

    Parameters
    ----------
    wall : float
        On the clock.
    cpu : float
        Of its own process and of every other that it began.
    own : float
        Of its own process.
    """

    wall: float
    cpu: float
    own: float


def spend(command: Sequence[str]) -> tuple[Spent, str]:
    """Run a command, and return what it took and what it printed."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        own = cpu = used.ru_utime + used.ru_stime
        cpu += _left_behind()
        output.seek(0)
        printed = output.read()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} … must end with 0, found {process.returncode}: {printed}")
    return Spent(wall, cpu, own), printed


def _left_behind() -> float:
    """Return the CPU seconds of processes that outlived the command: the server of its workers."""
    seconds = 0.0
    while True:
        try:
            _, _, used = os.wait3(0)
        except ChildProcessError:
            return seconds
        seconds += used.ru_utime + used.ru_stime


def check(found: Mapping[str, Sequence[float]], trials: Trials) -> None:
    """Raise an error unless the loop found the AUC of every trial that the tune finished."""
    for name, asked in trials.items():
        values = [trial.value for trial in asked]
        if list(found[name]) != values:
            raise RuntimeError(f"both ways must give {name} the same AUCs, found {found[name]} and {values}")


def measure(rounds: Sequence[str], detectors: Sequence[str] | None, trials: int, jobs: int) -> str:
    """Run both ways, print what they took and return the line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        if not rounds:
            write_course(Path(folder) / "course")
            rounds = [str(Path(folder) / "course" / f"round{number}_labelled.npz") for number in (1, 2)]
        lab, asked = Path(folder) / "lab", [f"--detector={name}" for name in detectors or ()]
        tune = ["tune", *(f"--round={path}" for path in rounds), *asked, "--no-kind-out", f"--store={lab}"]
        command = [sys.executable, "-m", "experiments.cli", *tune, f"--trials={trials}", f"--jobs={jobs}"]
        spent, _ = spend(command)
        print(f"  the lab, {jobs} workers: {spent.wall:.1f} s on the clock, {spent.cpu:.1f} CPU seconds, of which")
        print(f"    {spent.own:.1f} in the driver: imports, Optuna, tracking, plots, the board", flush=True)
        found = tuned_trials(lab)
        hand, printed = spend([sys.executable, str(BY_HAND), str(lab), str(Path(folder) / "loop"), *rounds])
    by_hand = json.loads(printed.splitlines()[-1])
    check(by_hand["aucs"], found)
    print(f"  {sum(map(len, found.values()))} trials of {len(found)} detectors, every AUC the same")
    print(f"  by hand, one process: {hand.wall:.1f} s on the clock, {hand.cpu:.1f} CPU seconds")
    parts = {part: seconds / by_hand["all"] for part, seconds in by_hand["seconds"].items()}
    print("    of these " + ", ".join(f"{part} {share:.0%}" for part, share in parts.items()))
    print(f"    the same plots are {by_hand['seconds']['plots'] / spent.cpu:.1%} of the lab's CPU seconds")
    ratio = hand.wall / spent.wall
    print(f"  ratio on the clock {ratio:.2f}, of CPU seconds {hand.cpu / spent.cpu:.2f}")
    name = f"a tune of {len(found)} detectors: one process by hand / the lab's {jobs} workers, seconds on the clock"
    return json.dumps(
        {"name": name, "baseline": round(hand.wall, 1), "lab": round(spent.wall, 1), "ratio": round(ratio, 2)}
    )


def main(detectors: Sequence[str] | None = DETECTORS, trials: int = 2) -> None:
    """Measure a tune of some detectors, of all where none is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", nargs="+", metavar="FILE", default=(), help="default: an embedded course's")
    parser.add_argument("--detectors", nargs="+", metavar="NAME", default=detectors)
    parser.add_argument("--trials", type=int, default=trials)
    parser.add_argument("--jobs", type=int, default=2)
    settings = parser.parse_args()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    print(machine())
    print("\n" + measure(settings.rounds, settings.detectors, settings.trials, settings.jobs))


if __name__ == "__main__":
    main()
