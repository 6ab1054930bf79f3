"""What a recommender learns from, what it is asked, and what every recommender is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.types import AnyArray, FloatArray

VALIDATION_SHARE = 0.1

Report = Callable[[int, Mapping[str, float]], None]
"""Called after every epoch with its number, from 1, and its figures: ``loss``, and ``validation`` where it is known."""


def ignore(epoch: int, figures: Mapping[str, float]) -> None:
    """Take no notice of an epoch."""


@dataclass(frozen=True, eq=False)
class Training:
    """What a recommender may learn from.

    Parameters
    ----------
    known : Interactions
        The ratings to learn from.
    validation : Interactions, optional
        Ratings to choose the number of epochs by, where the split has such a part.
    report : callable
        To be called after every epoch by models that have epochs. It keeps the figures, ends the run with a clear error
        where one is not finite, and may end it early because the trial is not worth going on with: let it raise.
    """

    known: Interactions
    validation: Interactions | None = None
    report: Report = ignore

    def parts(self, rng: np.random.Generator, share: float = VALIDATION_SHARE) -> tuple[Interactions, Interactions]:
        """Return ratings to fit on and ratings to stop by: a share of the known ones where the split has no such part.

        Parameters
        ----------
        rng : Generator
            Draws the share.
        share : float
            Of the known ratings, in (0, 1).
        """
        if self.validation is not None:
            return self.known, self.validation
        held_out = rng.random(len(self.known)) < share
        return self.known.take(~held_out), self.known.take(held_out)


@dataclass(frozen=True, eq=False)
class Pairs:
    """A query for one number a pair: what this user would rate this item.

    Parameters
    ----------
    users, items : ndarray of shape (n_pairs,)
        Positions.
    """

    users: AnyArray
    items: AnyArray


@dataclass(frozen=True, eq=False)
class Lists:
    """A query for one number an item and user, the higher the earlier the item stands in the user's list.

    Parameters
    ----------
    users : ndarray of shape (n_users,)
        Positions; a block of users small enough that (n_users, n_items) numbers fit into memory.
    """

    users: AnyArray


@dataclass
class Recommender(ABC):
    """Base of recommenders: a dataclass of hyperparameters with `fit`, and one of `predict` and `rank`.

    What is fitted stands in attributes whose names end in an underscore: arrays, sparse arrays, numbers, or
    dictionaries of arrays, so that it can be saved without pickling. ``n_items_`` must be among them.
    A user or an item without a known rating must get a finite number, too.
    """

    task: ClassVar[str]
    kind: ClassVar[str] = "recommender"
    n_items_: int = field(init=False, default=0, repr=False)

    @abstractmethod
    def fit(self, train: Training, *, rng: np.random.Generator) -> Recommender:
        """Learn from the known ratings."""

    def predict(self, users: AnyArray, items: AnyArray) -> FloatArray:
        """Return one number a pair, shape (n_pairs,)."""
        distinct, row = np.unique(users, return_inverse=True)
        return self.rank(distinct)[row, items]

    def rank(self, users: AnyArray) -> FloatArray:
        """Return one number an item and user, shape (n_users, n_items)."""
        pairs = np.repeat(users, self.n_items_), np.tile(np.arange(self.n_items_), len(users))
        return self.predict(*pairs).reshape(len(users), self.n_items_)

    def score(self, query: Pairs | Lists) -> FloatArray:
        """Return what `predict` or `rank` says, by what is asked."""
        return self.predict(query.users, query.items) if isinstance(query, Pairs) else self.rank(query.users)

    def item_vectors(self) -> FloatArray | None:
        """Return a vector an item, shape (n_items, n_factors), by which items are compared; None if there is none."""
        return None
