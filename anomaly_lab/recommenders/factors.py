"""What factor models share: ratings less their biases to learn from, products of two vectors to predict with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Recommender
from anomaly_lab.recommenders.biases import Biases
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

NUMBERS_AT_ONCE = 2**24


def residuals(known: Interactions, biases: Biases) -> tuple[sparse.csr_array, float]:
    """Return what biases leave of the ratings, in units of its standard deviation, and that deviation.

    So no penalty depends on whether ratings go from 0.5 to 5 or from 1 to 10.

    Parameters
    ----------
    known : Interactions
        The ratings.
    biases : Biases
        Their users' and items'.

    Returns
    -------
    residuals : csr_array of shape (n_users, n_items), float32
    unit : float
        In units of the rating; 1 where biases leave nothing.
    """
    left = (known.values - biases.of(known.users, known.items)).astype(np.float32)
    unit = float(left.std(dtype=np.float64)) if len(left) else 1.0
    unit = unit or 1.0
    matrix = known.matrix
    return sparse.csr_array((left / np.float32(unit), matrix.indices, matrix.indptr), shape=matrix.shape), unit


@dataclass
class FactorModel(Recommender):
    """Base of models that add the product of a user's and an item's vector to the biases of both."""

    mean_: float = field(init=False, default=0.0, repr=False)
    user_biases_: FloatArray = field(init=False, repr=False)
    item_biases_: FloatArray = field(init=False, repr=False)
    user_factors_: Float32Array = field(init=False, repr=False)
    item_factors_: Float32Array = field(init=False, repr=False)

    def keep(self, biases: Biases, user_factors: Float32Array, item_factors: Float32Array) -> None:
        """Keep what is fitted."""
        self.mean_, self.user_biases_, self.item_biases_ = biases.mean, biases.users, biases.items
        self.user_factors_, self.item_factors_ = user_factors, item_factors
        self.n_items_ = len(item_factors)

    def predict(self, users: AnyArray, items: AnyArray) -> FloatArray:
        """Return one number a pair, shape (n_pairs,)."""
        told = self.mean_ + self.user_biases_[users] + self.item_biases_[items]
        step = max(NUMBERS_AT_ONCE // self.item_factors_.shape[1], 1)
        for start in range(0, len(users), step):
            part = slice(start, start + step)
            told[part] += np.einsum("ij,ij->i", self.user_factors_[users[part]], self.item_factors_[items[part]])
        return told

    def rank(self, users: AnyArray) -> FloatArray:
        """Return one number an item and user, shape (n_users, n_items)."""
        told = self.mean_ + self.user_biases_[users, None] + self.item_biases_
        told += self.user_factors_[users] @ self.item_factors_.T
        return told

    def item_vectors(self) -> FloatArray | None:
        """Return the items' factors, shape (n_items, n_factors)."""
        return self.item_factors_.astype(np.float64)
