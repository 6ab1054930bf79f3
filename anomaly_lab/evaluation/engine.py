"""The engine: it runs one model on the folds of one question, checks what comes back, and scores it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.class_scores import class_scores
from anomaly_lab.evaluation.composite import class_metrics
from anomaly_lab.evaluation.folds import Fold, Query, Train, inner_folds, query_view, train_view
from anomaly_lab.evaluation.inductive import check_inductive
from anomaly_lab.evaluation.metrics import best_f1_threshold, roc_auc_variance, score_metrics
from anomaly_lab.evaluation.result import Result
from anomaly_lab.evaluation.stopwatch import Stopwatch
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.pool import restore_ids
from anomaly_lab.space import defaults
from anomaly_lab.types import AnyArray, FloatArray, IntArray

SLACK = 1.0
"""Of thresholds as good as the best within one standard error (Breiman et al., 1984) the lowest: new kinds lie low."""


class Model(Protocol):
    """What a registered model is: a dataclass of hyperparameters with two methods."""

    def fit(self, train: Train, *, rng: np.random.Generator) -> Any:
        """Learn from everyone's ratings and the training users' labels."""

    def score(self, query: Query) -> FloatArray:
        """Return one finite float a query user, higher = more anomalous."""


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What a model did on one fold.

    Parameters
    ----------
    name : str
        The fold's name.
    metrics : dict of str to float
        Every metric of `score_metrics`, and ``auc_variance``; if asked for, those of `class_metrics`.
    threshold : float
        Chosen on out-of-fold scores of the training users.
    scale : float
        Spread of those scores, by which exports are calibrated.
    users : ndarray of shape (n_queries,)
        Ids of the query users as their file names them.
    scores, truth : ndarray of shape (n_queries,)
        What the model said, and what was true.
    """

    name: str
    metrics: dict[str, float]
    threshold: float
    scale: float
    users: AnyArray
    scores: FloatArray
    truth: IntArray


class RunResult(Result[FoldResult]):
    """What a detector did on a question: seconds are those of ``features``, ``fit``, ``score`` and ``threshold``."""

    @property
    def metrics(self) -> dict[str, float]:
        """Means over folds under fixed names, with ``auc_low`` and ``auc_high`` (95 %) and the seconds in all."""
        return {**super().metrics, "threshold": float(np.mean([fold.threshold for fold in self.folds]))}


def run(
    name: str,
    model: type,
    params: Mapping[str, Any],
    folds: Iterable[Fold],
    store: FeatureStore,
    *,
    seed: int,
    thresholds: bool = True,
    kinds: bool = False,
) -> RunResult:
    """Run one model with one set of hyperparameters on every fold of a question.

    Parameters
    ----------
    name : str
        The model's registered name.
    model : type
        Its class.
    params : mapping of str to Any
        Hyperparameters; those not given stand at their defaults.
    folds : iterable of Fold
        The question.
    store : FeatureStore
        Where features come from.
    seed : int
        The run's randomness: each fit draws from (seed, number of the fold, number of the inner fold).
    thresholds : bool
        Whether to choose a threshold on out-of-fold scores (three more fits a fold); without it, only metrics that
        need none are of use.
    kinds : bool
        Whether to score classes too, in folds whose training labels name kinds and whose truth does.

    Raises
    ------
    ContractError
        If the model returns anything but one finite float a query.
    """
    return RunResult.together(
        [
            run_fold(name, model, params, fold, store, number=number, seed=seed, thresholds=thresholds, kinds=kinds)
            for number, fold in enumerate(folds)
        ]
    )


def run_fold(
    name: str,
    model: type,
    params: Mapping[str, Any],
    fold: Fold,
    store: FeatureStore,
    *,
    number: int,
    seed: int,
    thresholds: bool = True,
    kinds: bool = False,
) -> RunResult:
    """Run one model on one fold: what `run` does there, wherever the other folds are run.

    Parameters
    ----------
    name, model, params, store, seed, thresholds, kinds
        As for `run`.
    fold : Fold
        One of the question's.
    number : int
        Its number among them, from 0.

    Raises
    ------
    ContractError
        If the model returns anything but one finite float a query.
    """
    watch = Stopwatch()
    with threadpool_limits(1):  # one numeric thread a worker: the same sums in the same order wherever it runs
        fitted, scores = fit_and_score(name, model, params, fold, store, [seed, number, 0], watch)
        threshold, scale = float(np.median(scores)), 1.0
        if thresholds:
            with watch("threshold"):
                threshold, scale = choose_threshold(name, model, params, fold, store, seed=[seed, number])
        metrics = score_metrics(fold.truth, scores, threshold, fold.kinds)
        metrics["auc_variance"] = roc_auc_variance(fold.truth, scores)
        if kinds:
            with watch("kinds"):
                metrics |= _class_metrics(name, fitted, fold, store, scores, (threshold, scale), [seed, number, 0])
    found = FoldResult(fold.name, metrics, threshold, scale, query_ids(fold), scores, fold.truth)
    return RunResult(name, dict(params), seed, (found,), watch.seconds, getattr(fitted, "form_", ""))


def choose_threshold(
    name: str, model: type, params: Mapping[str, Any], fold: Fold, store: FeatureStore, *, seed: list[int]
) -> tuple[float, float]:
    """Return the lowest threshold as good as the best by F1 on out-of-fold scores of training users, and their spread.

    A model that has a method ``out_of_fold`` gives these scores itself; any other is fitted on three parts.
    """
    truth, scores = _out_of_fold(name, model, params, fold, store, seed)
    spread = float(np.std(scores))
    return best_f1_threshold(truth, scores, slack=SLACK), spread if spread > 0 else 1.0


def _out_of_fold(
    name: str, model: type, params: Mapping[str, Any], fold: Fold, store: FeatureStore, seed: list[int]
) -> tuple[IntArray, FloatArray]:
    if hasattr(model, "out_of_fold"):
        train = train_view(fold, store)
        scores = model(**params).out_of_fold(train, rng=np.random.default_rng([*seed, 1]))
        return train.labels, checked_scores(name, scores, len(train.users))
    parts = []
    for number, inner in enumerate(inner_folds(fold), start=1):
        scored = fit_and_score(name, model, params, inner, store, [*seed, number], Stopwatch())[1]
        parts.append((inner.truth, scored))
    return np.concatenate([one[0] for one in parts]), np.concatenate([one[1] for one in parts])


def query_ids(fold: Fold) -> AnyArray:
    """Return the ids of a fold's query users as their file names them."""
    return restore_ids(fold.pool, fold.query)


def fit_and_score(
    name: str,
    model: type,
    params: Mapping[str, Any],
    fold: Fold,
    store: FeatureStore,
    seed: list[int],
    watch: Stopwatch,
) -> tuple[Model, FloatArray]:
    """Return a model fitted on one fold, and its checked scores of the query users.

    Parameters
    ----------
    name, model, params, fold, store
        As for `run_fold`.
    seed : list of int
        Of the fit: the run's seed, the fold's number among the question's, and 0.
    watch : Stopwatch
        Measures the stages.

    Raises
    ------
    ContractError
        If the model returns anything but one finite float a query.
    ConfigError
        If the run is inductive and the model is not (see `check_inductive`).
    """
    check_inductive(name, model, inductive=store.inductive)
    train, query = train_view(fold, store), query_view(fold, store)
    with watch("features"):
        train.features(getattr(model, "families", None))
    fitted: Model = model(**_without(model, params, fold))
    with watch("fit"):
        fitted.fit(train, rng=np.random.default_rng(seed))
    with watch("score"):
        return fitted, checked_scores(name, fitted.score(query), len(fold.query))


def _class_metrics(
    name: str,
    fitted: Model,
    fold: Fold,
    store: FeatureStore,
    scores: FloatArray,
    calibration: tuple[float, float],
    seed: list[int],
) -> dict[str, float]:
    train, query = train_view(fold, store), query_view(fold, store)
    if fold.kinds is None or train.kinds is None:
        return {}
    return class_metrics(fold.kinds, class_scores(name, fitted, train, query, scores, calibration, seed=seed))


def _without(model: type, params: Mapping[str, Any], fold: Fold) -> dict[str, Any]:
    """Return hyperparameters that keep a model from simulating the kind that a fold leaves out."""
    if fold.left_out is None or "without" not in defaults(model):
        return dict(params)
    return {**params, "without": (*params.get("without", defaults(model)["without"]), fold.left_out)}


def checked_scores(name: str, scores: Any, n_queries: int) -> FloatArray:
    """Return scores as floats if they are what the task asks for.

    Raises
    ------
    ContractError
        If there is not exactly one finite number a query user.
    """
    found = np.asarray(scores)
    if found.shape != (n_queries,) or found.dtype.kind not in "fiu":
        raise ContractError(
            f"{name}.score must return one number a query user, shape ({n_queries},), "
            f"found {found.dtype} of shape {found.shape}"
        )
    if not np.isfinite(found).all():
        raise ContractError(
            f"{name}.score must return finite numbers, found {int((~np.isfinite(found)).sum())} that are not"
        )
    return found.astype(float)
