"""Attacks: what each one is, and the call that holds it to its word."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError, ContractError, DataError
from anomaly_lab.features.panel import NOT_RATED, Levels
from anomaly_lab.registry import ATTACKS

MINIMUM = 3
"""Ratings a fake must have."""


class Attack(Protocol):
    """A way of making fakes: a dataclass of settings, each with a default, and one method."""

    def generate(self, source: Source, n_users: int, *, rng: np.random.Generator) -> Levels:
        """Return the profiles of fakes.

        Parameters
        ----------
        source : Source
            The real users an attacker knows.
        n_users : int
            Number of fakes, the attack size.
        rng : numpy.random.Generator
            The only source of chance.

        Returns
        -------
        levels : ndarray of int8, shape (n_users, n_items)
            Position of each rating among the scale's levels, -1 where there is none; at least `MINIMUM` ratings a row.
        """
        ...


def load_attack(name: str) -> Attack:
    """Return a registered attack at its defaults.

    Raises
    ------
    ConfigError
        If there is none of that name.
    PluginError
        If it cannot be imported.
    ContractError
        If it has a setting without a default or no method ``generate``.
    """
    try:
        attack: Attack = ATTACKS.load(name)()
    except TypeError as error:
        raise ContractError(f"attack '{name}' must be a class whose every setting has a default: {error}") from error
    if not callable(getattr(attack, "generate", None)):
        raise ContractError(f"attack '{name}' must have a method generate(source, n_users, *, rng), found none")
    return attack


def make_fakes(name: str, attack: Attack, source: Source, n_users: int, *, rng: np.random.Generator) -> Levels:
    """Return an attack's fakes after checking that they are what it owes.

    Parameters
    ----------
    name : str
        The attack's name, for messages.
    attack : Attack
        The attack.
    source, n_users, rng
        As in :meth:`Attack.generate`.

    Raises
    ------
    DataError
        If no real user has `MINIMUM` ratings.
    ContractError
        If the table has another shape or type, a level is not of the scale, or a fake has fewer than `MINIMUM` ratings.
    """
    check_source(source)
    made = attack.generate(source, n_users, rng=rng)
    wanted = (n_users, source.levels.shape[1])
    found = f"{getattr(made, 'dtype', type(made).__name__)} of shape {np.shape(made)}"
    if not isinstance(made, np.ndarray) or made.shape != wanted or made.dtype != np.int8:
        raise ContractError(f"attack '{name}' must return int8 of shape {wanted}, found {found}")
    if made.min(initial=0) < NOT_RATED or made.max(initial=0) >= source.scale.n_levels:
        raise ContractError(
            f"attack '{name}' must return levels from -1 to {source.scale.n_levels - 1}, "
            f"found {made.min()} to {made.max()}"
        )
    fewest = int((made >= 0).sum(axis=1).min(initial=MINIMUM))
    if fewest < MINIMUM:
        raise ContractError(f"attack '{name}' must give each fake at least {MINIMUM} ratings, found {fewest}")
    return made


def check_source(source: Source) -> None:
    """Raise `DataError` unless some real user has enough ratings to make a fake from."""
    if source.lengths.max(initial=0) < MINIMUM:
        raise DataError(f"fakes are made from real users with at least {MINIMUM} ratings, found no such user")


def check_share(name: str, value: float) -> None:
    """Raise `ConfigError` unless a setting is a share in (0, 1]."""
    if not 0 < value <= 1:
        raise ConfigError(f"{name} must lie in (0, 1], found {value}")
