"""Labels: who was generated, and where known, how."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.rows import ARRAY_ROWS, RowNames, refuse
from anomaly_lab.types import AnyArray, IntArray

_MAX_KIND = 127


@dataclass(frozen=True, eq=False)
class Labels:
    """One label per user of a batch, in the batch's own order.

    Parameters
    ----------
    fake : ndarray of shape (n_users,), int64
        1 for a generated user, 0 for a genuine one.
    kinds : ndarray of shape (n_users,), int64, optional
        How each user was generated; 0 for genuine.
    """

    fake: IntArray
    kinds: IntArray | None = None

    @property
    def named_kinds(self) -> IntArray:
        """Kinds: 0 for genuine users, -1 for generated ones whose kind nobody named, shape (n_users,)."""
        return -self.fake if self.kinds is None else self.kinds

    @classmethod
    def for_batch(
        cls,
        batch: RatingBatch,
        users: AnyArray,
        labels: AnyArray,
        kinds: AnyArray | None = None,
        *,
        source: str = "labels",
        rows: RowNames = ARRAY_ROWS,
    ) -> Labels:
        """Return labels put into the order of a batch.

        Parameters
        ----------
        batch : RatingBatch
            The batch that is labelled.
        users : array-like of shape (n_users,)
            User ids in any order.
        labels : array-like of shape (n_users,)
            0 for genuine, 1 for generated; kinds 0, 1, 2, … are understood as generated from 1 on.
        kinds : array-like of shape (n_users,), optional
            Kinds, where they stand in an array of their own.
        source : str
            Where the labels came from, for messages.
        rows : RowNames
            How messages name a row.

        Raises
        ------
        DataError
            If a label is not a whole number from 0 to 127, a user is unknown, labelled twice or not at all, kinds and
            labels disagree, or only one class occurs.
        """
        users = np.asarray(users)
        fake, kinds = check_labels(users, np.asarray(labels), kinds, source=source, rows=rows)
        ids = pd.Index(batch.user_ids)
        place = ids.get_indexer(pd.Index(users))
        refuse(place < 0, "a labelled user must have ratings", users, source=source, rows=rows)
        if len(users) < batch.n_users:
            missing = ids.difference(pd.Index(users))[0]
            raise DataError(f"{source}: every user must be labelled, found no label for user {missing}")
        row_of = np.argsort(place)
        return cls(fake[row_of], None if kinds is None else kinds[row_of])

    @property
    def n_fake(self) -> int:
        """Number of generated users."""
        return int(self.fake.sum())

    def digest(self, batch: RatingBatch) -> str:
        """SHA-256 of the labels in an order that neither rows nor ids can change."""
        kinds = self.fake if self.kinds is None else self.kinds
        order = np.lexsort((kinds, self.fake, batch.profiles[:, 1], batch.profiles[:, 0]))
        return hashlib.sha256(np.column_stack([self.fake, kinds])[order].tobytes()).hexdigest()


def check_labels(
    users: AnyArray, labels: AnyArray, kinds: AnyArray | None = None, *, source: str, rows: RowNames = ARRAY_ROWS
) -> tuple[IntArray, IntArray | None]:
    """Return who is generated and how, in the order given.

    Parameters
    ----------
    users : ndarray of shape (n_users,)
        User ids.
    labels : ndarray of shape (n_users,)
        0 for genuine, 1 for generated; or kinds 0, 1, 2, …
    kinds : ndarray of shape (n_users,), optional
        Kinds, where they stand in an array of their own.
    source : str
        Where the labels came from, for messages.
    rows : RowNames
        How messages name a row.

    Returns
    -------
    fake : ndarray of shape (n_users,), int64
        1 for generated, 0 for genuine.
    kinds : ndarray of shape (n_users,), int64, or None
        None where neither array tells kinds apart.

    Raises
    ------
    DataError
        If a label is not a whole number from 0 to 127, a user is labelled twice, kinds and labels disagree, or only
        one class occurs.
    """
    if len(users) != len(labels):
        raise DataError(f"{source}: users and labels must have one length, found {len(users)} and {len(labels)}")
    check_label_values(labels, source=source, rows=rows)
    repeated = pd.Series(users).duplicated().to_numpy()
    refuse(repeated, "each user must be labelled once", users, source=source, rows=rows)
    fake = (labels > 0).astype(np.int64)
    if kinds is None and labels.max(initial=0) > 1:
        kinds = labels
    if kinds is not None:
        kinds = np.asarray(kinds)
        check_label_values(kinds, source=source, rows=rows)
        disagree = (kinds > 0) != (fake > 0)
        refuse(disagree, "kinds and labels must agree on who is genuine (0)", users, source=source, rows=rows)
        kinds = kinds.astype(np.int64)
    if fake.min(initial=1) == fake.max(initial=0):
        found = "generated" if fake[0] else "genuine"
        raise DataError(f"{source}: both genuine and generated users must occur, found {found} users only")
    return fake, kinds


def check_label_values(labels: AnyArray, *, source: str, rows: RowNames = ARRAY_ROWS) -> None:
    """Raise an error that names the first value that is no label.

    Raises
    ------
    DataError
        If a value is not a whole number from 0 to 127.
    """
    if labels.dtype.kind not in "iufb":
        raise DataError(f"{source}: labels must be whole numbers, found dtype {labels.dtype}")
    must = f"a label must be 0 (genuine), 1 (generated) or a kind up to {_MAX_KIND}"
    refuse(~np.isin(labels, np.arange(_MAX_KIND + 1)), must, labels, source=source, rows=rows)


@dataclass(frozen=True, eq=False)
class Round:
    """A batch with its labels, if they are known.

    Parameters
    ----------
    ratings : RatingBatch
        The batch.
    labels : Labels, optional
        Its labels; None while they are hidden.
    name : str
        How the round is called in tables: the file's stem.
    path : str, optional
        Where it was read from.
    content : ItemTable, optional
        What is known of the items, in the order of ``ratings.item_ids``.
    """

    ratings: RatingBatch
    labels: Labels | None = None
    name: str = "round"
    path: str | None = None
    content: ItemTable | None = None
