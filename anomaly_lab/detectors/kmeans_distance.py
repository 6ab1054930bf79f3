"""Distance to the nearest k-means centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from optuna.distributions import IntDistribution
from sklearn.base import BaseEstimator

from anomaly_lab.detectors.base import NoveltyDetector
from anomaly_lab.detectors.bounded import REFERENCE_ROWS
from anomaly_lab.types import AnyArray, FloatArray

N_STARTS = 3


class CentreDistance(BaseEstimator):  # type: ignore[misc]
    """Distance to the nearest centre of the fit."""

    def __init__(self, n_clusters: int = 8, random_state: int = 0) -> None:
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X: AnyArray, y: None = None) -> CentreDistance:
        """Find the centres, the best of several starts."""
        from sklearn.cluster import KMeans

        self.centres_ = KMeans(self.n_clusters, n_init=N_STARTS, random_state=self.random_state).fit(X)
        return self

    def score_samples(self, X: AnyArray) -> FloatArray:
        """Return the negative distance of each row: high is normal, as in scikit-learn."""
        distances: FloatArray = self.centres_.transform(X).min(axis=1)
        return -distances


@dataclass
class KMeansDistanceDetector(NoveltyDetector):
    """Distance to the nearest k-means centre of the genuine users (MacQueen, 1967; Lloyd, 1982)."""

    tuned_by_default: ClassVar[bool] = False
    reference_rows: ClassVar[int | None] = REFERENCE_ROWS
    exact_rows: ClassVar[int | None] = REFERENCE_ROWS

    n_clusters: Annotated[int, IntDistribution(1, 64, log=True)] = 8

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the centres' estimator."""
        return CentreDistance(min(self.n_clusters, n_rows), seed)
