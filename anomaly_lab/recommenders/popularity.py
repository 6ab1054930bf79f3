"""Popularity: the same list for everyone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.types import AnyArray, FloatArray


@dataclass
class PopularityRecommender(Recommender):
    """Popularity: everyone is shown the items that most users know."""

    task: ClassVar[str] = "implicit-ranking"
    baseline: ClassVar[bool] = True

    counts_: FloatArray = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> PopularityRecommender:
        """Count each item's users."""
        self.counts_ = train.known.item_counts.astype(np.float64)
        self.n_items_ = train.known.n_items
        return self

    def rank(self, users: AnyArray) -> FloatArray:
        """Return each item's count, shape (n_users, n_items)."""
        return np.tile(self.counts_, (len(users), 1))
