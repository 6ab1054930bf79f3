"""How far do the recommenders go? Seconds and peak memory on generated ratings, by default a million.

The ratings are generated: seeded, long-tailed in users and items, 0.5 to 5 by halves, in the proportions of MovieLens'
20 million (138,493 users, 26,744 items). Every model is fitted in a process of its own, one after the other, so that
its peak is its own; what the ratings themselves take is in it and is shown. There is no baseline to divide by: each
line of JSON holds seconds, gigabytes, and the error on ratings that were held out.

    python experiments/bench/bench_recommenders.py --rows 20000000
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.als import ALSRecommender
from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.recommenders.biases import BiasesRecommender
from anomaly_lab.recommenders.ease import EASERecommender
from anomaly_lab.types import IntArray
from experiments.bench.common import machine

Result = TypeVar("Result")

MOST_ROWS, N_USERS, N_ITEMS = 20_000_000, 138_493, 26_744
N_FACTORS, NOISE = 8, 0.8
HELD_OUT = 0.01
ONLY_LOADED = "ratings alone"

MODELS: Mapping[str, Callable[[], Recommender]] = {
    "biases": BiasesRecommender,
    "als": ALSRecommender,
    "ease": lambda: EASERecommender(top_items=5000),
}
"""What is measured. Any recommender can stand here; import its packages when called, or every process pays for them."""


def sizes(n_rows: int) -> tuple[int, int]:
    """Return users and items in proportion to the rows: a tenth of the rows, a third of the users and of the items."""
    share = np.sqrt(n_rows / MOST_ROWS)
    return max(int(N_USERS * share), 10), max(int(N_ITEMS * share), 10)


def draw_cells(n_rows: int, n_users: int, n_items: int, rng: np.random.Generator) -> IntArray:
    """Return distinct cells, ascending: activity is log-normal, popularity a power law that flattens at the top."""
    activity, popularity = rng.lognormal(0, 1, n_users), (np.arange(n_items) + 50.0) ** -1.2
    cells = np.empty(0, dtype=np.int64)
    while len(cells) < n_rows:
        more = n_rows - len(cells) + n_rows // 10
        users = rng.choice(n_users, more, p=activity / activity.sum())
        items = rng.choice(n_items, more, p=popularity / popularity.sum())
        cells = np.unique(np.concatenate([cells, users * n_items + items]))
    return np.sort(rng.choice(cells, n_rows, replace=False, shuffle=False))


def draw_ratings(n_rows: int, seed: int = 0) -> Interactions:
    """Return ratings made of biases, a taste of a few factors, and noise."""
    rng = np.random.default_rng(seed)
    n_users, n_items = sizes(n_rows)
    cells = draw_cells(n_rows, n_users, n_items, rng)
    users, items = (cells // n_items).astype(np.int32), (cells % n_items).astype(np.int32)
    taste = rng.normal(0, 0.4, (n_users, N_FACTORS)).astype(np.float32)
    kind = rng.normal(0, 0.4, (n_items, N_FACTORS)).astype(np.float32)
    values = rng.normal(3.5, NOISE, n_rows).astype(np.float32)
    values += rng.normal(0, 0.4, n_users).astype(np.float32)[users]
    values += rng.normal(0, 0.4, n_items).astype(np.float32)[items]
    for factor in range(N_FACTORS):
        values += taste[users, factor] * kind[items, factor]
    return Interactions(users, items, np.clip(np.round(values * 2) / 2, 0.5, 5), n_users, n_items, 0.5, 5.0)


def write_ratings(path: Path, n_rows: int) -> str:
    """Draw ratings, write them, and return a line about them."""
    drawn = draw_ratings(n_rows)
    shape, scale = np.array([drawn.n_users, drawn.n_items]), np.array([drawn.low, drawn.high])
    np.savez(path, users=drawn.users, items=drawn.items, values=drawn.values, shape=shape, scale=scale)
    return f"{len(drawn):,} ratings of {drawn.n_users:,} users on {drawn.n_items:,} items"


def read_ratings(path: Path) -> Interactions:
    """Return the ratings that `write_ratings` wrote."""
    with np.load(path) as held:
        return Interactions(
            held["users"], held["items"], held["values"], *held["shape"].tolist(), *held["scale"].tolist()
        )


def measure(path: Path, name: str) -> dict[str, object]:
    """Return a model's figures; meant for a process that does nothing else."""
    with threadpool_limits(1):
        known = read_ratings(path)
        out = np.random.default_rng(1).random(len(known)) < HELD_OUT
        known, asked = known.take(~out), known.take(out)
        figures: dict[str, object] = {"name": name, "rows": len(known), "users": known.n_users, "items": known.n_items}
        if name != ONLY_LOADED:
            start = time.perf_counter(), time.process_time()
            ends: list[float] = []
            train = Training(known, report=lambda epoch, figures: ends.append(time.perf_counter()))
            model = MODELS[name]().fit(train, rng=np.random.default_rng(0))
            figures["seconds"] = round(time.perf_counter() - start[0], 1)
            figures["cpu_seconds"] = round(time.process_time() - start[1], 1)
            if len(ends) > 1:  # the first epoch also compiles
                figures["seconds_an_epoch"] = round((ends[-1] - ends[0]) / (len(ends) - 1), 2)
            if model.task == "rating-prediction":
                told = np.clip(model.predict(asked.users, asked.items), known.low, known.high)
                figures["rmse"] = round(float(np.sqrt(np.mean((told - asked.values) ** 2))), 4)
    figures["peak_gb"] = round(peak_bytes() / 1e9, 2)
    return figures


def peak_bytes() -> int:
    """Return the most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def alone(work: Callable[..., Result], *arguments: object) -> Result:
    """Do some work in a fresh process: even a spawned one inherits the peak of the process that started it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure recommenders on generated ratings.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many ratings (default: 1000000)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), help="default: all")
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.npz"
        print(alone(write_ratings, path, asked.rows))
        for name in (ONLY_LOADED, *asked.models):
            figures = alone(measure, path, name)
            seconds = f"{figures['seconds']:>8} s ({figures['cpu_seconds']} s CPU)" if "seconds" in figures else ""
            error = f", RMSE {figures['rmse']}" if "rmse" in figures else ""
            print(f"  {name:14} {figures['peak_gb']:>6} GB at most {seconds}{error}", flush=True)
            lines.append(json.dumps(figures))
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
