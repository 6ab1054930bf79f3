"""Explanation: what each family of features, and each feature, adds to one user's score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import pandas as pd
from scipy.special import logit

from anomaly_lab.evaluation.phrases import column_phrase, family_phrase
from anomaly_lab.types import AnyArray, Float32Array, FloatArray, IntArray

BACKGROUND = 50
"""Genuine users whose values stand in for the user's own."""
ROWS = 20_000
"""Rows scored at once, about."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What moves one user's score away from that of genuine users.

    Parameters
    ----------
    score : float
        The user's log-odds of the calibrated score; above 0 = flagged.
    base : float
        Its mean over the background of genuine users.
    families : DataFrame
        ``family``, ``contribution`` (log-odds) and ``phrase``, the largest first; they add up to ``score - base``.
    features : DataFrame
        ``feature``, ``family``, ``contribution``, ``value``, ``percentile`` (share of genuine users with less, ties
        half, in percent) and ``phrase``, the largest first; those of a family add up to the family's.
    """

    score: float
    base: float
    families: pd.DataFrame
    features: pd.DataFrame


def contributions(
    score: Callable[[Float32Array], FloatArray],
    user: Float32Array,
    genuine: Float32Array,
    names: Sequence[str],
    *,
    seed: int = 0,
) -> Contributions:
    """Return what each family and each feature contributes to one user's score.

    Starting from a genuine user, the columns are replaced one after the other by the explained user's own, family by
    family in a random order, and within a family in a random order. What the log-odds of the score gain at a column is
    its contribution, averaged over up to `BACKGROUND` genuine users and two orders each, the second the reverse of the
    first (Mitchell et al., 2022). These are Owen values (Owen, 1977), which are Shapley values where columns come in
    groups, by sampling (Štrumbelj and Kononenko, 2010; Lundberg and Lee, 2017). Correlated columns share what they say
    together.

    Parameters
    ----------
    score : callable
        From a matrix of features to calibrated scores in (0, 1), 0.5 = threshold.
    user : ndarray of shape (n_features,)
        The explained user.
    genuine : ndarray of shape (n_genuine, n_features)
        Users known to be genuine, at least one.
    names : sequence of str
        Names of the columns, ``family:column``.
    seed : int
        Of the background and the orders.
    """
    rng = np.random.default_rng(seed)
    background = genuine[rng.permutation(len(genuine))[:BACKGROUND]]
    families = np.array([name.partition(":")[0] for name in names])
    orders = [order for _ in background for order in _both_ways(families, rng)]
    others = np.repeat(background, 2, axis=0)
    gains = np.zeros(len(names))
    start = 0.0
    step = max(1, ROWS // (len(names) + 1))  # a call may cost more than its rows
    for first in range(0, len(orders), step):
        some = orders[first : first + step]
        ways = np.concatenate([_walk(*way) for way in zip(others[first:], repeat(user), some, strict=False)])
        for order, path in zip(some, logit(score(ways)).reshape(len(some), -1), strict=True):
            gains[order] += np.diff(path) / len(orders)
            start += path[0] / len(orders)
    table = _features(gains, user, genuine, names)
    own = float(logit(score(user[None, :]))[0])
    return Contributions(own, float(start), _families(table), table)


def percentiles(user: AnyArray, genuine: AnyArray) -> FloatArray:
    """Return the share of genuine users with a lower value than the user's, ties half, in percent, by column."""
    below, equal = (genuine < user).mean(axis=0), (genuine == user).mean(axis=0)
    found: FloatArray = 100 * (below + equal / 2)
    return found


def _both_ways(families: AnyArray, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield a random order of the columns in which each family stands together, then its reverse."""
    names = rng.permutation(np.unique(families))
    order = np.concatenate([rng.permutation(np.flatnonzero(families == name)) for name in names])
    yield order
    yield order[::-1]


def _walk(start: Float32Array, end: Float32Array, order: IntArray) -> Float32Array:
    """Return the way from one row to another, a column at a time, shape (n_features + 1, n_features)."""
    step = np.empty(len(order), dtype=np.int64)
    step[order] = np.arange(1, len(order) + 1)
    taken = np.arange(len(order) + 1)[:, None] >= step
    return np.where(taken, end, start)


def _features(gains: FloatArray, user: Float32Array, genuine: Float32Array, names: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "feature": names,
            "family": [name.partition(":")[0] for name in names],
            "contribution": gains,
            "value": user.astype(float),
            "percentile": percentiles(user, genuine),
            "phrase": [column_phrase(name) for name in names],
        }
    )
    return _largest_first(table)


def _families(features: pd.DataFrame) -> pd.DataFrame:
    table = features.groupby("family", sort=True)["contribution"].sum().reset_index()
    table["phrase"] = table["family"].map(family_phrase)
    return _largest_first(table)


def _largest_first(table: pd.DataFrame) -> pd.DataFrame:
    order = np.argsort(-table["contribution"].abs().to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)
