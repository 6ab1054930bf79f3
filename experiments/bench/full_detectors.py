"""Every default detector on feature matrices of up to a million users: seconds, growth, memory, agreement."""

from __future__ import annotations

from typing import Any

from experiments.bench.detectors_at_scale import agreement, table

CAP = 120.0
DETECTORS = (
    "logistic-regression",
    "random-forest",
    "gradient-boosting",
    "mlp",
    "one-class-svm",
    "isolation-forest",
    "knn-distance",
    "lof",
    "mahalanobis",
    "gaussian-mixture",
)
"""Those that see a feature matrix alone; next-round and stacked need rounds and rest on these."""

if __name__ == "__main__":
    cases: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in DETECTORS}
    cases |= {f"{one} + logistic": ("logistic-regression", {"sampler": one}) for one in ("smote", "adasyn")}
    table(cases, (1_000, 10_000, 100_000, 1_000_000), CAP)
    agreement()
