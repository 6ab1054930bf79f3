"""Question: a task put to labelled rounds under a protocol; only runs that answered the same one are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.folds import Fold
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.fake_users import FURTHER_PROTOCOLS, PROTOCOLS, FakeUsers

NEED_TWO_ROUNDS = ("next-round", "forward")
ORDERED = ("forward", "leave-kind-out")
"""Protocols to which it matters which round is the newest."""


@dataclass(frozen=True, eq=False)
class Question:
    """What every run of a study answers.

    Parameters
    ----------
    rounds : tuple of Round
        Labelled rounds, oldest first.
    protocol : str
        How they are asked: ``next-round``, ``in-round``, ``forward`` or ``leave-kind-out``.
    task : FakeUsers
        What is asked.

    Raises
    ------
    ConfigError
        If the protocol is unknown or needs more rounds.
    DataError
        If a round has no labels, or is given twice.
    """

    rounds: tuple[Round, ...]
    protocol: str
    task: FakeUsers = field(default_factory=FakeUsers)

    def __post_init__(self) -> None:
        known = {**PROTOCOLS, **FURTHER_PROTOCOLS}
        if self.protocol not in known:
            raise ConfigError(f"--protocol must be one of {', '.join(known)}, found '{self.protocol}'")
        if not self.rounds:
            raise DataError("at least one labelled round must be given; use --round FILE")
        for one in self.rounds:
            if one.labels is None:
                raise DataError(f"{one.path or one.name}: a round to learn from must have labels, found none (key 'y')")
        digests = [one.ratings.digest for one in self.rounds]
        for number, digest in enumerate(digests):
            if digest in digests[:number]:
                raise DataError(
                    f"each round must be given once, found the ratings of {self.rounds[digests.index(digest)].name} "
                    f"again in {self.rounds[number].name}"
                )
        if self.protocol in NEED_TWO_ROUNDS and len(self.rounds) < 2:
            raise ConfigError(
                f"protocol {self.protocol} needs two labelled rounds, found one; give another --round or use in-round"
            )

    @classmethod
    def of(cls, rounds: list[Round], protocol: str | None = None) -> Question:
        """Return the question to ask of some rounds: next-round as soon as there are two, unless said otherwise."""
        return cls(tuple(rounds), protocol or ("next-round" if len(rounds) > 1 else "in-round"))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of task, version, protocol and the digests of ratings and labels (in order where order matters)."""
        rounds = [
            f"{one.ratings.digest}{one.labels.digest(one.ratings)}" for one in self.rounds if one.labels is not None
        ]
        if self.protocol not in ORDERED:
            rounds.sort()
        text = "\n".join([self.task.name, str(self.task.version), self.protocol, *rounds])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def title(self) -> str:
        """How the question is called in tables: ``next-round on round1 + round2``."""
        return f"{self.protocol} on {' + '.join(one.name for one in self.rounds)}"

    def folds(self) -> Iterator[Fold]:
        """Yield the folds that the protocol cuts from the rounds."""
        return self.task.folds(self.rounds, self.protocol)

    def under(self, protocol: str) -> Question:
        """Return the same rounds under another protocol."""
        return Question(self.rounds, protocol, self.task)
