"""Attacks that dress up real users: an item set taken from them, and a way of making up the ratings on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anomaly_lab.attacks.item_sets import ITEM_SETS, hybrid
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError
from anomaly_lab.features.panel import Levels


@dataclass(frozen=True)
class Hybrid:
    """Half of one real user and half of another, ratings kept: only what occurs together betrays it."""

    def generate(self, source: Source, n_users: int, *, rng: np.random.Generator) -> Levels:
        """Return fakes, int8 of shape (n_users, n_items)."""
        return np.stack([hybrid(source, rng) for _ in range(n_users)])


@dataclass(frozen=True)
class RatingKindAttack:
    """An item set with ratings of one kind put on it.

    Parameters
    ----------
    items : str
        Where the items come from: ``copy`` (one real user), ``hybrid`` (two) or ``popularity`` (a draw).

    Raises
    ------
    ConfigError
        If there is no such item set.
    """

    kind: ClassVar[str]
    items: str = "copy"

    def __post_init__(self) -> None:
        if self.items not in ITEM_SETS:
            raise ConfigError(f"items must be one of {', '.join(ITEM_SETS)}, found '{self.items}'")

    def generate(self, source: Source, n_users: int, *, rng: np.random.Generator) -> Levels:
        """Return fakes, int8 of shape (n_users, n_items)."""
        rate, items = RATING_KINDS[self.kind], ITEM_SETS[self.items]
        return np.stack([rate(items(source, rng), source, rng) for _ in range(n_users)])


@dataclass(frozen=True)
class Uniform(RatingKindAttack):
    """A real user's items, each rating drawn uniformly from a run of adjacent levels."""

    kind: ClassVar[str] = "uniform"


@dataclass(frozen=True)
class Constant(RatingKindAttack):
    """A real user's items, all at one level."""

    kind: ClassVar[str] = "constant"


@dataclass(frozen=True)
class Gaussian(RatingKindAttack):
    """A real user's items, ratings from one rounded normal distribution (after Lam and Riedl, 2004)."""

    kind: ClassVar[str] = "gaussian"


@dataclass(frozen=True)
class Dirichlet(RatingKindAttack):
    """A real user's items, ratings drawn from a random marginal or everyone's."""

    kind: ClassVar[str] = "dirichlet"


@dataclass(frozen=True)
class TwoLevel(RatingKindAttack):
    """A real user's items, ratings drawn from two levels."""

    kind: ClassVar[str] = "two-level"


@dataclass(frozen=True)
class Shuffled(RatingKindAttack):
    """A real user whose ratings are permuted over the items."""

    kind: ClassVar[str] = "shuffled"


@dataclass(frozen=True)
class ItemAverage(RatingKindAttack):
    """A real user's items, each about its mean (after the average attack of Lam and Riedl, 2004)."""

    kind: ClassVar[str] = "item-average"


@dataclass(frozen=True)
class Inverted(RatingKindAttack):
    """A real user whose ratings are turned round about their mean."""

    kind: ClassVar[str] = "inverted"


@dataclass(frozen=True)
class Perturbed(RatingKindAttack):
    """A real user with a part of the ratings redrawn from everyone's histogram."""

    kind: ClassVar[str] = "perturbed"
