"""Sums over each user's rows: the arithmetic that every family shares."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray


def per_user(batch: RatingBatch, weights: AnyArray | None = None) -> FloatArray:
    """Return the sum of one number per row over each user's rows, shape (n_users,)."""
    return np.bincount(batch.users, weights, minlength=batch.n_users).astype(float)


def per_item(batch: RatingBatch, weights: AnyArray | None = None) -> FloatArray:
    """Return the sum of one number per row over each item's rows, shape (n_items,)."""
    return np.bincount(batch.items, weights, minlength=batch.n_items).astype(float)


def level_counts(batch: RatingBatch) -> FloatArray:
    """Return how often each user gave each level, shape (n_users, n_levels)."""
    cells = batch.users.astype(np.int64) * batch.scale.n_levels + batch.ratings
    counts = np.bincount(cells, minlength=batch.n_users * batch.scale.n_levels)
    return counts.reshape(batch.n_users, batch.scale.n_levels).astype(float)


def item_level_counts(batch: RatingBatch) -> FloatArray:
    """Return how often each item got each level, shape (n_items, n_levels)."""
    cells = batch.items.astype(np.int64) * batch.scale.n_levels + batch.ratings
    counts = np.bincount(cells, minlength=batch.n_items * batch.scale.n_levels)
    return counts.reshape(batch.n_items, batch.scale.n_levels).astype(float)


def incidence(batch: RatingBatch) -> sparse.csr_array:
    """Return how often each user rated each item, sparse of shape (n_users, n_items)."""
    # a copy, for SciPy adds up repeated ratings in place and would change the batch
    return sparse.csr_array(
        (np.ones(batch.n_rows), batch.items, batch.indptr.copy()), shape=(batch.n_users, batch.n_items)
    )


def item_users(batch: RatingBatch) -> FloatArray:
    """Return how many different users rated each item, shape (n_items,)."""
    first = np.ones(batch.n_rows, dtype=bool)
    first[1:] = (np.diff(batch.users) != 0) | (np.diff(batch.items) != 0)
    return np.bincount(batch.items[first], minlength=batch.n_items).astype(float)


def correlation(batch: RatingBatch, a: FloatArray, b: FloatArray, used: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Return each user's Pearson correlation of two numbers per row, and the slope of the first on the second.

    Parameters
    ----------
    batch : RatingBatch
        Whose rows.
    a, b : ndarray of shape (n_rows,)
        The numbers.
    used : ndarray of shape (n_rows,), bool
        The rows that count.

    Returns
    -------
    correlation, slope : ndarray of shape (n_users,)
        Shrunk towards 0 where a user's numbers hardly vary, exactly 0 where they do not.
    """
    weight = used.astype(float)
    n = np.maximum(per_user(batch, weight), 1)
    a, b = np.where(used, a, 0), np.where(used, b, 0)
    a = (a - (per_user(batch, a) / n)[batch.users]) * weight
    b = (b - (per_user(batch, b) / n)[batch.users]) * weight
    ab, aa, bb = per_user(batch, a * b), per_user(batch, a * a), per_user(batch, b * b)
    return ab / (np.sqrt(aa * bb) + 1e-4), ab / (bb + 1e-2)
