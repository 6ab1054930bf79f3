"""RatingBatch: the one data type everything takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.rows import ARRAY_ROWS, RowNames, refuse, whole_numbers
from anomaly_lab.ratings.scale import RatingScale, format_levels
from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray

_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class RatingBatch:
    """One batch of ratings in canonical form: neither row order nor user ids can be seen downstream.

    Users stand in the order of a digest of their profile (the multiset of their ratings), so everything computed
    follows what users rated and never what they are called; users with the same profile are exchangeable.
    Rows are sorted by (user, item, rating, timestamp). Duplicate (user, item) rows are kept, each a rating of its own.
    Build one with :meth:`from_rows`.

    Parameters
    ----------
    users : ndarray of shape (n_rows,), int32
        Position of each row's user, ascending.
    items : ndarray of shape (n_rows,), int32
        Position of each row's item in `item_ids`.
    ratings : ndarray of shape (n_rows,), int8
        Position of each row's rating in ``scale.levels``.
    user_ids : ndarray of shape (n_users,)
        The id of each user as given (integers or strings).
    item_ids : ndarray of shape (n_items,)
        The id of each item as given, ascending.
    profiles : ndarray of shape (n_users, 2), uint64
        The digest of each user's profile, ascending.
    scale : RatingScale
        What the ratings mean.
    timestamps : ndarray of shape (n_rows,), int64, optional
        Seconds since 1970, where the file has them.
    source : str
        Where the ratings came from, for messages.
    """

    users: AnyArray
    items: AnyArray
    ratings: AnyArray
    user_ids: AnyArray
    item_ids: AnyArray
    profiles: AnyArray
    scale: RatingScale
    timestamps: AnyArray | None = None
    source: str = field(default="ratings")

    def __post_init__(self) -> None:
        for array in (self.users, self.items, self.ratings, self.user_ids, self.item_ids, self.profiles):
            array.setflags(write=False)
        if self.timestamps is not None:
            self.timestamps.setflags(write=False)

    @classmethod
    def from_rows(
        cls,
        users: AnyArray,
        items: AnyArray,
        ratings: FloatArray,
        *,
        scale: RatingScale,
        timestamps: AnyArray | None = None,
        source: str = "ratings",
        rows: RowNames = ARRAY_ROWS,
    ) -> RatingBatch:
        """Return the batch of ratings given as rows in any order.

        Parameters
        ----------
        users, items : array-like of shape (n_rows,)
            Ids, integers or strings.
        ratings : array-like of shape (n_rows,)
            Levels of `scale`.
        scale : RatingScale
            What the ratings mean.
        timestamps : array-like of shape (n_rows,), optional
            Seconds since 1970.
        source : str
            Where the rows came from, for messages.
        rows : RowNames
            How messages name a row.

        Raises
        ------
        DataError
            If there is no row, the columns differ in length, an id is missing or neither integer nor string, or a
            rating is not a level of the scale.
        """
        ratings = np.asarray(ratings, dtype=float)
        if len(ratings) == 0:
            raise DataError(f"{source}: must hold at least one rating, found none")
        if not len(users) == len(items) == len(ratings):
            raise DataError(
                f"{source}: users, items and ratings must have one length, "
                f"found {len(users)}, {len(items)} and {len(ratings)}"
            )
        codes = scale.encode(ratings)
        refuse(
            codes < 0,
            f"a rating on scale {scale.name} must be one of {format_levels(scale.levels)}",
            ratings,
            source=source,
            rows=rows,
        )
        user_codes, user_ids = pd.factorize(_as_ids(users, "user", source, rows), sort=True)
        item_codes, item_ids = pd.factorize(_as_ids(items, "item", source, rows), sort=True)
        times = None if timestamps is None else np.asarray(timestamps, dtype=np.int64)
        return cls._canonical(
            user_codes,
            item_codes,
            codes,
            np.asarray(user_ids),
            np.asarray(item_ids),
            scale=scale,
            timestamps=times,
            source=source,
        )

    @classmethod
    def _canonical(
        cls,
        users: AnyArray,
        items: AnyArray,
        codes: AnyArray,
        user_ids: AnyArray,
        item_ids: AnyArray,
        *,
        scale: RatingScale,
        timestamps: AnyArray | None,
        source: str,
    ) -> RatingBatch:
        profiles = _profile_digests(users, items, codes, item_ids, n_users=len(user_ids), timestamps=timestamps)
        order = np.lexsort((np.arange(len(user_ids)), profiles[:, 1], profiles[:, 0]))
        position = np.empty(len(order), dtype=np.int32)
        position[order] = np.arange(len(order), dtype=np.int32)
        users, items, codes, timestamps = _sorted_rows(position[users], items, codes, timestamps)
        return cls(
            users=users.astype(np.int32),
            items=items.astype(np.int32),
            ratings=codes.astype(np.int8),
            user_ids=user_ids[order],
            item_ids=item_ids,
            profiles=profiles[order],
            scale=scale,
            timestamps=timestamps,
            source=source,
        )

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items known to the batch (all of them rated, unless the batch is part of a larger one)."""
        return len(self.item_ids)

    @property
    def n_rows(self) -> int:
        """Number of ratings."""
        return len(self.users)

    @cached_property
    def indptr(self) -> IntArray:
        """Where each user's rows begin, shape (n_users + 1,)."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def ascending(self) -> IntArray:
        """Positions of the users in ascending order of their ids: the order of every file handed in or out."""
        return np.argsort(self.user_ids, kind="stable")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the ratings, independent of row order and of what users are called."""
        digest = hashlib.sha256()
        levels = [float(level) for level in self.scale.levels]
        digest.update(repr((levels, self.scale.n_ordered, self.n_rows)).encode())
        digest.update(np.ascontiguousarray(self.profiles).tobytes())
        return digest.hexdigest()

    @cached_property
    def values(self) -> FloatArray:
        """Each row's rating as a number in [0, 1], NaN where the rating is unknown."""
        return np.take(self.scale.values, self.ratings)

    def select(self, keep: BoolArray) -> RatingBatch:
        """Return the ratings of some users, on the same items.

        Parameters
        ----------
        keep : ndarray of shape (n_users,), bool
            The users to keep.
        """
        rows = keep[self.users]
        position = np.cumsum(keep, dtype=np.int32) - np.int32(1)
        return replace(
            self,
            users=position[self.users[rows]],
            items=self.items[rows],
            ratings=self.ratings[rows],
            user_ids=self.user_ids[keep],
            profiles=self.profiles[keep],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
        )

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.n_rows:,} ratings by {self.n_users:,} users on {self.n_items:,} items, {self.scale}"
        )


def _as_ids(ids: AnyArray, what: str, source: str, rows: RowNames) -> AnyArray:
    """Return ids as int64 or as Python strings, so that the same ids have the same digest from every file."""
    ids = np.asarray(ids)
    must = f"every {what} id must be an integer or a string"
    if ids.dtype.kind == "O":
        refuse(pd.isna(ids), must, ids, source=source, rows=rows)
    kind = pd.api.types.infer_dtype(ids)
    if kind == "integer":
        return whole_numbers(ids, f"{must} of 64 bits", source=source, rows=rows)
    if kind != "string":
        raise DataError(f"{source}: {must}, all of one kind, found {kind} ids")
    return ids.astype(object)


def _sorted_rows(
    users: AnyArray, items: AnyArray, codes: AnyArray, timestamps: AnyArray | None
) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray | None]:
    """Return rows sorted by (user, item, rating, timestamp)."""
    n_items, n_codes = int(items.max()) + 1, int(codes.max()) + 1
    if (int(users.max()) + 1) * n_items * n_codes > np.iinfo(np.int64).max:
        rows = np.lexsort((codes, items, users) if timestamps is None else (timestamps, codes, items, users))
        return users[rows], items[rows], codes[rows], None if timestamps is None else timestamps[rows]
    # One key holds the whole row: sorting it in place is twenty times as fast as sorting by three columns.
    key = (users.astype(np.int64) * n_items + items) * n_codes + codes
    if timestamps is None:
        key.sort()
    else:
        rows = _by_key_then_time(key, timestamps)
        key, timestamps = key[rows], timestamps[rows]
    key, codes = np.divmod(key, n_codes)
    users, items = np.divmod(key, n_items)
    return users, items, codes, timestamps


def _by_key_then_time(key: AnyArray, timestamps: AnyArray) -> AnyArray:
    """Return the order by two columns, the second looked at only where the first repeats: twenty times as fast."""
    rows = np.argsort(key)
    repeats = np.diff(key[rows]) == 0
    tied = np.append(repeats, False) | np.append(False, repeats)
    few = rows[tied]
    rows[tied] = few[np.lexsort((timestamps[few], key[few]))]
    return rows


def _profile_digests(
    users: AnyArray, items: AnyArray, codes: AnyArray, item_ids: AnyArray, *, n_users: int, timestamps: AnyArray | None
) -> AnyArray:
    """Return 128 bits a user: a sum over rows of mixed hashes, so that the order of rows cannot matter."""
    item_hash = pd.util.hash_array(item_ids)
    level_hash = pd.util.hash_array(np.arange(1, 129, dtype=np.int64))
    row = item_hash[items] + _MIX[0] * level_hash[codes]
    if timestamps is not None:
        row = row + _MIX[1] * pd.util.hash_array(timestamps)
    digests = np.zeros((len(_MIX), n_users), dtype=np.uint64)
    for half, salt in zip(digests, _MIX, strict=True):
        np.add.at(half, users, _scramble(row ^ salt))
    return np.ascontiguousarray(digests.T)


def _scramble(bits: AnyArray) -> AnyArray:
    """Mix 64 bits (the finaliser of SplitMix64: Steele, Lea and Flood, 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: AnyArray = bits ^ (bits >> np.uint64(31))
    return scrambled
