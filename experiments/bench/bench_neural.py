"""How long does an epoch of the embedding regressor take? Seconds, and the most memory, beside its seed's on a GPU.

The ratings are generated: seeded, long-tailed in users and items, as many users and items to a rating as MovieLens 20M
has (138,493 and 26,744), but not fewer than 1,000 of each; 4 in 5 are learned from, the others predicted after every
epoch. The seed did the same with 20 million ratings, batches of 1024 and a layer of 1024, on a GPU: its first epoch
took 97 seconds, each later one 78. The lab computes on one thread, so CPU seconds are those of an idle machine.

    python experiments/bench/bench_neural.py --rows 20000000
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Training
from anomaly_lab.recommenders.neural.embedding_regressor import EmbeddingRegressor
from anomaly_lab.types import FloatArray
from experiments.bench.common import machine

ML_20M = {"rows": 20_000_263, "users": 138_493, "items": 26_744}
SEED_SECONDS = 78 / 16_000_210
"""The seed's, a rating learned from."""


@dataclass
class Clock:
    """Takes the time of every epoch as it is reported: on the clock, and of the processor."""

    last: FloatArray = field(default_factory=lambda: np.array([time.perf_counter(), time.process_time()]))
    seconds: list[FloatArray] = field(default_factory=list)

    def __call__(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Print an epoch and how long it took."""
        now = np.array([time.perf_counter(), time.process_time()])
        self.seconds.append(now - self.last)
        self.last, (wall, cpu) = now, now - self.last
        print(f"  epoch {epoch}: {wall:.1f} s, {cpu:.1f} CPU s; RMSE {figures['validation']:.4f}", flush=True)


def draw_ratings(n_rows: int) -> Interactions:
    """Return ratings of distinct pairs, 0.5 to 5: activity is log-normal, popularity a power law, taste latent."""
    share = n_rows / ML_20M["rows"]
    n_users, n_items = (max(round(ML_20M[name] * share), 1_000) for name in ("users", "items"))
    rng = np.random.default_rng(0)
    activity = np.cumsum(rng.lognormal(0, 1, n_users))
    popularity = np.cumsum(np.arange(10, n_items + 10) ** -0.8)
    cells = np.empty(0, dtype=np.int64)
    while len(cells) < n_rows:
        drawn = (np.searchsorted(sums, rng.random(n_rows) * sums[-1]) for sums in (activity, popularity))
        users, items = drawn
        cells = np.union1d(cells, users * n_items + items)
    cells = np.sort(rng.choice(cells, n_rows, replace=False))
    users, items = np.divmod(cells, n_items)
    liking = rng.normal(3.5, 0.4, n_users)[users] + rng.normal(0, 0.5, n_items)[items]
    for _ in range(3):
        liking += 0.3 * rng.normal(0, 1, n_users)[users] * rng.normal(0, 1, n_items)[items]
    liking += rng.normal(0, 0.7, n_rows)
    values = (np.clip(np.round(2 * liking), 1, 10) / 2).astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, n_users, n_items, 0.5, 5)


def peak_memory() -> float:
    """Return the most memory this process has held, in GB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    ratings = draw_ratings(asked.rows)
    print(
        f"{len(ratings):,} ratings, {ratings.n_users:,} users, {ratings.n_items:,} items; held {peak_memory():.1f} GB"
    )
    learned = np.random.default_rng(1).random(len(ratings)) < 0.8
    train = Training(ratings.take(learned), ratings.take(~learned), report=(clock := Clock()))
    EmbeddingRegressor(max_epochs=asked.epochs).fit(train, rng=np.random.default_rng(0))
    wall, cpu = np.median(clock.seconds[1:] or clock.seconds, axis=0)
    baseline = SEED_SECONDS * int(learned.sum())
    print(f"  {wall:.1f} s an epoch, {cpu:.1f} CPU s (the seed's GPU: {baseline:.1f}); at most {peak_memory():.1f} GB")
    name = f"embedding regressor, {len(ratings):,} ratings (CPU seconds an epoch; baseline: the seed's on a GPU)"
    figures = {"baseline": baseline, "lab": cpu, "ratio": baseline / cpu}
    print("\n" + json.dumps({"name": name, **{key: float(f"{value:.3g}") for key, value in figures.items()}}))


if __name__ == "__main__":
    main()
