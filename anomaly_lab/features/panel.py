"""Panel: a batch as a dense table of levels, the bounded working set of the families that compare users with users."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from anomaly_lab.features.rows import item_users
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, Float32Array, IntArray

NOT_RATED = -1
MAX_ITEMS = 4_000
"""Items that dense families look at: the reference's most rated ones. A course has about 1,000."""
MAX_REFERENCE = 6_000
"""Reference users that each user is compared with: those whose profile digests come first, a random sample."""
USERS_AT_ONCE = 4_000

_log = logging.getLogger(__name__)
Levels = NDArray[np.int8]


def reference_panel(reference: RatingBatch) -> Levels:
    """Return at most `MAX_REFERENCE` reference users, first in digest order, as a table of levels over the kept items.

    A course stays below both bounds. What is left out beyond them is logged.
    """
    items = kept_items(reference)
    if reference.n_users > MAX_REFERENCE:
        _log.info("comparing with %d of %d reference users", MAX_REFERENCE, reference.n_users)
        reference = reference.select(np.arange(reference.n_users) < MAX_REFERENCE)
    return panel(reference, items)


def kept_items(reference: RatingBatch) -> IntArray:
    """Return the items that dense families look at, ascending: all of them up to `MAX_ITEMS`."""
    if reference.n_items <= MAX_ITEMS:
        return np.arange(reference.n_items)
    _log.info("comparing on the %d most rated of %d items", MAX_ITEMS, reference.n_items)
    return np.sort(np.argsort(-item_users(reference), kind="stable")[:MAX_ITEMS])


def panel(batch: RatingBatch, items: IntArray) -> Levels:
    """Return a batch as a table of levels over some items, `NOT_RATED` where there is no rating.

    Of several ratings of one item by one user the highest level counts.
    """
    place = np.full(batch.n_items, -1, dtype=np.int32)
    place[items] = np.arange(len(items))
    levels = np.full((batch.n_users, len(items)), NOT_RATED, dtype=np.int8)
    kept = place[batch.items] >= 0
    levels[batch.users[kept], place[batch.items[kept]]] = batch.ratings[kept]
    return levels


def rated(levels: Levels) -> Float32Array:
    """Return 1 where a user rated an item, else 0."""
    return (levels >= 0).astype(np.float32)


def one_hot(levels: Levels, n_levels: int, weights: AnyArray | None = None) -> sparse.csr_array:
    """Return a table of levels as one column for each level of each item.

    Parameters
    ----------
    levels : ndarray of int8, shape (n_users, n_items)
        `NOT_RATED` where there is no rating.
    n_levels : int
        Number of levels.
    weights : ndarray of shape (n_levels, n_items), optional
        What stands in each column instead of 1.

    Returns
    -------
    csr_array of shape (n_users, n_levels * n_items), float32
    """
    n_users, n_items = levels.shape
    users, items = np.nonzero(levels >= 0)
    found = levels[users, items].astype(np.int64)
    data = np.ones(len(users)) if weights is None else weights[found, items]
    starts = np.searchsorted(users, np.arange(n_users + 1))
    columns = found * n_items + items
    return sparse.csr_array((data.astype(np.float32), columns, starts), shape=(n_users, n_levels * n_items))


def products(mine: sparse.csr_array, theirs: sparse.csr_array) -> Float32Array:
    """Return each user's product with each reference user, dense, shape (n_users, n_reference).

    For tables from `one_hot` this is half the time of one dense product a level: a user rates few items.
    """
    return np.asarray((mine @ theirs.T).toarray(), dtype=np.float32)


def blocks(n_users: int) -> Iterator[slice]:
    """Yield slices of users small enough for a table of users by reference users."""
    for start in range(0, n_users, USERS_AT_ONCE):
        yield slice(start, start + USERS_AT_ONCE)


def user_blocks(users: RatingBatch) -> Iterator[RatingBatch]:
    """Yield users in blocks small enough for several tables of users by items or by reference users."""
    place = np.arange(users.n_users)
    for part in blocks(users.n_users):
        yield users if users.n_users <= USERS_AT_ONCE else users.select((place >= part.start) & (place < part.stop))


def highest(values: Float32Array, count: int) -> Float32Array:
    """Return the highest `count` entries of each row, descending, shape (n_rows, at most count)."""
    count = min(count, values.shape[1])
    top = np.partition(values, values.shape[1] - count, axis=1)[:, values.shape[1] - count :]
    return np.asarray(np.sort(top, axis=1)[:, ::-1], dtype=np.float32)
