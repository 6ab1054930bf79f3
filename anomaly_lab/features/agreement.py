"""Family *agreement*: how far a user's ratings lie from what others gave the same items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.features.rows import correlation, item_level_counts, item_users, per_item, per_user
from anomaly_lab.ratings.batch import RatingBatch
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


def item_means(reference: RatingBatch) -> ItemMeans:
    """Return damped means and spreads of the known ratings of each item (Funk, 2006)."""
    known = ~np.isnan(reference.values)
    values = np.where(known, reference.values, 0.0)
    n = per_item(reference, known)
    total = max(known.sum(), 1)
    overall = values.sum() / total if known.any() else 0.5
    mean = (per_item(reference, values) + PRIOR_RATINGS * overall) / (n + PRIOR_RATINGS)
    residual = np.where(known, reference.values - mean[reference.items], 0.0)
    squares = per_item(reference, residual**2)
    variance = (squares + PRIOR_RATINGS * max(squares.sum() / total, 1e-4)) / (n + PRIOR_RATINGS)
    return ItemMeans(mean, np.sqrt(variance))


def agreement(users: RatingBatch, reference: RatingBatch) -> dict[str, FloatArray]:
    """Describe how each user's ratings deviate from the means of the items.

    Ratings of unknown value take part in ``majority_share`` (a level is a category) and nowhere else.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch
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
    means = item_means(reference)
    known = ~np.isnan(users.values)
    n = np.maximum(per_user(users, known), 1)
    at_mean, at_spread = means.mean[users.items], means.spread[users.items]
    deviation = np.where(known, users.values - at_mean, 0.0)
    rms = np.sqrt(per_user(users, deviation**2) / n)
    bias = per_user(users, deviation) / n
    centred = np.where(known, deviation - bias[users.users], 0.0)
    centred_rms = np.sqrt(per_user(users, centred**2) / n)
    own = np.where(known, users.values, 0.0)
    own_std = np.sqrt(np.maximum(per_user(users, own**2) / n - (per_user(users, own) / n) ** 2, 0))
    rating_correlation, slope = correlation(users, own, at_mean, known)
    return {
        "mad": per_user(users, np.abs(deviation)) / n,
        "rms": rms,
        "bias": bias,
        "z_rms": np.sqrt(per_user(users, (deviation / at_spread) ** 2) / n),
        "centred_rms": centred_rms,
        "rms_ratio": centred_rms / (own_std + 0.02),
        "correlation": rating_correlation,
        "slope": slope,
        "correlation_z": rating_correlation * np.sqrt(n),
        "fmtd": _filler_mean_target_difference(users),
        "majority_share": _majority_share(users, reference),
    } | _weighted_deviations(users, reference, np.abs(deviation))


def _weighted_deviations(users: RatingBatch, reference: RatingBatch, deviation: FloatArray) -> dict[str, FloatArray]:
    """Weigh deviations by how rarely an item is rated, per reference user so that the population's size cancels."""
    share = (item_users(reference) + 1) / (reference.n_users + 1)
    weight = 1 / share[users.items]
    n = np.maximum(per_user(users), 1)
    mean_length = reference.n_rows / max(reference.n_users, 1)
    lengths = np.diff(reference.indptr)
    return {
        "rdma": np.log(per_user(users, deviation * weight) / n + 1e-4),
        "wdma": np.log(per_user(users, deviation * weight**2) / n + 1e-4),
        "wda": np.log(per_user(users, deviation * weight) + 1e-4),
        "length_variance": np.abs(n - mean_length) / (lengths.std() + 1e-9 if len(lengths) else 1.0),
    }


def _filler_mean_target_difference(users: RatingBatch) -> FloatArray:
    known = ~np.isnan(users.values)
    values = np.where(known, users.values, 0.0)
    highest = np.full(users.n_users, -np.inf)
    np.maximum.at(highest, users.users[known], values[known])
    top = known & (values == highest[users.users])
    rest = known & ~top
    n_top, n_rest = per_user(users, top), per_user(users, rest)
    difference = per_user(users, values * top) / np.maximum(n_top, 1) - per_user(users, values * rest) / np.maximum(
        n_rest, 1
    )
    return np.where(n_rest > 0, difference, 0.0)


def _majority_share(users: RatingBatch, reference: RatingBatch) -> FloatArray:
    counts = item_level_counts(reference)
    overall = counts.sum(axis=0)
    majority = (counts + 1e-6 * overall / max(overall.sum(), 1)).argmax(axis=1)
    return per_user(users, users.ratings == majority[users.items]) / np.maximum(per_user(users), 1)
