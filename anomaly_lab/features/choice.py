"""Unlikely choices: rated items that popularity, or the user's other items, speak against. Part of *co-occurrence*."""

from __future__ import annotations

import numpy as np

from anomaly_lab.features.order import ascending_order
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

MASS = (0.003, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)
"""Items stand in bands from the rarest on, each ending at this share of all reference users' choices."""
THIRDS = (0.07, 0.3, 1.0)
UNLIKELY = (0.01, 0.05, 0.1, 0.25)


def rarity_columns(
    chosen: Float32Array, expected: Float32Array, share: FloatArray, scores: Float32Array
) -> dict[str, FloatArray]:
    """Describe how often each user rated items of each band of popularity, beside independent choice.

    People come to rare items by way of others like them; a program that draws items comes to them by chance, and too
    often.

    Parameters
    ----------
    chosen : ndarray of shape (n_users, n_items)
        1 where a user rated an item.
    expected : ndarray of shape (n_users, n_items)
        Chances under independent choice, given the user's activity.
    share : ndarray of shape (n_items,)
        Share of reference users who rated each item.
    scores : ndarray of shape (n_users, n_items)
        EASE's scores, each from the user's other items.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``rarity_z_<mass>``, standardised excess in each band of `MASS`; ``rarity_surprise`` and ``rarity_inverse``,
        the excess over all items weighted by -log(share) and by 1/sqrt(share); for the bands of `THIRDS`,
        ``lift_<mass>``, mean log ratio of score and chance of the rated items, and ``lift_low_<mass>``, the share of
        them that score below chance.
    """
    variance = expected * (1 - expected)
    excess = chosen - expected
    columns = {}
    for mass, band in zip(MASS, bands(share, MASS), strict=True):
        z = excess[:, band].sum(axis=1) / np.sqrt(variance[:, band].sum(axis=1) + 0.5)
        columns[f"rarity_z_{mass:g}"] = z
    for name, weight in (("surprise", -np.log(share)), ("inverse", 1 / np.sqrt(share))):
        w = weight.astype(np.float32)
        columns[f"rarity_{name}"] = (excess @ w) / np.sqrt(variance @ w**2 + 1)
    for mass, band in zip(THIRDS, bands(share, THIRDS), strict=True):
        mine, score, chance = chosen[:, band], scores[:, band], expected[:, band]
        n = np.maximum(mine.sum(axis=1), 1)
        lift = np.log(np.clip(score, 1e-3, 1) / chance)
        columns[f"lift_{mass:g}"] = (lift * mine).sum(axis=1) / n
        columns[f"lift_low_{mass:g}"] = ((score < chance) * mine).sum(axis=1) / n
    return {name: column.astype(float) for name, column in columns.items()}


def bands(share: FloatArray, masses: tuple[float, ...]) -> list[AnyArray]:
    """Return the items of each band, rarest first; a band may be empty, items on an edge belong to the lower one."""
    order = np.argsort(share, kind="stable")
    mass = np.round(np.cumsum(share[order], dtype=float) / share.sum(dtype=float), 9)
    ends = np.searchsorted(mass, np.asarray(masses[:-1]), side="right")
    return np.split(order, ends)


def item_ranks(scores: Float32Array) -> Float32Array:
    """Return where each item stands in each user's own order of scores, in [0, 1), higher = more expected."""
    order = ascending_order(scores)
    ranks = np.empty(scores.shape, dtype=np.float32)
    steps = np.arange(scores.shape[1], dtype=np.float32) / scores.shape[1]
    np.put_along_axis(ranks, order, np.broadcast_to(steps, scores.shape), axis=1)
    return ranks


def raters_ranks(known: Float32Array, scores: Float32Array) -> list[Float32Array]:
    """Return for each item the ascending ranks that it has among the reference users who rated it."""
    ranks = item_ranks(scores)
    return [np.sort(ranks[known[:, item] > 0, item]) for item in range(known.shape[1])]


def seat_columns(chosen: Float32Array, scores: Float32Array, raters: list[Float32Array]) -> dict[str, FloatArray]:
    """Describe how each rated item stands with the user, beside how it stands with others who rated it.

    A seat is the share of the item's raters with whom it ranks lower: uniform for people, near 0 for items that do not
    belong. Rare items, low in everyone's order, are thus judged by their own raters.

    Parameters
    ----------
    chosen : ndarray of shape (n_users, n_items)
        1 where a user rated an item.
    scores : ndarray of shape (n_users, n_items)
        EASE's scores.
    raters : list of ndarray
        From `raters_ranks`.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``seat_mean``, ``seat_std``, ``seat_log`` (mean of -log), ``seat_below_<1|5|10|25>`` (share of seats below so
        many percent) and ``seat_excess`` (standardised number below a tenth).
    """
    ranks = item_ranks(scores)
    seats = np.ones(chosen.shape, dtype=np.float32)
    for item, theirs in enumerate(raters):
        users = np.flatnonzero(chosen[:, item])
        mine = ranks[users, item]
        below = np.searchsorted(theirs, mine, side="left") + np.searchsorted(theirs, mine, side="right")
        seats[users, item] = (0.5 * below + 0.5) / (len(theirs) + 1)
    n = np.maximum(chosen.sum(axis=1), 1)
    mean = (seats * chosen).sum(axis=1) / n
    columns = {
        "seat_mean": mean,
        "seat_std": np.sqrt(np.maximum((seats**2 * chosen).sum(axis=1) / n - mean**2, 0)),
        "seat_log": -(np.log(seats) * chosen).sum(axis=1) / n,
        "seat_excess": (((seats < 0.1) * chosen).sum(axis=1) - 0.1 * n) / np.sqrt(n),
    }
    columns |= {f"seat_below_{100 * limit:g}": ((seats < limit) * chosen).sum(axis=1) / n for limit in UNLIKELY}
    return {name: column.astype(float) for name, column in columns.items()}
