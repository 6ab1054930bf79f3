"""Gaussian mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.detectors.base import NoveltyDetector


@dataclass
class GaussianMixtureDetector(NoveltyDetector):
    """Likelihood under a mixture of Gaussians fitted to the genuine users (Dempster, Laird and Rubin, 1977)."""

    n_components: Annotated[int, IntDistribution(1, 8)] = 3
    regularisation: Annotated[float, FloatDistribution(1e-3, 1.0, log=True)] = 0.1

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the mixture."""
        from sklearn.mixture import GaussianMixture

        return GaussianMixture(
            n_components=min(self.n_components, n_rows), reg_covar=self.regularisation, max_iter=60, random_state=seed
        )
