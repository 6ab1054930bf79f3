"""Mahalanobis distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from anomaly_lab.detectors.base import NoveltyDetector
from anomaly_lab.types import AnyArray, FloatArray


class ShrunkMahalanobis(BaseEstimator):  # type: ignore[misc]
    """Squared distance from the mean under the covariance of Ledoit and Wolf."""

    def fit(self, X: AnyArray, y: None = None) -> ShrunkMahalanobis:
        """Estimate mean and covariance."""
        from sklearn.covariance import LedoitWolf

        self.covariance_ = LedoitWolf().fit(X)
        return self

    def score_samples(self, X: AnyArray) -> FloatArray:
        """Return the negative squared distance: high is normal, as in scikit-learn."""
        return -np.asarray(self.covariance_.mahalanobis(X), dtype=float)


@dataclass
class MahalanobisDetector(NoveltyDetector):
    """Mahalanobis distance from the genuine users under a shrunk covariance (Ledoit and Wolf, 2004)."""

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the estimator; it draws nothing at random."""
        return ShrunkMahalanobis()
