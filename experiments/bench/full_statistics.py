"""Twenty statistics a user on 20 million ratings by 138,000 users on 27,000 items: time, and memory beyond the ratings.

Each way runs in a process of its own, which reads the columns from a file, so that its peak of memory is its own.

    python experiments/bench/full_statistics.py [--rows 20000000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.features.statistics import grouped_statistics
from anomaly_lab.types import FloatArray
from experiments.bench.bench_statistics import by_lab, check, draw_columns, grouped
from experiments.bench.common import Timing, compare, machine, memory
from experiments.bench.statistic_baselines import pandas_statistics, polars_statistics

SHAPE = (20_000_000, 138_000, 27_000)
COLUMNS = ("user", "item", "rating")
ROUNDS = 2


def describe(way: str, rows: pd.DataFrame, n_users: int, n_items: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return one way's statistics and its seconds, those of turning the rows into its own form left out."""
    given: object = rows
    work: Callable[..., pd.DataFrame | dict[str, FloatArray]] = pandas_statistics
    if way == "polars":
        import polars as pl

        given, work = pl.DataFrame({name: rows[name].to_numpy() for name in COLUMNS}), polars_statistics
    elif way == "raw":
        work = partial(by_lab, n_users=n_users, n_items=n_items)
    elif way == "grouped":
        given, work = grouped(rows, n_users, n_items), grouped_statistics
    wall, cpu = time.perf_counter(), time.process_time()
    found = work(given)
    return pd.DataFrame(found), {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def run(way: str, folder: Path, n_users: int, n_items: int) -> None:
    """Do one way's work in this process, print what it took, and keep what it found to be held against the others."""
    describe(way, draw_columns(1_000, 10, 10), 10, 10)  # libraries and kernels are loaded before memory is looked at
    rows = pd.DataFrame({name: np.load(folder / f"{name}.npy") for name in COLUMNS}, copy=False)
    before = memory("VmRSS")
    with threadpool_limits(1):
        found, seconds = describe(way, rows, n_users, n_items)
    print(json.dumps(seconds | {"peak": memory("VmHWM") - before}))
    found.to_parquet(folder / f"{way}.parquet")


def in_process(way: str, folder: Path, n_users: int, n_items: int) -> dict[str, float]:
    """Return what one way took in a process of its own."""
    command = [sys.executable, __file__, "--way", way, str(folder), str(n_users), str(n_items)]
    taken: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return taken


def main(n_rows: int) -> None:
    print(machine())
    _, n_users, n_items = SHAPE
    ways = ["pandas", "raw", "grouped"]
    if find_spec("polars") is None:
        print("polars is not installed (dependency group 'bench'): left out")
    else:
        ways.insert(1, "polars")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = draw_columns(n_rows, n_users, n_items)
        for column in COLUMNS:
            np.save(folder / f"{column}.npy", rows[column].to_numpy())
        del rows
        taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for number in range(ROUNDS):
            for way in ways[:: 1 if number % 2 == 0 else -1]:
                taken[way].append(in_process(way, folder, n_users, n_items))
        tables = {way: pd.read_parquet(folder / f"{way}.parquet") for way in ways}
    for way in ways:
        check({str(name): column.to_numpy() for name, column in tables["raw"].items()}, tables[way])
    print(f"{n_rows:,} rows, {n_users:,} users, {n_items:,} items: all ways agree\n")
    timings = {}
    for way, rounds in taken.items():
        wall, cpu = (np.array([one[kind] for one in rounds]) for kind in ("wall", "cpu"))
        timings[way] = Timing(wall, cpu, n_rows)
        extra = max(one["peak"] for one in rounds) / n_rows
        print(
            f"  {way:8} {np.median(cpu):7.2f} CPU s {np.median(wall):7.2f} s {extra:7.1f} bytes a row beyond the input"
        )
    lines = [
        compare(f"20 statistics, {n_rows:,} rows: {way} / raw (CPU s)", timings[way], timings["raw"], _seconds)
        for way in ways[:-2]
    ]
    lines.append(
        compare(f"20 statistics, {n_rows:,} rows: raw / grouped (CPU s)", timings["raw"], timings["grouped"], _seconds)
    )
    print("\n" + "\n".join(lines))


def _seconds(timing: Timing) -> float:
    return float(np.median(timing.cpu))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=SHAPE[0])
    parser.add_argument("--way", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way is None:
        main(given.rows)
    else:
        run(given.way[0], Path(given.way[1]), int(given.way[2]), int(given.way[3]))
