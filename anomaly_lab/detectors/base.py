"""Estimator-backed detectors: features, labels, weights and the sign of scores turned round once, here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from optuna.distributions import CategoricalDistribution
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from anomaly_lab.detectors.bounded import REFERENCE_ROWS, draw_rows, in_blocks
from anomaly_lab.detectors.samplers import SAMPLERS, SEARCHING, make_sampler
from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.folds import HIDDEN, Query, Train
from anomaly_lab.types import BoolArray, Float32Array, FloatArray, IntArray

SCALERS = ("standard", "robust", "rank")
FIT_ON = ("genuine", "everyone", "hidden")


def make_scaler(name: str, n_rows: int) -> Any:
    """Return a scaler by name; ``rank`` maps each column to a normal distribution by its ranks."""
    if name == "rank":
        return QuantileTransformer(
            n_quantiles=min(200, n_rows), output_distribution="normal", subsample=100_000, random_state=0
        )
    return {"standard": StandardScaler, "robust": RobustScaler}[name]()


@contextmanager
def early_stop_meant() -> Iterator[None]:
    """Keep quiet about iterations that ran out: where to stop is part of a detector's design."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@dataclass
class EstimatorDetector:
    """Base of detectors backed by a scikit-learn estimator on the feature matrix.

    A subclass declares its hyperparameters as fields and defines `fit_matrix` and `score_rows`. What is fitted goes
    from a feature matrix to scores and is what a saved model holds.
    """

    task: ClassVar[str] = "fake-users"
    families: ClassVar[tuple[str, ...] | None] = None
    kind: ClassVar[Literal["supervised", "unsupervised"]]

    estimator_: Any = field(init=False, repr=False, default=None)
    names_: tuple[str, ...] = field(init=False, repr=False, default=())
    form_: str = field(init=False, repr=False, default="")
    """``exact`` or ``approximate`` after a fit whose form depends on the number of users."""

    def fit(self, train: Train, *, rng: np.random.Generator) -> EstimatorDetector:
        """Fit on the features of everyone and the labels of the training users."""
        features = train.features(self.families)
        self.names_ = features.names
        self.fit_matrix(features.matrix, train, seed=int(rng.integers(2**31 - 1)))
        return self

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit the estimator; `matrix` has a row for every user of the pool."""
        raise ContractError(f"{type(self).__name__} must define fit_matrix")

    def score_matrix(self, matrix: Float32Array) -> FloatArray:
        """Return scores of rows of features in any order, shape (n_rows,), higher = more anomalous.

        Each distinct row is scored once, in an order of their contents: the last bit of a matrix product depends on a
        row's place, and places in a file follow users' ids.
        """
        rows, inverse = np.unique(matrix, axis=0, return_inverse=True)
        scores: FloatArray = self.score_rows(rows)[inverse]
        return scores

    def score_rows(self, rows: Float32Array) -> FloatArray:
        """Return scores of distinct rows of features, shape (n_rows,), higher = more anomalous."""
        raise ContractError(f"{type(self).__name__} must define score_rows")

    def score(self, query: Query) -> FloatArray:
        """Return scores of the query users."""
        return self.score_matrix(query.features(self.families).matrix)


@dataclass
class SupervisedDetector(EstimatorDetector):
    """Base of classifiers, each inside an imbalanced-learn pipeline so that a sampler acts in `fit` only.

    Scaling is robust by default: odd users then stay far out, where a standard deviation that they stretch themselves
    would draw them in.
    """

    kind: ClassVar[Literal["supervised", "unsupervised"]] = "supervised"

    sampler: Annotated[str, CategoricalDistribution(SAMPLERS)] = "none"
    scaling: Annotated[str, CategoricalDistribution(SCALERS)] = "robust"

    def build(self, seed: int) -> Any:
        """Return the unfitted classifier."""
        raise ContractError(f"{type(self).__name__} must define build")

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit on the labelled users; without a sampler the classes are balanced by weights."""
        from imblearn.pipeline import Pipeline  # imports scikit-learn's estimators, half a second

        X, y = matrix[train.users], train.labels
        steps = [("scaler", make_scaler(self.scaling, len(X)))]
        weights = {}
        sampler = make_sampler(self.sampler, y, seed)
        if self.sampler in SEARCHING:
            self.form_ = "exact" if len(y) <= REFERENCE_ROWS else "approximate"
        if sampler is None:
            weights = {"classifier__sample_weight": compute_sample_weight("balanced", y)}
        else:
            steps.append(("sampler", sampler))
        self.estimator_ = Pipeline([*steps, ("classifier", self.build(seed))])
        with early_stop_meant():
            self.estimator_.fit(X, y, **weights)

    def score_rows(self, rows: Float32Array) -> FloatArray:
        """Return the probability of being generated, in [0, 1]."""
        return np.asarray(self.estimator_.predict_proba(rows)[:, 1], dtype=float)


@dataclass
class NoveltyDetector(EstimatorDetector):
    """Base of one-class methods: they learn what users look like and score who does not."""

    kind: ClassVar[Literal["supervised", "unsupervised"]] = "unsupervised"
    reference_rows: ClassVar[int | None] = None
    """Rows that it learns from at most, drawn by lot; None for all."""
    exact_rows: ClassVar[int | None] = None
    """Rows up to which it is exact, beyond which it approximates; None if it has one form only."""

    fit_on: Annotated[str, CategoricalDistribution(FIT_ON)] = "genuine"
    scaling: Annotated[str, CategoricalDistribution(SCALERS)] = "standard"

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the unfitted estimator; its `score_samples` is high for normal users, as in scikit-learn."""
        raise ContractError(f"{type(self).__name__} must define build")

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit on known genuine users, on everyone, or on the users whose labels are hidden (see `fit_rows`)."""
        from sklearn.pipeline import Pipeline

        X = matrix[fit_rows(self.fit_on, train.visible, inductive=train.inductive)]
        if self.exact_rows is not None:
            self.form_ = "exact" if len(X) <= self.exact_rows else "approximate"
        if self.reference_rows is not None:
            X = X[draw_rows(len(X), self.reference_rows, seed)]
        self.estimator_ = Pipeline([("scaler", make_scaler(self.scaling, len(X))), ("model", self.build(seed, len(X)))])
        with early_stop_meant():
            self.estimator_.fit(X)

    def score_rows(self, rows: Float32Array) -> FloatArray:
        """Return how abnormal each row is; scikit-learn's sign, lower is abnormal, is turned round here."""
        return -in_blocks(self.estimator_.score_samples, rows)


def fit_rows(fit_on: str, visible: IntArray, *, inductive: bool = False) -> BoolArray:
    """Return which users a one-class method learns from, shape (n_users,).

    An inductive one that should learn from users as they come, with fakes among them (``everyone``, ``hidden``), learns
    from all labelled users: it has no others.
    """
    if fit_on == "genuine":
        rows: BoolArray = visible == 0
    elif inductive:
        rows = visible != HIDDEN
    elif fit_on == "hidden":
        rows = visible == HIDDEN
    else:
        rows = np.ones(len(visible), dtype=bool)
    return rows
