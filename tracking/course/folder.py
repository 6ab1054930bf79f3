"""Folder: where a course keeps what is public, what is private, and what its teams handed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.readers import read_rounds
from tracking.course.rules import RoundRules, Rules
from tracking.course.rules_file import read_rules
from tracking.store import Store

RULES = "course.toml"


@dataclass(frozen=True)
class CourseFolder:
    """A course on disk.

    ``private/`` holds the labelled rounds and nothing of it ever enters MLflow; ``public/`` is what may be handed out;
    ``lab/`` is the store of submissions; ``board/`` holds the pages.

    Parameters
    ----------
    path : Path
        The folder, in which ``course.toml`` stands.
    """

    path: Path
    _truths: dict[str, Round] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def open(cls, path: str | Path) -> CourseFolder:
        """Return the course in a folder.

        Raises
        ------
        ConfigError
            If there is none, or its rules cannot be read.
        """
        course = cls(Path(path))
        assert course.rules
        return course

    @cached_property
    def rules(self) -> Rules:
        """The course's rules."""
        return read_rules(self.path / RULES)

    @cached_property
    def store(self) -> Store:
        """Where submissions are kept as runs."""
        return Store.open(self.path / "lab", create=True)

    @property
    def board(self) -> Path:
        """Folder of the pages."""
        return self.path / "board"

    def truth_file(self, one: RoundRules) -> Path:
        """Return the private labelled round."""
        return self.path / "private" / f"{one.name}.npz"

    def batch_file(self, one: RoundRules) -> Path:
        """Return the public batch without labels."""
        return self.path / "public" / f"{one.name}.npz"

    def labels_file(self, one: RoundRules) -> Path:
        """Return the labelled round as it is published once it is closed."""
        return self.path / "public" / f"{one.name}_labelled.npz"

    def is_released(self, one: RoundRules) -> bool:
        """Return whether teams have been given the batch."""
        return self.batch_file(one).exists()

    def is_closed(self, one: RoundRules) -> bool:
        """Return whether the labels have been published."""
        return self.labels_file(one).exists()

    def truth(self, one: RoundRules) -> Round:
        """Return a labelled round, users called as in the public batch once it is released.

        Raises
        ------
        ConfigError
            If the organiser has given no such file.
        """
        if one.name not in self._truths:
            self._truths[one.name] = self._read_truth(one)
        return self._truths[one.name]

    def _read_truth(self, one: RoundRules) -> Round:
        file = self.truth_file(one)
        if not file.exists():
            raise ConfigError(
                f"{self.path / RULES}: round {one.name} must have a labelled file {file}, found none; put it there"
            )
        return read_rounds([file], require_labels=True)[0]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the course: submissions are counted and rounds closed by one process at a time."""
        with self.store.lock("course"):
            yield
