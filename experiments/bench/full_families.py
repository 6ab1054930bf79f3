"""Every feature family on 20 million ratings by 140,000 users on 27,000 items: seconds, peak memory, cost of bounds.

Families that compare users with users look at the most rated items and at a sample of the reference users beyond the
sizes in `anomaly_lab.features.panel`; the others look at everything. Each family describes every user, cross-fitted in
four parts, in a process of its own. What the bounds change is measured on a smaller log: Spearman's correlation of each
column with the same column without bounds.

    python experiments/bench/full_families.py [--rows 20000000] [--families profile neighbours] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from anomaly_lab.features import panel
from anomaly_lab.features.extract import cross_fit
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.cache import ParsedRatings, RatingCache
from anomaly_lab.ratings.pool import pool
from anomaly_lab.registry import FEATURES
from experiments.bench.bench_statistics import SCALE, draw_columns
from experiments.bench.common import machine, memory

LARGE = (20_000_000, 140_000, 27_000)
SMALL = (1_000_000, 12_000, 6_000)
KINDS = 20
SAMPLE = 500
"""Users of the smaller log that are described without bounds too."""


def draw_tastes(n_rows: int, n_users: int, n_items: int) -> RatingBatch:
    """Return generated ratings of people with tastes: whom two users resemble and what goes together can be learnt.

    Every item is of a kind; a user chooses among the kinds by a taste of their own (Dirichlet), among the items of a
    kind by popularity (a power law), and likes what is of their taste. Of several ratings of one item one is kept.
    """
    rng = np.random.default_rng(0)
    activity, popularity = rng.lognormal(0, 1, n_users), rng.permutation(np.arange(1, n_items + 1) ** -0.8)
    users = rng.choice(n_users, n_rows, p=activity / activity.sum()).astype(np.int32)
    taste = rng.dirichlet(np.full(KINDS, 0.3), n_users)
    kinds = (taste.cumsum(axis=1)[users] < rng.random(n_rows)[:, None]).sum(axis=1).clip(max=KINDS - 1)
    kind = rng.integers(KINDS, size=n_items)
    items = np.empty(n_rows, dtype=np.int32)
    for number in range(KINDS):
        own, rows = np.flatnonzero(kind == number), np.flatnonzero(kinds == number)
        items[rows] = rng.choice(own, len(rows), p=popularity[own] / popularity[own].sum())
    liking = rng.normal(0, 0.5, n_users)[users] + rng.normal(0.2, 0.5, n_items)[items]
    liking += taste[users, kinds] - 0.5 + rng.standard_normal(n_rows, dtype=np.float32)
    ratings = np.digitize(liking, [-1.2, -0.4, 0.4, 1.2]).astype(float)
    once = np.unique(users.astype(np.int64) * n_items + items, return_index=True)[1]
    return RatingBatch.from_rows(users[once], items[once], ratings[once], scale=SCALE)


def keep(cache: RatingCache, name: str, rows: int, users: int, items: int) -> None:
    """Draw a log and keep it for the processes that describe it; the small one is of people with tastes."""
    if name == "small":
        cache.write(name, ParsedRatings(draw_tastes(rows, users, items), None))
        return
    table = draw_columns(rows, users, items)
    columns = (table[column].to_numpy() for column in ("user", "item", "rating"))
    cache.write(name, ParsedRatings(RatingBatch.from_rows(*columns, scale=SCALE), None))


def log(cache: RatingCache, name: str) -> RatingBatch:
    """Return a log that was kept."""
    kept = cache.read(name, name)
    assert kept is not None
    return kept.batch


def describe(cache: RatingCache, family: str, threads: int) -> None:
    """Describe every user of the large log by one family, and print seconds and memory."""
    everyone = pool([log(cache, "large")])
    before, wall, cpu = memory("VmRSS"), time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        found = cross_fit(everyone, np.full(everyone.n_users, -1), family, threads=threads)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps(seconds | {"peak": memory("VmHWM"), "before": before, "columns": found.matrix.shape[1]}))


def agreement(cache: RatingCache, family: str) -> None:
    """Print how well each column of a family, with bounds, goes with the same column without."""
    batch = log(cache, "small")
    mine = np.random.default_rng(0).permutation(batch.n_users) < SAMPLE
    users, reference = batch.select(mine), batch.select(~mine)
    family_of = FEATURES.load(family)
    with threadpool_limits(1):
        bounded = family_of(users, reference)
        panel.MAX_ITEMS, panel.MAX_REFERENCE = batch.n_items, batch.n_users
        exact = family_of(batch.select(mine), batch.select(~mine))  # other objects: families keep what they learnt
    varied = [name for name in exact if np.ptp(exact[name]) > 0]
    rho = {name: float(spearmanr(bounded[name], exact[name]).statistic) for name in varied}
    least = min(varied, key=rho.__getitem__)
    print(json.dumps({"median": float(np.median(list(rho.values()))), "least": rho[least], "column": least}))


def in_process(folder: Path, what: str, family: str, threads: int) -> dict[str, Any]:
    """Return what a process of its own prints; empty if it did not finish."""
    command = [sys.executable, __file__, "--child", what, str(folder), family, "--threads", str(threads)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    return result


def main(rows: int, families: Sequence[str], threads: int) -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        cache = RatingCache(Path(name))
        share = rows / LARGE[0]
        size = (rows, *(max(10, round(count * share**0.7)) for count in LARGE[1:])) if rows < LARGE[0] else LARGE
        keep(cache, "large", *size)
        keep(cache, "small", *SMALL)
        print(f"{size[0]:,} rows, {size[1]:,} users, {size[2]:,} items; {threads} threads")
        print(f"without bounds: {SAMPLE} users of {SMALL[0]:,} rows, {SMALL[1]:,} users, {SMALL[2]:,} items\n")
        heads = f"{'columns':>7} {'s':>8} {'CPU s':>8} {'peak GB':>8}"
        print(f"  {'family':14} {heads}  Spearman with exact (median, least)")
        lines = []
        for family in families:
            took = in_process(cache.folder, "describe", family, threads)
            alike = in_process(cache.folder, "agreement", family, threads)
            if not took or not alike:
                print(f"  {family:14} did not finish", flush=True)
                continue
            print(
                f"  {family:14} {took['columns']:7.0f} {took['wall']:8.1f} {took['cpu']:8.1f} "
                f"{took['peak'] / 1e9:8.2f}  {alike['median']:.3f} {alike['least']:.3f} ({alike['column']})",
                flush=True,
            )
            lines.append(json.dumps({"name": f"family {family}, {rows:,} rows"} | took | alike))
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=LARGE[0])
    parser.add_argument("--families", nargs="+", default=list(FEATURES.entries()))
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is None:
        main(given.rows, given.families, given.threads)
    else:
        kept_in, asked = RatingCache(Path(given.child[1])), given.child[2]
        if given.child[0] == "describe":
            describe(kept_in, asked, given.threads)
        else:
            agreement(kept_in, asked)
