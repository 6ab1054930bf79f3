"""Twenty statistics a user in one pass over the ratings, for logs of any size: the core of four feature families.

Ratings come as codes in any order, or grouped by user once and described many times. Besides the ratings themselves
only tables of users and of items are held: a few bytes a rating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.features.agreement import PRIOR_RATINGS as MEAN_PRIOR
from anomaly_lab.features.likelihood import PRIOR_RATINGS as HISTOGRAM_PRIOR
from anomaly_lab.features.profile import moments
from anomaly_lab.features.rows import on_lines
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray, FloatArray, IntArray

N_OF_ITEM = 4
"""Sums a user of what an item has: its mean, that squared, its log share of raters, that squared."""
N_OF_CELL = 4
"""Sums a user of what a level of an item has: rating times item mean, distance, weighted distance, log-probability."""
N_SUMS = N_OF_ITEM + N_OF_CELL
TINY = np.finfo(float).tiny
USERS_IN_CACHE = 32_768
"""Users whose sums, 64 bytes each, a core's cache holds; rows of more come in blocks of users."""
USERS_IN_BLOCK = 4_096
ROWS_AT_ONCE = 4_000_000
"""Rows that are moved into blocks at a time, 9 bytes each."""


@dataclass(frozen=True, eq=False)
class GroupedRatings:
    """Ratings that stand together by user, and what everyone together gave each item.

    Parameters
    ----------
    indptr : ndarray of shape (n_users + 1,), int64
        Where each user's rows begin.
    items, ratings : ndarray of shape (n_rows,), int32 and int8
        Code of each row's item, and of its level.
    item_counts : ndarray of shape (n_items, n_levels), int32
        How often each item got each level.
    scale : RatingScale
        What the ratings mean.
    """

    indptr: IntArray
    items: AnyArray
    ratings: AnyArray
    item_counts: AnyArray
    scale: RatingScale


@dataclass(frozen=True, eq=False)
class RatingTables:
    """What a rating adds to its user's sums.

    Parameters
    ----------
    of_items : ndarray of shape (n_items, N_OF_ITEM)
        Whatever its level.
    of_cells : ndarray of shape (n_items * n_levels, N_OF_CELL)
        By item and level.
    """

    of_items: FloatArray
    of_cells: FloatArray


def group_ratings(
    users: AnyArray, items: AnyArray, ratings: AnyArray, *, n_users: int, n_items: int, scale: RatingScale
) -> GroupedRatings:
    """Return ratings grouped by user, each user's in the order they came in.

    Parameters
    ----------
    users, items, ratings, n_users, n_items, scale
        As for `user_statistics`.

    Raises
    ------
    DataError
        If a code is out of range, the columns differ in length, or the scale has an unknown level.
    """
    from anomaly_lab.features.kernels import group_rows

    item_counts = _item_counts(users, items, ratings, n_users, n_items, scale)
    starts = np.zeros(n_users + 1, dtype=np.int64)
    np.cumsum(np.bincount(users, minlength=n_users), out=starts[1:])
    own_items, own_ratings = np.empty(len(items), dtype=np.int32), np.empty(len(ratings), dtype=np.int8)
    group_rows(starts[:-1].copy(), users, items, ratings, own_items, own_ratings)
    return GroupedRatings(starts, own_items, own_ratings, item_counts, scale)


def user_statistics(
    users: AnyArray, items: AnyArray, ratings: AnyArray, *, n_users: int, n_items: int, scale: RatingScale
) -> dict[str, FloatArray]:
    """Describe each user by twenty statistics of their ratings, everyone beside everyone.

    Parameters
    ----------
    users, items : ndarray of shape (n_rows,), integers
        Codes from 0 on, in any order.
    ratings : ndarray of shape (n_rows,), integers
        Position of each rating in ``scale.levels``.
    n_users, n_items : int
        How many there are; users without a rating get the statistics of an empty profile.
    scale : RatingScale
        What the ratings mean; without an unknown level, whose ratings have no number.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        Of the ratings as numbers in [0, 1]: ``count``, ``mean``, ``std``, ``skewness``, ``kurtosis``, ``entropy``
        (nats), ``top_share``, ``extreme_share``. Against the items' damped means: ``mad``, ``rms``, ``bias``,
        ``centred_rms``, ``rms_ratio``, ``rdma`` (Chirita, Nejdl and Zamfir, 2005), ``correlation``, ``slope``. Of the
        items: ``popularity`` and ``popularity_std`` (log share of raters), ``liked`` (item mean). ``likelihood``, mean
        log-probability of the level on its item (nats). Definitions follow the families *profile*, *agreement*,
        *popularity* and *likelihood*.

    Raises
    ------
    DataError
        If a code is out of range, the columns differ in length, or the scale has an unknown level.
    """
    from anomaly_lab.features.kernels import sum_rows

    item_counts = _item_counts(users, items, ratings, n_users, n_items, scale)
    counts, sums = np.zeros((n_users, scale.n_levels), dtype=np.int32), on_lines(n_users, N_SUMS)
    tables = rating_tables(item_counts, n_users, scale.values)
    for part in _blocks(users, items, ratings, n_users):
        sum_rows(*part, tables.of_items, tables.of_cells, counts, sums)
    return describe_sums(counts, sums, scale.values)


def grouped_statistics(ratings: GroupedRatings) -> dict[str, FloatArray]:
    """Describe each user of ratings grouped before: the same as `user_statistics`, in a fraction of its time.

    Parameters
    ----------
    ratings : GroupedRatings
        What `group_ratings` returned.
    """
    from anomaly_lab.features.kernels import sum_grouped_rows

    n_users, values = len(ratings.indptr) - 1, ratings.scale.values
    counts, sums = np.zeros((n_users, len(values)), dtype=np.int32), on_lines(n_users, N_SUMS)
    tables = rating_tables(ratings.item_counts, n_users, values)
    rows = ratings.indptr, ratings.items, ratings.ratings
    sum_grouped_rows(*rows, tables.of_items, tables.of_cells, counts, sums)
    return describe_sums(counts, sums, values)


def _item_counts(
    users: AnyArray, items: AnyArray, ratings: AnyArray, n_users: int, n_items: int, scale: RatingScale
) -> AnyArray:
    """Return how often each item got each level, once every code is known to be in range: kernels do not look."""
    from anomaly_lab.features.kernels import count_items

    require_numbers(scale)
    if not len(users) == len(items) == len(ratings):
        raise DataError(
            f"users, items and ratings must have one length, found {len(users)}, {len(items)} and {len(ratings)}"
        )
    counts = np.zeros((n_items, scale.n_levels), dtype=np.int32)
    wrong = count_items(users, items, ratings, n_users, counts)
    if wrong >= 0:
        raise DataError(
            f"codes must be users below {n_users}, items below {n_items} and levels below {scale.n_levels}, found "
            f"{users[wrong]}, {items[wrong]} and {ratings[wrong]} in row {wrong} (counted from 0)"
        )
    return counts


def require_numbers(scale: RatingScale) -> None:
    """Raise `DataError` if a scale has an unknown level, which is no number."""
    if scale.unknown is not None:
        raise DataError(f"statistics need a number for each rating, found scale {scale} with an unknown level")


def _blocks(
    users: AnyArray, items: AnyArray, ratings: AnyArray, n_users: int
) -> Iterator[tuple[AnyArray, AnyArray, AnyArray]]:
    """Yield all rows; of many users some at a time, moved so that the sums in use stay in a core's cache."""
    from anomaly_lab.features.kernels import move_to_blocks

    if n_users <= USERS_IN_CACHE:
        yield users, items, ratings
        return
    shift = USERS_IN_BLOCK.bit_length() - 1
    ends = np.empty((n_users >> shift) + 2, dtype=np.int64)
    size = min(ROWS_AT_ONCE, len(users))
    own_users, own_items, own_ratings = (np.empty(size, dtype=kind) for kind in (np.int32, np.int32, np.int8))
    for start in range(0, len(users), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        move_to_blocks(users[rows], items[rows], ratings[rows], shift, ends, own_users, own_items, own_ratings)
        n_rows = len(users[rows])
        yield own_users[:n_rows], own_items[:n_rows], own_ratings[:n_rows]


def rating_tables(counts: AnyArray, n_users: int, values: FloatArray) -> RatingTables:
    """Return what a rating adds to its user's sums.

    Worked out once a cell instead of once a row: rows are many times as many, and their loop is left with additions.

    Parameters
    ----------
    counts : ndarray of shape (n_items, n_levels)
        How often each item got each level.
    n_users : int
        How many users there are.
    values : ndarray of shape (n_levels,)
        Each level as a number.
    """
    n_items, n_levels = counts.shape
    counts = np.asfortranarray(counts, dtype=float)  # a level's column at a time: levels are few
    n, overall = counts.sum(axis=1), counts.sum(axis=0)
    mean = overall @ values / max(overall.sum(), 1)
    item = (counts @ values + MEAN_PRIOR * mean) / (n + MEAN_PRIOR)
    share, weight = np.log((n + 1) / (n_users + 2)), (n_users + 1) / (n + 1)
    prior = HISTOGRAM_PRIOR * (overall + 1) / (overall + 1).sum()
    tables = RatingTables(on_lines(n_items, N_OF_ITEM), on_lines(n_items * n_levels, N_OF_CELL))
    for place, column in enumerate((item, item**2, share, share**2)):
        tables.of_items[:, place] = column
    cells = tables.of_cells.reshape(n_items, n_levels, N_OF_CELL)
    for level, value in enumerate(values):
        distance = np.abs(value - item)
        log_p = np.log((counts[:, level] + prior[level]) / (n + HISTOGRAM_PRIOR))
        for place, column in enumerate((value * item, distance, distance * weight, log_p)):
            cells[:, level, place] = column
    return tables


def describe_sums(counts: AnyArray, sums: FloatArray, values: FloatArray) -> dict[str, FloatArray]:
    """Return the statistics of each user's counts of levels, shape (n_users, n_levels), and sums (`N_SUMS`)."""
    counts = np.asfortranarray(counts, dtype=float)
    count = counts.sum(axis=1)
    n = np.maximum(count, 1)
    item, item2, share, share2, both, distance, weighted, log_p = np.ascontiguousarray(sums.T) / n
    own = moments(counts, values)
    mean, variance = own["mean"], own["std"] ** 2
    bias = np.where(count > 0, mean - item, 0.0)
    squares = np.maximum(variance + mean**2 - 2 * both + item2, 0) * (count > 0)
    centred_rms = np.sqrt(np.maximum(squares - bias**2, 0))
    item_variance = np.maximum(item2 - item**2, 0)
    covariance = both - mean * item
    shares = counts / n[:, None]
    return {
        "count": count,
        **{name: own[name] for name in ("mean", "std", "skewness", "kurtosis")},
        "entropy": (shares * -np.log(np.maximum(shares, TINY))).sum(axis=1),
        "top_share": shares.max(axis=1),
        "extreme_share": shares[:, 0] + shares[:, -1],
        "mad": distance,
        "rms": np.sqrt(squares),
        "bias": bias,
        "centred_rms": centred_rms,
        "rms_ratio": centred_rms / (own["std"] + 0.02),
        "rdma": np.log(weighted + 1e-4),
        "correlation": n * covariance / (n * np.sqrt(variance * item_variance) + 1e-4),
        "slope": n * covariance / (n * item_variance + 1e-2),
        "popularity": share,
        "popularity_std": np.sqrt(np.maximum(share2 - share**2, 0)),
        "liked": item,
        "likelihood": log_p,
    }
