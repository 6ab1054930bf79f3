"""Distance to the nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution
from sklearn.base import BaseEstimator

from anomaly_lab.detectors.base import NoveltyDetector
from anomaly_lab.detectors.bounded import REFERENCE_ROWS
from anomaly_lab.types import AnyArray, FloatArray

AGGREGATES = ("mean", "median", "largest")


class NeighbourDistance(BaseEstimator):  # type: ignore[misc]
    """Distance to the k nearest rows of the fit, summed up by mean, median or largest.

    Rows at distance 0 are skipped once each, so that a row of the fit is not its own neighbour.
    """

    def __init__(self, n_neighbors: int = 10, aggregate: str = "mean") -> None:
        self.n_neighbors = n_neighbors
        self.aggregate = aggregate

    def fit(self, X: AnyArray, y: None = None) -> NeighbourDistance:
        """Index the rows; brute force beats trees at tens of columns."""
        from sklearn.neighbors import NearestNeighbors

        self.index_ = NearestNeighbors(algorithm="brute", n_jobs=1).fit(X)
        return self

    def score_samples(self, X: AnyArray) -> FloatArray:
        """Return the negative distance of each row: high is normal, as in scikit-learn."""
        k = min(self.n_neighbors + 1, self.index_.n_samples_fit_)
        distances = self.index_.kneighbors(X, n_neighbors=k)[0]
        itself = distances[:, 0] <= 1e-6
        distances = np.where(itself[:, None], np.roll(distances, -1, axis=1), distances)[:, : max(k - 1, 1)]
        collect: Any = {"mean": np.mean, "median": np.median, "largest": np.max}[self.aggregate]
        summary: FloatArray = collect(distances, axis=1)
        return -summary


@dataclass
class KNNDistanceDetector(NoveltyDetector):
    """Distance to the nearest genuine users (Ramaswamy, Rastogi and Shim, 2000)."""

    reference_rows: ClassVar[int | None] = REFERENCE_ROWS
    exact_rows: ClassVar[int | None] = REFERENCE_ROWS

    n_neighbors: Annotated[int, IntDistribution(1, 60, log=True)] = 10
    aggregate: Annotated[str, CategoricalDistribution(AGGREGATES)] = "mean"

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the index; it draws nothing at random."""
        return NeighbourDistance(self.n_neighbors, self.aggregate)
