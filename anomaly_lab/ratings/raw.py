"""What a file holds before its scale is known."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_lab.ratings.rows import ARRAY_ROWS, RowNames
from anomaly_lab.types import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class RawLabels:
    """Labels as a file holds them, in any order.

    Parameters
    ----------
    users : ndarray of shape (n_users,)
        User ids.
    labels : ndarray of shape (n_users,), int64
        0 for genuine, 1 for generated, or kinds from 0 on.
    kinds : ndarray of shape (n_users,), int64, optional
        Kinds, where the file holds them beside the labels.
    source : str
        File and key, for messages.
    rows : RowNames
        How messages name a row.
    """

    users: AnyArray
    labels: IntArray
    kinds: IntArray | None
    source: str
    rows: RowNames = ARRAY_ROWS


@dataclass(frozen=True, eq=False)
class RawRatings:
    """Ratings as a file holds them, in any order and on a scale not yet known.

    Parameters
    ----------
    users, items : ndarray of shape (n_rows,)
        Ids, integers or strings.
    ratings : ndarray of shape (n_rows,)
        Finite numbers.
    timestamps : ndarray of shape (n_rows,), int64, optional
        Seconds since 1970.
    labels : RawLabels, optional
        The labels in the same file.
    source : str
        The file, for messages.
    rows : RowNames
        How messages name a row.
    n_unrated : int
        Rows that were left out because they hold no rating.
    """

    users: AnyArray
    items: AnyArray
    ratings: FloatArray
    timestamps: IntArray | None
    labels: RawLabels | None
    source: str
    rows: RowNames
    n_unrated: int = 0
