"""Implicit ALS: factors of a matrix whose empty cells count a little."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from scipy import sparse

from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.recommenders.least_squares import normal_equations
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

START = 0.1
"""Standard deviation of a start vector's length."""


@dataclass
class IALSRecommender(Recommender):
    """Implicit ALS: known cells are fitted to 1, all cells to 0 with a small weight (Hu et al., 2008).

    Penalties grow with how much a user or an item weighs, as in Rendle et al. (2021).

    Parameters
    ----------
    n_factors : int
        Length of the vectors.
    unknown_weight : float
        Weight of a cell that says nothing, where a known cell's is 1.
    ridge : float
        Penalty on a vector's square, for a user or an item of weight 1.
    weighting : float
        The penalty grows with the weight of all cells of a user or an item to this power.
    sweeps : int
        How often users' and items' vectors are solved for in turn.
    """

    task: ClassVar[str] = "implicit-ranking"

    n_factors: Annotated[int, IntDistribution(8, 128, log=True)] = 32
    unknown_weight: Annotated[float, FloatDistribution(0.01, 1.0, log=True)] = 0.1
    ridge: Annotated[float, FloatDistribution(1e-3, 10.0, log=True)] = 0.05
    weighting: Annotated[float, FloatDistribution(0.0, 1.0)] = 1.0
    sweeps: Annotated[int, IntDistribution(4, 32, log=True)] = 12

    user_factors_: Float32Array = field(init=False, repr=False)
    item_factors_: Float32Array = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> IALSRecommender:
        """Learn the vectors."""
        known = train.known
        by_user = known.matrix
        by_item = by_user.T.tocsr()
        size = START / np.sqrt(self.n_factors)
        users = np.zeros((known.n_users, self.n_factors), dtype=np.float32)
        items = rng.normal(0, size, (known.n_items, self.n_factors)).astype(np.float32)
        for _ in range(self.sweeps):
            users = self._solve(by_user, items)
            items = self._solve(by_item, users)
        self.user_factors_, self.item_factors_, self.n_items_ = users, items, known.n_items
        return self

    def _solve(self, matrix: sparse.csr_array, others: Float32Array) -> Float32Array:
        """Return each row's vector, given those of the columns."""
        own = np.zeros((matrix.shape[0], others.shape[1]), dtype=np.float32)
        weights = np.diff(matrix.indptr) + self.unknown_weight * len(others)
        penalties = (self.ridge * weights**self.weighting).astype(np.float32)
        everyone = np.float32(self.unknown_weight) * (others.T @ others)
        identity = np.eye(others.shape[1], dtype=np.float32)
        for rows, gram, moment in normal_equations(matrix, others):
            gram += everyone + identity * penalties[rows[0]]
            own[rows] = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
        return own

    def rank(self, users: AnyArray) -> FloatArray:
        """Return one number an item and user, shape (n_users, n_items)."""
        return (self.user_factors_[users] @ self.item_factors_.T).astype(np.float64)

    def item_vectors(self) -> FloatArray | None:
        """Return the items' factors, shape (n_items, n_factors)."""
        return self.item_factors_.astype(np.float64)
