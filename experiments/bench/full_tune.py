"""How long does the default tune take, every detector with four trials? As `bench_tune.py`, of which this is the whole.

python experiments/bench/full_tune.py [--rounds A.npz B.npz C.npz] [--trials 4] [--jobs 2]
"""

from __future__ import annotations

from experiments.bench.bench_tune import main

if __name__ == "__main__":
    main(detectors=None, trials=4)
