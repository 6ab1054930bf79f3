"""RatingPool: several batches as one population over one catalogue of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class RatingPool:
    """All users of several batches, again in the order of their profiles' digests.

    A user is (batch, id): the same id in two batches is two users. The same *profile* in two batches gives two users
    with the same digest, who therefore always fall into the same fold of a cross-fit and never describe each other.

    Parameters
    ----------
    ratings : RatingBatch
        Everyone's ratings over the joint items. Its `user_ids` may repeat.
    batches : tuple of RatingBatch
        The batches as they came.
    batch_of : ndarray of shape (n_users,), int64
        Which batch each user of the pool belongs to.
    row_of : ndarray of shape (n_users,), int64
        The user's position in that batch.
    """

    ratings: RatingBatch
    batches: tuple[RatingBatch, ...]
    batch_of: IntArray
    row_of: IntArray

    @property
    def n_users(self) -> int:
        """Number of users in all batches together."""
        return self.ratings.n_users

    @property
    def digest(self) -> str:
        """SHA-256 of the pooled ratings."""
        return self.ratings.digest

    @cached_property
    def _positions(self) -> list[IntArray]:
        positions = [np.empty(batch.n_users, dtype=np.int64) for batch in self.batches]
        for number, place in enumerate(positions):
            mine = np.flatnonzero(self.batch_of == number)
            place[self.row_of[mine]] = mine
        return positions

    def positions(self, batch: int) -> IntArray:
        """Return where the users of one batch stand in the pool, in that batch's own order."""
        return self._positions[batch]

    def of(self, batch: int) -> BoolArray:
        """Return which users of the pool belong to one batch, shape (n_users,)."""
        mine: BoolArray = self.batch_of == batch
        return mine


def pool(batches: Sequence[RatingBatch]) -> RatingPool:
    """Join batches into one population.

    Parameters
    ----------
    batches : sequence of RatingBatch
        At least one, all on the same scale and with the same kind of item ids.

    Raises
    ------
    DataError
        If there is no batch, or scales or kinds of item ids differ.
    """
    if not batches:
        raise DataError("at least one batch must be given, found none")
    first = batches[0]
    for batch in batches[1:]:
        if batch.scale != first.scale:
            raise DataError(
                f"batches must share one rating scale, found {first.scale.name} in {first.source} "
                f"and {batch.scale.name} in {batch.source}; give --scale"
            )
        if (batch.item_ids.dtype.kind in "iu") != (first.item_ids.dtype.kind in "iu"):
            raise DataError(
                f"item ids must be all numbers or all text, found both in {first.source} and {batch.source}"
            )
    offsets = np.cumsum([0] + [batch.n_users for batch in batches])
    users = np.concatenate([batch.users + offset for batch, offset in zip(batches, offsets, strict=False)])
    item_codes, item_ids = pd.factorize(np.concatenate([batch.item_ids[batch.items] for batch in batches]), sort=True)
    timestamps = None
    if all(batch.timestamps is not None for batch in batches):
        timestamps = np.concatenate([batch.timestamps for batch in batches])
    numbers = np.arange(offsets[-1])
    joint = RatingBatch._canonical(
        users,
        item_codes,
        np.concatenate([batch.ratings for batch in batches]),
        numbers,
        np.asarray(item_ids),
        scale=first.scale,
        timestamps=timestamps,
        source=" + ".join(batch.source for batch in batches),
    )
    batch_of = np.searchsorted(offsets, joint.user_ids, side="right") - 1
    row_of = joint.user_ids - offsets[batch_of]
    return RatingPool(joint, tuple(batches), batch_of.astype(np.int64), row_of.astype(np.int64))


def restore_ids(pooled: RatingPool, users: IntArray) -> AnyArray:
    """Return the ids of some users of the pool as their files name them."""
    ids = [pooled.batches[b].user_ids[r] for b, r in zip(pooled.batch_of[users], pooled.row_of[users], strict=True)]
    return np.asarray(ids)
