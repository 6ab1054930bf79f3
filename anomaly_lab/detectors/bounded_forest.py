"""Forests whose trees see a bounded number of users each: a tree's growth takes more than linear time."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone

from anomaly_lab.types import AnyArray

TREE_ROWS = 20_000
"""Rows that a tree sees at most; up to as many, a forest is what its own settings say."""


def bound_trees(forest: Any, n_rows: int) -> Any:
    """Return an unfitted forest of scikit-learn, set to draw `TREE_ROWS` rows for each tree if it would see more.

    Trees on small samples differ more from each other, which makes up for what each of them misses (Breiman, 1999).
    """
    share = 1.0 if forest.max_samples is None else forest.max_samples
    return forest.set_params(bootstrap=True, max_samples=TREE_ROWS) if share * n_rows > TREE_ROWS else forest


class BoundedForest(BaseEstimator):  # type: ignore[misc]
    """A forest of scikit-learn, bounded by the rows that it is fitted on, after a sampler has added or removed some."""

    def __init__(self, forest: Any = None) -> None:
        self.forest = forest

    def fit(self, X: AnyArray, y: AnyArray, sample_weight: AnyArray | None = None) -> BoundedForest:
        """Grow the trees."""
        self.forest_ = bound_trees(clone(self.forest), len(X))
        self.bounded_ = self.forest_.max_samples != self.forest.max_samples
        self.forest_.fit(X, y, sample_weight)
        return self

    def predict_proba(self, X: AnyArray) -> AnyArray:
        """Return the trees' mean share of each class, shape (n_rows, n_classes)."""
        found: AnyArray = self.forest_.predict_proba(X)
        return found
