"""Two-way split of a user's own items: two people's tastes in one profile come apart. Part of *co-occurrence*."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anomaly_lab.types import AnyArray, Float32Array, FloatArray, IntArray

NAMES = ("affinity", "strength", "strength_raw", "across", "within_low", "within_high", "balance", "lonely")
STEPS = 10
MINIMUM = 8
"""Items a user needs for a split to mean anything; with fewer every column is 0."""
AT_ONCE = 250_000
"""Entries of the users' own affinities held at a time: what a core's cache holds, for they are read in every step."""


def split_columns(chosen: Float32Array, affinity: Float32Array) -> dict[str, FloatArray]:
    """Describe the best two-way split of each user's items.

    The leading eigenvector of the centred affinity among the user's items, by power iteration, splits them by its sign
    (Newman, 2006, does so for communities in networks). Users of about the same activity are worked on together.

    Parameters
    ----------
    chosen : ndarray of shape (n_users, n_items)
        1 where a user rated an item.
    affinity : ndarray of shape (n_items, n_items)
        Affinity of items, zero diagonal.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``split_affinity``, mean among the user's items; ``split_strength_raw``, the leading eigenvalue, and
        ``split_strength``, the same beside the root of their number; ``split_across`` between the two sides and
        ``split_within_<low|high>`` inside them; ``split_balance``, share of the smaller side; ``split_lonely``, tenth
        percentile of an item's mean affinity to the others.
    """
    n_items = len(affinity)
    padded = np.zeros((n_items + 1, n_items + 1), dtype=np.float32)
    padded[:n_items, :n_items] = affinity
    start = np.append(np.random.default_rng(0).standard_normal(n_items, dtype=np.float32), np.float32(0))
    columns = np.zeros((len(NAMES), len(chosen)))
    for users, items in _batches(chosen):
        own = padded.take(items[:, :, None] * len(padded) + items[:, None, :])
        columns[:, users] = _split(own, start[items], (items < n_items).astype(np.float32))
    return {f"split_{name}": column for name, column in zip(NAMES, columns, strict=True)}


def _batches(chosen: Float32Array) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield users of about the same activity and their items, filled up with the number of items."""
    n_items = chosen.shape[1]
    counts = (chosen > 0).sum(axis=1)
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] >= MINIMUM]
    while len(order):
        widest = int(counts[order[-1]])
        users, order = np.split(order[::-1], [max(1, AT_ONCE // widest**2)])
        order = order[::-1]
        places = np.where(chosen[users] > 0, np.arange(n_items), n_items)
        yield users, np.sort(places, axis=1)[:, :widest]


def _split(own: Float32Array, vector: Float32Array, mask: Float32Array) -> AnyArray:
    """Return the columns of a batch, shape (n_columns, n_users).

    Parameters
    ----------
    own : ndarray of shape (n_users, width, width)
        Affinities among each user's items, 0 beyond them.
    vector : ndarray of shape (n_users, width)
        Where the iteration starts, 0 beyond the user's items.
    mask : ndarray of shape (n_users, width)
        1 where there is an item.
    """
    m = mask.sum(axis=1)
    row_sum = own.sum(axis=2)
    mean = row_sum.sum(axis=1) / (m * (m - 1))
    row_mean = row_sum / (m - 1)[:, None]
    # keeps the iteration on the largest positive eigenvalue
    shift = 0.3 * np.abs(own).sum(axis=2).max(axis=1, keepdims=True)

    def centred(v: Float32Array) -> Float32Array:
        total = v.sum(axis=1)
        common = (row_mean * v).sum(axis=1) - mean * total
        return np.asarray(_times(own, v) - row_mean * total[:, None] - mask * common[:, None], dtype=np.float32)

    for _ in range(STEPS):
        vector = centred(vector) + shift * vector
        vector = vector / (np.linalg.norm(vector, axis=1, keepdims=True) + 1e-12)
    strength = (vector * centred(vector)).sum(axis=1)
    first = (vector > 0).astype(np.float32)
    second = mask - first
    n_first, n_second = first.sum(axis=1), second.sum(axis=1)
    towards_first = _times(own, first)
    within_first = (first * towards_first).sum(axis=1) / np.maximum(n_first * (n_first - 1), 1)
    within_second = (second * _times(own, second)).sum(axis=1) / np.maximum(n_second * (n_second - 1), 1)
    across = (second * towards_first).sum(axis=1) / np.maximum(n_first * n_second, 1)
    return np.stack(
        [
            mean,
            strength / np.sqrt(m),
            strength,
            np.where(np.minimum(n_first, n_second) > 0, across, mean),
            np.minimum(within_first, within_second),
            np.maximum(within_first, within_second),
            np.minimum(n_first, n_second) / m,
            _low(np.where(mask > 0, row_mean, np.inf), m),
        ]
    )


def _times(own: Float32Array, vectors: Float32Array) -> Float32Array:
    return np.asarray(np.matmul(own, vectors[:, :, None])[:, :, 0], dtype=np.float32)


def _low(values: Float32Array, counts: Float32Array) -> Float32Array:
    """Return the tenth percentile of the first entries of each row by linear interpolation."""
    ascending = np.sort(values, axis=1)
    place = 0.1 * (counts - 1)
    below = place.astype(int)
    rows = np.arange(len(values))
    lower, upper = ascending[rows, below], ascending[rows, np.minimum(below + 1, counts.astype(int) - 1)]
    return np.asarray(lower + (place - below) * (upper - lower), dtype=np.float32)
