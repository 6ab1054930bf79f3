"""Genuine raters: latent tastes decide what people see and how they like it, so ratings are not missing at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomaly_lab.types import AnyArray, BoolArray, FloatArray, IntArray

N_GENRES = 12
N_FACTORS = 6
NOT_RATED = -1


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items of a course, the same in every round.

    Parameters
    ----------
    genre : ndarray of shape (n_items,), int64
        The genre of each item, 0 to 11.
    factors : ndarray of shape (n_items, n_factors)
        What each item offers, unit variance; items of one genre lie close together.
    quality : ndarray of shape (n_items,)
        How much better than average an item is liked, in standard deviations.
    appeal : ndarray of shape (n_items,)
        Log of the weight with which an item is chosen; grows with its quality.
    """

    genre: IntArray
    factors: FloatArray
    quality: FloatArray
    appeal: FloatArray

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.genre)


@dataclass(frozen=True, eq=False)
class Raters:
    """People: what they look for, how much they rate, how they use the scale.

    Parameters
    ----------
    taste : ndarray of shape (n_raters, n_factors)
        What each rater looks for.
    activity : ndarray of shape (n_raters,), int64
        Number of items each rater rates.
    leniency : ndarray of shape (n_raters,)
        How many stars a rater gives above the average rater.
    spread : ndarray of shape (n_raters,)
        How far a rater's stars lie apart; 1 for a typical rater.
    consensus : ndarray of shape (n_raters,)
        How much the quality that others see counts for a rater; 1 for a typical rater.
    """

    taste: FloatArray
    activity: IntArray
    leniency: FloatArray
    spread: FloatArray
    consensus: FloatArray

    def take(self, which: IntArray) -> Raters:
        """Return the raters at some positions."""
        return Raters(**{name: values[which] for name, values in vars(self).items()})

    def between(self, a: IntArray, b: IntArray, t: FloatArray) -> Raters:
        """Return raters a share `t` of the way from the raters at positions `a` to those at `b`."""

        def mix(values: AnyArray) -> AnyArray:
            share = t.reshape(-1, *[1] * (values.ndim - 1))
            return (1 - share) * values[a] + share * values[b]

        mixed = {name: mix(values) for name, values in vars(self).items()}
        return Raters(**mixed | {"activity": np.rint(mixed["activity"]).astype(np.int64)})


def draw_catalogue(n_items: int, rng: np.random.Generator) -> Catalogue:
    """Return a catalogue with genres of unequal size and long-tailed appeal."""
    genre = rng.choice(N_GENRES, size=n_items, p=rng.dirichlet(np.full(N_GENRES, 4.0)))
    centres = rng.normal(size=(N_GENRES, N_FACTORS))
    factors = 0.7 * centres[genre] + 0.7 * rng.normal(size=(n_items, N_FACTORS))
    factors /= np.sqrt(np.mean(factors**2))
    quality = rng.normal(size=n_items)
    appeal = quality + 1.6 * rng.normal(size=n_items)
    return Catalogue(genre, factors, quality, appeal)


def draw_raters(n_raters: int, n_items: int, rng: np.random.Generator, *, drift: float = 0.0) -> Raters:
    """Return raters of long-tailed activity.

    Parameters
    ----------
    n_raters, n_items : int
        How many people, and how many items there are to rate.
    rng : numpy.random.Generator
        The source of chance.
    drift : float
        Stars by which everyone is more lenient than in another round.
    """
    zeal = rng.normal(size=n_raters)
    share = 1 / (1 + np.exp(1.94 - 1.1 * zeal + 0.1 * zeal**2))
    return Raters(
        taste=rng.normal(size=(n_raters, N_FACTORS)),
        activity=np.clip(np.rint(n_items * share), 3, 0.8 * n_items).astype(np.int64),
        leniency=drift - 0.05 * zeal + 0.43 * rng.normal(size=n_raters),
        spread=np.exp(0.32 * rng.normal(size=n_raters)),
        consensus=np.exp(0.55 * rng.normal(size=n_raters)),
    )


def match_tastes(taste: FloatArray, catalogue: Catalogue) -> FloatArray:
    """Return how well each item meets each taste, about unit variance, shape (n_raters, n_items)."""
    match: FloatArray = taste @ catalogue.factors.T / np.sqrt(N_FACTORS)
    return match


def choose_items(log_weights: FloatArray, counts: IntArray, rng: np.random.Generator) -> BoolArray:
    """Return which items each rater rates: a weighted draw without replacement by Gumbel top-k (Kool et al., 2019).

    Parameters
    ----------
    log_weights : ndarray of shape (n_raters, n_items)
        Log of the weight of each item.
    counts : ndarray of shape (n_raters,)
        How many items each rater rates.
    rng : numpy.random.Generator
        The source of chance.
    """
    keys = log_weights + rng.gumbel(size=log_weights.shape)
    rank = np.argsort(np.argsort(-keys, axis=1), axis=1)
    chosen: BoolArray = rank < counts[:, None]
    return chosen


def see(raters: Raters, match: FloatArray, catalogue: Catalogue, rng: np.random.Generator) -> BoolArray:
    """Return which items each rater has seen: popular ones, and those that meet the rater's taste."""
    return choose_items(catalogue.appeal + 2.0 * match, raters.activity, rng)


def judge(raters: Raters, match: FloatArray, catalogue: Catalogue, rng: np.random.Generator) -> FloatArray:
    """Return what each rater thinks of each item, in stars before rounding, shape (n_raters, n_items)."""
    felt = 0.45 * raters.consensus[:, None] * catalogue.quality + 0.42 * match + 0.8 * rng.normal(size=match.shape)
    return 2.97 + raters.leniency[:, None] + raters.spread[:, None] * felt


def draw_profiles(raters: Raters, catalogue: Catalogue, cuts: FloatArray, rng: np.random.Generator) -> AnyArray:
    """Return the ratings of genuine raters as positions of levels, -1 where not rated, shape (n_raters, n_items), int8.

    Parameters
    ----------
    raters : Raters
        Who rates.
    catalogue : Catalogue
        What there is to rate.
    cuts : ndarray of shape (n_levels - 1,)
        Where one level ends and the next begins, in stars.
    rng : numpy.random.Generator
        The source of chance.
    """
    match = match_tastes(raters.taste, catalogue)
    seen = see(raters, match, catalogue, rng)
    stars = judge(raters, match, catalogue, rng)
    return np.where(seen, np.digitize(stars, cuts), NOT_RATED).astype(np.int8)
