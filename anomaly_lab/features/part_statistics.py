"""Part statistics: twenty statistics of the users of a log that comes in parts, of which one at a time is looked at.

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

from anomaly_lab.features.part_counts import PartCounts, WholeLog
from anomaly_lab.features.rows import on_lines
from anomaly_lab.features.statistics import N_SUMS, RatingTables, describe_sums, rating_tables
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray, FloatArray


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
        See `anomaly_lab.features.statistics.N_SUMS`.
    """

    user_ids: AnyArray
    counts: AnyArray
    sums: FloatArray


def log_tables(log: PartCounts, scale: RatingScale) -> WholeLog[RatingTables]:
    """Return what every part needs to know of the whole log, as `count_part` counted it."""
    (everyone,) = log.folds
    return log.tell(rating_tables(everyone.item_levels, len(log.user_ids), scale.values))


def sum_users(part: RatingBatch, log: WholeLog[RatingTables]) -> UserSums:
    """Return what a part's ratings add up to for its users.

    Parameters
    ----------
    part : RatingBatch
        The part.
    log : WholeLog
        Of the whole log, this part among it.

    Raises
    ------
    DataError
        If the part is none of those that were counted: its file was written to since.
    """
    from anomaly_lab.features.kernels import sum_grouped_rows

    part = log.admit(part)
    counts = np.zeros((part.n_users, part.scale.n_levels), dtype=np.int32)
    sums = on_lines(part.n_users, N_SUMS)
    of_items, of_cells = log.known.of_items, log.known.of_cells
    sum_grouped_rows(part.indptr, part.items, part.ratings, of_items, of_cells, counts, sums)
    return UserSums(part.user_ids, counts, sums)


def describe_users(parts: Sequence[UserSums], scale: RatingScale) -> pd.DataFrame:
    """Return the statistics of `anomaly_lab.features.statistics.user_statistics`, a row a user under their id."""
    sums = pd.concat([pd.DataFrame(np.hstack([one.counts, one.sums]), index=one.user_ids) for one in parts])
    if not sums.index.is_unique:
        sums = sums.groupby(level=0).sum()
    numbers, n_levels = sums.to_numpy(), len(scale.values)
    columns = describe_sums(numbers[:, :n_levels], numbers[:, n_levels:], scale.values)
    return pd.DataFrame(columns, index=sums.index)
