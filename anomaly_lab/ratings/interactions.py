"""Interactions: which users rated which items, as recommenders see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray, BoolArray, Float32Array, IntArray


@dataclass(frozen=True, eq=False)
class Interactions:
    """Ratings of a fixed set of users on a fixed set of items, each pair at most once.

    Parameters
    ----------
    users, items : ndarray of shape (n_rows,), int32
        Positions of each row's user and item; rows ascend by (user, item).
    values : ndarray of shape (n_rows,), float32
        The rating as a number between `low` and `high`; 1 where only that there is one counts.
    n_users, n_items : int
        How many there are, with those that no row names.
    low, high : float
        The lowest and the highest rating possible.
    times : ndarray of shape (n_rows,), int64, optional
        Seconds since 1970, where the log has them.
    content : ItemTable, optional
        What is known of the items, row `i` for the item at position `i`.
    """

    users: AnyArray
    items: AnyArray
    values: Float32Array
    n_users: int
    n_items: int
    low: float = 0.0
    high: float = 1.0
    times: IntArray | None = None
    content: ItemTable | None = None

    def __post_init__(self) -> None:
        for array in (self.users, self.items, self.values):
            array.setflags(write=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.users)

    @cached_property
    def mean(self) -> float:
        """Mean rating; the middle of the scale where there is none."""
        return float(self.values.mean(dtype=np.float64)) if len(self) else (self.low + self.high) / 2

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """Return the ratings as a sparse matrix of shape (n_users, n_items), float32."""
        indptr = np.searchsorted(self.users, np.arange(self.n_users + 1))
        return sparse.csr_array((self.values, self.items, indptr), shape=(self.n_users, self.n_items))

    @cached_property
    def user_counts(self) -> IntArray:
        """Ratings of each user, shape (n_users,)."""
        return np.bincount(self.users, minlength=self.n_users)

    @cached_property
    def item_counts(self) -> IntArray:
        """Ratings of each item, shape (n_items,)."""
        return np.bincount(self.items, minlength=self.n_items)

    def take(self, rows: BoolArray) -> Interactions:
        """Return some of the rows, of the same users and items.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,), bool
            The rows to keep.
        """
        times = None if self.times is None else self.times[rows]
        return replace(self, users=self.users[rows], items=self.items[rows], values=self.values[rows], times=times)


def interactions(batch: RatingBatch, content: ItemTable | None = None) -> Interactions:
    """Return a batch's ratings as numbers: pairs rated more than once by their mean, unknown ratings left out.

    Parameters
    ----------
    batch : RatingBatch
        The ratings.
    content : ItemTable, optional
        What is known of its items, in the order of ``batch.item_ids``.

    Raises
    ------
    DataError
        If no row has a rating that is known.
    """
    numbers = rating_numbers(batch.scale)
    known = batch.ratings < batch.scale.n_ordered
    if not known.any():
        raise DataError(f"{batch.source}: must hold at least one known rating, found none")
    users, items = batch.users[known], batch.items[known]
    values = numbers[batch.ratings[known]].astype(np.float32)
    times = None if batch.timestamps is None else batch.timestamps[known]
    if bool(((users[1:] == users[:-1]) & (items[1:] == items[:-1])).any()):
        users, items, values, times = _merged(users, items, values, times)
    low, high = float(numbers.min()), float(numbers.max())
    return Interactions(users, items, values, batch.n_users, batch.n_items, low, high, times, content)


def rating_numbers(scale: RatingScale) -> Float32Array:
    """Return each ordered level as a number: its own where levels ascend, else its place in the order."""
    ordered = np.asarray(scale.levels[: scale.n_ordered], dtype=np.float32)
    return ordered if (np.diff(ordered) > 0).all() else np.arange(scale.n_ordered, dtype=np.float32)


def _merged(
    users: AnyArray, items: AnyArray, values: Float32Array, times: IntArray | None
) -> tuple[AnyArray, AnyArray, Float32Array, IntArray | None]:
    """Return each pair once: the mean of its ratings, the last of its times."""
    columns: Mapping[str, AnyArray] = {"user": users, "item": items, "value": values}
    how = {"value": "mean"}
    if times is not None:
        columns, how = {**columns, "time": times}, {**how, "time": "max"}
    merged = pd.DataFrame(columns).groupby(["user", "item"], as_index=False).agg(how)
    return (
        merged["user"].to_numpy(np.int32),
        merged["item"].to_numpy(np.int32),
        merged["value"].to_numpy(np.float32),
        None if times is None else merged["time"].to_numpy(np.int64),
    )
