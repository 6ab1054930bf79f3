"""How fast are twenty statistics a user? The lab's kernels beside pandas, polars, a notebook's loop and a loop in C.

Two million generated ratings as three columns of integers, everything on one core. All ways must agree before one is
timed. Polars is measured where it is installed (the dependency group `bench`), the loop in C where gcc is.

    python experiments/bench/bench_statistics.py
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.features.kernels import sum_grouped_rows
from anomaly_lab.features.statistics import (
    GroupedRatings,
    group_ratings,
    grouped_statistics,
    rating_tables,
    user_statistics,
)
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import FloatArray
from experiments.bench.common import Timing, compare, in_turns, machine
from experiments.bench.statistic_baselines import (
    N_LEVELS,
    c_loop,
    loop_statistics,
    pandas_statistics,
    polars_statistics,
)

os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is imported, which is later

SCALE = RatingScale("five levels", tuple(range(N_LEVELS)))
SHAPE = (2_000_000, 14_000, 8_000)
LOOP_ROWS = 200_000
ROUNDS = 7


def draw_columns(n_rows: int, n_users: int, n_items: int) -> pd.DataFrame:
    """Return generated ratings as three int32 columns: activity is log-normal, popularity a power law."""
    rng = np.random.default_rng(0)
    activity, popularity = rng.lognormal(0, 1, n_users), rng.permutation(np.arange(1, n_items + 1) ** -0.8)
    users = rng.choice(n_users, n_rows, p=activity / activity.sum()).astype(np.int32)
    items = rng.choice(n_items, n_rows, p=popularity / popularity.sum()).astype(np.int32)
    users[:n_users], items[:n_items] = rng.permutation(n_users), rng.permutation(n_items)  # nobody is left out
    liking = rng.normal(0, 0.5, n_users)[users] + rng.normal(0.2, 0.5, n_items)[items]
    liking += rng.standard_normal(n_rows, dtype=np.float32)
    ratings = np.digitize(liking, [-1.2, -0.4, 0.4, 1.2]).astype(np.int32)
    return pd.DataFrame({"user": users, "item": items, "rating": ratings})


def by_lab(rows: pd.DataFrame, n_users: int, n_items: int) -> dict[str, FloatArray]:
    """Return the statistics from raw columns."""
    users, items, ratings = (rows[name].to_numpy() for name in ("user", "item", "rating"))
    return user_statistics(users, items, ratings, n_users=n_users, n_items=n_items, scale=SCALE)


def grouped(rows: pd.DataFrame, n_users: int, n_items: int) -> GroupedRatings:
    """Return the rows grouped by user."""
    users, items, ratings = (rows[name].to_numpy() for name in ("user", "item", "rating"))
    return group_ratings(users, items, ratings, n_users=n_users, n_items=n_items, scale=SCALE)


def check(found: Mapping[str, FloatArray], wanted: pd.DataFrame) -> None:
    """Raise an error unless both are the same to six digits: a spread of nearly nothing is a root of rounding."""
    for name in wanted:
        np.testing.assert_allclose(found[str(name)], wanted[name], rtol=1e-7, atol=1e-6, err_msg=str(name))


def other_ways(rows: pd.DataFrame) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return the baselines that work on tables: pandas, and polars where it is installed."""
    ways = {"pandas": lambda: pandas_statistics(rows)}
    if find_spec("polars") is None:
        print("polars is not installed (dependency group 'bench'): left out")
        return ways
    import polars as pl

    table = pl.DataFrame({str(name): rows[name].to_numpy() for name in rows})
    return ways | {"polars": lambda: polars_statistics(table)}


def user_passes(ratings: GroupedRatings) -> dict[str, Callable[[], object]]:
    """Return the pass over users alone: the lab's kernel, and the same loop in C where there is a compiler."""
    values, n_users = np.linspace(0, 1, N_LEVELS), len(ratings.indptr) - 1
    tables = rating_tables(ratings.item_counts, n_users, values)
    arrays = ratings.indptr, ratings.items, ratings.ratings, tables.of_items, tables.of_cells
    ways: dict[str, Callable[[], object]] = {}
    passes = {"pass in Numba": sum_grouped_rows, "pass in C": c_loop()}
    found = {}
    for name, run in passes.items():
        if run is None:
            print("gcc is not installed: the loop in C is left out")
            continue
        counts, sums = np.zeros((n_users, N_LEVELS), dtype=np.int32), np.zeros((n_users, 8))
        run(*arrays, counts, sums)
        found[name] = np.hstack([counts, sums])
        ways[name] = partial(run, *arrays, counts, sums)
    for sums in found.values():
        np.testing.assert_allclose(sums, found["pass in Numba"], rtol=1e-12)
    return ways


def rate(timing: Timing) -> float:
    """Return rows a CPU second."""
    return timing.amount / float(np.median(timing.cpu))


def main() -> None:
    print(machine())
    n_rows, n_users, n_items = SHAPE
    rows = draw_columns(*SHAPE)
    ratings = grouped(rows, n_users, n_items)
    found = by_lab(rows, n_users, n_items)
    others = other_ways(rows)
    check(found, pd.DataFrame(grouped_statistics(ratings)))
    for way in others.values():
        check(found, way())
    few = rows[:LOOP_ROWS].assign(**{name: pd.factorize(rows[name][:LOOP_ROWS])[0] for name in ("user", "item")})
    check(by_lab(few, few["user"].max() + 1, few["item"].max() + 1), loop_statistics(few))
    print(f"{n_rows:,} rows, {n_users:,} users, {n_items:,} items: all ways agree on {len(found)} statistics a user\n")
    ways: dict[str, Callable[[], object]] = {
        **others,
        "raw": lambda: by_lab(rows, n_users, n_items),
        "group": lambda: grouped(rows, n_users, n_items),
        "grouped": lambda: grouped_statistics(ratings),
        **user_passes(ratings),
    }
    with threadpool_limits(1):
        timed = in_turns({name: (way, n_rows) for name, way in ways.items()}, ROUNDS)
        timed |= in_turns({"loop": (lambda: loop_statistics(few), LOOP_ROWS)}, 1)
    for name, timing in timed.items():
        print(f"  {name:14} {rate(timing):>14,.0f} rows a CPU second {1e9 / rate(timing):>10,.2f} ns a row")
    unit = "(rows a CPU second)"
    lines = [
        compare(f"20 statistics from raw columns: {name} / the lab {unit}", timed[name], timed["raw"], rate)
        for name in others
    ]
    alone = Timing(np.repeat(timed["loop"].wall, ROUNDS), np.repeat(timed["loop"].cpu, ROUNDS), LOOP_ROWS)
    lines.append(compare(f"20 statistics: a notebook's loop / the lab {unit}", alone, timed["raw"], rate))
    lines.append(compare(f"20 statistics: raw columns / grouped before {unit}", timed["raw"], timed["grouped"], rate))
    if "pass in C" in timed:
        lines.append(compare(f"pass over users: C / Numba {unit}", timed["pass in C"], timed["pass in Numba"], rate))
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
