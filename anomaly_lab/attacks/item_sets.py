"""Item sets: which items a fake rates, taken from real users; the ratings of those users come along.

Each is a function (source, rng) → profile: a table row of levels, -1 where there is none, at least `MINIMUM` of them
ratings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomaly_lab.attacks.base import MINIMUM
from anomaly_lab.attacks.source import Source, empty_profile
from anomaly_lab.features.panel import NOT_RATED, Levels
from anomaly_lab.types import IntArray

ItemSet = Callable[[Source, np.random.Generator], Levels]
DROP_OUT = (0.0, 0.0, 0.1, 0.2, 0.4)
"""Shares of a copied set that are left out, each as likely."""
TRIES = 20


def copy(source: Source, rng: np.random.Generator) -> Levels:
    """Return one real user's profile, a part of it left out."""
    profile: Levels = source.levels[pick(source, 1, rng)[0]].copy()
    rated = np.flatnonzero(profile >= 0)
    dropped = min(int(rng.choice(DROP_OUT) * len(rated)), len(rated) - MINIMUM)
    profile[rng.choice(rated, dropped, replace=False)] = NOT_RATED
    return profile


def hybrid(source: Source, rng: np.random.Generator) -> Levels:
    """Return an item-wise random half of one real user and the other half of another."""
    for _ in range(TRIES):
        first, second = pick(source, 2, rng)
        profile = mixed(source, first, second, rng)
        if (profile >= 0).sum() >= MINIMUM:
            return profile
    whole: Levels = source.levels[first].copy()
    return whole


def popularity(source: Source, rng: np.random.Generator) -> Levels:
    """Return as many items as a real user rated, drawn by popularity, with levels from everyone's histogram."""
    return by_popularity(source, draw_length(source, rng), rng)


ITEM_SETS: dict[str, ItemSet] = {"copy": copy, "hybrid": hybrid, "popularity": popularity}


def mixed(source: Source, first: int, second: int, rng: np.random.Generator) -> Levels:
    """Return an item-wise random half of one real user and the other half of another."""
    half = rng.random(source.levels.shape[1]) < 0.5
    profile: Levels = np.where(half, source.levels[first], source.levels[second])
    return profile


def by_popularity(source: Source, size: int, rng: np.random.Generator) -> Levels:
    """Return so many items drawn by popularity, with levels from everyone's histogram."""
    profile = empty_profile(source.levels.shape[1])
    chosen = rng.choice(len(profile), size, replace=False, p=source.popularity)
    profile[chosen] = rng.choice(source.scale.n_levels, size, p=source.histogram)
    return profile


def pick(source: Source, count: int, rng: np.random.Generator) -> IntArray:
    """Return real users with at least `MINIMUM` ratings, different ones while there are enough."""
    able = np.flatnonzero(source.lengths >= MINIMUM)
    return np.asarray(rng.choice(able, count, replace=len(able) < count), dtype=np.int64)


def draw_length(source: Source, rng: np.random.Generator) -> int:
    """Return the number of ratings of a real user who has at least `MINIMUM`."""
    return int(source.lengths[pick(source, 1, rng)[0]])
