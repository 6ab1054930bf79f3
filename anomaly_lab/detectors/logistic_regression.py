"""Logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution

from anomaly_lab.detectors.base import SupervisedDetector


@dataclass
class LogisticRegressionDetector(SupervisedDetector):
    """Logistic regression with an elastic net (Zou and Hastie, 2005).

    Weights are held small: what it takes large weights to see in one round is gone in the next.
    """

    C: Annotated[float, FloatDistribution(3e-4, 1.0, log=True)] = 2e-3
    l1_ratio: Annotated[float, FloatDistribution(0.0, 1.0)] = 0.0

    def build(self, seed: int) -> Any:
        """Return the classifier."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(
            C=self.C,
            l1_ratio=self.l1_ratio,
            solver="saga" if self.l1_ratio > 0 else "lbfgs",  # saga alone takes an l1 part, and is the slower
            max_iter=100,
            tol=1e-3,
            random_state=seed,
        )
