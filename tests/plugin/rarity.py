from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution


@dataclass
class Rarity:
    """Users whose items few others rate look fake."""

    task: ClassVar[str] = "fake-users"
    smoothing: Annotated[float, FloatDistribution(0.1, 100.0, log=True)] = 1.0

    def fit(self, train, *, rng):
        batch = train.ratings
        self.rarity_ = -np.log(np.bincount(batch.items, minlength=batch.n_items) + self.smoothing)
        return self

    def score(self, query):
        batch = query.ratings
        total = np.bincount(batch.users, self.rarity_[batch.items], batch.n_users)
        return (total / np.bincount(batch.users, minlength=batch.n_users))[query.users]
