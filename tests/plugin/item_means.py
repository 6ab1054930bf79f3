from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution

from anomaly_lab.recommenders.base import Recommender


@dataclass
class ItemMeans(Recommender):
    """Mean rating of each item, drawn towards the mean of all."""

    task: ClassVar[str] = "rating-prediction"
    damping: Annotated[float, FloatDistribution(0.1, 100.0, log=True)] = 5.0
    means_: Any = field(init=False, repr=False, default=None)

    def fit(self, train, *, rng):
        known = train.known
        self.n_items_ = known.n_items
        sums = np.bincount(known.items, known.values, minlength=known.n_items)
        self.means_ = (sums + self.damping * known.mean) / (known.item_counts + self.damping)
        return self

    def predict(self, users, items):
        return self.means_[items]
