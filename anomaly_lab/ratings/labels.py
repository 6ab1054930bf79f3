"""Labels: who was generated, and where known, how."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, IntArray


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

    @classmethod
    def for_batch(
        cls,
        batch: RatingBatch,
        users: AnyArray,
        labels: AnyArray,
        kinds: AnyArray | None = None,
        *,
        source: str = "labels",
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

        Raises
        ------
        DataError
            If a label is not a whole number ≥ 0, a user is unknown, labelled twice or not at all, or only one class
            occurs.
        """
        users, labels = np.asarray(users), np.asarray(labels)
        _check_label_values(labels, source)
        repeated = pd.Series(users).duplicated().to_numpy()
        if repeated.any():
            row = int(np.argmax(repeated))
            raise DataError(f"{source}: row {row}: each user must be labelled once, found user {users[row]} twice")
        ids = pd.Index(batch.user_ids)
        place = ids.get_indexer(pd.Index(users))
        if (place < 0).any():
            row = int(np.argmax(place < 0))
            raise DataError(f"{source}: row {row}: a labelled user must have ratings, found user {users[row]} without")
        if len(users) < batch.n_users:
            missing = ids.difference(pd.Index(users))[0]
            raise DataError(f"{source}: every user must be labelled, found no label for user {missing}")
        fake = np.zeros(batch.n_users, dtype=np.int64)
        fake[place] = labels > 0
        if kinds is None and labels.max(initial=0) > 1:
            kinds = labels
        kind_of = None
        if kinds is not None:
            kinds = np.asarray(kinds)
            _check_label_values(kinds, source)
            kind_of = np.zeros(batch.n_users, dtype=np.int64)
            kind_of[place] = kinds
            if ((kind_of > 0) != (fake > 0)).any():
                raise DataError(f"{source}: kinds and labels must agree on who is genuine (0)")
        if fake.min() == fake.max():
            found = "generated" if fake[0] else "genuine"
            raise DataError(f"{source}: both genuine and generated users must occur, found {found} users only")
        return cls(fake, kind_of)

    @property
    def n_fake(self) -> int:
        """Number of generated users."""
        return int(self.fake.sum())

    def digest(self, batch: RatingBatch) -> str:
        """SHA-256 of the labels in an order that neither rows nor ids can change."""
        kinds = self.fake if self.kinds is None else self.kinds
        order = np.lexsort((kinds, self.fake, batch.profiles[:, 1], batch.profiles[:, 0]))
        return hashlib.sha256(np.column_stack([self.fake, kinds])[order].tobytes()).hexdigest()


def _check_label_values(labels: AnyArray, source: str) -> None:
    wrong = ~np.isin(labels, np.arange(128)) if labels.dtype.kind in "iufb" else np.ones(len(labels), dtype=bool)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{source}: row {row}: a label must be 0 (genuine), 1 (generated) or a kind 1, 2, …, found {labels[row]}"
        )


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
    """

    ratings: RatingBatch
    labels: Labels | None = None
    name: str = "round"
    path: str | None = None
