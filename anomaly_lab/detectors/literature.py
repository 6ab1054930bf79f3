"""What the shilling literature's detectors share: whose ratings they learn from, and the labels they need."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.folds import HIDDEN, Train
from anomaly_lab.features.rows import per_item
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray, IntArray


def learnt_from(train: Train) -> RatingBatch:
    """Return the ratings a detector may count: everyone's, or the labelled users' alone if it is inductive."""
    return train.ratings.select(train.visible != HIDDEN) if train.inductive else train.ratings


def labels_of_learnt(train: Train) -> IntArray:
    """Return the visible labels of the users of `learnt_from`, in their order, -1 where hidden."""
    return train.visible[train.visible != HIDDEN] if train.inductive else train.visible


def check_known(name: str, train: Train, wanted: tuple[int, ...] = (0, 1)) -> None:
    """Raise `DataError` unless someone of each wanted class is known."""
    for label in wanted:
        if not (train.visible == label).any():
            what = "generated" if label else "genuine"
            raise DataError(f"{name}: at least one user must be known to be {what}, found none; label more users")


def item_shares(batch: RatingBatch) -> FloatArray:
    """Return the ratings of each item per user, its degree in the graph of users and items, shape (n_items,)."""
    return per_item(batch) / max(batch.n_users, 1)


def stars(batch: RatingBatch) -> FloatArray:
    """Return each row's rating counted from 1 as the papers' stars are, NaN where it is unknown, shape (n_rows,)."""
    return np.asarray(1 + (batch.scale.n_ordered - 1) * batch.values, dtype=float)


def user_items(batch: RatingBatch, numbers: AnyArray) -> sparse.csr_array:
    """Return a number per row as a sparse table (n_users, n_items), the mean where a user rated an item repeatedly.

    Its arrays are its own: SciPy adds up duplicates in place, which would change a batch that shared them.
    """
    where, shape = (batch.users, batch.items), (batch.n_users, batch.n_items)
    table = sparse.csr_array((np.asarray(numbers, dtype=float), where), shape=shape)
    table.data /= sparse.csr_array((np.ones(batch.n_rows), where), shape=shape).data
    return table
