"""The shilling literature's attacks under their own names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.attacks.base import MINIMUM, check_share
from anomaly_lab.attacks.source import Source
from anomaly_lab.attacks.targeted import (
    SelectingShilling,
    Shilling,
    Targeted,
    about,
    by_popularity,
    first_share,
    overall,
)
from anomaly_lab.features.panel import Levels
from anomaly_lab.types import AnyArray, IntArray


@dataclass(frozen=True)
class RandomAttack(Shilling):
    """Random fillers rated about everyone's mean (Lam and Riedl, 2004)."""


@dataclass(frozen=True)
class AverageAttack(Shilling):
    """Random fillers, each rated about its own mean (Lam and Riedl, 2004)."""

    def rate_fillers(self, items: IntArray, source: Source, rng: np.random.Generator) -> AnyArray:
        """Return levels about the mean of each item."""
        return about(source.item_means[items], source.item_spreads[items], source, rng)


@dataclass(frozen=True)
class Bandwagon(SelectingShilling):
    """The most rated items at the highest level, random fillers (Burke, Mobasher and Bhaumik, 2005)."""


@dataclass(frozen=True)
class ReverseBandwagon(SelectingShilling):
    """Widely disliked items at the lowest level, random fillers; made for nuking (Mobasher et al., 2007)."""

    intent: str = "nuke"

    def order(self, source: Source, target: int) -> IntArray:
        """Return all items: the more rated half first, the least liked of it at the head."""
        widely, others = np.array_split(by_popularity(source), 2)
        return np.concatenate([widely[np.argsort(source.item_means[widely], kind="stable")], others])

    def selected_level(self, source: Source) -> int:
        """Return the lowest level."""
        return 0


@dataclass(frozen=True)
class Segment(SelectingShilling):
    """The target's neighbours at the highest level, fillers at the lowest (Burke, Mobasher and others, 2005).

    The literature takes the segment from genres; a log without them has the items most often rated by the same users,
    by the cosine of who rated them.
    """

    def order(self, source: Source, target: int) -> IntArray:
        """Return all items, the nearest to the target first."""
        rated = source.levels >= 0
        together = rated[rated[:, target]].sum(axis=0)
        cosine = together / np.sqrt(np.maximum(rated.sum(axis=0), 1))
        return np.lexsort((-source.popularity, -cosine))

    def rate_fillers(self, items: IntArray, source: Source, rng: np.random.Generator) -> AnyArray:
        """Return the lowest level."""
        return np.zeros(len(items), dtype=np.int8)


@dataclass(frozen=True)
class LoveHate(Shilling):
    """Random fillers at one end of the scale, the target at the other; made for nuking (Mobasher et al., 2007)."""

    intent: str = "nuke"

    def rate_fillers(self, items: IntArray, source: Source, rng: np.random.Generator) -> AnyArray:
        """Return the end of the scale that the target does not get."""
        return np.full(len(items), source.scale.n_ordered - 1 - self.target_level(source))


@dataclass(frozen=True)
class Popular(Shilling):
    """Popular fillers, one of two adjacent levels by whether people like them (O'Mahony, Hurley and Silvestre, 2005).

    Fillers above the mean of all items get the level next to the worst when pushing (the best when nuking), the others
    the worst (the level next to the best): they follow people's likes and stay far from the target's level.

    Parameters
    ----------
    intent, target, filler_size
        As in :class:`~anomaly_lab.attacks.targeted.Shilling`.
    popular_share : float
        How large a share of all items counts as popular, in (0, 1].
    """

    popular_share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("popular_share", self.popular_share)

    def filler_pool(self, source: Source) -> IntArray:
        """Return the most rated items."""
        return first_share(by_popularity(source), self.popular_share, source, MINIMUM)

    def rate_fillers(self, items: IntArray, source: Source, rng: np.random.Generator) -> AnyArray:
        """Return the two levels farthest from the target's."""
        liked = (source.item_means[items] > overall(source)[0]).astype(np.int8)
        return liked if self.intent == "push" else liked + source.scale.n_ordered - 2


@dataclass(frozen=True)
class AverageOverPopular(Popular):
    """Popular fillers, each rated about its own mean: AoP, hard to detect (Hurley, Cheng and Zhang, 2009)."""

    def rate_fillers(self, items: IntArray, source: Source, rng: np.random.Generator) -> AnyArray:
        """Return levels about the mean of each item."""
        return about(source.item_means[items], source.item_spreads[items], source, rng)


@dataclass(frozen=True)
class PowerUser(Targeted):
    """Copies of the most active real users, the target added (Wilson and Seminario, 2013, by number of ratings).

    Parameters
    ----------
    intent, target
        As in :class:`~anomaly_lab.attacks.targeted.Targeted`.
    power_share : float
        How large a share of users counts as powerful, in (0, 1].
    """

    power_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("power_share", self.power_share)

    def generate(self, source: Source, n_users: int, *, rng: np.random.Generator) -> Levels:
        """Return fakes, int8 of shape (n_users, n_items)."""
        able = np.argsort(-source.lengths, kind="stable")[: int((source.lengths >= MINIMUM).sum())]
        powerful = able[: max(round(self.power_share * len(source.levels)), 1)]
        made: Levels = source.levels[rng.choice(powerful, n_users, replace=n_users > len(powerful))]
        made[:, self.choose_target(source, rng)] = self.target_level(source)
        return made
