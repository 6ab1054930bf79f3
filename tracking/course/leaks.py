"""Leaks: whether the order of a round's rows, or what its users are called, says who was generated."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, mannwhitneyu

from anomaly_lab.errors import DataError
from anomaly_lab.types import AnyArray, IntArray

SURE = 1e-4
"""How unlikely chance must be: of ten thousand harmless files one is refused for each test."""


def check_leaks(source: str, rows: AnyArray, users: AnyArray, fake: IntArray) -> None:
    """Raise if a file of ratings predicts its labels without a look at any rating.

    Two tests compare where generated and genuine users stand, in order of their ids and of their first rows: whether
    one class comes earlier (Mann and Whitney, 1947), and whether it comes in blocks (Kolmogorov and Smirnov).

    Parameters
    ----------
    source : str
        The file, for messages.
    rows : ndarray of shape (n_rows, 3)
        User, item, rating, as they stand in the file.
    users : ndarray of shape (n_users,)
        Labelled users.
    fake : ndarray of shape (n_users,)
        1 for generated.

    Raises
    ------
    DataError
        If order or ids predict the labels, or rows are not sorted by user, item and rating.
    """
    first_row = pd.Series(np.arange(len(rows)), index=rows[:, 0]).groupby(level=0).min().reindex(users).to_numpy()
    for what, place, remedy in (
        ("row order", first_row, "sort them by user, item and rating"),
        ("user ids", users, "permute the ids"),
    ):
        found = _told_apart(np.argsort(np.argsort(place, kind="stable")), fake)
        if found is not None:
            raise DataError(f"{source}: {what} must say nothing of the labels, found that {found}; {remedy}")
    wrong = np.flatnonzero((rows != rows[np.lexsort(rows.T[::-1])]).any(axis=1))
    if len(wrong):
        raise DataError(
            f"{source}: rows must be sorted by user, item and rating, found row {wrong[0]} (counted from 0) elsewhere; "
            "a user's own order may tell who was generated"
        )


def _told_apart(place: IntArray, fake: IntArray) -> str | None:
    """Return in words how places tell classes apart, None if they do not."""
    generated, genuine = place[fake == 1], place[fake == 0]
    test = mannwhitneyu(generated, genuine)
    if test.pvalue < SURE:
        auc = test.statistic / (len(generated) * len(genuine))
        return f"generated users come {'late' if auc > 0.5 else 'early'} (AUC {auc:.3f} by it alone)"
    if ks_2samp(generated, genuine, method="asymp").pvalue < SURE:
        return "generated users stand in blocks"
    return None
