"""A course over real ratings: genuine users dealt into rounds, and fakes whose kinds change from round to round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_lab.attacks.base import MINIMUM, Attack, load_attack, make_fakes
from anomaly_lab.attacks.item_sets import pick
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.features.panel import Levels, panel
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.registry import ATTACKS
from anomaly_lab.types import IntArray

NEW_KINDS = 2
"""Attacks that each round adds unless the caller names them."""
NEW_SHARE = 0.5
"""Share of fakes, from the second round on, of kinds that no earlier round has."""
DONOR_SHARE = 0.25
"""Share of each round's users whom fakes are made from; they are in no round themselves."""
FEWEST_USERS = 20
"""Genuine users a round must be dealt, donors included."""
_MOST_KINDS = 127


@dataclass(frozen=True, eq=False)
class SimulatedCourse:
    """A course and what is known of it.

    Parameters
    ----------
    rounds : list of Round
        Oldest first, with labels and kinds, named ``round1``, ``round2``, … Items are called by their position among
        the items of the genuine ratings, users by whole numbers that run on from round to round.
    attacks : tuple of str
        The attack of each kind: kind 1 is the first; 0 is genuine.
    """

    rounds: list[Round]
    attacks: tuple[str, ...]

    def n_fakes(self, one: Round) -> dict[str, int]:
        """Return how many fakes of each attack a round has."""
        assert one.labels is not None
        assert one.labels.kinds is not None
        counts = np.bincount(one.labels.kinds, minlength=len(self.attacks) + 1)[1:]
        return {name: int(count) for name, count in zip(self.attacks, counts, strict=True) if count}


def simulate_course(
    genuine: RatingBatch,
    *,
    n_rounds: int = 4,
    difficulty: float = 0.25,
    fake_share: float = 0.2,
    attacks: Sequence[str] | None = None,
    seed: int = 0,
) -> SimulatedCourse:
    """Return a seeded course of labelled rounds over genuine ratings.

    Genuine users are dealt into rounds at random, each into one. A quarter of a round's users are donors: its fakes are
    made from them, and they are in no round. Each round adds attacks, so that the last round has some that no earlier
    one shows; from the second round on half of the fakes are of the new kinds. What only genuine users have is left
    out: times, all but the highest of several ratings of one item, and users who rated fewer than `MINIMUM` items.

    Parameters
    ----------
    genuine : RatingBatch
        Ratings of genuine users.
    n_rounds : int
        Number of rounds, at least 2.
    difficulty : float
        Camouflage, in [0, 1): the chance that a fake treats an item as a donor does, who rated it or did not, and not
        as its attack says (after Hooi et al., 2016). At 0 fakes are pure attacks; towards 1 they become genuine
        profiles, which nobody can find.
    fake_share : float
        Share of generated users in each round, in (0, 0.5].
    attacks : sequence of str, optional
        Registered attacks in the order in which rounds add them; by default two built-in ones a round, drawn at random.
    seed : int
        Seed of everything.

    Raises
    ------
    ConfigError
        If a setting lies outside its range, or there are fewer attacks than rounds or fewer fakes than new attacks.
    DataError
        If too few genuine users have enough ratings.
    """
    _check(n_rounds, difficulty, fake_share, seed)
    rng = np.random.default_rng([seed, 0])
    names = tuple(attacks) if attacks else _draw_attacks(n_rounds, rng)
    _check_attacks(names, n_rounds)
    everyone = people_of(genuine, FEWEST_USERS * n_rounds)
    fresh = np.array_split(np.arange(1, len(names) + 1), n_rounds)
    maker = _FakeMaker(names, [load_attack(name) for name in names], genuine.scale, difficulty)
    rounds: list[Round] = []
    first_id = 0
    for number, members in enumerate(np.array_split(rng.permutation(len(everyone)), n_rounds)):
        mine = np.random.default_rng([seed, number + 1])
        donors, people = np.split(members, [round(DONOR_SHARE * len(members))])
        kinds = _draw_kinds(round(fake_share / (1 - fake_share) * len(people)), fresh[: number + 1])
        fakes = maker.make(kinds, Source(everyone[donors], genuine.scale), mine)
        rounds.append(mixed_round(f"round{number + 1}", first_id, everyone[people], fakes, kinds, genuine.scale, mine))
        first_id += len(people) + len(kinds)
    return SimulatedCourse(rounds, names)


@dataclass(frozen=True, eq=False)
class _FakeMaker:
    names: tuple[str, ...]
    attacks: list[Attack]
    scale: RatingScale
    difficulty: float

    def make(self, kinds: IntArray, source: Source, rng: np.random.Generator) -> Levels:
        """Return a round's fakes in the order of their kinds, which ascend."""
        made = [
            make_fakes(self.names[kind - 1], self.attacks[kind - 1], source, int(count), rng=rng)
            for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True)
        ]
        return camouflage(np.concatenate(made), source, self.difficulty, rng)


def camouflage(fakes: Levels, source: Source, difficulty: float, rng: np.random.Generator) -> Levels:
    """Return fakes that treat each item as a genuine user does with chance `difficulty`, whether rated or not.

    A fake that would be left with too few ratings stays as it is.

    Parameters
    ----------
    fakes : ndarray of int8, shape (n_fakes, n_items)
        Profiles, -1 where there is no rating.
    source : Source
        The genuine users; each fake gets one of its own while there are enough.
    difficulty : float
        The chance, in [0, 1).
    rng : numpy.random.Generator
        The source of chance.
    """
    genuine = source.levels[pick(source, len(fakes), rng)]
    mixed = np.where(rng.random(fakes.shape) < difficulty, genuine, fakes)
    enough = (mixed >= 0).sum(axis=1, keepdims=True) >= MINIMUM
    hidden: Levels = np.where(enough, mixed, fakes)
    return hidden


def people_of(genuine: RatingBatch, fewest: int) -> Levels:
    """Return the genuine users with as many ratings as a fake has, as a table of levels.

    Raises
    ------
    DataError
        If there are fewer than `fewest`.
    """
    everyone = panel(genuine, np.arange(genuine.n_items))
    able: Levels = everyone[(everyone >= 0).sum(axis=1) >= MINIMUM]
    if len(able) < fewest:
        raise DataError(
            f"{genuine.source}: there must be at least {fewest} genuine users with {MINIMUM} or more ratings, "
            f"found {len(able)}; ask for fewer rounds"
        )
    return able


def _draw_attacks(n_rounds: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return attacks in random order: built-in ones, lest an installed package change a seeded course."""
    drawn = rng.permutation(sorted(ATTACKS.built_in))[: NEW_KINDS * n_rounds]
    return tuple(str(name) for name in drawn)


def _draw_kinds(n_fakes: int, fresh: list[IntArray]) -> IntArray:
    """Return the kind of each fake of a round, ascending; `fresh` holds the kinds that each round so far added."""
    new, old = fresh[-1], np.concatenate([np.empty(0, dtype=np.int64), *fresh[:-1]])
    if n_fakes < len(new):
        raise ConfigError(
            f"round {len(fresh)} must have a fake of each of its {len(new)} new attacks, found {n_fakes} fakes; "
            "give more users, a larger share of fakes or fewer attacks"
        )
    n_new = max(round(NEW_SHARE * n_fakes), len(new)) if len(old) else n_fakes
    return np.sort(np.concatenate([np.resize(new, n_new), np.resize(old, n_fakes - n_new)]))


def mixed_round(
    name: str,
    first_id: int,
    people: Levels,
    fakes: Levels,
    kinds: IntArray,
    scale: RatingScale,
    rng: np.random.Generator,
) -> Round:
    """Return a labelled round of genuine users and fakes under ids that tell nothing.

    Parameters
    ----------
    name : str
        The round's.
    first_id : int
        The lowest id; the others follow it.
    people, fakes : ndarray of int8, shape (n_users, n_items)
        Profiles, -1 where there is no rating.
    kinds : ndarray of shape (n_fakes,)
        The kind of each fake, from 1 on.
    scale : RatingScale
        What the levels mean.
    rng : numpy.random.Generator
        Deals the ids.
    """
    profiles = np.concatenate([people, fakes])
    ids = first_id + rng.permutation(len(profiles))
    users, items = np.nonzero(profiles >= 0)
    levels = np.asarray(scale.levels)[profiles[users, items]]
    batch = RatingBatch.from_rows(ids[users], items, levels, scale=scale, source=name)
    kinds = np.concatenate([np.zeros(len(people), dtype=np.int64), kinds])
    return Round(batch, Labels.for_batch(batch, ids, kinds > 0, kinds, source=name), name)


def _check(n_rounds: int, difficulty: float, fake_share: float, seed: int) -> None:
    if n_rounds < 2:
        raise ConfigError(f"a course must have at least 2 rounds, the last one unlabelled, found {n_rounds}")
    if not 0 <= difficulty < 1:
        raise ConfigError(f"difficulty must lie in [0, 1), found {difficulty}")
    if not 0 < fake_share <= 0.5:
        raise ConfigError(f"the share of fakes must lie in (0, 0.5], found {fake_share}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, found {seed}")


def _check_attacks(names: Sequence[str], n_rounds: int) -> None:
    for name in names:
        ATTACKS.get(name)
    if len(set(names)) < len(names):
        raise ConfigError(f"each attack must be named once, found {', '.join(names)}")
    if not n_rounds <= len(names) <= _MOST_KINDS:
        raise ConfigError(
            f"{n_rounds} rounds must have {n_rounds} to {_MOST_KINDS} attacks, at least one new one each, "
            f"found {len(names)}"
        )
