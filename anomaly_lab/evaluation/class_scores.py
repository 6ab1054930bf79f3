"""Class scores: a fitted detector's score of every class, genuine and each kind that labels name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import stdtr

from anomaly_lab.detectors.kinds import KindClassifier, join_classes
from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.folds import Query, Train
from anomaly_lab.ratings.labels import Round
from anomaly_lab.types import FloatArray

ROBIT_FREEDOM = 2
"""Degrees of freedom of the link from scores to P(generated): the fewest that leave genuine users little of it."""
KINDS_STREAM = 2
"""Of a run's seed, the part that the classifier of kinds draws from."""


def name_kinds(rounds: Sequence[Round]) -> bool:
    """Return whether the labels of some round name kinds."""
    return any(one.labels is not None and one.labels.kinds is not None for one in rounds)


def class_scores(
    name: str,
    fitted: Any,
    train: Train,
    query: Query,
    scores: FloatArray,
    calibration: tuple[float, float],
    *,
    seed: Sequence[int],
) -> FloatArray:
    """Return one number in [0, 1] a query user and class, shape (n_queries, n_kinds + 1).

    A model that defines ``score_kinds`` is asked. For any other, P(generated) is its score through a robit link (Liu,
    2004), 0.5 at the threshold: close to a logistic curve, but its long tails keep far scores apart. P(kind | fake)
    comes from a classifier of the known fakes' features (see `anomaly_lab.detectors.kinds`). Column 0 is then in the
    order of the model's own scores, and has their AUC.

    Parameters
    ----------
    name : str
        The model's registered name.
    fitted : object
        The fitted model.
    train, query
        What it was fitted on, and the users to score; `train.kinds` must name kinds.
    scores : ndarray of shape (n_queries,)
        Its scores of the query users.
    calibration : tuple of float
        Threshold, and spread of the scores in training.
    seed : sequence of int
        Randomness of the classifier.

    Raises
    ------
    ContractError
        If ``score_kinds`` returns anything but class scores.
    """
    assert train.kinds is not None
    n_kinds = int(train.kinds.max())
    if hasattr(fitted, "score_kinds"):
        return checked_class_scores(name, fitted.score_kinds(query), len(query.users), n_kinds + 1)
    families = getattr(fitted, "families", None)
    fakes = train.users[train.kinds[train.users] > 0]
    stream = np.random.default_rng([*seed, KINDS_STREAM])
    classifier = KindClassifier(seed=int(stream.integers(2**31 - 1)))
    classifier.fit(train.features(families).matrix[fakes], train.kinds[fakes])
    threshold, scale = calibration
    genuine = stdtr(ROBIT_FREEDOM, (threshold - scores) / scale)
    return join_classes(genuine, classifier.probabilities(query.features(families).matrix, n_kinds))


def checked_class_scores(name: str, scores: Any, n_queries: int, n_classes: int) -> FloatArray:
    """Return class scores as floats if they are what the contract asks for.

    Raises
    ------
    ContractError
        If there is not exactly one number in [0, 1] a query user and class.
    """
    found = np.asarray(scores)
    if found.shape != (n_queries, n_classes) or found.dtype.kind not in "fiu":
        raise ContractError(
            f"{name}.score_kinds must return a number a query user and class, shape ({n_queries}, {n_classes}), "
            f"found {found.dtype} of shape {found.shape}"
        )
    wrong = int((~((found >= 0) & (found <= 1))).sum())
    if wrong:
        raise ContractError(f"{name}.score_kinds must return numbers in [0, 1], found {wrong} that are not")
    return found.astype(float)
