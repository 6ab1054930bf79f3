"""Question: a task put to rounds under a protocol; only runs that answered the same one are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers


@dataclass(frozen=True, eq=False)
class Question:
    """What every run of a study answers.

    Parameters
    ----------
    rounds : tuple of Round
        What is asked about: labelled rounds, oldest first, or one log of ratings.
    protocol : str
        How they are asked: one that the task knows.
    task : Task
        What is asked; fake users by default.

    Raises
    ------
    ConfigError
        If the protocol is unknown or needs more rounds.
    DataError
        If a round is not what the task needs, or is given twice.
    """

    rounds: tuple[Round, ...]
    protocol: str
    task: Task = field(default_factory=FakeUsers)

    def __post_init__(self) -> None:
        if not self.rounds:
            raise DataError("at least one labelled round must be given; use --round FILE")
        self.task.check(self.rounds, self.protocol)

    @classmethod
    def of(cls, rounds: list[Round], protocol: str | None = None, task: Task | None = None) -> Question:
        """Return the question to ask of some rounds: under the task's own choice of protocol, unless said otherwise."""
        task = task or FakeUsers()
        return cls(tuple(rounds), protocol or task.default_protocol(rounds), task)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of task, version, protocol and what else the task says that questions differ by."""
        identity = self.task.identity(self.rounds, self.protocol)
        text = "\n".join([self.task.name, str(self.task.version), self.protocol, *identity])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def title(self) -> str:
        """How the question is called in tables: ``next-round on round1 + round2``."""
        return f"{self.protocol} on {' + '.join(one.name for one in self.rounds)}"

    def folds(self) -> Iterator[Any]:
        """Yield the folds that the protocol cuts from the rounds."""
        return self.task.folds(self.rounds, self.protocol)

    def under(self, protocol: str) -> Question:
        """Return the same rounds under another protocol."""
        return Question(self.rounds, protocol, self.task)
