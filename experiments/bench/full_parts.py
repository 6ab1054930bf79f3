"""A log of 20 million ratings in parts: how long every user takes to describe, here and on Dask, with the same numbers.

The command `anomaly-lab statistics` describes the log by twenty statistics and by the five families that need nothing
of other users but sums: from one file, from four with each user's ratings in one of them, and from four that each hold
a quarter of everyone's. Each runs in processes of its own, files are read anew, and the tables are held against that of
one file. Peaks are the driver's.

    python experiments/bench/full_parts.py [--rows 20000000] [--users 138000] [--items 27000] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.features.part_families import FROM_SUMS
from experiments.bench.bench_statistics import SCALE
from experiments.bench.common import machine, peak_of
from experiments.bench.full_families import draw_tastes

N_PARTS = 4
WORK = {"twenty statistics": [], f"{len(FROM_SUMS)} families": ["--families", ",".join(FROM_SUMS)]}
LEVELS = ",".join(f"{level:g}" for level in SCALE.levels)
CHILD = "draw"


def draw(folder: Path, rows: int, users: int, items: int) -> None:
    """Write the log in one file, by users in four, and by rows in four."""
    batch = draw_tastes(rows, users, items)
    columns = {"user": batch.user_ids[batch.users], "item": batch.item_ids[batch.items]}
    table = pd.DataFrame(columns | {"rating": np.take(batch.scale.levels, batch.ratings)})
    table.to_parquet(folder / "whole.parquet", index=False)
    for name, part_of in (("users", table["user"].to_numpy() % N_PARTS), ("rows", np.arange(len(table)) % N_PARTS)):
        for number in range(N_PARTS):
            table[part_of == number].to_parquet(folder / f"{name}{number}.parquet", index=False)


def describe(files: Sequence[Path], asked: Sequence[str], out: Path) -> tuple[float, int]:
    """Run the command, and return its seconds on the clock and its peak of memory in bytes."""
    words = [*map(str, files), "--out", str(out), "--scale", LEVELS, "--store", str(out.parent / "no lab"), *asked]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "statistics", *words], stdout=subprocess.DEVNULL
    )
    peak = peak_of(process)
    if process.returncode != 0:
        raise RuntimeError(f"statistics must end with 0, found {process.returncode}")
    return time.perf_counter() - began, peak


def difference(found: pd.DataFrame, wanted: pd.DataFrame) -> float:
    """Return the largest difference of two tables of the same users, beside the spread of its column."""
    if not found["user"].equals(wanted["user"]) or list(found) != list(wanted):
        raise RuntimeError("tables must be of the same users and columns")
    spread = wanted.drop(columns="user").std().replace(0, 1)
    return float((found.drop(columns="user") - wanted.drop(columns="user")).abs().max().div(spread).max())


def main(rows: int, users: int, items: int, workers: int) -> None:
    print(machine())
    on_dask = ["--executor", "dask", "--jobs", str(workers)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = [str(size) for size in (rows, users, items)]
        subprocess.run([sys.executable, __file__, CHILD, name, *sizes], check=True)
        whole = [folder / "whole.parquet"]
        parts = {kind: sorted(folder.glob(f"{kind}?.parquet")) for kind in ("users", "rows")}
        ways = {
            "one file": (whole, []),
            "four files, whole users": (parts["users"], []),
            "four files, users in each": (parts["rows"], []),
            f"whole users, {workers} of Dask": (parts["users"], on_dask),
            f"users in each, {workers} of Dask": (parts["rows"], on_dask),
        }
        lines: list[str] = []
        for title, asked in WORK.items():
            print(f"\n  {title:28} {'s':>6} {'peak GB':>8}  apart from one file", flush=True)
            tables: dict[str, pd.DataFrame] = {}
            for way, (files, more) in ways.items():
                out = folder / f"{len(lines)}.parquet"
                seconds, peak = describe(files, [*asked, *more], out)
                found = pd.read_parquet(out)
                wanted = tables.setdefault("one file", found)
                apart = "the same bits" if found.equals(wanted) else f"{difference(found, wanted):.0e} of the spread"
                print(f"  {way:28} {seconds:6.1f} {peak / 1e9:8.2f}  {apart}", flush=True)
                lines.append(json.dumps({"name": f"{title}, {way}", "wall": seconds, "peak": peak, "apart": apart}))
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:  # in a process of its own: a driver's peak must not begin with what this one held
        draw(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--rows", type=int, default=20_000_000)
        parser.add_argument("--users", type=int, default=138_000)
        parser.add_argument("--items", type=int, default=27_000)
        parser.add_argument("--workers", type=int, default=2)
        main(**vars(parser.parse_args()))
