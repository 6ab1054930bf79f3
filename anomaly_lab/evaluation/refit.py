"""Refit: one model on all labelled rounds, and the scores of a batch whose labels nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.detectors.champion import calibrate
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.class_scores import class_scores
from anomaly_lab.evaluation.engine import checked_scores, choose_threshold
from anomaly_lab.evaluation.folds import HIDDEN, Fold, query_view, train_view
from anomaly_lab.features.extract import FeatureStore, UserFeatures
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.types import AnyArray, FloatArray


@dataclass(frozen=True, eq=False)
class Refit:
    """A model refitted for one batch.

    Parameters
    ----------
    model : object
        The fitted model.
    threshold, scale : float
        Calibration: a user is flagged from this raw score on.
    user_ids : ndarray of shape (n_users,)
        Users of the batch, ascending.
    scores : ndarray of shape (n_users,)
        Calibrated scores in the order of `user_ids`.
    features : UserFeatures or None
        What the model saw of these users, in the same order; None for a model that reads ratings itself.
    class_scores : ndarray of shape (n_users, n_kinds + 1), optional
        Scores of every class, in the same order, where they were asked for.
    """

    model: Any
    threshold: float
    scale: float
    user_ids: AnyArray
    scores: FloatArray
    features: UserFeatures | None
    class_scores: FloatArray | None = None


def refit(
    name: str,
    model: type,
    params: Mapping[str, Any],
    rounds: Sequence[Round],
    batch: RatingBatch,
    store: FeatureStore,
    *,
    seed: int,
    flag_rate: float | None = None,
    kinds: bool = False,
) -> Refit:
    """Fit a model on every labelled round and score a batch.

    Parameters
    ----------
    name, model, params
        The model's registered name, class and hyperparameters.
    rounds : sequence of Round
        Labelled rounds, oldest first.
    batch : RatingBatch
        The batch to score; it takes part in the features as the unlabelled target.
    store : FeatureStore
        Where features come from.
    seed : int
        Randomness of the fit.
    flag_rate : float, optional
        Flag this share of the batch, in (0, 1), instead of using the threshold chosen in training.
    kinds : bool
        Whether to score classes too.

    Raises
    ------
    DataError
        If the batch is one of the labelled rounds, or classes are asked for and no label names a kind.
    """
    if any(one.ratings.digest == batch.digest for one in rounds):
        raise DataError(f"{batch.source}: the batch to score must not be one of the labelled rounds it is scored from")
    fold = target_fold(rounds, batch)
    ids = batch.user_ids[fold.pool.row_of[fold.query]]
    order = np.argsort(ids, kind="stable")
    with threadpool_limits(1):
        fitted, train = model(**params), train_view(fold, store)
        if kinds and train.kinds is None:
            raise DataError("class scores need labels that name kinds, found 0 and 1 only; ask for one score a user")
        fitted.fit(train, rng=np.random.default_rng([seed, 0, 0]))
        query = query_view(fold, store)
        features = None
        if hasattr(fitted, "score_matrix"):
            seen = query.features(getattr(model, "families", None))
            features = UserFeatures(seen.matrix[order], seen.names)
            # In the file's order: BLAS sums depend on a row's place, and a saved model must agree bit for bit.
            raw = checked_scores(name, fitted.score_matrix(features.matrix), len(order))
        else:
            raw = checked_scores(name, fitted.score(query), len(order))[order]
        threshold, scale = choose_threshold(name, model, params, fold, store, seed=[seed, 0])
    if flag_rate is not None:
        threshold = float(np.quantile(raw, 1 - flag_rate, method="higher"))
    classes = None
    if kinds:
        in_query = raw[np.argsort(order)]
        classes = class_scores(name, fitted, train, query, in_query, (threshold, scale), seed=[seed, 0, 0])[order]
    return Refit(fitted, threshold, scale, ids[order], calibrate(raw, threshold, scale), features, classes)


def target_fold(rounds: Sequence[Round], batch: RatingBatch) -> Fold:
    """Return the fold that asks for an unlabelled batch given all labelled rounds; its truth is empty."""
    joint = pool([*(one.ratings for one in rounds), batch])
    visible = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    kinds = np.full(joint.n_users, HIDDEN, dtype=np.int64)
    for number, one in enumerate(rounds):
        if one.labels is None:
            raise DataError(f"{one.path or one.name}: a round to learn from must have labels, found none")
        visible[joint.positions(number)] = one.labels.fake
        kinds[joint.positions(number)] = one.labels.named_kinds
    query = np.sort(joint.positions(len(rounds)))
    return Fold(batch.source, joint, visible, query, np.empty(0, dtype=np.int64), known_kinds=kinds)
