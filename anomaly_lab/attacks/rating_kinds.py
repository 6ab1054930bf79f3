"""Rating kinds: given the items of a fake user, how their ratings are made up.

Each is a function (profile, source, rng) → profile: a table row of levels, -1 where there is no rating. Rated items
stay rated. A rating of unknown value stays unknown where the kind works with numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomaly_lab.attacks.source import Source
from anomaly_lab.features.panel import Levels
from anomaly_lab.types import AnyArray, FloatArray

RatingKind = Callable[[Levels, Source, np.random.Generator], Levels]


def uniform(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Draw every rating uniformly from a run of adjacent levels."""
    n_levels = source.scale.n_levels
    width = int(rng.integers(2, n_levels + 1))
    low = int(rng.integers(0, n_levels - width + 1))
    return _replace(profile, rng.integers(low, low + width, _size(profile)))


def constant(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Give every item the same level."""
    return _replace(profile, np.full(_size(profile), rng.integers(source.scale.n_levels)))


def gaussian(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Draw every rating from one rounded normal distribution (Lam and Riedl, 2004)."""
    drawn = rng.normal(rng.uniform(0.2, 0.9), rng.uniform(0.06, 0.26), _size(profile))
    return _numbers(profile, source, drawn)


def dirichlet(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Draw every rating from a marginal of its own, or from everyone's."""
    n_levels = source.scale.n_levels
    marginal = source.histogram
    if rng.random() < 0.7:
        marginal = rng.dirichlet(np.full(n_levels, rng.choice([0.3, 1.0, 3.0])))
    return _replace(profile, rng.choice(n_levels, _size(profile), p=marginal))


def two_level(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Draw every rating from two levels."""
    pair = rng.choice(source.scale.n_levels, 2, replace=False)
    first = rng.uniform(0.2, 0.8)
    return _replace(profile, rng.choice(pair, _size(profile), p=[first, 1 - first]))


def shuffled(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Permute the profile's ratings over its items."""
    return _replace(profile, rng.permutation(profile[profile >= 0]))


def item_average(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Give each item about its mean (the average attack of Lam and Riedl, 2004)."""
    means = source.item_means[profile >= 0]
    noise = rng.normal(rng.normal(0, 0.08), rng.uniform(0.02, 0.2), _size(profile))
    return _numbers(profile, source, means + noise)


def inverted(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Turn each rating round about the profile's mean."""
    values = np.nan_to_num(source.values(profile[profile >= 0]), nan=0.5)
    return _numbers(profile, source, 2 * values.mean() - values + rng.normal(0, 0.06, _size(profile)))


def perturbed(profile: Levels, source: Source, rng: np.random.Generator) -> Levels:
    """Redraw a part of the ratings from everyone's histogram."""
    ratings = profile[profile >= 0]
    drawn = rng.choice(source.scale.n_levels, len(ratings), p=source.histogram)
    return _replace(profile, np.where(rng.random(len(ratings)) < rng.uniform(0.3, 0.7), drawn, ratings))


RATING_KINDS: dict[str, RatingKind] = {
    "uniform": uniform,
    "constant": constant,
    "gaussian": gaussian,
    "dirichlet": dirichlet,
    "two-level": two_level,
    "shuffled": shuffled,
    "item-average": item_average,
    "inverted": inverted,
    "perturbed": perturbed,
}


def _size(profile: Levels) -> int:
    return int((profile >= 0).sum())


def _replace(profile: Levels, ratings: AnyArray) -> Levels:
    made = profile.copy()
    made[profile >= 0] = ratings
    return made


def _numbers(profile: Levels, source: Source, values: FloatArray) -> Levels:
    made = source.nearest(np.clip(values, 0, 1))
    unknown = np.isnan(source.values(profile[profile >= 0]))
    return _replace(profile, np.where(unknown, profile[profile >= 0], made))
