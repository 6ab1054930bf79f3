"""How fast are the lab's features? Rows a second beside the seed notebook's own loop and beside vectorised pandas.

The ratings are generated: seeded, long-tailed in users and items, on the scale -1/0/1. Before anything is timed, both
ways must agree on the columns they share. The lab starts from a `RatingBatch`, which every round is turned into once,
so making one is measured apart, and the ratio is given with and without it.

    python experiments/bench/bench_features.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.features.agreement import agreement
from anomaly_lab.features.likelihood import likelihood
from anomaly_lab.features.popularity import popularity
from anomaly_lab.features.profile import profile
from anomaly_lab.features.seed import seed
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.scale import LIKES
from anomaly_lab.types import FloatArray
from experiments.bench.common import Timing, compare, in_turns, machine
from experiments.bench.feature_baselines import notebook_loop, pandas_agreement, pandas_profile

Family = Callable[[RatingBatch, RatingBatch], dict[str, FloatArray]]

SHAPES = {20_000: (400, 1_000), 200_000: (1_400, 1_000), 2_000_000: (14_000, 8_000)}
"""Users and items by number of ratings; the second is about a course's round."""
NINE = "nine features: notebook's loop / family seed"
REPAIRED = ["mean", "cv"]
"""What the lab's family *seed* computes otherwise than the notebook, on purpose."""


def draw_ratings(n_rows: int) -> pd.DataFrame:
    """Return ratings of distinct (user, item) pairs: activity is log-normal, popularity a power law, taste latent."""
    n_users, n_items = SHAPES[n_rows]
    rng = np.random.default_rng(0)
    activity, popularity = rng.lognormal(0, 1, n_users), np.arange(1, n_items + 1) ** -0.8
    cells = np.empty(0, dtype=np.int64)
    while len(cells) < n_rows:
        users = rng.choice(n_users, 2 * n_rows, p=activity / activity.sum())
        items = rng.choice(n_items, 2 * n_rows, p=popularity / popularity.sum())
        cells = pd.unique(np.concatenate([cells, users * n_items + items]))[:n_rows]
    users, items = cells // n_items, cells % n_items
    liking = rng.normal(0, 0.5, n_users)[users] + rng.normal(0.2, 0.5, n_items)[items] + rng.normal(0, 0.7, n_rows)
    return pd.DataFrame({"user": users, "item": items, "rating": np.digitize(liking, [-0.4, 0.4]) - 1})


def to_batch(rows: pd.DataFrame) -> RatingBatch:
    """Return the rows in the lab's canonical form."""
    columns = (rows[name].to_numpy() for name in ("user", "item", "rating"))
    return RatingBatch.from_rows(*columns, scale=LIKES)


def check(batch: RatingBatch, family: Family, baseline: pd.DataFrame, *, but: list[str] | None = None) -> None:
    """Raise an error unless the family's columns are the baseline's, to seven digits."""
    found = pd.DataFrame(family(batch, batch), index=batch.user_ids).sort_index().drop(columns=but or [])
    wanted = baseline.sort_index()[found.columns]
    for name in found:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-7, atol=1e-9, err_msg=f"{family.__name__}:{name}")


def describe(batch: RatingBatch, family: Family) -> Callable[[], object]:
    """Return the work of describing every user beside all users."""

    def work() -> object:
        fresh = replace(batch)  # a batch keeps what was derived from it
        return family(fresh, fresh)

    return work


def against_notebook(rows: dict[int, pd.DataFrame], batches: dict[int, RatingBatch], rounds: int) -> list[str]:
    """Compare the family *seed* with the notebook's loop, which is given the fewest rows: its time grows with them."""
    fewest, course, most = sorted(rows)
    check(batches[fewest], seed, notebook_loop(rows[fewest]), but=REPAIRED)
    timed = in_turns(
        {
            "notebook": (lambda: notebook_loop(rows[fewest]), fewest),
            "lab": (describe(batches[course], seed), course),
            "lab, most rows": (describe(batches[most], seed), most),
            "RatingBatch": (lambda: to_batch(rows[course]), course),
        },
        rounds,
    )
    print(f"the seed notebook's nine features: {9 - len(REPAIRED)} agree, {' and '.join(REPAIRED)} are repaired")
    show(f"the notebook's loop, {fewest:,} rows", timed["notebook"])
    show(f"family seed, {course:,} rows", timed["lab"])
    show(f"family seed, {most:,} rows", timed["lab, most rows"])
    from_rows = timed["lab"] + timed["RatingBatch"]
    return [
        compare(f"{NINE} on {course:,} rows (rows a CPU second)", timed["notebook"], timed["lab"], rate),
        compare(f"{NINE} on {most:,} rows (rows a CPU second)", timed["notebook"], timed["lab, most rows"], rate),
        compare(f"{NINE} and RatingBatch, {course:,} rows (rows a CPU second)", timed["notebook"], from_rows, rate),
    ]


def against_pandas(rows: pd.DataFrame, batch: RatingBatch, rounds: int) -> list[str]:
    """Compare families with pandas: profile and agreement, column for column, and give the speed of all four."""
    check(batch, profile, pandas_profile(rows))
    check(batch, agreement, pandas_agreement(rows))
    size = len(rows)
    timed = in_turns(
        {
            "pandas": (lambda: (pandas_profile(rows), pandas_agreement(rows)), size),
            "profile": (describe(batch, profile), size),
            "agreement": (describe(batch, agreement), size),
            "popularity": (describe(batch, popularity), size),
            "likelihood": (describe(batch, likelihood), size),
            "RatingBatch": (lambda: to_batch(rows), size),
        },
        rounds,
    )
    print(f"\n{size:,} rows, {batch.n_users:,} users, {batch.n_items:,} items: 31 columns agree")
    for name, timing in timed.items():
        show(name, timing)
    two = timed["profile"] + timed["agreement"]
    four = two + timed["popularity"] + timed["likelihood"]
    from_rows = two + timed["RatingBatch"]
    unit = f"{size:,} rows (rows a CPU second)"
    return [
        compare(f"31 columns: pandas / profile + agreement, {unit}", timed["pandas"], two, rate),
        compare(f"31 columns: pandas / profile + agreement and RatingBatch, {unit}", timed["pandas"], from_rows, rate),
        compare(f"31 columns by pandas / 49 of all four families, {unit}", timed["pandas"], four, rate),
    ]


def show(name: str, timing: Timing) -> None:
    """Print how fast one way is."""
    wall = timing.amount / np.median(timing.wall)
    print(f"  {name:34} {rate(timing):>12,.0f} rows a CPU second {wall:>12,.0f} rows a second")


def rate(timing: Timing) -> float:
    """Return rows a CPU second."""
    return timing.amount / float(np.median(timing.cpu))


def main() -> None:
    print(machine(), end="\n\n")
    rows = {size: draw_ratings(size) for size in SHAPES}
    batches = {size: to_batch(drawn) for size, drawn in rows.items()}
    with threadpool_limits(1):
        lines = against_notebook(rows, batches, rounds=5)
        lines += against_pandas(rows[200_000], batches[200_000], rounds=5)
        lines += against_pandas(rows[2_000_000], batches[2_000_000], rounds=3)
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
