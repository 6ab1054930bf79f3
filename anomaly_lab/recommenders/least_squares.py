"""The normal equations of many small least-squares problems that share one matrix of regressors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from anomaly_lab.types import AnyArray, Float32Array

BLOCK = 2**17
"""Ratings taken at once: enough to keep the processor busy, few enough for its caches and for any memory."""


def equal_rows(counts: AnyArray) -> Iterator[AnyArray]:
    """Yield rows that hold equally many entries, together at most some 100,000, so that they fill a plain array.

    Parameters
    ----------
    counts : ndarray of shape (n_rows,), int
        Entries of each row.
    """
    order = np.argsort(counts, kind="stable")
    starts = np.flatnonzero(np.diff(counts[order], prepend=-1))
    for start, stop in zip(starts, np.append(starts[1:], len(order)), strict=True):
        step = max(BLOCK // max(int(counts[order[start]]), 1), 1)
        for first in range(start, stop, step):
            yield order[first : min(first + step, stop)]


def normal_equations(
    matrix: sparse.csr_array, regressors: Float32Array
) -> Iterator[tuple[AnyArray, Float32Array, Float32Array]]:
    """Yield, for rows in blocks that together are all rows, the two sides of each row's least-squares problem.

    Row `i` regresses its entries on the regressors of the columns they stand in.

    Parameters
    ----------
    matrix : csr_array of shape (n_rows, n_columns), float32
        The targets.
    regressors : ndarray of shape (n_columns, n_factors), float32
        A vector a column.

    Yields
    ------
    rows : ndarray of shape (n_block,)
    gram : ndarray of shape (n_block, n_factors, n_factors), float32
        Sum of the outer products of the row's regressors.
    moment : ndarray of shape (n_block, n_factors), float32
        Sum of the row's regressors, each times its target.
    """
    counts = np.diff(matrix.indptr)
    for rows in equal_rows(counts):
        places = matrix.indptr[rows, None] + np.arange(counts[rows[0]])
        design = regressors[matrix.indices[places]]
        moment = matrix.data[places][:, None, :] @ design
        yield rows, design.transpose(0, 2, 1) @ design, moment[:, 0]
