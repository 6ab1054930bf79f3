"""Family *profile*: how a user uses the scale, whatever the items."""

from __future__ import annotations

import numpy as np
from scipy.special import entr, rel_entr

from anomaly_lab.features.rows import level_counts
from anomaly_lab.features.sums import Reference, sums_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray


def profile(users: RatingBatch, reference: Reference) -> dict[str, FloatArray]:
    """Describe each user's own ratings: their number, levels and moments.

    Moments need numbers and leave ratings of unknown value out; a user without any known rating gets the scale's
    middle and no spread. Levels are categories, the unknown level among them.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch or ReferenceSums
        The users to compare with (their histogram of levels).

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``log_count``, ``share_<level>`` for each level, ``mean``, ``std``, ``skewness``, ``kurtosis``, ``entropy``
        (nats), ``levels_used``, ``top_share``, ``lowest``, ``highest``, ``extreme_share``, ``level_cv`` (the seed
        notebook's coefficient of variation over level counts), ``divergence`` (Kullback-Leibler, nats, from the
        reference's histogram).
    """
    counts = level_counts(users)
    n = counts.sum(axis=1)
    share = counts / n[:, None]
    columns = {"log_count": np.log1p(n)}
    for level, column in zip(users.scale.levels, share.T, strict=True):
        columns[f"share_{level:g}"] = column
    n_ordered = users.scale.n_ordered
    known, values = counts[:, :n_ordered], users.scale.values[:n_ordered]
    columns |= moments(known, values) | extremes(known, values)
    histogram = sums_of(reference).item_levels.sum(axis=0) + 1
    columns |= {
        "entropy": entr(share).sum(axis=1),
        "levels_used": (counts > 0).mean(axis=1),
        "top_share": share.max(axis=1),
        "extreme_share": share[:, 0] + share[:, users.scale.n_ordered - 1],
        "level_cv": counts.std(axis=1) / counts.mean(axis=1),
        "divergence": rel_entr(share, histogram / histogram.sum()).sum(axis=1),
    }
    return columns


def moments(counts: AnyArray, values: FloatArray) -> dict[str, FloatArray]:
    """Return moments of each user's ratings: how often each level was given says them all.

    Parameters
    ----------
    counts : ndarray of shape (n_users, n_levels)
        How often each user gave each level.
    values : ndarray of shape (n_levels,)
        Each level as a number, ascending.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``mean``, ``std``, ``skewness``, ``kurtosis``; 0.5 and no spread without a rating.
    """
    counts = np.asfortranarray(counts)  # a level's column at a time: levels are few
    n_known = counts.sum(axis=1)
    n = np.maximum(n_known, 1)
    mean = np.where(n_known > 0, counts @ values / n, 0.5)
    second, third, fourth = np.zeros((3, len(n)))
    for level, value in enumerate(values):
        centred = value - mean
        square = centred * centred
        part = counts[:, level] * square
        second += part
        third += part * centred
        fourth += part * square
    variance = second / n
    std = np.sqrt(variance)
    skewness = third / n / (variance * std + 1e-3)
    return {
        "mean": mean,
        "std": std,
        "skewness": np.round(skewness, 12),  # a symmetrical profile has 0, in whatever order its sums are taken
        "kurtosis": fourth / n / (variance * variance + 1e-4),
    }


def extremes(counts: AnyArray, values: FloatArray) -> dict[str, FloatArray]:
    """Return the lowest and the highest rating of each user, 0.5 without one; parameters as for `moments`."""
    given = counts > 0
    rated = given.any(axis=1)
    return {
        "lowest": np.where(rated, values[given.argmax(axis=1)], 0.5),
        "highest": np.where(rated, values[::-1][given[:, ::-1].argmax(axis=1)], 0.5),
    }
