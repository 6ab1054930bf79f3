"""Detectors that misbehave, each in its own way."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from threadpoolctl import threadpool_info

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class Base:
    """Scores users by how many ratings they gave."""

    task: ClassVar[str] = "fake-users"
    kind: ClassVar[str] = "unsupervised"

    power: Annotated[float, FloatDistribution(0.5, 2.0)] = 1.0

    def fit(self, train, *, rng):
        return self

    def score(self, query):
        counts = np.diff(query.pool.ratings.indptr)[query.users]
        return counts.astype(float) ** self.power


@dataclass
class Counts(Base):
    """Scores users by how many ratings they gave."""


@dataclass
class Raises(Base):
    """Raises in fit."""

    def fit(self, train, *, rng):
        raise ValueError("no luck\ntoday [/bold]")


@dataclass
class RaisesSometimes(Base):
    """Raises in fit away from its default."""

    components: ClassVar[dict] = {"without luck": {"power": 2.0}}

    def fit(self, train, *, rng):
        if self.power != 1.0:
            raise ValueError("only 1.0 will do")


@dataclass
class Exits(Base):
    """Ends the process as a script would."""

    def fit(self, train, *, rng):
        sys.exit(3)


@dataclass
class Dies(Base):
    """Ends the process as the system would."""

    def fit(self, train, *, rng):
        os._exit(9)


@dataclass
class Tells(Base):
    """Tells in its error what process it runs in."""

    def fit(self, train, *, rng):
        blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        threads = {os.environ.get(name) for name in THREADS}
        limits = {pool["num_threads"] for pool in threadpool_info()}
        raise ValueError(f"pid {os.getpid()}, Ctrl-C blocked: {blocked}, threads {threads}, limits {limits}")


@dataclass
class Sleeps(Base):
    """Sleeps in fit."""

    def fit(self, train, *, rng):
        time.sleep(600)


@dataclass
class RaisesThenSleeps(Base):
    """Raises in the first fit of a process and sleeps in those after it."""

    fits: ClassVar[int] = 0

    def fit(self, train, *, rng):
        RaisesThenSleeps.fits += 1
        if self.fits > 1:
            time.sleep(600)
        raise ValueError("the first will not do")


@dataclass
class Dawdles(Base):
    """Takes its time in fit, for counting that is ages."""

    def fit(self, train, *, rng):
        time.sleep(0.1)
        return self


@dataclass
class GivesNaN(Base):
    """Returns what is not a number."""

    def score(self, query):
        return np.full(len(query.users), np.nan)


@dataclass
class GivesMatrix(Base):
    """Returns a column a class."""

    def score(self, query):
        return np.zeros((len(query.users), 2))


@dataclass
class NoDefault:
    """Has a range and no default."""

    task: ClassVar[str] = "fake-users"
    depth: Annotated[int, IntDistribution(1, 5)]


@dataclass
class DefaultOutside(Base):
    """Has a default outside its range."""

    depth: Annotated[int, IntDistribution(1, 5)] = 9


class NoDataclass:
    """Has no fields."""

    task = "fake-users"


@dataclass
class OtherTask(Base):
    """Answers another task."""

    task: ClassVar[str] = "rating-prediction"
