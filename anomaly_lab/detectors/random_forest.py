"""Random forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import SupervisedDetector
from anomaly_lab.detectors.samplers import SAMPLERS


@dataclass
class RandomForestDetector(SupervisedDetector):
    """Random forest on balanced samples (Breiman, 2001)."""

    sampler: Annotated[str, CategoricalDistribution(SAMPLERS)] = "smote"
    n_estimators: Annotated[int, IntDistribution(50, 300, step=50)] = 150
    min_samples_leaf: Annotated[int, IntDistribution(1, 20, log=True)] = 3
    max_features: Annotated[float, FloatDistribution(0.1, 0.6)] = 0.25

    def build(self, seed: int) -> Any:
        """Return the forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            random_state=seed,
            n_jobs=1,
        )
