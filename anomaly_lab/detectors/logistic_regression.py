"""Logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution

from anomaly_lab.detectors.base import SupervisedDetector


@dataclass
class LogisticRegressionDetector(SupervisedDetector):
    """Logistic regression with an elastic net (Zou and Hastie, 2005)."""

    C: Annotated[float, FloatDistribution(1e-3, 10.0, log=True)] = 0.05
    l1_ratio: Annotated[float, FloatDistribution(0.0, 1.0)] = 0.5

    def build(self, seed: int) -> Any:
        """Return the classifier."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(
            C=self.C, l1_ratio=self.l1_ratio, solver="saga", max_iter=300, tol=1e-3, random_state=seed
        )
