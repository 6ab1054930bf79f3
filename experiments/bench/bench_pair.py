"""How long does it take to describe two rounds and an attack bank? By all eight families, one training and one target.

Two rounds of the embedded course, or two files. One thread is the baseline; the clock is compared, not CPU seconds, for
threads share out the same work. Before anything is timed, both must give the same bits.

    python experiments/bench/bench_pair.py [--rounds A.npz B.npz] [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.attacks.bank import make_bank
from anomaly_lab.detectors.next_round import NextRoundDetector
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.registry import ALL_FAMILIES
from anomaly_lab.tasks.fake_users import query_round
from anomaly_lab.types import Float32Array
from experiments.bench.common import in_turns, machine

BANK = NextRoundDetector().bank_settings
TURNS = 2


def describe(rounds: list[Round], threads: int) -> Float32Array:
    """Return the features of everyone and of a bank, of rounds pooled anew so that nothing is kept from before."""
    fold = query_round(pool([one.ratings for one in rounds]), rounds, 1)
    store = FeatureStore(ALL_FAMILIES, threads=threads)
    with threadpool_limits(1):
        everyone = store.matrix(fold.pool, fold.visible)
        bank = store.fakes(fold.pool, fold.visible, make_bank(fold.pool, fold.visible, BANK))
    return np.vstack([everyone.matrix, bank.matrix])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", nargs=2, metavar="FILE", help="labelled rounds: the training one, the target")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    settings = parser.parse_args()
    rounds = read_rounds(settings.rounds, require_labels=True) if settings.rounds else make_course(n_rounds=2)
    print(machine())
    ways: dict[str, Callable[[], Float32Array]] = {
        "one thread": lambda: describe(rounds, 1),
        "threads": lambda: describe(rounds, settings.threads),
    }
    first, second = (way() for way in ways.values())
    assert first.tobytes() == second.tobytes()
    print(f"  {len(first):,} real and simulated users, {first.shape[1]} columns, {settings.threads} threads")
    timings = in_turns({name: (way, 1.0) for name, way in ways.items()}, TURNS)
    walls = {name: float(np.median(timing.wall)) for name, timing in timings.items()}
    for name, timing in timings.items():
        print(f"  {name}: {walls[name]:.1f} s on the clock, {np.median(timing.cpu):.1f} CPU seconds")
    name = "describing a pair of rounds with a bank: one thread / threads, seconds"
    baseline, lab = (round(wall, 1) for wall in walls.values())
    print(json.dumps({"name": name, "baseline": baseline, "lab": lab, "ratio": round(baseline / lab, 2)}))


if __name__ == "__main__":
    main()
