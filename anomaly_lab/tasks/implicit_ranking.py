"""Task *implicit-ranking*: an order of the items for each user, those to be liked first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.metrics import MetricSpec
from anomaly_lab.evaluation.recommender_folds import RankingFold
from anomaly_lab.ratings.interactions import Interactions, interactions
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.logs import known_protocol, one_log, seeded, settings_of
from anomaly_lab.tasks.names import IMPLICIT_RANKING
from anomaly_lab.types import AnyArray, IntArray

HIGH = 0.75
"""How far up the scale a rating is taken for a liking, unless a threshold is given: 4 of 5 stars, 8 of 10 points."""
N_NEGATIVES = 99


@dataclass(frozen=True)
class ImplicitRanking:
    """Ask which items users will like, knowing only which ones they liked.

    Parameters
    ----------
    positive : float, optional
        Ratings of at least this are likings; by default those from three quarters up the scale on.
    min_positives : int
        Users with fewer likings are left out, and then items that nobody left likes.
    held_out : int
        Likings of each user that are asked for in protocol ``held-out``.
    top : int
        Length of the list that NDCG, hit rate and recall look at.
    folds_wanted : int
        Draws.
    split_seed : int
        Of every draw.
    """

    name: ClassVar[str] = IMPLICIT_RANKING
    version: ClassVar[int] = 1
    primary: ClassVar[MetricSpec] = MetricSpec("auc", "maximize", "mean of users' areas under the ROC curve")
    tie_breaker: ClassVar[MetricSpec] = MetricSpec("ndcg", "maximize", "normalised discounted cumulative gain")
    shown: ClassVar[tuple[str, ...]] = ("ndcg", "hit_rate", "recall")
    protocols: ClassVar[dict[str, str]] = {
        "held-out": "some likings of every user, drawn at random, among all items not known to be liked",
        "ncf": "the last liking of every user (a random one without timestamps) among 99 items drawn at random",
    }

    positive: float | None = None
    min_positives: int = 20
    held_out: int = 10
    top: int = 10
    folds_wanted: int = 5
    split_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("held_out", "top", "folds_wanted"):
            if getattr(self, name) < 1:
                raise ConfigError(f"task option {name} must be 1 or more, found {getattr(self, name)}")
        if self.min_positives <= self.held_out:
            raise ConfigError(
                f"task option min_positives must be above held_out, so that something is left to learn from, "
                f"found {self.min_positives} and {self.held_out}"
            )

    def default_protocol(self, rounds: Sequence[Round]) -> str:
        """Return ``held-out``."""
        return "held-out"

    def check(self, rounds: Sequence[Round], protocol: str) -> None:
        """Raise `DataError` unless there is one log, and users enough who like items enough."""
        known_protocol(protocol, self.protocols)
        self._likings(one_log(rounds))

    def identity(self, rounds: Sequence[Round], protocol: str) -> list[str]:
        """Return the log's digest and the settings."""
        return [one_log(rounds).ratings.digest, settings_of(self)]

    def folds(self, rounds: Sequence[Round], protocol: str) -> Iterator[RankingFold]:
        """Yield the folds of a protocol: one a draw."""
        log = one_log(rounds)
        known, users, items = self._likings(log)
        user_ids, item_ids = log.ratings.user_ids[users], log.ratings.item_ids[items]
        last = protocol == "ncf" and known.times is not None
        for draw in range(1 if last else self.folds_wanted):
            rng = seeded(self.split_seed, draw)
            late = known.times if last and known.times is not None else rng.random(len(known))
            rows = _last_of_each_user(known, late, 1 if protocol == "ncf" else self.held_out)
            test = np.zeros(len(known), dtype=bool)
            test[rows] = True
            asked = known.items[rows]
            drawn = _others(known, asked, rng) if protocol == "ncf" else None
            yield RankingFold(f"draw {draw}", known.take(~test), asked, user_ids, item_ids, self.top, drawn)

    def _likings(self, log: Round) -> tuple[Interactions, IntArray, IntArray]:
        """Return the likings of the users who have enough, and which users and items of the log are left."""
        known = interactions(log.ratings, log.content)
        liked, users, items = likings(known, self.positive, self.min_positives)
        if not len(users):
            floor = threshold(known, self.positive)
            most = int(known.take(known.values >= floor).user_counts.max(initial=0))
            raise DataError(
                f"{log.path or log.name}: a user must have {self.min_positives} ratings of {floor:g} or more "
                f"(the scale ends at {known.high:g}), found {most} at most; lower --task-option min_positives=N and "
                "held_out=N, or positive=RATING"
            )
        return liked, users, items


def threshold(known: Interactions, positive: float | None = None) -> float:
    """Return the rating from which on an item is liked: three quarters up the scale unless said otherwise."""
    return positive if positive is not None else known.low + HIGH * (known.high - known.low)


def likings(
    known: Interactions, positive: float | None = None, min_positives: int = 1
) -> tuple[Interactions, IntArray, IntArray]:
    """Return who likes what, with value 1, numbered by the users and items that are left.

    Parameters
    ----------
    known : Interactions
        Ratings.
    positive : float, optional
        See `threshold`.
    min_positives : int
        Users with fewer likings are left out, and then items that nobody left likes.

    Returns
    -------
    liked : Interactions
        The likings.
    users, items : ndarray
        Which users and items of `known` are left, ascending.
    """
    liked = known.take(known.values >= threshold(known, positive))
    liked = liked.take(liked.user_counts[liked.users] >= min_positives)
    users, user = np.unique(liked.users, return_inverse=True)
    items, item = np.unique(liked.items, return_inverse=True)
    numbered = replace(
        liked,
        users=user.astype(np.int32),
        items=item.astype(np.int32),
        values=np.ones(len(liked), dtype=np.float32),
        n_users=len(users),
        n_items=len(items),
        low=0.0,
        high=1.0,
        content=None if liked.content is None else liked.content.take(items),
    )
    return numbered, users, items


def _last_of_each_user(known: Interactions, late: AnyArray, k: int) -> IntArray:
    """Return the `k` rows of every user that come last, shape (n_users, k); of equals the one on the higher item."""
    order = np.lexsort((known.items, late, known.users))
    end = np.cumsum(known.user_counts)
    rows: IntArray = order[end[:, None] - 1 - np.arange(k)]
    return rows


def _others(known: Interactions, asked: IntArray, rng: np.random.Generator) -> IntArray:
    """Return the item asked for and `N_NEGATIVES` others that each user does not like, shape (n_users, 100)."""
    liked = known.matrix.astype(bool)
    drawn = np.empty((known.n_users, N_NEGATIVES + 1), dtype=np.int64)
    drawn[:, :1] = asked
    for user in range(known.n_users):
        unseen = np.ones(known.n_items, dtype=bool)
        unseen[liked.indices[liked.indptr[user] : liked.indptr[user + 1]]] = False
        candidates = np.flatnonzero(unseen)
        if len(candidates) < N_NEGATIVES:
            raise DataError(
                f"protocol ncf needs {N_NEGATIVES} items that a user does not like, found {len(candidates)}; "
                "use held-out"
            )
        drawn[user, 1:] = rng.choice(candidates, N_NEGATIVES, replace=False)
    return drawn
