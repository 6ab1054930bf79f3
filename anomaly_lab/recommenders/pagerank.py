"""PageRank from each user on the graph of who knows what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from scipy import sparse

from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.types import AnyArray, FloatArray


@dataclass
class PageRankRecommender(Recommender):
    """Personalised PageRank between users and items, from the user asked for (Page et al., 1999; Haveliwala, 2002).

    Parameters
    ----------
    restart : float
        Chance that a walk goes back to its user before each step.
    damping : float
        What a walk finds is divided by an item's popularity to this power, for walks end up at what is popular.
    rounds : int
        How many times a walk goes from a user to an item and on to a user.
    """

    task: ClassVar[str] = "implicit-ranking"

    restart: Annotated[float, FloatDistribution(0.05, 0.9)] = 0.3
    damping: Annotated[float, FloatDistribution(0.0, 1.0)] = 0.5
    rounds: Annotated[int, IntDistribution(1, 12)] = 6

    to_items_: sparse.csr_array = field(init=False, repr=False)
    to_users_: sparse.csr_array = field(init=False, repr=False)
    counts_: FloatArray = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> PageRankRecommender:
        """Turn the ratings into chances of going from a user to an item and back."""
        known = train.known
        self.to_items_ = _chances(known.matrix)
        self.to_users_ = _chances(known.matrix.T.tocsr())
        self.counts_ = known.item_counts.astype(np.float64)
        self.n_items_ = known.n_items
        return self

    def rank(self, users: AnyArray) -> FloatArray:
        """Return one number an item and user, shape (n_users, n_items)."""
        go_on = 1 - self.restart
        at_items = to_items = self.to_items_.T.tocsr()
        back = self.to_users_.T.tocsr()
        start = np.zeros((back.shape[0], len(users)), dtype=np.float32)
        start[users, np.arange(len(users))] = self.restart
        at_users = start
        for _ in range(self.rounds):
            at_items = go_on * (to_items @ at_users)
            at_users = start + go_on * (back @ at_items)
        at_items = to_items @ at_users
        return (at_items / np.maximum(self.counts_, 1)[:, None] ** self.damping).T.astype(np.float64)


def _chances(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return a matrix of the same pattern whose rows sum to 1, or hold nothing."""
    counts = np.diff(matrix.indptr)
    share = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    return sparse.csr_array((share, matrix.indices, matrix.indptr), shape=matrix.shape)
