"""Targeted attacks: fakes that push one item up or nuke it, in the frame of the shilling literature.

A profile has selected items, filler items and a target item (Burke, Mobasher, Williams and Bhaumik, 2006). Gunes,
Kaleli, Bilge and Polat (2014) survey the field. The number of fakes, the attack size, is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.attacks.base import MINIMUM, check_share
from anomaly_lab.attacks.item_sets import draw_length
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError
from anomaly_lab.features.panel import NOT_RATED, Levels
from anomaly_lab.types import AnyArray, FloatArray, IntArray

INTENTS = ("push", "nuke")


@dataclass(frozen=True)
class Targeted:
    """Fakes that agree on one item.

    Parameters
    ----------
    intent : str
        ``push`` gives the target the highest level in the scale's order, ``nuke`` the lowest.
    target : int, optional
        Position of the target item; by default one drawn for all fakes of a call.

    Raises
    ------
    ConfigError
        If the intent is neither.
    """

    intent: str = "push"
    target: int | None = None

    def __post_init__(self) -> None:
        if self.intent not in INTENTS:
            raise ConfigError(f"intent must be push or nuke, found '{self.intent}'")

    def choose_target(self, source: Source, rng: np.random.Generator) -> int:
        """Return the position of the target item.

        Raises
        ------
        ConfigError
            If the target is none of the source's items.
        """
        n_items = source.levels.shape[1]
        if self.target is None:
            return int(rng.integers(n_items))
        if not 0 <= self.target < n_items:
            raise ConfigError(f"target must be an item's position from 0 to {n_items - 1}, found {self.target}")
        return self.target

    def target_level(self, source: Source) -> int:
        """Return the level that the target gets."""
        return source.scale.n_ordered - 1 if self.intent == "push" else 0


@dataclass(frozen=True)
class Shilling(Targeted):
    """Fakes of selected items, filler items and a target.

    Parameters
    ----------
    intent, target
        As in :class:`Targeted`.
    filler_size : float, optional
        Filler items as a share of all items, in (0, 1]; by default each fake rates as many items as some real user.
        An attack whose fillers come from a part of the items has at most that part.

    Raises
    ------
    ConfigError
        If a setting lies outside its range.
    """

    filler_size: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filler_size is not None:
            check_share("filler_size", self.filler_size)

    def generate(self, source: Source, n_users: int, *, rng: np.random.Generator) -> Levels:
        """Return fakes, int8 of shape (n_users, n_items)."""
        target = self.choose_target(source, rng)
        selected = np.setdiff1d(self.select(source, target), [target])
        pool = np.setdiff1d(self.filler_pool(source), [target, *selected])
        made = np.full((n_users, source.levels.shape[1]), NOT_RATED, dtype=np.int8)
        for profile in made:
            fillers = rng.choice(pool, self._n_fillers(source, len(selected), len(pool), rng), replace=False)
            profile[fillers] = self.rate_fillers(fillers, source, rng)
            profile[selected] = self.selected_level(source)
            profile[target] = self.target_level(source)
        return made

    def select(self, source: Source, target: int) -> IntArray:
        """Return the selected items, the same for all fakes: none unless an attack says otherwise."""
        return np.empty(0, dtype=np.int64)

    def selected_level(self, source: Source) -> int:
        """Return the level of selected items: the highest unless an attack says otherwise."""
        return source.scale.n_ordered - 1

    def filler_pool(self, source: Source) -> IntArray:
        """Return the items that fillers are drawn from: all unless an attack says otherwise."""
        return np.arange(source.levels.shape[1])

    def rate_fillers(self, items: IntArray, source: Source, rng: np.random.Generator) -> AnyArray:
        """Return the levels of filler items, about everyone's mean unless an attack says otherwise."""
        mean, spread = overall(source)
        return about(np.full(len(items), mean), np.full(len(items), spread), source, rng)

    def _n_fillers(self, source: Source, n_selected: int, n_pool: int, rng: np.random.Generator) -> int:
        if self.filler_size is None:
            wanted = draw_length(source, rng) - n_selected - 1
        else:
            wanted = round(self.filler_size * source.levels.shape[1])
        return min(max(wanted, MINIMUM - 1), n_pool)


@dataclass(frozen=True)
class SelectingShilling(Shilling):
    """Fakes whose selected items are the first of an order.

    Parameters
    ----------
    intent, target, filler_size
        As in :class:`Shilling`.
    selected_size : float
        Selected items as a share of all items, in (0, 1]; at least one item is selected.
    """

    selected_size: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("selected_size", self.selected_size)

    def select(self, source: Source, target: int) -> IntArray:
        """Return the selected items: those that come first in the attack's order."""
        others = self.order(source, target)
        return first_share(others[others != target], self.selected_size, source, least=1)

    def order(self, source: Source, target: int) -> IntArray:
        """Return all items, the most wanted first: the most rated unless an attack says otherwise."""
        return by_popularity(source)


def by_popularity(source: Source) -> IntArray:
    """Return all items, the most rated first."""
    return np.argsort(-source.popularity, kind="stable")


def first_share(items: IntArray, share: float, source: Source, least: int) -> IntArray:
    """Return the first of some items: a share of all items, at least `least`."""
    return items[: max(round(share * source.levels.shape[1]), least)]


def overall(source: Source) -> tuple[float, float]:
    """Return mean and standard deviation of all ratings whose value is known, in [0, 1]; 0.5 and 0 without any."""
    n_ordered = source.scale.n_ordered
    weights, values = source.histogram[:n_ordered], source.scale.values[:n_ordered]
    if weights.sum() == 0:
        return 0.5, 0.0
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def about(means: FloatArray, spreads: FloatArray, source: Source, rng: np.random.Generator) -> AnyArray:
    """Return levels drawn from normal distributions, rounded.

    The literature knows numbers only. Where a scale has a level "seen, rating unknown", each rating takes it with the
    chance that it has among real ratings, for a log without it would give every fake away.
    """
    n_ordered = source.scale.n_ordered
    levels = source.nearest(np.clip(rng.normal(means, spreads), 0, 1))
    unknown = rng.random(len(levels)) < source.histogram[n_ordered:].sum()
    return np.where(unknown, n_ordered, levels)
