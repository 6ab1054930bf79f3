"""Matrix factorisation by alternating ridge regressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from scipy import sparse

from anomaly_lab.recommenders.base import Training
from anomaly_lab.recommenders.biases import fit_biases
from anomaly_lab.recommenders.factors import FactorModel, residuals, spread
from anomaly_lab.recommenders.least_squares import normal_equations
from anomaly_lab.types import Float32Array


@dataclass
class ALSRecommender(FactorModel):
    """Matrix factorisation of what biases leave, by alternating ridge regressions (Zhou et al., 2008).

    Parameters
    ----------
    n_factors : int
        Length of the vectors.
    ridge : float
        Penalty on a vector's square, in units of the variance of what biases leave.
    weighting : float
        The penalty grows with the number of ratings to this power: 0 for one penalty for all, 1 for the weighted-lambda
        penalty of Zhou et al. (2008).
    sweeps : int
        How often users' and items' vectors are solved for in turn.
    """

    task: ClassVar[str] = "rating-prediction"

    n_factors: Annotated[int, IntDistribution(4, 100, log=True)] = 20
    ridge: Annotated[float, FloatDistribution(0.1, 30.0, log=True)] = 4.0
    weighting: Annotated[float, FloatDistribution(0.0, 1.0)] = 0.3
    sweeps: Annotated[int, IntDistribution(3, 30, log=True)] = 10

    def fit(self, train: Training, *, rng: np.random.Generator) -> ALSRecommender:
        """Learn biases, then vectors of what they leave."""
        known = train.known
        biases = fit_biases(known)
        unit = spread(known, biases)
        by_user = residuals(known, biases, unit)
        by_item = by_user.T.tocsr()
        items = rng.normal(0, 0.1, (known.n_items, self.n_factors)).astype(np.float32)
        for _ in range(self.sweeps):
            users = self._solve(by_user, items)
            items = self._solve(by_item, users)
        self.keep(biases, users * np.float32(unit), items)
        return self

    def _solve(self, matrix: sparse.csr_array, others: Float32Array) -> Float32Array:
        """Return each row's vector, given those of the columns."""
        own = np.zeros((matrix.shape[0], others.shape[1]), dtype=np.float32)
        penalties = self.ridge * np.maximum(np.diff(matrix.indptr), 1) ** self.weighting
        identity = np.eye(others.shape[1], dtype=np.float32)
        for rows, gram, moment in normal_equations(matrix, others):
            gram += identity * np.float32(penalties[rows[0]])
            own[rows] = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
        return own
