"""What a task is: it cuts folds from rounds, and says which metric counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from anomaly_lab.evaluation.metrics import MetricSpec
from anomaly_lab.ratings.labels import Round


class Task(Protocol):
    """What is asked of a model.

    A task's class names itself, its `version` (raised whenever the same question would be answered by other figures),
    its `primary` metric and the `tie_breaker`, both with their direction, and the `protocols` that boards may rank by.
    """

    @property
    def name(self) -> str:
        """As models name it."""

    @property
    def version(self) -> int:
        """Raised whenever figures change."""

    @property
    def primary(self) -> MetricSpec:
        """What boards rank by."""

    @property
    def tie_breaker(self) -> MetricSpec:
        """What decides between equals."""

    @property
    def protocols(self) -> Mapping[str, str]:
        """What boards may rank by, and what each means."""

    def default_protocol(self, rounds: Sequence[Round]) -> str:
        """Return the protocol to ask some rounds under unless said otherwise."""

    def check(self, rounds: Sequence[Round], protocol: str) -> None:
        """Raise `ConfigError` or `DataError` if the rounds cannot be asked under a protocol."""

    def identity(self, rounds: Sequence[Round], protocol: str) -> list[str]:
        """Return what, beside task, version and protocol, makes two questions the same."""

    def folds(self, rounds: Sequence[Round], protocol: str) -> Iterator[Any]:
        """Yield the folds of a protocol."""
