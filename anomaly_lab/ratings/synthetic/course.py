"""The course: rounds of genuine and generated raters, each with kinds of generated raters that no earlier one has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.scale import LIKES, STARS, RatingScale
from anomaly_lab.ratings.synthetic.fakes import IMITATIONS, SLIPS, Scene
from anomaly_lab.ratings.synthetic.population import (
    NOT_RATED,
    Catalogue,
    draw_catalogue,
    draw_profiles,
    draw_raters,
)
from anomaly_lab.types import AnyArray, FloatArray, IntArray

MAKERS = {maker.__name__: maker for pair in zip(SLIPS, IMITATIONS, strict=True) for maker in pair}
KINDS = dict(enumerate(MAKERS, start=1))
"""Name of each kind of generated rater; 0 is genuine."""

N_DONORS = 600
_CUTS = {STARS: (0.7, 1.6, 2.5, 3.5, 4.65), LIKES: (2.5, 3.5)}


@dataclass(frozen=True)
class Difficulty:
    """How hard a course is; the defaults make simple detectors score what they score on the rounds of a real course.

    Parameters
    ----------
    slips : float
        Share of fakes whose way of rating is no person's, in [0, 1]; the rest imitate people. More of them raises every
        in-round figure.
    novelty : float
        Share of a round's fakes, from the second round on, of kinds that no earlier round has, in [0, 1]. More of them
        lowers what a detector trained on one round scores on the next.
    effort : float
        How many items a fake rates compared with a person, in (0, 1].
    drift : float
        Standard deviation of people's leniency between rounds, in stars.
    """

    slips: float = 0.65
    novelty: float = 0.8
    effort: float = 0.75
    drift: float = 0.05

    def __post_init__(self) -> None:
        for name in ("slips", "novelty"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], found {getattr(self, name)}")
        if not 0 < self.effort <= 1:
            raise ConfigError(f"effort must lie in (0, 1], found {self.effort}")
        if self.drift < 0:
            raise ConfigError(f"drift must be 0 or more, found {self.drift}")


def make_course(
    *,
    seed: int = 0,
    n_rounds: int = 4,
    n_users: int = 1100,
    n_items: int = 1000,
    scale: RatingScale = LIKES,
    fake_share: float = 0.10,
    difficulty: Difficulty | None = None,
) -> list[Round]:
    """Return a seeded course of labelled rounds.

    Every round has users of its own on one catalogue of items. Each adds one kind of slip and one of imitation, so the
    last round's new kinds are in no other.

    Parameters
    ----------
    seed : int
        Seed of everything; the same seed gives the same course, and a longer course begins with a shorter one's rounds.
    n_rounds : int
        Number of rounds, 1 to 4.
    n_users : int
        Users a round, at least 50; their ids run on from round to round.
    n_items : int
        Items of the catalogue, at least 50. Those that nobody rated in a round are not in that round's batch.
    scale : RatingScale
        ``likes`` (-1, 0, 1) or ``stars`` (0 to 5). Both show the same people and much the same fakes.
    fake_share : float
        Share of generated users, in (0, 0.5].
    difficulty : Difficulty, optional
        How hard the course is; by default as hard as a real one.

    Returns
    -------
    rounds : list of Round
        Oldest first, with labels and kinds (see `KINDS`), named ``round1``, ``round2``, …

    Raises
    ------
    ConfigError
        If a setting lies outside its range.
    """
    _check(n_rounds, n_users, n_items, scale, fake_share)
    difficulty = difficulty or Difficulty()
    cuts = np.asarray(_CUTS[scale])
    catalogue = draw_catalogue(n_items, np.random.default_rng([seed, 0]))
    rounds = []
    for number in range(n_rounds):
        rng = np.random.default_rng([seed, number + 1])
        kinds = _draw_kinds(number, n_users, fake_share, difficulty, rng)
        profiles = _draw_round(kinds, catalogue, cuts, difficulty, rng)
        rounds.append(_round(f"round{number + 1}", number * n_users, profiles, kinds, scale))
    return rounds


def _check(n_rounds: int, n_users: int, n_items: int, scale: RatingScale, fake_share: float) -> None:
    if not 1 <= n_rounds <= len(SLIPS):
        raise ConfigError(f"a course must have 1 to {len(SLIPS)} rounds, found {n_rounds}")
    if n_users < 50 or n_items < 50:
        raise ConfigError(f"a round must have at least 50 users and 50 items, found {n_users} and {n_items}")
    if scale not in _CUTS:
        raise ConfigError(f"the scale of a course must be likes or stars, found {scale.name}")
    if not 0 < fake_share <= 0.5 or round(fake_share * n_users) < 1:
        raise ConfigError(f"fake_share must lie in (0, 0.5] and make at least one fake user, found {fake_share}")


def _draw_kinds(
    number: int, n_users: int, fake_share: float, difficulty: Difficulty, rng: np.random.Generator
) -> IntArray:
    """Return each user's kind in random order, shares of kinds met as exactly as whole numbers allow."""
    n_fakes = round(fake_share * n_users)
    shares = np.zeros(len(MAKERS))
    for first, weight in ((0, difficulty.slips), (1, 1 - difficulty.slips)):
        mine = np.arange(first, 2 * number + 2, 2)
        shares[mine[-1]] = weight * difficulty.novelty if number else weight
        shares[mine[:-1]] = weight * (1 - difficulty.novelty) / max(number, 1)
    bounds = np.rint(n_fakes * np.cumsum(shares)).astype(np.int64)
    kinds = np.zeros(n_users, dtype=np.int64)
    kinds[:n_fakes] = 1 + np.searchsorted(bounds, np.arange(n_fakes), side="right")
    return rng.permutation(kinds)


def _draw_round(
    kinds: IntArray, catalogue: Catalogue, cuts: FloatArray, difficulty: Difficulty, rng: np.random.Generator
) -> AnyArray:
    """Return the ratings of a round's users, -1 where not rated, shape (n_users, n_items)."""
    drift = difficulty.drift * rng.normal()
    people = draw_raters(len(kinds), catalogue.n_items, rng, drift=drift)
    profiles = draw_profiles(people, catalogue, cuts, rng)
    donors = draw_raters(N_DONORS, catalogue.n_items, rng, drift=drift)
    scene = Scene(catalogue, donors, draw_profiles(donors, catalogue, cuts, rng), cuts, difficulty.effort)
    for kind in np.unique(kinds[kinds > 0]):
        mine = np.flatnonzero(kinds == kind)
        profiles[mine] = MAKERS[KINDS[kind]](scene, len(mine), rng)
    # A user without a rating would be a label without a user: it gets one item that it liked.
    silent = np.flatnonzero((profiles == NOT_RATED).all(axis=1))
    profiles[silent, rng.integers(catalogue.n_items, size=len(silent))] = len(cuts)
    return profiles


def _round(name: str, first_id: int, profiles: AnyArray, kinds: IntArray, scale: RatingScale) -> Round:
    users, items = np.nonzero(profiles != NOT_RATED)
    levels = np.asarray(scale.levels)[profiles[users, items]]
    batch = RatingBatch.from_rows(first_id + users, items, levels, scale=scale, source=name)
    labels = Labels.for_batch(batch, first_id + np.arange(len(kinds)), kinds > 0, kinds, source=name)
    return Round(batch, labels, name)
