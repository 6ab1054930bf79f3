"""Random forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import SupervisedDetector
from anomaly_lab.detectors.bounded_forest import BoundedForest
from anomaly_lab.evaluation.folds import Train
from anomaly_lab.types import Float32Array


@dataclass
class RandomForestDetector(SupervisedDetector):
    """Random forest on balanced classes (Breiman, 2001).

    Each tree sees a small share of the users and a few features, so that none of them can lean on the one feature that
    gave last round's fakes away. It is at most `TREE_ROWS` of them.
    """

    n_estimators: Annotated[int, IntDistribution(50, 300, step=50)] = 100
    min_samples_leaf: Annotated[int, IntDistribution(1, 20, log=True)] = 3
    max_features: Annotated[float, FloatDistribution(0.05, 0.6)] = 0.1
    max_samples: Annotated[float, FloatDistribution(0.1, 1.0)] = 0.3

    def build(self, seed: int) -> Any:
        """Return the forest."""
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            max_samples=self.max_samples,
            random_state=seed,
            n_jobs=1,
        )
        return BoundedForest(forest)

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit on the labelled users; the form is exact if every tree sees as many as `max_samples` says."""
        super().fit_matrix(matrix, train, seed=seed)
        if self.estimator_[-1].bounded_:
            self.form_ = "approximate"
        elif not self.form_:  # a sampler that looks for neighbours has its own
            self.form_ = "exact"
