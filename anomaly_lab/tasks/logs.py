"""What the tasks that are put to one whole log of ratings have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.labels import Round

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def one_log(rounds: Sequence[Round]) -> Round:
    """Return the only log.

    Raises
    ------
    ConfigError
        If there are more, or none.
    """
    if len(rounds) != 1:
        raise ConfigError(f"a recommender is asked about one log of ratings, found {len(rounds)}; give --ratings once")
    return rounds[0]


def known_protocol(protocol: str, known: Mapping[str, str]) -> None:
    """Raise `ConfigError` unless a protocol is known."""
    if protocol not in known:
        raise ConfigError(f"--protocol must be one of {', '.join(known)}, found '{protocol}'")


def seeded(*entropy: int) -> np.random.Generator:
    """Return the generator of a split's draw."""
    return np.random.default_rng(list(entropy))


def settings_of(task: DataclassInstance) -> str:
    """Return a task's settings as text, by which questions differ."""
    settings: dict[str, Any] = asdict(task)
    return ",".join(f"{key}={value}" for key, value in sorted(settings.items()))
