"""Task *rating-prediction*: one number per user and item, to be near the rating that the user gave it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.metrics import MetricSpec
from anomaly_lab.evaluation.recommender_folds import RatingFold
from anomaly_lab.ratings.given import HeldOutPairs, read_given_split
from anomaly_lab.ratings.interactions import Interactions, interactions
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.coverage import TEST, TRAIN, VALIDATION, coverage_parts, dense_enough
from anomaly_lab.tasks.logs import known_protocol, one_log, seeded, settings_of
from anomaly_lab.tasks.names import RATING_PREDICTION
from anomaly_lab.types import BoolArray


@dataclass(frozen=True)
class RatingPrediction:
    """Ask what users rate items that they have not rated yet.

    Parameters
    ----------
    folds_wanted : int
        Parts of protocol ``random``, draws of ``leave-k-out`` and ``coverage``.
    k : int
        Ratings held out per user in ``leave-k-out``; users with no more than these keep theirs.
    share : float
        Of the newest ratings that protocol ``temporal`` asks for, in (0, 1).
    split_seed : int
        Of every draw.
    """

    name: ClassVar[str] = RATING_PREDICTION
    version: ClassVar[int] = 1
    primary: ClassVar[MetricSpec] = MetricSpec("rmse", "minimize", "root mean squared error, mean over folds")
    tie_breaker: ClassVar[MetricSpec] = MetricSpec("mae", "minimize", "mean absolute error, mean over folds")
    shown: ClassVar[tuple[str, ...]] = ("mae", "accuracy", "high_precision", "high_recall")
    protocols: ClassVar[dict[str, str]] = {
        "random": "every rating held out once, in as many random parts as there are folds",
        "leave-k-out": "of every user some random ratings are held out",
        "temporal": "the newest ratings are held out",
        "given": "the parts that were published with the log (u1 to u5)",
        "coverage": "training, validation and test, each with every user and every item that has three ratings",
    }

    folds_wanted: int = 5
    k: int = 1
    share: float = 0.2
    split_seed: int = 0

    def __post_init__(self) -> None:
        if self.folds_wanted < 2:
            raise ConfigError(f"task option folds_wanted must be 2 or more, found {self.folds_wanted}")
        if self.k < 1:
            raise ConfigError(f"task option k must be 1 or more, found {self.k}")
        if not 0 < self.share < 1:
            raise ConfigError(f"task option share must lie between 0 and 1, found {self.share:g}")

    def default_protocol(self, rounds: Sequence[Round]) -> str:
        """Return ``random``."""
        return "random"

    def check(self, rounds: Sequence[Round], protocol: str) -> None:
        """Raise `DataError` unless there is one log that the protocol can be put to."""
        known_protocol(protocol, self.protocols)
        log = one_log(rounds)
        if protocol == "temporal" and log.ratings.timestamps is None:
            raise DataError(f"{log.path or log.name}: protocol temporal needs a column of timestamps, found none")
        if protocol == "given":
            _published(log)

    def identity(self, rounds: Sequence[Round], protocol: str) -> list[str]:
        """Return the log's digest and the settings that the protocol looks at."""
        return [one_log(rounds).ratings.digest, settings_of(self)]

    def folds(self, rounds: Sequence[Round], protocol: str) -> Iterator[RatingFold]:
        """Yield the folds of a protocol."""
        log = one_log(rounds)
        known = interactions(log.ratings, log.content)
        if protocol == "coverage":
            yield from self._covering(log, known)
            return
        for name, test in self._held_out(log, known, protocol):
            if not test.any() or test.all():
                raise DataError(
                    f"{log.path or log.name}: protocol {protocol} must leave ratings to learn from and to ask for, "
                    f"found {int((~test).sum())} and {int(test.sum())}; choose other --task-option settings"
                )
            yield RatingFold(name, known.take(~test), None, known.take(test), log.ratings.user_ids)

    def _held_out(self, log: Round, known: Interactions, protocol: str) -> Iterator[tuple[str, BoolArray]]:
        if protocol == "temporal":
            assert known.times is not None
            yield "newest", known.times > np.quantile(known.times, 1 - self.share)
        elif protocol == "given":
            for name, pairs in _published(log):
                yield name, pairs.held_out(known, log.ratings.user_ids, log.ratings.item_ids)
        elif protocol == "leave-k-out":
            for draw in range(self.folds_wanted):
                yield f"draw {draw}", _some_of_each_user(known, self.k, seeded(self.split_seed, draw))
        else:
            part = seeded(self.split_seed).permutation(len(known)) % self.folds_wanted
            for number in range(self.folds_wanted):
                yield f"part {number}", part == number

    def _covering(self, log: Round, known: Interactions) -> Iterator[RatingFold]:
        known = known.take(dense_enough(known))
        if not len(known):
            raise DataError(f"{log.path or log.name}: coverage needs users and items with three ratings, found none")
        for draw in range(self.folds_wanted):
            rng = seeded(self.split_seed, draw)
            part = coverage_parts(known.users, known.items, (0.8, 0.1, 0.1), rng)
            train, validation, test = (known.take(part == one) for one in (TRAIN, VALIDATION, TEST))
            yield RatingFold(f"draw {draw}", train, validation, test, log.ratings.user_ids)


def _some_of_each_user(known: Interactions, k: int, rng: np.random.Generator) -> BoolArray:
    """Return `k` random rows of every user who has more."""
    order = np.lexsort((rng.random(len(known)), known.users))
    begin = np.concatenate([[0], np.cumsum(known.user_counts)[:-1]])
    test = np.zeros(len(known), dtype=bool)
    test[order] = np.arange(len(known)) - begin[known.users[order]] < k
    return test & (known.user_counts[known.users] > k)


def _published(log: Round) -> list[tuple[str, HeldOutPairs]]:
    """Return the parts published beside a log: the numbered ones (u1 to u5) where there are such."""
    if log.path is None:
        raise ConfigError("protocol given needs the folder that the parts were published in, found ratings from memory")
    path = Path(log.path)
    parts = read_given_split(path if path.is_dir() else path.parent)
    return [(name, pairs) for name, pairs in parts if name[1:].isdigit()] or parts
