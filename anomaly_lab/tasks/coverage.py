"""A split in which every user and every item has a rating in every part."""

from __future__ import annotations

import numpy as np

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.types import AnyArray, BoolArray, IntArray

N_PARTS = 3
TRAIN, VALIDATION, TEST = range(N_PARTS)


def dense_enough(known: Interactions) -> BoolArray:
    """Return the rows left when users and items with fewer ratings than parts are dropped, again and again."""
    keep = np.ones(len(known), dtype=bool)
    while True:
        users = np.bincount(known.users[keep], minlength=known.n_users)
        items = np.bincount(known.items[keep], minlength=known.n_items)
        left = keep & (users[known.users] >= N_PARTS) & (items[known.items] >= N_PARTS)
        if (left == keep).all():
            return keep
        keep = left


def coverage_parts(
    users: AnyArray, items: AnyArray, shares: tuple[float, float, float], rng: np.random.Generator
) -> IntArray:
    """Return the part of each row so that each user and each item has one in every part, none in two.

    Each user and each item chooses three of its rows. The chosen rows, dealt to users and items in threes, are the
    edges of a bipartite graph of degree three at most, which can be coloured with three colours so that no two edges
    that meet are of one colour (Kőnig, 1916): the colours are the parts. All other rows are dealt at random, so that
    parts have the shares that are wanted, as far as coverage leaves room.

    Parameters
    ----------
    users, items : ndarray of shape (n_rows,)
        Positions; each user and each item that occurs must have three rows or more.
    shares : tuple of float
        Of training, validation and test, summing to 1.
    rng : Generator
        Draws rows and parts.

    Returns
    -------
    ndarray of shape (n_rows,)
        0 training, 1 validation, 2 test.
    """
    shuffled = rng.permutation(len(users))
    first = [_place_among_own(side[shuffled]) < N_PARTS for side in (users, items)]
    chosen = shuffled[first[0] | first[1]]
    part = np.full(len(users), -1, dtype=np.int64)
    threes = [_threes(side[chosen]) for side in (users, items)]
    part[chosen] = rng.permutation(N_PARTS)[_coloured(*threes)]
    rest = rng.permutation(np.flatnonzero(part < 0))
    lacking = np.maximum(np.array(shares) * len(users) - np.bincount(part[chosen], minlength=N_PARTS), 0)
    cuts = (np.cumsum(lacking) / max(lacking.sum(), 1) * len(rest)).round().astype(int)
    part[rest] = np.searchsorted(cuts, np.arange(len(rest)), side="right").clip(max=N_PARTS - 1)
    return part


def _place_among_own(ends: AnyArray) -> IntArray:
    """Return how many rows of the same user (or item) come before each row."""
    order = np.argsort(ends, kind="stable")
    ordered = ends[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    begin = np.maximum.accumulate(np.where(new, np.arange(len(ends)), 0))
    place = np.empty(len(ends), dtype=np.int64)
    place[order] = np.arange(len(ends)) - begin
    return place


def _threes(ends: AnyArray) -> IntArray:
    """Return a number for each group of three rows of one user (or item), in order; the last group may be less."""
    key = ends.astype(np.int64) * (len(ends) + 1) + _place_among_own(ends) // N_PARTS
    groups: IntArray = np.unique(key, return_inverse=True)[1]
    return groups


def _coloured(left: IntArray, right: IntArray) -> IntArray:
    """Return a colour for each edge of a bipartite graph of degree three at most, all different where edges meet.

    Edge by edge: where no colour is free at both ends, the path that alternates between a colour free at one and one
    free at the other swaps the two.
    """
    n_left = int(left.max()) + 1
    ends = np.column_stack([left, right + n_left]).tolist()
    at: list[list[int]] = [[-1] * N_PARTS for _ in range(n_left + int(right.max()) + 1)]
    colour = [-1] * len(ends)
    for edge, (one, other) in enumerate(ends):
        free = at[one].index(-1)
        wanted = at[other].index(-1)
        if free != wanted:
            _swap_path(at, ends, colour, other, free, wanted)
        colour[edge] = free
        at[one][free] = at[other][free] = edge
    return np.array(colour)


def _swap_path(
    at: list[list[int]], ends: list[list[int]], colour: list[int], start: int, first: int, second: int
) -> None:
    """Swap two colours along the path that leaves a vertex by an edge of the first one."""
    path, vertex, step = [], start, first
    while (edge := at[vertex][step]) >= 0:
        path.append(edge)
        vertex = ends[edge][0] if ends[edge][1] == vertex else ends[edge][1]
        step = second if step == first else first
    for edge in path:
        for vertex in ends[edge]:
            at[vertex][colour[edge]] = -1
    for edge in path:
        colour[edge] = second if colour[edge] == first else first
        for vertex in ends[edge]:
            at[vertex][colour[edge]] = edge
