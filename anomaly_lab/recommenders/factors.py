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


def spread(known: Interactions, biases: Biases) -> float:
    """Return the standard deviation of what biases leave, in units of the rating; 1 where they leave nothing.

    Measured in it, no penalty or prior depends on whether ratings go from 0.5 to 5 or from 1 to 10.
    """
    left = known.values - biases.of(known.users, known.items)
    return float(left.std()) or 1.0 if len(left) else 1.0


def residuals(known: Interactions, biases: Biases, unit: float) -> sparse.csr_array:
    """Return what biases leave of the ratings, shape (n_users, n_items), float32.

    Parameters
    ----------
    known : Interactions
        The ratings.
    biases : Biases
        Of their users and items.
    unit : float
        What to measure it in.
    """
    left = (known.values - biases.of(known.users, known.items)) / unit
    matrix = known.matrix
    return sparse.csr_array((left.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


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
