"""Recommend: items for a user, items like an item, and how well a recommender serves its best and worst user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.recommender_folds import RankingFold
from anomaly_lab.evaluation.recommending import recommend_fold
from anomaly_lab.ratings.interactions import Interactions, interactions
from anomaly_lab.ratings.labels import Round
from anomaly_lab.recommenders.base import Lists, Recommender, Training
from anomaly_lab.recommenders.popularity import PopularityRecommender
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.implicit_ranking import ImplicitRanking, likings
from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray
from experiments.items import Catalogue

GENRE_STANDINS = 20
"""Items that stand for a genre which a new user likes: those of it that most users rated."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A recommender fitted on a whole log.

    Parameters
    ----------
    name : str
        Its registered name.
    model : Recommender
        The recommender itself.
    users : ndarray
        Position in the log of each user that it knows.
    items : ndarray
        Position in the log of each item that it knows.
    """

    name: str
    model: Recommender
    users: IntArray
    items: IntArray

    def scores(self, user: int) -> pd.Series:
        """Return a score by item, by positions in the log, for the user at a position in the log.

        Raises
        ------
        DataError
            If it does not know the user.
        """
        place = np.flatnonzero(self.users == user)
        if not len(place):
            raise DataError(f"{self.name} knows users with likings only, found none of this one; try --model als")
        return pd.Series(self.model.rank(place)[0], index=self.items)


def known_to(log: Round, task: str) -> tuple[Interactions, IntArray, IntArray]:
    """Return what a recommender of a task learns from when nothing is held out, and which users and items these are."""
    everything = interactions(log.ratings, log.content)
    if task == ImplicitRanking.name:
        return likings(everything, min_positives=1)
    return everything, np.arange(everything.n_users), np.arange(everything.n_items)


def fit(log: Round, name: str, params: Mapping[str, Any], seed: int = 0) -> Fitted:
    """Return a recommender fitted on every rating of a log.

    Raises
    ------
    ConfigError
        If the model is no recommender.
    """
    model = recommender_class(name)
    known, users, items = known_to(log, model.task)
    fitted = model(**params)
    fitted.fit(Training(known), rng=np.random.default_rng(seed))
    return Fitted(name, fitted, users, items)


def recommender_class(name: str) -> type[Recommender]:
    """Return the class of a registered recommender.

    Raises
    ------
    ConfigError
        If there is no such model, or it is a detector.
    """
    model: type = MODELS.load(name)
    if not issubclass(model, Recommender):
        raise ConfigError(f"--model must be a recommender (see `anomaly-lab models`), found '{name}'")
    return model


def recommendations(log: Round, fitted: Fitted, user: int, n: int) -> pd.DataFrame:
    """Return the items that a user has not rated and should like best.

    Parameters
    ----------
    log : Round
        What the recommender was fitted on.
    fitted : Fitted
        The recommender.
    user : int
        The user's position in the log.
    n : int
        How many.

    Returns
    -------
    DataFrame
        Best first: ``rank``, ``item``, ``title``, ``genres``, ``score``, and whether it is ``popular``: among as
        many of the most rated items that the user does not know.
    """
    rated = log.ratings.items[log.ratings.users == user]
    scores = fitted.scores(user).drop(rated, errors="ignore").sort_values(ascending=False, kind="stable")
    popularity = pd.Series(np.bincount(log.ratings.items, minlength=log.ratings.n_items)).drop(rated)
    popular = popularity.sort_values(ascending=False, kind="stable").index[:n]
    first = scores.iloc[:n]
    table = Catalogue.of(log).rows(first.index.to_numpy())
    table.insert(0, "rank", range(1, len(table) + 1))
    return table.assign(score=first.to_numpy(), popular=np.isin(first.index, popular))


def with_new_user(log: Round, ratings: Mapping[str, float], genres: Sequence[str]) -> tuple[Round, int]:
    """Return a log with one user more, and the user's position in it.

    Parameters
    ----------
    log : Round
        Everyone else.
    ratings : mapping of str to float
        Items (an id, a title, or the part of one) and what the new user gives them.
    genres : sequence of str
        Genres that the new user likes: the highest rating for the items of all of them that most users rated.

    Raises
    ------
    DataError
        If an item or a genre is unknown or not the only one meant, or a rating is not of the scale.
    """
    catalogue, scale = Catalogue.of(log), log.ratings.scale
    given = {catalogue.find(item): rating for item, rating in ratings.items()}
    if genres:
        best = max(scale.levels[: scale.n_ordered])
        counts = np.bincount(log.ratings.items, minlength=log.ratings.n_items)
        of_genres = np.flatnonzero(catalogue.of_genres(genres))
        favourites = of_genres[np.argsort(-counts[of_genres], kind="stable")][:GENRE_STANDINS]
        given = dict.fromkeys(favourites.tolist(), best) | given
    return log_with_user(log, given)


def log_with_user(log: Round, given: Mapping[int, float]) -> tuple[Round, int]:
    """Return a log with one user more who rates items by their positions, and the user's position in it."""
    batch = log.ratings
    levels = np.asarray(batch.scale.levels)
    items = np.array(list(given), dtype=np.int64)
    name = _unused(batch.user_ids)
    joint = type(batch).from_rows(
        np.concatenate([batch.user_ids[batch.users], np.full(len(items), name, dtype=batch.user_ids.dtype)]),
        np.concatenate([batch.item_ids[batch.items], batch.item_ids[items]]),
        np.concatenate([levels[batch.ratings], np.array(list(given.values()))]),
        scale=batch.scale,
        source=batch.source,
    )
    user = int(np.flatnonzero(joint.user_ids == name)[0])
    return replace(log, ratings=joint), user


def _unused(ids: AnyArray) -> Any:
    return int(ids.max()) + 1 if ids.dtype.kind in "iu" else f"{max(map(str, ids))}+"


def similar_items(log: Round, fitted: Fitted, item: int, n: int, measure: str) -> pd.DataFrame:
    """Return the items most like one.

    Parameters
    ----------
    log : Round
        What the recommender was fitted on.
    fitted : Fitted
        The recommender; it must have a vector an item.
    item : int
        The item's position in the log.
    n : int
        How many.
    measure : {"cosine", "distance"}
        By the cosine of vectors, or the squared distance between them.

    Raises
    ------
    ConfigError
        If the recommender has no vectors of items, or the measure is unknown.
    DataError
        If the recommender does not know the item.
    """
    vectors = fitted.model.item_vectors()
    if vectors is None:
        raise ConfigError(f"'{fitted.name}' has no vectors of items to compare; try --model ease, ials or triplet")
    place = np.flatnonzero(fitted.items == item)
    if not len(place):
        raise DataError(f"{fitted.name} knows items that somebody likes, found nobody who likes this one")
    likeness = pd.Series(_likeness(np.asarray(vectors, dtype=float), int(place[0]), measure), index=fitted.items)
    nearest = likeness.drop(item).sort_values(ascending=measure == "distance", kind="stable").iloc[:n]
    table = Catalogue.of(log).rows(nearest.index.to_numpy())
    table.insert(0, "rank", range(1, len(table) + 1))
    return table.assign(**{measure: nearest.to_numpy()})


def _likeness(vectors: FloatArray, place: int, measure: str) -> FloatArray:
    if measure == "distance":
        distances: FloatArray = ((vectors - vectors[place]) ** 2).sum(axis=1)
        return distances
    if measure != "cosine":
        raise ConfigError(f"--measure must be cosine or distance, found '{measure}'")
    lengths = np.linalg.norm(vectors, axis=1)
    cosines: FloatArray = vectors @ vectors[place] / np.maximum(lengths * lengths[place], 1e-12)
    return cosines


@dataclass(frozen=True, eq=False)
class Shown:
    """A user's list beside what was held out.

    Parameters
    ----------
    which : str
        ``best`` or ``worst``.
    user : object
        The user's id.
    auc : float
        The user's area under the ROC curve.
    held_out : int
        Likings that were held out.
    table : DataFrame
        The list, and whether each item is ``held out`` and ``popular``.
    """

    which: str
    user: Any
    auc: float
    held_out: int
    table: pd.DataFrame


def best_and_worst(log: Round, name: str, params: Mapping[str, Any], task: ImplicitRanking, n: int) -> list[Shown]:
    """Return the lists of the users whom a recommender serves best and worst on the first draw of held-out likings.

    Parameters
    ----------
    log : Round
        The ratings.
    name : str
        Registered name.
    params : mapping of str to Any
        Hyperparameters.
    task : ImplicitRanking
        How likings are held out.
    n : int
        Length of the lists.
    """
    fold = next(task.folds([log], "held-out"))
    model = recommender_class(name)
    found = recommend_fold(name, model, params, fold, number=0, seed=0).folds[0].users
    fitted, popular = model(**params), PopularityRecommender()
    for one in (fitted, popular):
        one.fit(Training(fold.known), rng=np.random.default_rng([0, 0, 0]))
    aucs = found["auc"].to_numpy()
    places = {"best": int(aucs.argmax()), "worst": int(aucs.argmin())}
    return [_shown(log, fold, (fitted, popular), found, which, place, n) for which, place in places.items()]


def _shown(
    log: Round,
    fold: RankingFold,
    models: tuple[Recommender, Recommender],
    found: pd.DataFrame,
    which: str,
    place: int,
    n: int,
) -> Shown:
    seen = fold.known.matrix[[place]].indices
    lists = [_first(one.score(Lists(np.array([place])))[0], seen, n) for one in models]
    rows = Catalogue.of(log).rows_of_ids(fold.item_ids[lists[0]])
    rows.insert(0, "rank", range(1, len(rows) + 1))
    marks: dict[str, BoolArray] = {
        "held out": np.isin(lists[0], fold.asked[place]),
        "popular": np.isin(lists[0], lists[1]),
    }
    user, auc = fold.user_ids[place], float(found["auc"].to_numpy()[place])
    return Shown(which, user, auc, fold.asked.shape[1], rows.assign(**marks))


def _first(scores: FloatArray, seen: AnyArray, n: int) -> IntArray:
    """Return the first items of a list, without those seen."""
    left = np.array(scores, dtype=float)
    left[seen] = -np.inf
    return np.argsort(-left, kind="stable")[:n]
