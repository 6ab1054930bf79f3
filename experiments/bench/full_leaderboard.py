"""The board of 10,000 runs: `bench_leaderboard.py` at the size that the lab promises to be quick at."""

from __future__ import annotations

from experiments.bench.bench_leaderboard import main

if __name__ == "__main__":
    main(n_runs=10_000, rounds=3)
