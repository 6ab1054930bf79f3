"""Family *neighbours*: how much each user's ratings are like those of the nearest reference users."""

from __future__ import annotations

import numpy as np

from anomaly_lab.features.agreement import item_means
from anomaly_lab.features.panel import (
    Levels,
    highest,
    kept_items,
    one_hot,
    panel,
    products,
    rated,
    reference_panel,
    user_blocks,
)
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import Float32Array, FloatArray

CORRELATION_PRIOR = 20.0
AGREEMENT_PRIOR = 10.0
"""Common items' worth of no correlation, and of agreement by chance, mixed in (Herlocker et al., 1999)."""


def neighbours(users: RatingBatch, reference: RatingBatch) -> dict[str, FloatArray]:
    """Describe the shrunk correlation and agreement of each user's ratings with the nearest reference users.

    Correlations are of deviations from item means over common items of known value (Herlocker et al., 1999); agreement
    is the share of common items on the same level, a category, so unknown ratings take part.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch
        The users to compare with.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``correlation_<1|10|50>``, means over the nearest; ``correlation_mean``, ``correlation_std``,
        ``correlation_low`` (mean of the lowest ten); ``agreement_<1|10>``, ``agreement_mean``.
    """
    items, theirs = kept_items(reference), reference_panel(reference)
    values = users.scale.values
    means = item_means(reference).mean[items]
    by_reference = _deviations(theirs, values, means)
    their_squares = by_reference.value**2
    chance = _chance_agreement(reference)
    n_levels = users.scale.n_levels
    their_levels, they_rated = one_hot(theirs, n_levels), rated(theirs).T
    found: dict[str, list[FloatArray]] = {}
    for part in user_blocks(users):
        mine = panel(part, items)
        a = _deviations(mine, values, means)
        common = a.known @ by_reference.known.T
        spread = (a.value**2 @ by_reference.known.T) * (a.known @ their_squares.T)
        similar = (a.value @ by_reference.value.T) / np.sqrt(spread + 1e-8) * (common / (common + CORRELATION_PRIOR))
        both = rated(mine) @ they_rated
        agree = (products(one_hot(mine, n_levels), their_levels) + AGREEMENT_PRIOR * chance) / (both + AGREEMENT_PRIOR)
        for name, column in _summaries(similar.astype(np.float32), agree.astype(np.float32)).items():
            found.setdefault(name, []).append(column)
    return {name: np.concatenate(columns) for name, columns in found.items()}


class _Deviations:
    """Ratings less the item's mean and the user's bias, 0 where there is no known rating."""

    def __init__(self, value: Float32Array, known: Float32Array) -> None:
        self.value, self.known = value, known


def _deviations(levels: Levels, values: FloatArray, means: FloatArray) -> _Deviations:
    table = np.append(values, np.nan)  # the last entry is what NOT_RATED = -1 picks
    found = table[levels]
    known = ~np.isnan(found)
    deviation = np.where(known, found - means, 0.0)
    bias = deviation.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    centred = np.where(known, deviation - bias[:, None], 0.0)
    return _Deviations(centred.astype(np.float32), known.astype(np.float32))


def _chance_agreement(reference: RatingBatch) -> float:
    shares = np.bincount(reference.ratings, minlength=reference.scale.n_levels) / max(reference.n_rows, 1)
    return float((shares**2).sum())


def _summaries(similar: Float32Array, agree: Float32Array) -> dict[str, FloatArray]:
    top = highest(similar, 50)
    low = -highest(-similar, 10)
    close = highest(agree, 10)
    columns = {
        "correlation_1": top[:, 0],
        "correlation_10": top[:, :10].mean(axis=1),
        "correlation_50": top.mean(axis=1),
        "correlation_mean": similar.mean(axis=1),
        "correlation_std": similar.std(axis=1),
        "correlation_low": low.mean(axis=1),
        "agreement_1": close[:, 0],
        "agreement_10": close.mean(axis=1),
        "agreement_mean": agree.mean(axis=1),
    }
    return {name: column.astype(float) for name, column in columns.items()}
