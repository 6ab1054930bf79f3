"""Source: the real users from whom fakes are made, as a table of levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anomaly_lab.features.panel import NOT_RATED, Levels
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Source:
    """Real users, and what an attacker can learn from them.

    Parameters
    ----------
    levels : ndarray of int8, shape (n_users, n_items)
        Position of each rating among the scale's levels, -1 where there is none.
    scale : RatingScale
        What the levels mean.
    """

    levels: Levels
    scale: RatingScale

    @cached_property
    def lengths(self) -> IntArray:
        """Number of ratings of each user."""
        return np.asarray((self.levels >= 0).sum(axis=1), dtype=np.int64)

    @cached_property
    def popularity(self) -> FloatArray:
        """Chance of each item to be the next one rated, shape (n_items,)."""
        counts = (self.levels >= 0).sum(axis=0) + 0.5
        return np.asarray(counts / counts.sum(), dtype=float)

    @cached_property
    def histogram(self) -> FloatArray:
        """Share of each level, shape (n_levels,)."""
        counts = np.bincount(self.levels[self.levels >= 0], minlength=self.scale.n_levels).astype(float)
        return np.asarray(counts / counts.sum(), dtype=float)

    @cached_property
    def item_means(self) -> FloatArray:
        """Damped mean value of each item's known ratings, in [0, 1]."""
        values = self.values(self.levels)
        known = ~np.isnan(values)
        overall = np.nanmean(values) if known.any() else 0.5
        return np.asarray((np.nansum(values, axis=0) + 5 * overall) / (known.sum(axis=0) + 5), dtype=float)

    @cached_property
    def item_spreads(self) -> FloatArray:
        """Damped standard deviation of each item's known ratings about its damped mean, in [0, 1]."""
        values = self.values(self.levels)
        squares = (values - self.item_means) ** 2
        known = ~np.isnan(values)
        overall = np.nanmean(squares) if known.any() else 0.0
        damped = (np.nansum(squares, axis=0) + 5 * overall) / (known.sum(axis=0) + 5)
        return np.asarray(np.sqrt(damped), dtype=float)

    def values(self, levels: AnyArray) -> FloatArray:
        """Return levels as numbers in [0, 1], NaN where there is none or it is unknown."""
        return np.asarray(np.append(self.scale.values, np.nan)[levels], dtype=float)

    def nearest(self, values: FloatArray) -> Levels:
        """Return the ordered level nearest to each number in [0, 1]."""
        ordered = self.scale.values[: self.scale.n_ordered]
        return np.asarray(np.abs(values[..., None] - ordered).argmin(axis=-1), dtype=np.int8)


def empty_profile(n_items: int) -> Levels:
    """Return a profile without ratings."""
    return np.full(n_items, NOT_RATED, dtype=np.int8)
