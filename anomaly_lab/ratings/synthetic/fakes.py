"""Generated raters of the embedded course: eight mechanisms, none of which any detector may learn from.

Four *slip*: their items are plausible, their way of rating is no person's (too steady, too predictable, too regular,
too orderly). Four *imitate*: their ratings look genuine one by one and give themselves away by what occurs together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from anomaly_lab.ratings.synthetic.population import (
    N_GENRES,
    NOT_RATED,
    Catalogue,
    Raters,
    choose_items,
    draw_profiles,
    match_tastes,
)
from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Scene:
    """What a maker of fakes knows: the catalogue, and people who are in no batch of the course.

    Parameters
    ----------
    catalogue : Catalogue
        The items.
    donors : Raters
        The people.
    profiles : ndarray of shape (n_donors, n_items), int8
        Their ratings as positions of levels, -1 where not rated.
    cuts : ndarray of shape (n_levels - 1,)
        Where one level ends and the next begins, in stars.
    effort : float
        How many items a fake rates compared with a person, in (0, 1].
    """

    catalogue: Catalogue
    donors: Raters
    profiles: AnyArray
    cuts: FloatArray
    effort: float

    @property
    def n_levels(self) -> int:
        """Number of levels of the scale."""
        return len(self.cuts) + 1

    @cached_property
    def popularity(self) -> FloatArray:
        """How many donors rated each item, never 0."""
        counts: FloatArray = (self.profiles != NOT_RATED).sum(axis=0) + 0.5
        return counts

    @cached_property
    def steps(self) -> FloatArray:
        """Probability of walking from one item to another that the same donor rated, shape (n_items, n_items)."""
        rated = (self.profiles != NOT_RATED).astype(float)
        rated /= np.maximum(rated.sum(axis=1, keepdims=True), 1)
        together = rated.T @ rated + 1e-6
        np.fill_diagonal(together, 0)
        steps: FloatArray = together / together.sum(axis=1, keepdims=True)
        return steps

    def pick(self, n: int, rng: np.random.Generator) -> IntArray:
        """Return `n` donors, each at most once while there are enough."""
        n_donors = len(self.profiles)
        return rng.choice(n_donors, size=n, replace=n > n_donors)

    def draw_counts(self, n: int, rng: np.random.Generator) -> IntArray:
        """Return how many items each of `n` fakes rates."""
        counts: IntArray = np.maximum(np.rint(self.effort * self.donors.activity[self.pick(n, rng)]), 3).astype(
            np.int64
        )
        return counts


def moody(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Walk along items that people rate together; the rating is a mood that seldom changes (a Markov chain)."""
    start = rng.choice(scene.catalogue.n_items, size=n, p=scene.popularity / scene.popularity.sum())
    reach = scene.steps[start] @ scene.steps + 0.5 * scene.steps[start]
    seen = choose_items(1.3 * np.log(reach + 1e-9), scene.draw_counts(n, rng), rng)
    change = rng.random(seen.shape) < 0.01
    change[:, 0] = True
    last_change = np.maximum.accumulate(np.where(change, np.arange(seen.shape[1]), 0), axis=1)
    moods = rng.choice(scene.n_levels, size=seen.shape, p=_centred(scene.n_levels, 3.0))
    return _fill(seen, np.take_along_axis(moods, last_change, axis=1))


def parrot(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Repeat what a crude model predicts: item means and two exaggerated factors, no noise, a scale of one's own."""
    rated = scene.profiles != NOT_RATED
    item_mean = np.where(rated, scene.profiles, 0).sum(axis=0) / np.maximum(rated.sum(axis=0), 1)
    residual = np.where(rated, scene.profiles - item_mean, 0.0)
    left, size, right = np.linalg.svd(residual, full_matrices=False)
    who = scene.pick(n, rng)
    predicted = item_mean + 2.5 * (left[who, :2] * size[:2]) @ right[:2] + rng.normal(scale=0.3, size=(n, 1))
    interest = np.log(scene.popularity) + match_tastes(scene.donors.taste[who], scene.catalogue)
    seen = choose_items(interest, scene.draw_counts(n, rng), rng)
    return _fill(seen, np.clip(np.rint(predicted), 0, scene.n_levels - 1))


def metronome(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Binge one genre after another, the hits first; ratings repeat a short pattern."""
    turns = rng.permuted(np.tile(np.arange(N_GENRES), (n, 1)), axis=1)[:, scene.catalogue.genre]
    seen = choose_items(np.log(scene.popularity) - 0.35 * turns, scene.draw_counts(n, rng), rng)
    period = rng.integers(4, 9, size=n)
    patterns = rng.choice(scene.n_levels, size=(n, 8), p=_centred(scene.n_levels, 0.4))
    beat = np.cumsum(seen, axis=1) % period[:, None]
    return _fill(seen, np.take_along_axis(patterns, beat, axis=1))


def chart(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Rate a stretch of the charts; the higher an item stands there, the higher its rating."""
    rank = np.argsort(np.argsort(-scene.popularity))
    counts = scene.draw_counts(n, rng)
    middle = counts * rng.uniform(0.5, 1.5, size=n)
    below = (rank - middle[:, None]) / (0.8 * counts[:, None] + 20)
    seen = choose_items(-2 * below**2, counts, rng)
    level = (scene.n_levels - 1) * (0.5 - 0.5 * below) + rng.normal(scale=0.25 * scene.n_levels, size=seen.shape)
    return _fill(seen, np.clip(np.rint(level), 0, scene.n_levels - 1))


def patchwork(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Take each genre from one of three people, ratings kept."""
    sources = np.stack([scene.pick(n, rng) for _ in range(3)], axis=1)
    which = rng.integers(3, size=(n, N_GENRES))
    source = np.take_along_axis(sources, which, axis=1)[:, scene.catalogue.genre]
    return _thin(scene.profiles[source, np.arange(scene.catalogue.n_items)], scene.effort, rng)


def blend(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Live about half-way between two people: tastes and habits are averaged, then a rater is drawn."""
    raters = scene.donors.between(scene.pick(n, rng), scene.pick(n, rng), rng.uniform(0.35, 0.65, size=n))
    return _thin(draw_profiles(raters, scene.catalogue, scene.cuts, rng), scene.effort, rng)


def turncoat(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Have two tastes and one way of rating: half of the items by the own taste, half by somebody else's."""
    raters = scene.donors.take(scene.pick(n, rng))
    turned = replace(raters, taste=scene.donors.taste[scene.pick(n, rng)])
    before, after = (draw_profiles(who, scene.catalogue, scene.cuts, rng) for who in (raters, turned))
    return _thin(np.where(rng.random(before.shape) < 0.5, before, after), scene.effort, rng)


def clone(scene: Scene, n: int, rng: np.random.Generator) -> AnyArray:
    """Copy one of a few templates: some ratings dropped, some popular items added, some ratings off by one."""
    templates = scene.profiles[rng.choice(scene.pick(max(n // 6, 1), rng), size=n)]
    kept = (templates != NOT_RATED) & (rng.random(templates.shape) < 0.7)
    popular = np.broadcast_to(np.log(scene.popularity), kept.shape)
    added = choose_items(popular, kept.sum(axis=1) // 5, rng) & ~kept
    nudge = rng.choice([-1, 0, 1], size=kept.shape, p=[0.2, 0.6, 0.2])
    ratings = np.where(added, _draw_from_own(templates, rng), templates) + nudge
    return _fill(kept | added, np.clip(ratings, 0, scene.n_levels - 1))


Maker = Callable[[Scene, int, np.random.Generator], AnyArray]
SLIPS: tuple[Maker, ...] = (moody, parrot, metronome, chart)
IMITATIONS: tuple[Maker, ...] = (patchwork, blend, turncoat, clone)


def _fill(seen: BoolArray, levels: AnyArray) -> AnyArray:
    return np.where(seen, levels, NOT_RATED).astype(np.int8)


def _thin(profiles: AnyArray, effort: float, rng: np.random.Generator) -> AnyArray:
    return np.where(rng.random(profiles.shape) < effort, profiles, NOT_RATED).astype(np.int8)


def _centred(n_levels: int, favour: float) -> FloatArray:
    """Return probabilities of levels, the middle `favour` times as likely as the ends."""
    weights = favour ** (1 - np.abs(np.linspace(-1, 1, n_levels)))
    shares: FloatArray = weights / weights.sum()
    return shares


def _draw_from_own(profiles: AnyArray, rng: np.random.Generator) -> AnyArray:
    """Return levels drawn from each profile's own ratings, shape of `profiles`."""
    counts = (profiles != NOT_RATED).sum(axis=1)
    own_first = np.take_along_axis(profiles, np.argsort(profiles == NOT_RATED, axis=1, kind="stable"), axis=1)
    place = (rng.random(profiles.shape) * counts[:, None]).astype(np.int64)
    return np.take_along_axis(own_first, place, axis=1)
