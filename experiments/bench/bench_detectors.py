"""Cheap detectors on matrices of 10,000 and 100,000 users; `full_detectors.py` has all, up to a million."""

from __future__ import annotations

from experiments.bench.detectors_at_scale import table

if __name__ == "__main__":
    cheap = ("mahalanobis", "logistic-regression", "one-class-svm", "knn-distance")
    table({name: (name, {}) for name in cheap}, (10_000, 100_000), cap=20.0)
