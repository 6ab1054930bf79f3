"""Folds of random rounds and what models say of them, for conformance checks and tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.evaluation.engine import checked_scores, query_ids
from anomaly_lab.evaluation.folds import Fold, query_view, train_view
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.scale import STARS, RatingScale
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.tasks.fake_users import query_round


def fold_of(train: Round, query: Round) -> Fold:
    """Return the fold that asks for one round given the labels of another."""
    return query_round(pool([train.ratings, query.ratings]), [train, query], 1)


@cache
def plain_fold(scale: RatingScale = STARS) -> Fold:
    """Return a fold of two random rounds, the same object each time: not to be changed."""
    return fold_of(random_round(scale, seed=0).read("first"), random_round(scale, seed=1).read("second"))


@cache
def shared_features(scale: RatingScale = STARS) -> FeatureStore:
    """Return a store for the features of `plain_fold`, which most checks of every model ask for."""
    return FeatureStore(DEFAULT_FAMILIES)


def scores_of(
    name: str,
    fold: Fold,
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    store: FeatureStore | None = None,
) -> pd.Series:
    """Fit a registered model on a fold.

    Parameters
    ----------
    name : str
        The model's registered name.
    fold : Fold
        The question.
    params : mapping of str to Any, optional
        Hyperparameters; those not given stand at their defaults.
    seed : int
        Seed of the fit.
    store : FeatureStore, optional
        Where features come from; by default they are computed afresh.

    Returns
    -------
    Series
        The scores by user id, ascending.
    """
    store = store or FeatureStore(DEFAULT_FAMILIES)
    model = MODELS.load(name)(**(params or {}))
    with threadpool_limits(1):
        model.fit(train_view(fold, store), rng=np.random.default_rng(seed))
    return answer(name, model, fold, store)


def plain_scores(name: str, scale: RatingScale = STARS, *, seed: int = 0) -> pd.Series:
    """Fit a registered model on `plain_fold`; see `scores_of`."""
    return scores_of(name, plain_fold(scale), seed=seed, store=shared_features(scale))


def answer(name: str, model: Any, fold: Fold, store: FeatureStore) -> pd.Series:
    """Return the checked scores that a fitted model gives a fold's users, by user id, ascending."""
    with threadpool_limits(1):
        scores = model.score(query_view(fold, store))
    return pd.Series(checked_scores(name, scores, len(fold.query)), index=query_ids(fold)).sort_index()
