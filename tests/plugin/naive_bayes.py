from dataclasses import dataclass
from typing import Annotated

from optuna.distributions import FloatDistribution
from sklearn.naive_bayes import GaussianNB

from anomaly_lab.detectors.base import SupervisedDetector


@dataclass
class NaiveBayes(SupervisedDetector):
    """Gaussian naive Bayes, each feature by itself (Hand and Yu, 2001)."""

    var_smoothing: Annotated[float, FloatDistribution(1e-9, 0.1, log=True)] = 1e-3

    def build(self, seed):
        return GaussianNB(var_smoothing=self.var_smoothing)
