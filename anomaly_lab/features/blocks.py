"""Blocks: twenty statistics of the users of a log that comes in parts, of which one at a time is looked at.

A part is passed over twice: its items are counted, then what each of its ratings adds is summed up for its user. In
between only tables of items and users are held, so the parts may be files that together fit in no memory, or be with
the workers of a cluster. A user whose ratings are all in one part has the statistics of the whole log bit for bit; one
whose ratings lie in several has them but for the order of summation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.features.rows import item_level_counts, on_lines
from anomaly_lab.features.statistics import COLUMNS, cell_table, describe_sums, require_numbers
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray, FloatArray


@dataclass(frozen=True, eq=False)
class ItemCounts:
    """Who and what is in a part, or in a whole log.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ascending.
    counts : ndarray of shape (n_items, n_levels)
        How often each item got each level.
    user_ids : ndarray of shape (n_users,)
        In any order.
    digests : tuple of str
        Of each part, in order.
    sources : tuple of str
        Where each part came from, for messages.
    """

    item_ids: AnyArray
    counts: FloatArray
    user_ids: AnyArray
    digests: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LogTable:
    """What every part needs to know of the whole log.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ascending.
    cells : ndarray of shape (n_items, n_levels, 8)
        What a rating adds to its user's sums.
    digests : frozenset of str
        Of the parts that were counted.
    """

    item_ids: AnyArray
    cells: FloatArray
    digests: frozenset[str]


@dataclass(frozen=True, eq=False)
class UserSums:
    """What the ratings of one part add up to for each of its users.

    Parameters
    ----------
    user_ids : ndarray of shape (n_users,)
        In any order.
    counts : ndarray of shape (n_users, n_levels)
        How often each level was given.
    sums : ndarray of shape (n_users, 8)
        See `anomaly_lab.features.statistics.COLUMNS`.
    """

    user_ids: AnyArray
    counts: AnyArray
    sums: FloatArray


def count_items(part: RatingBatch) -> ItemCounts:
    """Count how often each item of a part got each level.

    Raises
    ------
    DataError
        If the scale has an unknown level, which is no number.
    """
    require_numbers(part.scale)
    return ItemCounts(part.item_ids, item_level_counts(part), part.user_ids, (part.digest,), (part.source,))


def add_up(parts: Sequence[ItemCounts]) -> ItemCounts:
    """Return what all parts together say of their items.

    Raises
    ------
    DataError
        If ids are numbers in one part and texts in another: nobody can say which of them are the same.
    """
    for ids, what in (("user_ids", "users"), ("item_ids", "items")):
        for one in parts[1:]:
            if getattr(one, ids).dtype.kind != getattr(parts[0], ids).dtype.kind:
                raise DataError(
                    f"{one.sources[0]}: {what} must be called alike in every part of a log, found numbers here or in "
                    f"{parts[0].sources[0]} and texts in the other"
                )
    items = pd.concat([pd.DataFrame(one.counts, index=one.item_ids) for one in parts]).groupby(level=0).sum()
    users = pd.unique(np.concatenate([one.user_ids for one in parts]))
    digests, sources = sum((one.digests for one in parts), ()), sum((one.sources for one in parts), ())
    return ItemCounts(items.index.to_numpy(), items.to_numpy(), users, digests, sources)


def log_table(log: ItemCounts, scale: RatingScale) -> LogTable:
    """Return what every part needs to know of the whole log."""
    cells = cell_table(log.counts, len(log.user_ids), scale.values)
    return LogTable(log.item_ids, cells.reshape(*log.counts.shape, COLUMNS), frozenset(log.digests))


def sum_users(part: RatingBatch, log: LogTable) -> UserSums:
    """Return what a part's ratings add up to for its users.

    Parameters
    ----------
    part : RatingBatch
        The part.
    log : LogTable
        Of the whole log, this part among it.

    Raises
    ------
    DataError
        If the part is none of those that were counted: its file was written to since.
    """
    from anomaly_lab.features.kernels import sum_grouped_rows

    if part.digest not in log.digests:
        raise DataError(f"{part.source}: must not change while it is read, found other ratings the second time")
    n_levels = log.cells.shape[1]
    cells = on_lines(part.n_items * n_levels, COLUMNS)
    cells[:] = log.cells[pd.Index(log.item_ids).get_indexer(pd.Index(part.item_ids))].reshape(-1, COLUMNS)
    counts = np.zeros((part.n_users, n_levels), dtype=np.int32)
    sums = on_lines(part.n_users, COLUMNS)
    sum_grouped_rows(part.indptr, part.items, part.ratings, cells, counts, sums)
    return UserSums(part.user_ids, counts, np.ascontiguousarray(sums))


def describe_users(parts: Sequence[UserSums], scale: RatingScale) -> pd.DataFrame:
    """Return the statistics of `anomaly_lab.features.statistics.user_statistics`, a row a user in ascending id."""
    sums = pd.concat([pd.DataFrame(np.hstack([one.counts, one.sums]), index=one.user_ids) for one in parts])
    if not sums.index.is_unique:
        sums = sums.groupby(level=0).sum()
    sums = sums.sort_index()
    numbers, n_levels = sums.to_numpy(), len(scale.values)
    table = pd.DataFrame(describe_sums(numbers[:, :n_levels], numbers[:, n_levels:], scale.values))
    table.insert(0, "user", sums.index.to_numpy())
    return table
