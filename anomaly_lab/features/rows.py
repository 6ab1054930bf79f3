"""Sums over each user's rows: the arithmetic that every family shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray

LINE = 8
"""Float64 in a line of the cache."""


def per_user(batch: RatingBatch, weights: AnyArray | None = None) -> FloatArray:
    """Return the sum of one number per row over each user's rows, or their number, shape (n_users,)."""
    if weights is None:
        return np.diff(batch.indptr).astype(float)
    return np.bincount(batch.users, weights, minlength=batch.n_users).astype(float)


def per_item(batch: RatingBatch, weights: AnyArray | None = None) -> FloatArray:
    """Return the sum of one number per row over each item's rows, shape (n_items,)."""
    return np.bincount(batch.items, weights, minlength=batch.n_items).astype(float)


def level_counts(batch: RatingBatch) -> FloatArray:
    """Return how often each user gave each level, shape (n_users, n_levels)."""
    from anomaly_lab.features.kernels import count_levels

    counts = np.zeros((batch.n_users, batch.scale.n_levels))
    count_levels(batch.indptr, batch.ratings, counts)
    return counts


def item_level_counts(batch: RatingBatch) -> FloatArray:
    """Return how often each item got each level, shape (n_items, n_levels)."""
    from anomaly_lab.features.kernels import count_grouped_items

    counts = np.zeros((batch.n_items, batch.scale.n_levels))
    count_grouped_items(batch.items, batch.ratings, counts)
    return counts


def cells(batch: RatingBatch) -> AnyArray:
    """Return one number a row that says item and level: the row of a table of shape (n_items * n_levels, …)."""
    kind = np.int32 if batch.n_items * batch.scale.n_levels <= np.iinfo(np.int32).max else np.int64
    first: AnyArray = batch.items.astype(kind)
    first *= batch.scale.n_levels
    first += batch.ratings
    return first


def sums_over_cells(starts: AnyArray, cells: AnyArray, columns: Sequence[AnyArray]) -> list[FloatArray]:
    """Return for each column the sum over each user's rows of what stands for their cells.

    Parameters
    ----------
    starts : ndarray of shape (n_users + 1,)
        Where each user's rows begin.
    cells : ndarray of shape (n_rows,)
        Which entry of the columns stands for each row: from `cells`, or the items.
    columns : sequence of ndarray of shape (n_cells,)
        What to add up.

    Returns
    -------
    list of ndarray of shape (n_users,)
    """
    from anomaly_lab.features.kernels import WIDTH, sum_cells

    found: list[FloatArray] = []
    for first in range(0, len(columns), WIDTH):
        some = columns[first : first + WIDTH]
        table, sums = on_lines(len(some[0]), WIDTH), on_lines(len(starts) - 1, WIDTH)
        for place, column in enumerate(some):
            table[:, place] = column
        sum_cells(starts, cells, table, sums)
        found += list(np.ascontiguousarray(sums.T)[: len(some)])
    return found


def on_lines(n_rows: int, n_columns: int) -> FloatArray:
    """Return zeros whose rows begin on lines of the cache, where NumPy's need not: a fifth of the time of a pass."""
    width = n_columns if LINE % n_columns == 0 else -(-n_columns // LINE) * LINE
    block = np.zeros(n_rows * width + LINE)
    skipped = -block.ctypes.data // block.itemsize % LINE
    return block[skipped : skipped + n_rows * width].reshape(n_rows, width)


def incidence(batch: RatingBatch) -> sparse.csr_array:
    """Return how often each user rated each item, sparse of shape (n_users, n_items)."""
    # a copy, for SciPy adds up repeated ratings in place and would change the batch
    return sparse.csr_array(
        (np.ones(batch.n_rows), batch.items, batch.indptr.copy()), shape=(batch.n_users, batch.n_items)
    )


def distinct_items(batch: RatingBatch) -> tuple[AnyArray, AnyArray]:
    """Return where each user's items begin, shape (n_users + 1,), and the items, each once a user."""
    first = np.ones(batch.n_rows, dtype=bool)
    first[1:] = (batch.users[1:] != batch.users[:-1]) | (batch.items[1:] != batch.items[:-1])
    if first.all():
        return batch.indptr, batch.items
    return np.append(0, np.cumsum(first))[batch.indptr], batch.items[first]


def item_users(batch: RatingBatch) -> FloatArray:
    """Return how many different users rated each item, shape (n_items,)."""
    return np.bincount(distinct_items(batch)[1], minlength=batch.n_items).astype(float)


def item_correlation(batch: RatingBatch, numbers: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each user's Pearson correlation of known ratings and a number of the items, and what it comes from.

    Parameters
    ----------
    batch : RatingBatch
        Whose ratings.
    numbers : ndarray of shape (n_items,)
        A number of each item.

    Returns
    -------
    correlation, slope : ndarray of shape (n_users,)
        As from `correlation`.
    products : ndarray of shape (n_users, 3)
        Sums of the squares of ratings and of numbers, each less the user's mean, and of their products.
    """
    from anomaly_lab.features.kernels import centred_products

    products = np.empty((batch.n_users, 3))
    centred_products(batch.indptr, batch.items, batch.ratings, batch.scale.values, numbers, products)
    aa, bb, ab = products.T
    return ab / (np.sqrt(aa * bb) + 1e-4), ab / (bb + 1e-2), products


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
