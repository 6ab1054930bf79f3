"""Isolation forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import NoveltyDetector


@dataclass
class IsolationForestDetector(NoveltyDetector):
    """Isolation forest: unusual users are cut off by few random splits (Liu, Ting and Zhou, 2008)."""

    n_estimators: Annotated[int, IntDistribution(50, 300, step=50)] = 150
    max_samples: Annotated[int, IntDistribution(64, 512, log=True)] = 256
    max_features: Annotated[float, FloatDistribution(0.2, 1.0)] = 0.5

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the forest."""
        from sklearn.ensemble import IsolationForest

        return IsolationForest(
            n_estimators=self.n_estimators,
            max_samples=min(self.max_samples, n_rows),
            max_features=self.max_features,
            random_state=seed,
            n_jobs=1,
        )
