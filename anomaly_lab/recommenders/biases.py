"""Damped biases: a mean, how far each user departs from it, and each item."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.types import AnyArray, FloatArray

SWEEPS = 10


@dataclass(frozen=True, eq=False)
class Biases:
    """What is known of a rating from its user and its item each on their own.

    Parameters
    ----------
    mean : float
        Mean rating.
    users, items : ndarray of shape (n_users,) and (n_items,)
        Departures from the mean in units of the rating; 0 of whom nothing is known.
    """

    mean: float
    users: FloatArray
    items: FloatArray

    def of(self, users: AnyArray, items: AnyArray) -> FloatArray:
        """Return the rating expected of each pair, shape (n_pairs,)."""
        return self.mean + self.users[users] + self.items[items]


def fit_biases(known: Interactions, user_damping: float = 4.0, item_damping: float = 2.0) -> Biases:
    """Return departures by turns of damped means, users' given items' and back (Koren, 2010).

    Parameters
    ----------
    known : Interactions
        The ratings.
    user_damping, item_damping : float
        How many ratings at the expected level are added to each user's and each item's: the ratio of the variance of
        one rating to that of the departures, whatever the scale.
    """
    centred = known.values - np.float32(known.mean)
    of_users, of_items = np.zeros(known.n_users), np.zeros(known.n_items)
    for _ in range(SWEEPS):
        sums = np.bincount(known.items, centred - of_users[known.users], known.n_items)
        of_items = sums / (item_damping + known.item_counts)
        sums = np.bincount(known.users, centred - of_items[known.items], known.n_users)
        of_users = sums / (user_damping + known.user_counts)
    return Biases(known.mean, of_users, of_items)


@dataclass
class BiasesRecommender(Recommender):
    """Damped biases: mean rating plus a departure each of user and item, shrunk where ratings are few (Koren, 2010)."""

    task: ClassVar[str] = "rating-prediction"
    baseline: ClassVar[bool] = True

    user_damping: Annotated[float, FloatDistribution(0.5, 50.0, log=True)] = 4.0
    item_damping: Annotated[float, FloatDistribution(0.5, 50.0, log=True)] = 2.0

    mean_: float = field(init=False, default=0.0, repr=False)
    user_biases_: FloatArray = field(init=False, repr=False)
    item_biases_: FloatArray = field(init=False, repr=False)

    def fit(self, train: Training, *, rng: np.random.Generator) -> BiasesRecommender:
        """Learn the departures."""
        biases = fit_biases(train.known, self.user_damping, self.item_damping)
        self.mean_, self.user_biases_, self.item_biases_ = biases.mean, biases.users, biases.items
        self.n_items_ = train.known.n_items
        return self

    def predict(self, users: AnyArray, items: AnyArray) -> FloatArray:
        """Return the rating expected of each pair, shape (n_pairs,)."""
        return self.mean_ + self.user_biases_[users] + self.item_biases_[items]

    def rank(self, users: AnyArray) -> FloatArray:
        """Return the rating expected of every item, shape (n_users, n_items)."""
        return self.mean_ + self.user_biases_[users, None] + self.item_biases_
