"""Neighbourhood models: what biases leave of a rating, as similar items or similar users tell it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from scipy import sparse

from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.recommenders.biases import fit_biases
from anomaly_lab.recommenders.factors import residuals
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

CELLS_AT_ONCE = 2**23


@dataclass
class NeighbourRecommender(Recommender):
    """Base of neighbourhood models: biases and a mean of neighbours' departures from them (Koren, 2010).

    Similar is who departs alike where both are known: a correlation around the biases, shrunk where few are shared.
    Each keeps its most similar ones once and for all, and whoever of these is known for a pair has a say.

    Parameters
    ----------
    neighbours : int
        How many are kept, at most.
    shrinkage : float
        A correlation over `n` shared ratings is multiplied by (n - 1) / (n - 1 + shrinkage).
    damping : float
        Added to the sum of similarities that a mean of departures is divided by.
    """

    neighbours: Annotated[int, IntDistribution(20, 1000, log=True)] = 100
    shrinkage: Annotated[float, FloatDistribution(1.0, 500.0, log=True)] = 80.0
    damping: Annotated[float, FloatDistribution(0.01, 10.0, log=True)] = 0.5

    mean_: float = field(init=False, default=0.0, repr=False)
    user_biases_: FloatArray = field(init=False, repr=False)
    item_biases_: FloatArray = field(init=False, repr=False)
    residuals_: sparse.csr_array = field(init=False, repr=False)
    similarities_: sparse.csr_array = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> NeighbourRecommender:
        """Learn biases and who is similar to whom."""
        biases = fit_biases(train.known)
        self.mean_, self.user_biases_, self.item_biases_ = biases.mean, biases.users, biases.items
        self.n_items_ = train.known.n_items
        self.residuals_ = residuals(train.known, biases)
        self.similarities_ = most_similar(self._rows(self.residuals_), self.neighbours, self.shrinkage)
        return self

    def rank(self, users: AnyArray) -> FloatArray:
        """Return one number an item and user, shape (n_users, n_items)."""
        pattern = _with_data(self.residuals_, np.ones_like(self.residuals_.data))
        weighted, weight = self._sums(users, self.residuals_), self._sums(users, pattern)
        told = self.mean_ + self.user_biases_[users, None] + self.item_biases_
        return np.asarray(told + weighted / (weight + self.damping))

    def predict(self, users: AnyArray, items: AnyArray) -> FloatArray:
        """Return one number a pair, shape (n_pairs,)."""
        told = np.empty(len(users))
        order = np.argsort(users, kind="stable")
        distinct, starts = np.unique(users[order], return_index=True)
        step = max(CELLS_AT_ONCE // max(self.n_items_, 1), 1)
        for first in range(0, len(distinct), step):
            block = distinct[first : first + step]
            stop = starts[first + step] if first + step < len(starts) else len(order)
            pairs = order[starts[first] : stop]
            told[pairs] = self.rank(block)[np.searchsorted(block, users[pairs]), items[pairs]]
        return told

    @abstractmethod
    def _rows(self, matrix: sparse.csr_array) -> sparse.csr_array:
        """Return a matrix of users and items with a row for each of those that are neighbours."""

    @abstractmethod
    def _sums(self, users: AnyArray, matrix: sparse.csr_array) -> Float32Array:
        """Return the entries of users' items' neighbours, or neighbours' items, times similarity, summed."""


@dataclass
class ItemKNNRecommender(NeighbourRecommender):
    """Item neighbours: how the user departs from what is expected of similar items (Koren, 2010)."""

    task: ClassVar[str] = "rating-prediction"

    def _rows(self, matrix: sparse.csr_array) -> sparse.csr_array:
        return matrix.T.tocsr()

    def _sums(self, users: AnyArray, matrix: sparse.csr_array) -> Float32Array:
        return np.asarray((matrix[users] @ self.similarities_.T).toarray())


@dataclass
class UserKNNRecommender(NeighbourRecommender):
    """User neighbours: how similar users depart from what is expected of the item (Herlocker et al., 1999)."""

    task: ClassVar[str] = "rating-prediction"

    def _rows(self, matrix: sparse.csr_array) -> sparse.csr_array:
        return matrix

    def _sums(self, users: AnyArray, matrix: sparse.csr_array) -> Float32Array:
        return np.asarray((self.similarities_[users] @ matrix).toarray())


def most_similar(rows: sparse.csr_array, neighbours: int, shrinkage: float) -> sparse.csr_array:
    """Return each row's greatest similarities to others, shape (n_rows, n_rows); none is negative.

    Parameters
    ----------
    rows : csr_array of shape (n_rows, n_columns), float32
        Departures.
    neighbours : int
        How many a row has, at most.
    shrinkage : float
        See `NeighbourRecommender`.
    """
    n_rows = rows.shape[0]
    step = max(CELLS_AT_ONCE // max(n_rows, 1), 1)
    columns = rows.T.tocsr()
    blocks = [_block(rows, columns, start, start + step, neighbours, shrinkage) for start in range(0, n_rows, step)]
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def _block(
    rows: sparse.csr_array, columns: sparse.csr_array, start: int, stop: int, neighbours: int, shrinkage: float
) -> sparse.csr_array:
    """Return what `most_similar` says of some rows."""
    own = rows[start:stop]
    own_ones, ones = _with_data(own, np.ones_like(own.data)), _with_data(columns, np.ones_like(columns.data))
    own_squares, squares = _with_data(own, own.data**2), _with_data(columns, columns.data**2)
    shared = np.maximum((own_ones @ ones).toarray() - 1, 0)
    size = np.sqrt((own_squares @ ones).toarray() * (own_ones @ squares).toarray())
    similarity = (own @ columns).toarray() / np.maximum(size, np.finfo(np.float32).tiny)
    similarity *= shared / (shared + np.float32(shrinkage))
    similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = 0
    if neighbours < similarity.shape[1]:
        least = np.partition(similarity, -neighbours, axis=1)[:, -neighbours, None]
        similarity[similarity < least] = 0
    return sparse.csr_array(np.maximum(similarity, 0))


def _with_data(matrix: sparse.csr_array, data: Float32Array) -> sparse.csr_array:
    """Return a matrix of the same pattern with other entries."""
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
