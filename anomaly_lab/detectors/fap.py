"""FAP: suspicion that spreads from a few known fakes over the items they rated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy import sparse

from anomaly_lab.detectors.literature import check_known, labels_of_learnt, learnt_from, stars, user_items
from anomaly_lab.evaluation.folds import Query, Train
from anomaly_lab.features.rows import per_item, per_user
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray


@dataclass
class FAPDetector:
    """Suspicion spreading between users and items from known fakes (FAP; Zhang, Tan, Zhang, Liu, Chua and Ma, 2015).

    In the graph of users and items a rating's weight is 1 plus its relative deviations from the user's mean, the item's
    and everyone's. An item is as suspicious as its raters on (weighted) average, a user as its items; known fakes stay
    at 1. Users known to be genuine are not looked at, as in the paper.

    What the paper leaves open: everyone else begins at 0, ratings count from 1, and all known fakes are seeds. Were it
    run to its end, everybody whom a chain of items links to a seed would reach 1: it stops as soon as no user gains
    more than `tolerance`, and users are ordered by how far they have come.

    Parameters
    ----------
    tolerance : float
        The largest gain of a user by which it stops, in (0, 1).
    max_iter : int
        Rounds after which it stops in any case.
    """

    task: ClassVar[str] = "fake-users"
    kind: ClassVar[str] = "supervised"
    baseline: ClassVar[bool] = True
    tuned_by_default: ClassVar[bool] = False

    tolerance: float = 0.01
    max_iter: int = 100

    suspicion_: FloatArray = field(init=False, repr=False)
    item_means_: FloatArray = field(init=False, repr=False)
    mean_: float = field(init=False, repr=False)

    def fit(self, train: Train, *, rng: np.random.Generator) -> FAPDetector:
        """Let suspicion spread; what is kept is each item's."""
        check_known("fap", train, wanted=(1,))
        batch = learnt_from(train)
        self.item_means_, self.mean_ = _item_means(batch)
        weights = self._weights(batch)
        to_items = _averaging(weights.T.tocsr())
        to_users = _averaging(weights)
        seeds = labels_of_learnt(train) == 1
        users = seeds.astype(float)
        for _ in range(self.max_iter):
            self.suspicion_ = to_items @ users
            spread = np.where(seeds, 1.0, to_users @ self.suspicion_)
            gain = float((spread - users).max())
            users = spread
            if gain <= self.tolerance:
                break
        return self

    def score(self, query: Query) -> FloatArray:
        """Return the mean suspicion of each query user's items, in [0, 1]."""
        users = _averaging(self._weights(query.ratings)) @ self.suspicion_
        return np.asarray(users[query.users], dtype=float)

    def _weights(self, batch: RatingBatch) -> sparse.csr_array:
        """Return the weight of each rating, sparse of shape (n_users, n_items)."""
        values = stars(batch)
        known = ~np.isnan(values)
        own = per_user(batch, np.where(known, values, 0)) / np.maximum(per_user(batch, known), 1)
        centres = (np.maximum(own, 1)[batch.users], self.item_means_[batch.items], self.mean_)
        deviations = sum(np.abs(values - centre) / centre for centre in centres)
        return user_items(batch, 1 + np.where(known, deviations, 0.0))


def _item_means(batch: RatingBatch) -> tuple[FloatArray, float]:
    """Return the mean of each item's known ratings, everyone's where there is none, and everyone's."""
    values = stars(batch)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    overall = max(float(filled.sum() / max(known.sum(), 1)), 1.0)
    n = per_item(batch, known)
    return np.where(n > 0, per_item(batch, filled) / np.maximum(n, 1), overall), overall


def _averaging(weights: sparse.csr_array) -> sparse.csr_array:
    """Return weights whose rows sum to 1, or to 0 where there are none."""
    totals: AnyArray = np.asarray(weights.sum(axis=1), dtype=float)
    scaled = weights.copy()
    scaled.data = scaled.data / np.repeat(totals, np.diff(scaled.indptr))
    return scaled
