"""Random forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import SupervisedDetector


@dataclass
class RandomForestDetector(SupervisedDetector):
    """Random forest on balanced classes (Breiman, 2001).

    Each tree sees a small share of the users and a few features, so that none of them can lean on the one feature that
    gave last round's fakes away.
    """

    n_estimators: Annotated[int, IntDistribution(50, 300, step=50)] = 100
    min_samples_leaf: Annotated[int, IntDistribution(1, 20, log=True)] = 3
    max_features: Annotated[float, FloatDistribution(0.05, 0.6)] = 0.1
    max_samples: Annotated[float, FloatDistribution(0.1, 1.0)] = 0.3

    def build(self, seed: int) -> Any:
        """Return the forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            max_samples=self.max_samples,
            random_state=seed,
            n_jobs=1,
        )
