"""Class scores as a hand-in: a row a user, a column a class, column 0 for genuine users."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.types import AnyArray, FloatArray, IntArray
from tracking.forms import HARD_LABELS, HandIn, checked, read_array

MIN_CLASSES = 3
"""Fewer columns are not class scores where labels name kinds, but an accident of some other sort."""


def read_class_scores(path: str | Path, key: str | None = None) -> FloatArray:
    """Read class scores, shape (n_users, n_classes), users in ascending order of their ids.

    Parameters
    ----------
    path : path-like
        ``.npz``, ``.npy`` or Codabench's ``.zip``.
    key : str, optional
        Name of the array in an archive.

    Raises
    ------
    DataError
        If the file is missing or broken, the key is wrong, or there is no row of finite numbers a user.
    """
    scores, where, _ = read_array(path, key)
    return checked_classes(scores, where)


def read_hand_in(path: str | Path, key: str | None, kinds: IntArray | None) -> tuple[HandIn, FloatArray | None]:
    """Read one score a user, or class scores where the labels name kinds; of these, both.

    Parameters
    ----------
    path : path-like
        The hand-in.
    key : str, optional
        Name of the array in an archive.
    kinds : ndarray of shape (n_users,), optional
        Kinds in the labels it is held against.

    Returns
    -------
    scores : HandIn
        One score a user: of class scores, one minus that of the genuine class.
    class_scores : ndarray of shape (n_users, n_classes) or None
        None where there is one score a user.

    Raises
    ------
    DataError
        If there is neither.
    """
    scores, where, users = read_array(path, key)
    if kinds is None or scores.ndim != 2 or scores.shape[1] < MIN_CLASSES:
        return HandIn(checked(scores, where), users), None
    classes = checked_classes(scores, where)
    return HandIn(1 - classes[:, 0], users), classes


def checked_classes(scores: AnyArray, where: str) -> FloatArray:
    """Return class scores as floats if they can be what a hand-in asks for.

    Raises
    ------
    DataError
        If there is not a row of at least two finite numbers a user, or all of them are hard labels.
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise DataError(f"{where}: must hold class scores, (n_users, n_classes), found {scores.shape}")
    if scores.dtype.kind not in "fiub":
        raise DataError(f"{where}: class scores must be numbers, found dtype {scores.dtype}")
    values = scores.astype(float)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{where}: class scores must be finite, found {values[row, column]} in row {row}, column {column} "
            f"(counted from 0) and {int(wrong.sum())} such in all"
        )
    if values.size and set(np.unique(values)) <= HARD_LABELS[0]:
        raise DataError(f"{where}: must hold class scores, found only 0 and 1: hard labels? Hand in probabilities")
    return values
