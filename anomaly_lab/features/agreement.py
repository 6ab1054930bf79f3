"""Family *agreement*: how far a user's ratings lie from what others gave the same items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.features.rows import (
    cells,
    item_correlation,
    level_counts,
    per_user,
    sums_over_cells,
)
from anomaly_lab.features.sums import Reference, ReferenceSums, sums_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import FloatArray

PRIOR_RATINGS = 5.0
"""Ratings' worth of the global mean mixed into each item's mean, so that an unseen item is average."""


@dataclass(frozen=True)
class ItemMeans:
    """What reference users gave each item.

    Parameters
    ----------
    mean : ndarray of shape (n_items,)
        Damped mean of known ratings, in [0, 1].
    spread : ndarray of shape (n_items,)
        Damped standard deviation around it.
    """

    mean: FloatArray
    spread: FloatArray


def item_means(reference: Reference) -> ItemMeans:
    """Return damped means and spreads of the known ratings of each item (Funk, 2006)."""
    sums = sums_of(reference)
    counts, values = _known_levels(sums.scale, sums.item_levels)
    n = counts.sum(axis=1)
    total = max(n.sum(), 1)
    overall = (counts @ values).sum() / total if n.any() else 0.5
    mean = (counts @ values + PRIOR_RATINGS * overall) / (n + PRIOR_RATINGS)
    squares = (counts * (values - mean[:, None]) ** 2).sum(axis=1)
    variance = (squares + PRIOR_RATINGS * max(squares.sum() / total, 1e-4)) / (n + PRIOR_RATINGS)
    return ItemMeans(mean, np.sqrt(variance))


def _known_levels(scale: RatingScale, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the columns of levels that have a number, and these numbers, ascending."""
    return counts[:, : scale.n_ordered], scale.values[: scale.n_ordered]


def agreement(users: RatingBatch, reference: Reference) -> dict[str, FloatArray]:
    """Describe how each user's ratings deviate from the means of the items.

    Ratings of unknown value take part in ``majority_share`` (a level is a category) and nowhere else.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch or ReferenceSums
        The users whose ratings make the means.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``mad``, ``rms``, ``bias`` and ``z_rms`` of the deviations; ``centred_rms`` after removing the user's bias and
        ``rms_ratio`` to the user's own spread; RDMA, WDMA and WDA (Chirita, Nejdl and Zamfir, 2005; Burke et al.,
        2006) with items weighted by their raters per reference user; ``length_variance`` (ibid.); ``fmtd``, the mean
        of the user's highest ratings less that of the others (ibid.); ``correlation``, ``slope`` and
        ``correlation_z`` against the item mean; ``majority_share``, ratings that equal the item's commonest level.
    """
    known = sums_of(reference)
    means = item_means(known)
    counts, values = _known_levels(users.scale, level_counts(users))
    n_rated, n = np.maximum(per_user(users), 1), np.maximum(counts.sum(axis=1), 1)
    share = (known.item_users + 1) / (known.n_users + 1)
    deviation = np.nan_to_num(users.scale.values - means.mean[:, None])  # 0 where the rating is unknown
    distance, squares = np.abs(deviation), deviation**2
    total, of_majority, summed, square, z_square, weighted, weighted_twice = sums_over_cells(
        users.indptr,
        cells(users),
        [
            column.ravel()
            for column in (
                distance,
                _majority(known),
                deviation,
                squares,
                squares / means.spread[:, None] ** 2,
                distance / share[:, None],
                distance / share[:, None] ** 2,
            )
        ],
    )
    rating_correlation, slope, products = item_correlation(users, means.mean)
    own, items, both = products.T
    centred_rms = np.sqrt(np.maximum(own + items - 2 * both, 0) / n)
    return {
        "mad": total / n,
        "rms": np.sqrt(square / n),
        "bias": summed / n,
        "z_rms": np.sqrt(z_square / n),
        "centred_rms": centred_rms,
        "rms_ratio": centred_rms / (np.sqrt(own / n) + 0.02),
        "correlation": rating_correlation,
        "slope": slope,
        "correlation_z": rating_correlation * np.sqrt(n),
        "fmtd": _filler_mean_target_difference(counts, values),
        "majority_share": of_majority / n_rated,
        "rdma": np.log(weighted / n_rated + 1e-4),
        "wdma": np.log(weighted_twice / n_rated + 1e-4),
        "wda": np.log(weighted + 1e-4),
        "length_variance": np.abs(n_rated - known.mean_length) / (known.length_spread + 1e-9),
    }


def _filler_mean_target_difference(counts: FloatArray, values: FloatArray) -> FloatArray:
    rest = counts.copy()
    top = len(values) - 1 - (counts[:, ::-1] > 0).argmax(axis=1)
    rest[np.arange(len(rest)), top] = 0
    n_rest = rest.sum(axis=1)
    return np.where(n_rest > 0, values[top] - rest @ values / np.maximum(n_rest, 1), 0.0)


def _majority(known: ReferenceSums) -> FloatArray:
    """Return 1 for each item's commonest level, shape (n_items, n_levels); the commoner overall of equal ones."""
    counts = known.item_levels
    overall = counts.sum(axis=0)
    majority = (counts + 1e-6 * overall / max(overall.sum(), 1)).argmax(axis=1)
    return np.asarray(np.arange(counts.shape[1]) == majority[:, None], dtype=float)
