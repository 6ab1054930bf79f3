"""Gradient boosting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import SupervisedDetector


@dataclass
class GradientBoostingDetector(SupervisedDetector):
    """Gradient-boosted trees by LightGBM on small samples of the users (Friedman, 2002; Ke et al., 2017)."""

    n_estimators: Annotated[int, IntDistribution(50, 400, step=50)] = 150
    learning_rate: Annotated[float, FloatDistribution(0.01, 0.2, log=True)] = 0.05
    num_leaves: Annotated[int, IntDistribution(4, 31, log=True)] = 15
    min_child_samples: Annotated[int, IntDistribution(5, 60, log=True)] = 10
    colsample: Annotated[float, FloatDistribution(0.2, 1.0)] = 0.4
    subsample: Annotated[float, FloatDistribution(0.2, 1.0)] = 0.3
    reg_lambda: Annotated[float, FloatDistribution(0.1, 30.0, log=True)] = 5.0

    def build(self, seed: int) -> Any:
        """Return the booster."""
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            num_leaves=self.num_leaves,
            min_child_samples=self.min_child_samples,
            colsample_bytree=self.colsample,
            subsample=self.subsample,
            subsample_freq=1,
            reg_lambda=self.reg_lambda,
            random_state=seed,
            deterministic=True,
            force_col_wise=True,
            n_jobs=1,
            verbose=-1,
        )
