"""Bounds that keep a detector's time linear in the number of users: who is compared with everyone is drawn by lot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from anomaly_lab.types import AnyArray, FloatArray, IntArray

REFERENCE_ROWS = 10_000
"""Rows that are compared with everyone at most; up to as many, every method is exact."""


def draw_rows(n_rows: int, at_most: int, seed: int) -> IntArray:
    """Return positions of all rows, or of `at_most` drawn without replacement, ascending.

    A distance to the neighbours in a sample ranks outliers about as one to those among all (Sugiyama and Borgwardt,
    2013).
    """
    if n_rows <= at_most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, at_most, replace=False))


def draw_labelled(labels: IntArray, at_most: int, seed: int) -> IntArray:
    """Return positions of all rows, or of about `at_most`, each class in its share and none left out, ascending."""
    if len(labels) <= at_most:
        return np.arange(len(labels))
    share = at_most / len(labels)
    classes = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    drawn = [rows[draw_rows(len(rows), max(int(share * len(rows)), 1), seed)] for rows in classes]
    return np.sort(np.concatenate(drawn))


def in_blocks(score: Callable[[AnyArray], AnyArray], rows: AnyArray) -> FloatArray:
    """Return the scores of sorted rows, `REFERENCE_ROWS` at a time at most: what a method holds of each row is bounded.

    Every k-th row makes a block, so that each is like the whole to methods that rank rows within it.
    """
    n_blocks = -(-len(rows) // REFERENCE_ROWS)
    scores = np.empty(len(rows))
    for first in range(n_blocks):
        scores[first::n_blocks] = score(rows[first::n_blocks])
    return scores


class BoundedNeighbours(NearestNeighbors):  # type: ignore[misc]
    """Nearest neighbours among at most `REFERENCE_ROWS` of the rows fitted; positions are those of all rows."""

    def fit(self, X: AnyArray, y: None = None) -> BoundedNeighbours:
        """Index the rows drawn."""
        self.drawn_ = draw_rows(len(X), REFERENCE_ROWS, seed=0)
        super().fit(np.asarray(X)[self.drawn_])
        return self

    def kneighbors(
        self, X: AnyArray | None = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Return the neighbours drawn, by their positions among all rows fitted."""
        distances, near = super().kneighbors(X, n_neighbors)
        return (distances, self.drawn_[near]) if return_distance else self.drawn_[near]
