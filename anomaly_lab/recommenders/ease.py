"""EASE: a linear autoencoder between items, in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution
from scipy import linalg, sparse

from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.types import AnyArray, Float32Array, FloatArray, IntArray


@dataclass
class EASERecommender(Recommender):
    """EASE: each item regressed on all others at once, with a ridge and none on itself (Steck, 2019).

    Parameters
    ----------
    ridge : float
        Penalty on a weight's square, in users.
    top_items : int
        Only so many of the most popular items have weights, for the time grows with their cube and the memory with
        their square; the others stand below these in every list, by popularity.
    """

    task: ClassVar[str] = "implicit-ranking"

    ridge: Annotated[float, FloatDistribution(1.0, 5000.0, log=True)] = 100.0
    top_items: int = 5000

    counts_: FloatArray = field(init=False, repr=False)
    known_: sparse.csr_array = field(init=False, repr=False)
    modelled_: IntArray = field(init=False, repr=False)
    weights_: Float32Array = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> EASERecommender:
        """Learn the weights between items."""
        known = train.known
        self.n_items_ = known.n_items
        self.counts_ = known.item_counts.astype(np.float64)
        self.modelled_ = np.sort(np.argsort(-self.counts_, kind="stable")[: self.top_items])
        self.known_ = known.matrix[:, self.modelled_]
        gram = (self.known_.T @ self.known_).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.ridge
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False, assume_a="pos")
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0)
        self.weights_ = weights.astype(np.float32)
        return self

    def rank(self, users: AnyArray) -> FloatArray:
        """Return one number an item and user, shape (n_users, n_items)."""
        told = self.known_[users] @ self.weights_
        below = told.min(axis=1, keepdims=True) - 1
        scores = below - 1 / (1 + self.counts_)
        scores[:, self.modelled_] = told
        return scores

    def item_vectors(self) -> FloatArray | None:
        """Return what knowing each item adds to each other's score, shape (n_items, n_modelled); 0 where not modelled."""
        vectors = np.zeros((self.n_items_, len(self.modelled_)))
        vectors[self.modelled_] = self.weights_
        return vectors
