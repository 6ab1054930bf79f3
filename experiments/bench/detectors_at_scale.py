"""Detectors on synthetic feature matrices: CPU seconds, growth and memory, each measured in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from anomaly_lab.registry import MODELS
from anomaly_lab.types import Float32Array, FloatArray, IntArray
from experiments.bench.common import machine, memory

N_FEATURES, FAKES, BLOCK = 30, 0.2, 8
TARGET = 1.2
"""The exponent to stay below: linear time with a logarithm, and room for noise."""
JUST_BEYOND = {
    "one-class-svm": 7_500,
    "knn-distance": 15_000,
    "lof": 15_000,
    "kmeans-distance": 15_000,
    "seed-notebook": 60_000,
    "random-forest": 80_000,
}
"""Users beyond which these detectors are not exact, and some more; four of five are genuine."""


def matrix(n_users: int, seed: int = 0) -> tuple[Float32Array, IntArray]:
    """Return correlated features, and labels: a fifth of the users is generated and differs in mean and spread."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n_users) < FAKES).astype(np.int64)
    mixing = rng.normal(size=(BLOCK, N_FEATURES))
    features = rng.normal(size=(n_users, BLOCK)) @ mixing + 0.5 * rng.normal(size=(n_users, N_FEATURES))
    features[labels == 1] = 1.3 * features[labels == 1] + 0.8 * rng.normal(size=N_FEATURES)
    return features.astype(np.float32), labels


def scores_of(name: str, n_users: int, params: dict[str, Any], *, exact: bool = False) -> tuple[FloatArray, float]:
    """Return a detector's scores of all users and the CPU seconds of fitting and scoring."""
    features, labels = matrix(n_users)
    model = MODELS.load(name)(**params)
    train: Any = SimpleNamespace(users=np.arange(n_users), labels=labels, visible=labels, inductive=False)
    begun = time.process_time()
    with threadpool_limits(1):
        with _unbounded() if exact else nullcontext():
            model.fit_matrix(features, train, seed=0)
        scores: FloatArray = model.score_matrix(features)
    return scores, time.process_time() - begun


@contextmanager
def _unbounded() -> Iterator[None]:
    """Keep every method exact, whatever that costs."""
    with (
        patch("anomaly_lab.detectors.base.draw_rows", lambda n_rows, at_most, seed: np.arange(n_rows)),
        patch("anomaly_lab.detectors.one_class_svm.EXACT_ROWS", sys.maxsize),
        patch("anomaly_lab.detectors.seed_notebook.NETWORK_ROWS", sys.maxsize),
        patch("anomaly_lab.detectors.bounded_forest.TREE_ROWS", sys.maxsize),
    ):
        yield


def measure(name: str, n_users: int, cap: float, params: dict[str, Any]) -> dict[str, float] | None:
    """Return CPU seconds and peak megabytes of one detector in a process of its own, None past the cap."""
    asked = [sys.executable, "-m", "experiments.bench.detectors_at_scale", name, str(n_users), json.dumps(params)]
    try:
        ran = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=4 * cap + 30)
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def table(cases: dict[str, tuple[str, dict[str, Any]]], sizes: tuple[int, ...], cap: float) -> None:
    """Print every detector's seconds at each size, how they grow from each to the next, and peak memory; then JSON."""
    print(f"detectors on {N_FEATURES} features, CPU s of fit and score, cap {cap:g} s: {machine()}")
    lines = []
    for label, (name, params) in cases.items():
        taken: list[dict[str, float]] = []
        for size in sizes:
            expected = 0.0
            if len(taken) > 1:
                expected = taken[-1]["seconds"] ** 2 / max(taken[-2]["seconds"], 1e-3)
            found = None if expected > 2 * cap else measure(name, size, cap, params)
            if found is None:
                break
            taken.append(found)
        shown = "  ".join(f"{one['seconds']:.2f}" for one in taken) + "  -" * (len(sizes) - len(taken))
        powers = _exponents(sizes, [one["seconds"] for one in taken])
        told, grown = "  ".join(f"{one:.2f}" for one in powers), "  ".join(f"{one['megabytes']:.0f}" for one in taken)
        print(f"  {label:24s} {shown}   exponents {told}   peak MB {grown}", flush=True)
        if powers:
            figures = {"baseline": TARGET, "lab": round(powers[-1], 3), "ratio": round(TARGET / powers[-1], 3)}
            lines.append(json.dumps({"name": f"time exponent of {label}, last decade"} | figures))
    print("\n".join(lines))


def agreement() -> None:
    """Print how the approximate form of a detector agrees with its exact one, just beyond the bound; then JSON."""
    lines = []
    for name, size in JUST_BEYOND.items():
        approximate, fast = scores_of(name, size, {})
        exact, slow = scores_of(name, size, {}, exact=True)
        found = float(spearmanr(exact, approximate).statistic)
        top = max(len(exact) // 100, 1)
        shared = len(set(np.argsort(-exact)[:top]) & set(np.argsort(-approximate)[:top])) / top
        print(
            f"  {name}, {size:,} users: Spearman {found:.4f}, top 1 % shared {shared:.2f}, "
            f"{slow:.2f} s exact, {fast:.2f} s approximate",
            flush=True,
        )
        figures = {"baseline": 1.0, "lab": round(found, 4), "ratio": round(found, 4)}
        lines.append(json.dumps({"name": f"rank agreement of {name} with its exact form"} | figures))
    print("\n".join(lines))


def _exponents(sizes: tuple[int, ...], seconds: list[float]) -> list[float]:
    """Return the power of the number of users by which time grows from each size to the next."""
    measured = zip(sizes[: len(seconds)], np.maximum(seconds, 1e-4), strict=True)
    return [math.log(after / before) / math.log(more / few) for (few, before), (more, after) in pairwise(measured)]


def _child() -> None:
    name, n_users, params = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    scores_of(name, 200, params)  # imports are not part of the time
    seconds = scores_of(name, n_users, params)[1]
    print(json.dumps({"seconds": seconds, "megabytes": memory("VmHWM") / 2**20}))


if __name__ == "__main__":
    _child()
