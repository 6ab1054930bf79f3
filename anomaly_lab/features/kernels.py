"""Compiled loops over ratings: one pass each, nothing as long as the ratings in between.

Importing this module imports Numba, so callers do it inside functions. Tables are float64: in float32 sums of squares
cancel. `fastmath` stays off: with it LLVM turns the additions of a table's row into gathers, at a third of the speed.
Positions are unsigned: for signed ones Numba adds a test for negative ones to each access, at twice the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from anomaly_lab.types import AnyArray, FloatArray, IntArray

WIDTH = 8
"""Columns of a table of cells: eight float64 are one line of cache, so a rating costs one access to memory."""

# Off by default; adds the columns of a row by vector instructions. Read at each compilation, unlike the environment
# variable NUMBA_SLP_VECTORIZE, which does nothing once Numba is imported.
numba.config.SLP_VECTORIZE = 1

_at = np.uint64
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def compiled(function: _Kernel) -> _Kernel:
    """Compile a kernel at its first call, keep the machine code on disk and let other threads run beside it."""
    kernel: _Kernel
    try:
        kernel = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        kernel = numba.njit(nogil=True, error_model="numpy")(function)
    return kernel


@compiled
def count_items(users: AnyArray, items: AnyArray, ratings: AnyArray, n_users: int, counts: AnyArray) -> Any:
    """Count how often each item got each level; return the first row with a code out of range, or -1.

    As an unsigned number a negative code is a huge one: one comparison finds both.
    """
    n_items, n_levels = counts.shape
    for row in range(_at(len(users))):
        user, item, level = _at(users[row]), _at(items[row]), _at(ratings[row])
        if user >= _at(n_users) or item >= _at(n_items) or level >= _at(n_levels):
            return np.int64(row)
        counts[item, level] += 1
    return -1


@compiled
def count_grouped_items(items: AnyArray, ratings: AnyArray, counts: AnyArray) -> None:
    """Count how often each item got each level."""
    for row in range(_at(len(items))):
        counts[_at(items[row]), _at(ratings[row])] += 1


@compiled
def sum_rows(
    users: AnyArray,
    items: AnyArray,
    ratings: AnyArray,
    of_items: FloatArray,
    of_cells: FloatArray,
    counts: AnyArray,
    sums: FloatArray,
) -> None:
    """Add what stands for each rating to its user's sums and count its level; rows come in any order.

    Two tables instead of one hold half as much, and more of them stays in a core's cache.

    Parameters
    ----------
    users, items, ratings : ndarray of shape (n_rows,)
        Codes in range.
    of_items : ndarray of shape (n_items, 4)
        What to add for each item, whatever the level.
    of_cells : ndarray of shape (n_items * n_levels, 4)
        What to add for each level of each item.
    counts : ndarray of shape (n_users, n_levels)
        How often each level was given, added to.
    sums : ndarray of shape (n_users, 8)
        Added to: four of the item, four of the cell.
    """
    n_levels = _at(counts.shape[1])
    for row in range(_at(len(users))):
        user, item, level = _at(users[row]), _at(items[row]), _at(ratings[row])
        whole, cell, own = of_items[item], of_cells[item * n_levels + level], sums[user]
        counts[user, level] += 1
        # every sum is read before one is written: else each store could change what the next load finds
        s0, s1, s2, s3 = own[0] + whole[0], own[1] + whole[1], own[2] + whole[2], own[3] + whole[3]
        s4, s5, s6, s7 = own[4] + cell[0], own[5] + cell[1], own[6] + cell[2], own[7] + cell[3]
        own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7] = s0, s1, s2, s3, s4, s5, s6, s7


@compiled
def sum_grouped_rows(
    starts: IntArray,
    items: AnyArray,
    ratings: AnyArray,
    of_items: FloatArray,
    of_cells: FloatArray,
    counts: AnyArray,
    sums: FloatArray,
) -> None:
    """Do as `sum_rows` for rows that stand together by user, whose sums stay in registers."""
    n_levels = _at(counts.shape[1])
    for user in range(_at(len(starts) - 1)):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
        given = counts[user]
        for row in range(_at(starts[user]), _at(starts[user + _at(1)])):
            item, level = _at(items[row]), _at(ratings[row])
            whole, cell = of_items[item], of_cells[item * n_levels + level]
            given[level] += 1
            s0 += whole[0]
            s1 += whole[1]
            s2 += whole[2]
            s3 += whole[3]
            s4 += cell[0]
            s5 += cell[1]
            s6 += cell[2]
            s7 += cell[3]
        own = sums[user]
        own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7] = s0, s1, s2, s3, s4, s5, s6, s7


@compiled
def group_rows(
    ends: IntArray, users: AnyArray, items: AnyArray, ratings: AnyArray, own_items: AnyArray, own_ratings: AnyArray
) -> None:
    """Move rows to their users' places in their order; `ends` says where a user's begin, then where they end."""
    for row in range(_at(len(users))):
        user = _at(users[row])
        place = _at(ends[user])
        ends[user] += 1
        own_items[place] = items[row]
        own_ratings[place] = ratings[row]


@compiled
def move_to_blocks(
    users: AnyArray,
    items: AnyArray,
    ratings: AnyArray,
    shift: int,
    ends: IntArray,
    own_users: AnyArray,
    own_items: AnyArray,
    own_ratings: AnyArray,
) -> None:
    """Move rows so that those of ``2**shift`` neighbouring users stand together, in their order.

    Parameters
    ----------
    users, items, ratings : ndarray of shape (n_rows,)
        Codes in range.
    shift : int
        Users are in one block if they agree but for so many of their last bits.
    ends : ndarray of shape (at least n_blocks + 1,)
        Overwritten.
    own_users, own_items, own_ratings : ndarray of shape (at least n_rows,)
        Where the rows are moved to.
    """
    ends[:] = 0
    for row in range(_at(len(users))):
        ends[(_at(users[row]) >> _at(shift)) + _at(1)] += 1
    for last in range(1, len(ends)):
        ends[last] += ends[last - 1]
    for row in range(_at(len(users))):
        block = _at(users[row]) >> _at(shift)
        place = _at(ends[block])
        ends[block] += 1
        own_users[place] = users[row]
        own_items[place] = items[row]
        own_ratings[place] = ratings[row]


@compiled
def sum_cells(starts: IntArray, cells: AnyArray, table: FloatArray, sums: FloatArray) -> None:
    """Set each user's row of `sums` to the sum of the table's rows for their cells.

    Parameters
    ----------
    starts : ndarray of shape (n_users + 1,)
        Where each user's rows begin.
    cells : ndarray of shape (n_rows,)
        The row of the table that stands for each rating, in range.
    table : ndarray of shape (n_cells, 8)
        What to add up.
    sums : ndarray of shape (n_users, 8)
    """
    for user in range(_at(len(starts) - 1)):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
        for row in range(_at(starts[user]), _at(starts[user + _at(1)])):
            cell = table[_at(cells[row])]
            s0 += cell[0]
            s1 += cell[1]
            s2 += cell[2]
            s3 += cell[3]
            s4 += cell[4]
            s5 += cell[5]
            s6 += cell[6]
            s7 += cell[7]
        own = sums[user]
        own[0], own[1], own[2], own[3], own[4], own[5], own[6], own[7] = s0, s1, s2, s3, s4, s5, s6, s7


@compiled
def row_products(
    users: AnyArray, items: AnyArray, by_user: FloatArray, by_item: FloatArray, products: FloatArray
) -> None:
    """Set each row's number to the product of its user's and its item's vector.

    Four sums at a time: a single one would wait for each addition.
    """
    width = by_user.shape[1]
    whole = width - width % 4
    for row in range(_at(len(users))):
        a, b = by_user[_at(users[row])], by_item[_at(items[row])]
        s0 = s1 = s2 = s3 = 0.0
        for k in range(_at(0), _at(whole), _at(4)):
            s0 += a[k] * b[k]
            s1 += a[k + _at(1)] * b[k + _at(1)]
            s2 += a[k + _at(2)] * b[k + _at(2)]
            s3 += a[k + _at(3)] * b[k + _at(3)]
        for k in range(_at(whole), _at(width)):
            s0 += a[k] * b[k]
        products[row] = (s0 + s1) + (s2 + s3)


@compiled
def least_of_cells(starts: IntArray, cells: AnyArray, numbers: FloatArray, least: FloatArray) -> None:
    """Set each user's number to the least that stands for one of their cells, if it is less than what is there."""
    for user in range(_at(len(starts) - 1)):
        for row in range(_at(starts[user]), _at(starts[user + _at(1)])):
            number = numbers[_at(cells[row])]
            least[user] = min(least[user], number)


@compiled
def count_levels(starts: IntArray, ratings: AnyArray, counts: FloatArray) -> None:
    """Count how often each user gave each level."""
    for user in range(_at(len(starts) - 1)):
        given = counts[user]
        for row in range(_at(starts[user]), _at(starts[user + _at(1)])):
            given[_at(ratings[row])] += 1


@compiled
def centred_products(
    starts: IntArray, items: AnyArray, ratings: AnyArray, values: FloatArray, numbers: FloatArray, products: FloatArray
) -> None:
    """Set each user's sums of squares and products of ratings and items' numbers, both less the user's mean.

    Parameters
    ----------
    starts : ndarray of shape (n_users + 1,)
        Where each user's rows begin.
    items, ratings : ndarray of shape (n_rows,)
        Codes in range.
    values : ndarray of shape (n_levels,)
        Each level as a number; ratings of a level that is NaN are left out.
    numbers : ndarray of shape (n_items,)
        A number of each item.
    products : ndarray of shape (n_users, 3)
        Squares of ratings, squares of items' numbers, products; means are taken first, so that what does not vary
        gives nearly 0.
    """
    for user in range(_at(len(starts) - 1)):
        first, last = _at(starts[user]), _at(starts[user + _at(1)])
        n, a, b = 0, 0.0, 0.0
        for row in range(first, last):
            value = values[_at(ratings[row])]
            if not np.isnan(value):
                n += 1
                a += value
                b += numbers[_at(items[row])]
        mean_a, mean_b = a / max(n, 1), b / max(n, 1)
        aa = bb = ab = 0.0
        for row in range(first, last):
            value = values[_at(ratings[row])]
            if not np.isnan(value):
                x, y = value - mean_a, numbers[_at(items[row])] - mean_b
                aa += x * x
                bb += y * y
                ab += x * y
        products[user, 0], products[user, 1], products[user, 2] = aa, bb, ab
