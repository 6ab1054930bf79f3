"""Parts of a log: read one after the other here, or held by Dask's workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.cache import RatingCache
from anomaly_lab.ratings.opening import open_ratings
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.ratings.user_blocks import UserBlock, join_parts, of_block
from anomaly_lab.types import FloatArray

T = TypeVar("T")
PART = "a part of the log"


@dataclass(frozen=True, eq=False)
class PartLevels:
    """The distinct ratings of a part, and where they came from.

    Parameters
    ----------
    ratings : ndarray of shape (n_levels,)
        Ascending, as the file has them.
    source : str
        The file, for messages.
    """

    ratings: FloatArray
    source: str


@dataclass(frozen=True)
class PartFile:
    """A file that holds a part of a log.

    Parameters
    ----------
    path : str
        Of the file.
    columns : mapping of str to str, optional
        As in `anomaly_lab.ratings.readers.read_rounds`.
    cache : RatingCache, optional
        Where it is kept once it is parsed.
    """

    path: str
    columns: Mapping[str, str] | None = None
    cache: RatingCache | None = None

    def levels(self) -> PartLevels:
        """Return its distinct ratings."""
        opened = open_ratings(self.path, self.columns, cache=self.cache)
        return PartLevels(np.unique(opened.ratings), opened.source)

    def read(self, scale: RatingScale) -> RatingBatch:
        """Return its ratings on a scale."""
        return open_ratings(self.path, self.columns, cache=self.cache).on(scale).batch


class LogParts(AbstractContextManager["LogParts"], Protocol):
    """The parts of a log, wherever they are read."""

    def levels(self) -> list[PartLevels]:
        """Return the distinct ratings of each part."""

    def read(self, scale: RatingScale) -> None:
        """Say on what scale the parts are."""

    def regroup(self, blocks: Sequence[UserBlock]) -> None:
        """Let the parts be blocks of users from here on, whatever files their ratings are in."""

    def over(self, work: Callable[..., T], *common: Any) -> list[T]:
        """Return what a piece of work gives for each part's ratings, in order; `common` is the same for all."""


class PartsHere(AbstractContextManager["PartsHere"]):
    """Parts that are read anew for each pass, so that one at a time is in memory.

    Parameters
    ----------
    files : sequence of PartFile
        The parts.
    """

    def __init__(self, files: Sequence[PartFile]) -> None:
        self.files = files
        self.blocks: Sequence[UserBlock] = ()

    def levels(self) -> list[PartLevels]:
        """Return the distinct ratings of each part."""
        return [file.levels() for file in self.files]

    def read(self, scale: RatingScale) -> None:
        """Say on what scale the parts are."""
        self.scale = scale

    def regroup(self, blocks: Sequence[UserBlock]) -> None:
        """Read all files for each block, one after the other."""
        self.blocks = blocks

    def over(self, work: Callable[..., T], *common: Any) -> list[T]:
        """Read each part and do the work."""
        return [work(part, *common) for part in self._parts()]

    def _parts(self) -> Iterator[RatingBatch]:
        if not self.blocks:
            yield from (file.read(self.scale) for file in self.files)
        for block in self.blocks:
            yield join_parts([of_block(file.read(self.scale), block) for file in self.files])

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""


class PartsOnDask(AbstractContextManager["PartsOnDask"]):
    """Parts that Dask's workers read once and hold; Dask puts on disk what exceeds their memory.

    A part of a worker that died is read by another. Files must be seen by the workers under the same path.

    Parameters
    ----------
    files : sequence of PartFile
        The parts.
    workers, scheduler
        As in `experiments.dask_executor.DaskExecutor`.
    """

    def __init__(self, files: Sequence[PartFile], workers: int, scheduler: str | None = None) -> None:
        from experiments.dask_client import DaskClient

        self.dask = DaskClient(workers, scheduler)
        self.files = [replace(file, path=str(Path(file.path).absolute()), cache=None) for file in files]
        self.parts: list[Any] = []

    def levels(self) -> list[PartLevels]:
        """Return the distinct ratings of each part."""
        return self.dask.results([self.dask.submit(PartFile.levels, file) for file in self.files], PART)

    def read(self, scale: RatingScale) -> None:
        """Let the workers read the parts."""
        self.parts = [self.dask.submit(PartFile.read, file, scale) for file in self.files]

    def regroup(self, blocks: Sequence[UserBlock]) -> None:
        """Let the workers send each other what their parts have of each block."""
        pieces = [[self.dask.submit(of_block, part, block) for part in self.parts] for block in blocks]
        self.parts = [self.dask.submit(join_parts, own) for own in pieces]

    def over(self, work: Callable[..., T], *common: Any) -> list[T]:
        """Do the work where the parts are; what is common to it is sent once."""
        sent = [self.dask.send(one) for one in common]
        return self.dask.results([self.dask.submit(work, part, *sent) for part in self.parts], PART)

    def __exit__(self, *_: object) -> None:
        """Let go of the parts, and end the workers that were started here."""
        self.dask.stop()


@contextmanager
def open_parts(
    files: Sequence[PartFile], executor: str | None = None, jobs: int = 1, scheduler: str | None = None
) -> Iterator[LogParts]:
    """Give the parts of a log: here, or on Dask where that is asked for."""
    on_dask = executor == "dask" or scheduler is not None
    parts: LogParts = PartsOnDask(files, jobs, scheduler) if on_dask else PartsHere(files)
    with parts:
        yield parts
