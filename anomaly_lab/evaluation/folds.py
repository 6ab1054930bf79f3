"""Fold, and what a model sees of it: a fold hides labels, never ratings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from anomaly_lab.errors import DataError
from anomaly_lab.features.extract import FeatureStore, UserFeatures, mask_bytes
from anomaly_lab.features.known_items import pool_on_known_items
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool
from anomaly_lab.types import BoolArray, IntArray

HIDDEN = -1


@dataclass(frozen=True, eq=False)
class Fold:
    """One question put to a model: everyone's ratings, some labels, and the users to score.

    Parameters
    ----------
    name : str
        The query's name: the round, or the part of it.
    pool : RatingPool
        Everyone's ratings, the query users' among them.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden. Every query user is hidden.
    query : ndarray of shape (n_queries,)
        Positions of the users to score.
    truth : ndarray of shape (n_queries,)
        Their labels. The model never sees them.
    kinds : ndarray of shape (n_queries,), optional
        How they were generated.
    known_kinds : ndarray of shape (n_users,), optional
        Kinds of the users whose label is visible, -1 hidden or not named.
    left_out : str, optional
        The rating kind by which the query's generated users were simulated: a model that simulates fakes of its own,
        and says so by a parameter ``without``, is given its name there and must not learn from it.
    """

    name: str
    pool: RatingPool
    visible: IntArray
    query: IntArray
    truth: IntArray
    kinds: IntArray | None = None
    known_kinds: IntArray | None = None
    left_out: str | None = None


@dataclass(frozen=True, eq=False)
class Train:
    """What a model may learn from: everyone's ratings, the labels of the training users only.

    If it is `inductive`, a model must not learn from the ratings of users whose label is hidden either, and scores each
    of them as if it were alone.

    Parameters
    ----------
    pool : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    store : FeatureStore
        Where features come from.
    kinds : ndarray of shape (n_users,), optional
        Kinds of users whose label is visible, -1 where hidden or not named; None if no known fake has a named kind.
    """

    pool: RatingPool
    visible: IntArray
    store: FeatureStore
    kinds: IntArray | None = None

    @property
    def ratings(self) -> RatingBatch:
        """Everyone's ratings."""
        return self.pool.ratings

    @property
    def inductive(self) -> bool:
        """Whether nothing of the users whose label is hidden may be learnt from."""
        return self.store.inductive

    @cached_property
    def users(self) -> IntArray:
        """Positions of the labelled users; users with one profile stand in the order of their labels."""
        labelled = np.flatnonzero(self.visible != HIDDEN)
        return labelled[np.lexsort((self.visible[labelled], profile_groups(self.pool)[labelled]))]

    @property
    def labels(self) -> IntArray:
        """1 for generated, 0 for genuine, shape (n_labelled,), in the order of `users`."""
        return self.visible[self.users]

    def features(self, families: Sequence[str] | None = None) -> UserFeatures:
        """Return the features of everyone, rows in the order of the pool."""
        return self.store.matrix(self.pool, self.visible, families)


@dataclass(frozen=True, eq=False)
class Query:
    """The users a model is to score; it holds no labels of theirs.

    Parameters
    ----------
    pool : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        The training users' labels, -1 for every other.
    users : ndarray of shape (n_queries,)
        Positions of the users to score.
    store : FeatureStore
        Where features come from.
    """

    pool: RatingPool
    visible: IntArray
    users: IntArray
    store: FeatureStore

    @property
    def ratings(self) -> RatingBatch:
        """Everyone's ratings."""
        return self.pool.ratings

    def features(self, families: Sequence[str] | None = None) -> UserFeatures:
        """Return the features of the users to score, rows in the order of `users`."""
        everyone = self.store.matrix(self.pool, self.visible, families)
        return UserFeatures(everyone.matrix[self.users], everyone.names)


def train_view(fold: Fold, store: FeatureStore) -> Train:
    """Return what a model may learn from in a fold."""
    named = fold.known_kinds is not None and bool((fold.known_kinds > 0).any())
    return Train(_seen(fold, store), fold.visible, store, fold.known_kinds if named else None)


def query_view(fold: Fold, store: FeatureStore) -> Query:
    """Return what a model is to score in a fold."""
    return Query(_seen(fold, store), fold.visible, fold.query, store)


def _seen(fold: Fold, store: FeatureStore) -> RatingPool:
    """Return everyone's ratings; without the target, on the items that training users rated."""
    return pool_on_known_items(fold.pool, mask_bytes(fold.visible)) if store.inductive else fold.pool


def profile_groups(pool: RatingPool) -> IntArray:
    """Return a number per user, the same for users with the same profile."""
    profiles = pool.ratings.profiles
    new = np.ones(len(profiles), dtype=np.int64)
    new[1:] = (profiles[1:] != profiles[:-1]).any(axis=1)
    return np.cumsum(new) - 1


def parts(pool: RatingPool, users: BoolArray, strata: IntArray, n_parts: int) -> Iterator[IntArray]:
    """Cut users into parts, stratified, users with one profile together, whatever they are called.

    Parameters
    ----------
    pool : RatingPool
        Whose users.
    users : ndarray of shape (n_users,), bool
        The users to cut.
    strata : ndarray of shape (n_users,)
        The class of each user.
    n_parts : int
        Number of parts.

    Yields
    ------
    ndarray of int64
        Positions of the users of a part, ascending.
    """
    positions = np.flatnonzero(users)
    groups = profile_groups(pool)[positions]
    order = np.lexsort((strata[positions], groups))
    positions, groups = positions[order], groups[order]
    splitter = StratifiedGroupKFold(n_parts)
    for _, part in splitter.split(positions, strata[positions], groups):
        yield np.sort(positions[part])


def parts_possible(pool: RatingPool, labels: IntArray, n_parts: int, name: str) -> int:
    """Return into how many parts labelled users can be cut so that each class is in every part.

    Parameters
    ----------
    pool : RatingPool
        Whose users.
    labels : ndarray of shape (n_users,)
        1 generated, 0 genuine, -1 hidden.
    n_parts : int
        How many are wanted.
    name : str
        What is cut, for messages.

    Raises
    ------
    DataError
        If a class has one profile only, so that hiding it would leave nothing to learn from.
    """
    groups = profile_groups(pool)
    for label, what in ((0, "genuine"), (1, "generated")):
        n_profiles = len(np.unique(groups[labels == label]))
        if n_profiles < 2:
            raise DataError(
                f"{name}: at least two different {what} users must be known to hide some of them, "
                f"found {n_profiles}; label more users"
            )
        n_parts = min(n_parts, n_profiles)
    return n_parts


def training_parts(
    pool: RatingPool, visible: IntArray, n_parts: int, name: str = "training users"
) -> Iterator[IntArray]:
    """Cut the labelled users into stratified parts; yield the positions of each, ascending.

    Parameters
    ----------
    pool : RatingPool
        Whose users.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    n_parts : int
        Number of parts; fewer where a class has fewer profiles.
    name : str
        What is cut, for messages.

    Raises
    ------
    DataError
        If a class has one profile only, so that hiding it would leave nothing to learn from.
    """
    yield from _training_parts(pool, mask_bytes(visible), n_parts, name)


@lru_cache(maxsize=32)
def _training_parts(pool: RatingPool, mask: bytes, n_parts: int, name: str) -> tuple[IntArray, ...]:
    """Cut labelled users; kept, for every trial asks for the same parts, and cutting them costs as much as a fit."""
    visible = np.frombuffer(mask, dtype=np.int8).astype(np.int64)
    found = tuple(parts(pool, visible != HIDDEN, visible, parts_possible(pool, visible, n_parts, name)))
    for part in found:
        part.setflags(write=False)
    return found


def inner_folds(fold: Fold, n_parts: int = 3) -> Iterator[Fold]:
    """Cut a fold's training users into folds of their own: labels of each part hidden beside the query's.

    They give the out-of-fold scores on which a threshold may be chosen.

    Parameters
    ----------
    fold : Fold
        Whose training users.
    n_parts : int
        As in `training_parts`, which says what is refused.
    """
    for number, part in enumerate(training_parts(fold.pool, fold.visible, n_parts, fold.name)):
        visible = fold.visible.copy()
        visible[part] = HIDDEN
        yield replace(
            fold,
            name=f"{fold.name}/inner{number}",
            visible=visible,
            query=part,
            truth=fold.visible[part],
            kinds=None,
            known_kinds=None if fold.known_kinds is None else np.where(visible == HIDDEN, HIDDEN, fold.known_kinds),
        )
