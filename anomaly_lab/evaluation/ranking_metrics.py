"""Metrics of ranked items, one user a row, all users of a block at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.types import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Placed:
    """Where the held-out items of some users stand among what they could be shown.

    Parameters
    ----------
    ranks : ndarray of shape (n_users, n_held_out)
        From 1; items with one score share their mean rank.
    auc : ndarray of shape (n_users,)
        Share of pairs of a held-out item and another one in the right order; ties count half.
    """

    ranks: FloatArray
    auc: FloatArray


def place(scores: FloatArray, held_out: IntArray) -> Placed:
    """Return where held-out items stand, by rank sums (Mann and Whitney, 1947).

    Parameters
    ----------
    scores : ndarray of shape (n_users, n_candidates)
        The higher the earlier; NaN for what is not to be ranked.
    held_out : ndarray of shape (n_users, n_held_out)
        Which candidates are held out; each user must have a candidate that is not.
    """
    mine = np.take_along_axis(scores, held_out, axis=1)
    above, beside = _counts(scores, mine)
    above_own, beside_own = _counts(mine, mine)
    n_others = (~np.isnan(scores)).sum(axis=1, keepdims=True) - held_out.shape[1]
    wrong = (above - above_own) + (beside - beside_own) / 2
    return Placed(ranks=above + (beside + 1) / 2, auc=1 - (wrong / n_others).mean(axis=1))


def _counts(scores: FloatArray, mine: FloatArray) -> tuple[IntArray, IntArray]:
    """Return how many scores of a row lie above and beside each of the row's own, itself among the latter."""
    above = np.empty(mine.shape, dtype=np.int64)
    beside = np.empty(mine.shape, dtype=np.int64)
    for column in range(mine.shape[1]):  # a handful of columns; all at once would hold that many copies of the scores
        one = mine[:, [column]]
        above[:, column] = (scores > one).sum(axis=1)
        beside[:, column] = (scores == one).sum(axis=1)
    return above, beside


def list_metrics(placed: Placed, k: int) -> dict[str, FloatArray]:
    """Return the metrics of each user's list, arrays of shape (n_users,).

    Parameters
    ----------
    placed : Placed
        See `place`.
    k : int
        Length of the list that is looked at.

    Returns
    -------
    dict of str to ndarray
        ``auc``, ``ndcg`` (Järvelin and Kekäläinen, 2002; gain 1 for each held-out item), ``hit_rate`` (1 if any is
        among the first `k`) and ``recall`` (share of them that is).
    """
    shown = placed.ranks <= k
    gains = np.where(shown, 1 / np.log2(placed.ranks + 1), 0.0).sum(axis=1)
    ideal = (1 / np.log2(np.arange(2, min(k, placed.ranks.shape[1]) + 2))).sum()
    return {
        "auc": placed.auc,
        "ndcg": gains / ideal,
        "hit_rate": shown.any(axis=1).astype(float),
        "recall": shown.mean(axis=1),
    }


def hide(scores: AnyArray, rows: AnyArray, items: AnyArray) -> FloatArray:
    """Return scores with some cells made NaN, so that they are not ranked."""
    hidden = np.array(scores, dtype=float)
    hidden[rows, items] = np.nan
    return hidden
