"""One-class support vector machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution

from anomaly_lab.detectors.base import NoveltyDetector


@dataclass
class OneClassSVMDetector(NoveltyDetector):
    """One-class SVM with a Gaussian kernel (Schölkopf et al., 2001)."""

    nu: Annotated[float, FloatDistribution(0.01, 0.9)] = 0.5
    gamma: Annotated[float, FloatDistribution(1e-3, 0.3, log=True)] = 0.01

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the machine; it draws nothing at random."""
        from sklearn.svm import OneClassSVM

        return OneClassSVM(nu=self.nu, gamma=self.gamma)
