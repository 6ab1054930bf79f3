"""Local outlier factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from optuna.distributions import CategoricalDistribution, IntDistribution

from anomaly_lab.detectors.base import SCALERS, NoveltyDetector
from anomaly_lab.detectors.bounded import REFERENCE_ROWS


@dataclass
class LocalOutlierFactorDetector(NoveltyDetector):
    """Local outlier factor: density beside that of the neighbours (Breunig et al., 2000)."""

    reference_rows: ClassVar[int | None] = REFERENCE_ROWS
    exact_rows: ClassVar[int | None] = REFERENCE_ROWS

    scaling: Annotated[str, CategoricalDistribution(SCALERS)] = "rank"
    n_neighbors: Annotated[int, IntDistribution(5, 100, log=True)] = 30

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the factor's estimator; it draws nothing at random."""
        from sklearn.neighbors import LocalOutlierFactor

        return LocalOutlierFactor(
            n_neighbors=min(self.n_neighbors, n_rows - 1), novelty=True, algorithm="brute", n_jobs=1
        )
