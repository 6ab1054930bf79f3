"""Sums over reference users: all that families which describe each user alone need to know of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from anomaly_lab.features.rows import item_level_counts, item_users
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray, FloatArray


@dataclass(frozen=True, eq=False)
class ReferenceSums:
    """Sums over reference users: whole numbers, so those of parts add up to those of the whole in any order.

    Parameters
    ----------
    item_levels : ndarray of shape (n_items, n_levels)
        How often each item got each level.
    item_users : ndarray of shape (n_items,)
        How many different users rated each item.
    n_users : int
        How many users there are.
    squared_lengths : int
        Sum over users of their number of ratings squared.
    scale : RatingScale
        What the ratings mean.
    """

    item_levels: FloatArray
    item_users: FloatArray
    n_users: int
    squared_lengths: int
    scale: RatingScale

    @classmethod
    def of(cls, batch: RatingBatch) -> ReferenceSums:
        """Return the sums over a batch's users."""
        squared_lengths = int((np.diff(batch.indptr) ** 2).sum())
        return cls(item_level_counts(batch), item_users(batch), batch.n_users, squared_lengths, batch.scale)

    @property
    def n_rows(self) -> int:
        """Number of ratings."""
        return int(self.item_levels.sum())

    @property
    def mean_length(self) -> float:
        """Mean number of ratings a user."""
        return self.n_rows / max(self.n_users, 1)

    @property
    def length_spread(self) -> float:
        """Standard deviation of the users' numbers of ratings."""
        return math.sqrt(self.n_users * self.squared_lengths - self.n_rows**2) / max(self.n_users, 1)

    def on(self, places: AnyArray, n_items: int) -> ReferenceSums:
        """Return the same sums on another catalogue.

        Parameters
        ----------
        places : ndarray of shape (n_items,)
            Where each item stands there.
        n_items : int
            How many items it has.
        """
        item_levels, item_users = np.zeros((n_items, self.item_levels.shape[1])), np.zeros(n_items)
        item_levels[places], item_users[places] = self.item_levels, self.item_users
        return ReferenceSums(item_levels, item_users, self.n_users, self.squared_lengths, self.scale)

    def __add__(self, other: ReferenceSums) -> ReferenceSums:
        """Return the sums over the users of both, who are on the same items and scale."""
        return ReferenceSums(
            self.item_levels + other.item_levels,
            self.item_users + other.item_users,
            self.n_users + other.n_users,
            self.squared_lengths + other.squared_lengths,
            self.scale,
        )


Reference: TypeAlias = RatingBatch | ReferenceSums
"""Reference users: their ratings, or sums over them."""

_known: WeakKeyDictionary[RatingBatch, ReferenceSums] = WeakKeyDictionary()


def sums_of(reference: Reference) -> ReferenceSums:
    """Return the sums over reference users, added up once for all families."""
    if isinstance(reference, ReferenceSums):
        return reference
    if reference not in _known:
        _known[reference] = ReferenceSums.of(reference)
    return _known[reference]


def beside_others(folds: tuple[ReferenceSums, ...]) -> tuple[ReferenceSums, ...]:
    """Return for each fold the sums over the users of all others; a population of one fold is its own reference."""
    found = []
    for number in range(len(folds)):
        others = reduce(add, folds[:number] + folds[number + 1 :])
        found.append(others if others.n_users else folds[number])
    return tuple(found)
