"""Folds of recommenders: what is known, what is asked for, and how answers are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_lab.evaluation.ranking_metrics import Placed, hide, list_metrics, place
from anomaly_lab.evaluation.rating_metrics import rating_metrics, sides_of_mean
from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Lists, Pairs
from anomaly_lab.types import AnyArray, FloatArray, IntArray

Ask = Callable[[Pairs | Lists], FloatArray]
"""Gives a model's checked answer to a query."""

BLOCK = 2_000_000
"""Numbers asked of a model at a time, about."""


@dataclass(frozen=True, eq=False)
class Judged:
    """How good answers were.

    Parameters
    ----------
    metrics : dict of str to float
        Means, and the ``_variance`` of the primary one.
    users : DataFrame
        One row a user asked about: ``user``, ``known`` (ratings in training), and the user's own figures.
    sides : ndarray of shape (2, 2), optional
        Ratings below and from the mean on: rows as rated, columns as predicted.
    """

    metrics: dict[str, float]
    users: pd.DataFrame
    sides: IntArray | None = None


@dataclass(frozen=True, eq=False)
class RatingFold:
    """Ratings to learn from and pairs whose ratings are asked for.

    Parameters
    ----------
    name : str
        Which part is asked for.
    known : Interactions
        Ratings to learn from.
    validation : Interactions or None
        Ratings to stop by, where the split has such a part.
    test : Interactions
        The pairs asked for, and what the model never sees: their ratings.
    user_ids : ndarray of shape (n_users,)
        Ids of the users.
    """

    name: str
    known: Interactions
    validation: Interactions | None
    test: Interactions
    user_ids: AnyArray

    def judge(self, ask: Ask) -> Judged:
        """Return how far a model's predictions, cut to the scale, are from the ratings."""
        said = np.empty(len(self.test))
        for begin in range(0, len(said), BLOCK):
            block = slice(begin, begin + BLOCK)
            said[block] = ask(Pairs(self.test.users[block], self.test.items[block]))
        said = said.clip(self.test.low, self.test.high)
        truth, middle = self.test.values, self.known.mean  # noqa: PD011 - no DataFrame
        errors = pd.Series((said - truth) ** 2).groupby(self.test.users).agg(["size", "mean"])
        users = errors.index.to_numpy()
        table = pd.DataFrame(
            {
                "user": self.user_ids[users],
                "known": self.known.user_counts[users],
                "asked": errors["size"].to_numpy(),
                "rmse": np.sqrt(errors["mean"].to_numpy()),
            }
        )
        return Judged(rating_metrics(truth, said, middle), table, sides_of_mean(truth, said, middle))


@dataclass(frozen=True, eq=False)
class RankingFold:
    """Likings to learn from, and likings of each user that are to stand early in the user's list.

    Parameters
    ----------
    name : str
        Which draw it is.
    known : Interactions
        Likings to learn from, all of value 1.
    asked : ndarray of shape (n_users, n_held_out)
        Items held out.
    user_ids, item_ids : ndarray of shape (n_users,) and (n_items,)
        Ids of the users and items.
    top : int
        Length of the list that is looked at.
    drawn : ndarray of shape (n_users, n_drawn), optional
        The items that are ranked, those asked for first; by default all that are not known to be liked.
    """

    name: str
    known: Interactions
    asked: IntArray
    user_ids: AnyArray
    item_ids: AnyArray
    top: int
    drawn: IntArray | None = None
    validation: None = None

    def judge(self, ask: Ask) -> Judged:
        """Return how early the held-out items stand in the lists that a model's scores make."""
        n_users = self.known.n_users
        block = max(1, BLOCK // self.known.n_items)
        placed = [self._placed(ask, np.arange(k, min(k + block, n_users))) for k in range(0, n_users, block)]
        joint = Placed(*(np.concatenate([getattr(one, name) for one in placed]) for name in ("ranks", "auc")))
        figures = list_metrics(joint, self.top)
        metrics = {name: float(values.mean()) for name, values in figures.items()}
        metrics["auc_variance"] = float(figures["auc"].var(ddof=1) / n_users) if n_users > 1 else float("inf")
        table = pd.DataFrame({"user": self.user_ids, "known": self.known.user_counts, **figures})
        return Judged(metrics, table)

    def _placed(self, ask: Ask, users: IntArray) -> Placed:
        scores = ask(Lists(users))
        if self.drawn is not None:
            own = np.broadcast_to(np.arange(self.asked.shape[1]), self.asked[users].shape)
            return place(np.take_along_axis(scores, self.drawn[users], axis=1), own)
        seen = self.known.matrix[users]
        rows = np.repeat(np.arange(len(users)), np.diff(seen.indptr))
        return place(hide(scores, rows, seen.indices), self.asked[users])


RecommenderFold = RatingFold | RankingFold
