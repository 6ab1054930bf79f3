"""Sized attacks: any attack at given filler sizes, the share of all items that each fake rates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from anomaly_lab.attacks.base import MINIMUM, Attack, check_share, make_fakes
from anomaly_lab.attacks.source import Source
from anomaly_lab.features.panel import NOT_RATED, Levels
from anomaly_lab.types import FloatArray, IntArray

OVERSUPPLY = 8
"""Fakes made for each one wanted: enough to tell fillers from what every fake rates, and for some to be long."""


def sized_fakes(
    name: str, attack: Attack, source: Source, filler_sizes: FloatArray, *, rng: np.random.Generator
) -> Levels:
    """Return an attack's fakes, each with so many filler items as near as the attack allows.

    More fakes are made than are wanted, as long as the longest: by the attack's setting ``filler_size``, or, of an
    attack that has none, by taking those that are long enough, then the longest, but none a second time before each
    has been taken once. Then fillers are dropped at random. Items that every fake rates are the attack's own, not
    fillers, and stay. Fakes that copy real users are never longer than these.

    Parameters
    ----------
    name : str
        The attack's name, for messages.
    attack : Attack
        The attack.
    source : Source
        The real users an attacker knows.
    filler_sizes : ndarray of shape (n_fakes,)
        Filler items of each fake as a share of all items, in (0, 1].
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    ndarray of int8, shape (n_fakes, n_items)
        Profiles, the longest first.

    Raises
    ------
    ConfigError
        If a filler size lies outside its range.
    DataError, ContractError
        As :func:`~anomaly_lab.attacks.base.make_fakes`.
    """
    for size in filler_sizes:
        check_share("filler_size", float(size))
    n_fakes, largest = len(filler_sizes), float(filler_sizes.max())
    made = make_fakes(name, _as_long_as(attack, largest), source, OVERSUPPLY * n_fakes, rng=rng)
    fillers = (made >= 0) & ~(made >= 0).all(axis=0)
    wanted = np.maximum(np.round(np.sort(filler_sizes)[::-1] * made.shape[1]).astype(int), MINIMUM)
    lengths = np.minimum(fillers.sum(axis=1), wanted[0])
    chosen = np.lexsort((-lengths, _occurrence(made)))[:n_fakes]
    chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
    for number, most in zip(chosen, wanted, strict=True):
        mine = np.flatnonzero(fillers[number])
        made[number, rng.permutation(mine)[most:]] = NOT_RATED
    taken: Levels = made[chosen]
    return taken


def _as_long_as(attack: Attack, filler_size: float) -> Attack:
    """Return an attack at a filler size if it has such a setting, as it is if not."""
    settings: Any = attack
    sized: Attack = replace(settings, filler_size=filler_size) if hasattr(settings, "filler_size") else attack
    return sized


def _occurrence(profiles: Levels) -> IntArray:
    """Return how many of the same profiles come before each one."""
    same = np.unique(profiles, axis=0, return_inverse=True)[1]
    return np.asarray(pd.Series(same).groupby(same).cumcount(), dtype=np.int64)
