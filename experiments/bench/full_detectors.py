"""Every default detector on feature matrices of up to a million users: seconds, growth, memory, agreement.

Next-round, a default one too, needs ratings and is left out. Beside the others stands what else is bounded: centres,
samplers, and two detectors of PyOD where that is installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from anomaly_lab.registry import MODELS
from experiments.bench.detectors_at_scale import agreement, table
from experiments.choose import choose_detectors

CAP = 150.0
SIZES = (1_000, 10_000, 100_000, 1_000_000)
RATINGS_NEEDED = ("next-round",)


def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what is measured by its label: a detector and its settings."""
    default, _ = choose_detectors(None, "fake-users")
    built_in = [name for name in default if name in MODELS.built_in and name not in RATINGS_NEEDED]
    further = ["kmeans-distance", *(["pyod:ECOD", "pyod:KNN"] if find_spec("pyod") else [])]
    samplers = {f"logistic-regression, {one}": ("logistic-regression", {"sampler": one}) for one in ("smote", "adasyn")}
    return {name: (name, {}) for name in [*built_in, *further]} | samplers


if __name__ == "__main__":
    table(cases(), SIZES, CAP)
    agreement()
