"""Opening: a file of ratings found, and parsed or read back from what was parsed before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.cache import ParsedRatings, RatingCache
from anomaly_lab.ratings.npz import read_npz
from anomaly_lab.ratings.raw import RawLabels, RawRatings
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.ratings.table_files import TABLE_SUFFIXES
from anomaly_lab.ratings.tables import read_table
from anomaly_lab.types import FloatArray

_SUFFIXES = (".npz", *TABLE_SUFFIXES)
_KNOWN_FILES = ("ratings.csv", "ratings.dat", "u.data", "anime_ratings.dat", "users-score-2023.csv")


@dataclass(frozen=True, eq=False)
class OpenedRatings:
    """A file of ratings, parsed now or read back from what was parsed before.

    Parameters
    ----------
    found : RawRatings or ParsedRatings
        What the file holds.
    parse : callable
        Opens the same file again without looking at what is kept.
    cache : RatingCache, optional
        Where it is to be kept.
    key : str
        Under which name.
    """

    found: RawRatings | ParsedRatings
    parse: Callable[[], OpenedRatings]
    cache: RatingCache | None = None
    key: str = ""

    @property
    def source(self) -> str:
        """The file, for messages."""
        return self.found.batch.source if isinstance(self.found, ParsedRatings) else self.found.source

    @property
    def labels(self) -> RawLabels | None:
        """The labels in the file."""
        return self.found.labels

    @property
    def ratings(self) -> FloatArray:
        """Ratings, every distinct one among them."""
        if isinstance(self.found, RawRatings):
            return self.found.ratings
        batch = self.found.batch
        return np.asarray(batch.scale.levels)[np.bincount(batch.ratings).nonzero()[0]]

    def on(self, scale: RatingScale) -> ParsedRatings:
        """Return the ratings on a scale; what is kept on another is parsed again.

        Raises
        ------
        DataError
            As in :func:`batch_of`.
        """
        if isinstance(self.found, ParsedRatings):
            if self.found.batch.scale == scale:
                return self.found
            return self.parse().on(scale)
        parsed = ParsedRatings(batch_of(self.found, scale), self.found.labels, self.found.n_unrated)
        if self.cache is not None:
            self.cache.write(self.key, parsed)
        return parsed


def open_ratings(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    unrated: str | None = None,
    cache: RatingCache | None = None,
) -> OpenedRatings:
    """Open a file of ratings: tables from the cache, if they are kept there.

    Parameters
    ----------
    path, columns, cache
        As in :func:`~anomaly_lab.ratings.readers.read_rounds`.
    unrated : str, optional
        As in :func:`~anomaly_lab.ratings.tables.read_table`.

    Raises
    ------
    DataError
        As in :func:`~anomaly_lab.ratings.readers.read_rounds`.
    """
    file = find_file(path)
    if cache is None or file.suffix.lower() not in TABLE_SUFFIXES:
        cache = None

    def parse() -> OpenedRatings:
        raw = read_raw(file, columns, unrated=unrated)
        # somebody may have written to the file while it was being parsed
        unchanged = cache is not None and cache.key(file, columns, unrated) == key
        return OpenedRatings(raw, parse, cache if unchanged else None, key)

    key = "" if cache is None else cache.key(file, columns, unrated)
    kept = None if cache is None else cache.read(key, str(file))
    return parse() if kept is None else OpenedRatings(kept, parse, cache, key)


def read_raw(path: str | Path, columns: Mapping[str, str] | None = None, *, unrated: str | None = None) -> RawRatings:
    """Read what a file holds before its scale is known.

    Parameters
    ----------
    path, columns
        As in :func:`~anomaly_lab.ratings.readers.read_rounds`.
    unrated : str, optional
        As in :func:`~anomaly_lab.ratings.tables.read_table`.

    Raises
    ------
    DataError
        As in :func:`~anomaly_lab.ratings.readers.read_rounds`.
    """
    file = find_file(path)
    return read_npz(file) if file.suffix.lower() == ".npz" else read_table(file, columns, unrated=unrated)


def find_file(path: str | Path) -> Path:
    """Return the file of ratings meant by a path, which may be a folder.

    Raises
    ------
    DataError
        If there is none or several, its suffix is unknown, or it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        path = _file_in(path)
    if not path.is_file():
        raise DataError(f"{path}: must be a file of ratings or labels, found no such file")
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(f"{path}: must end in one of {', '.join(_SUFFIXES)}, found '{path.suffix or path.name}'")
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"{path}: must be readable, found: {error.strerror}") from error
    return path


def _file_in(folder: Path) -> Path:
    found = [folder / name for name in _KNOWN_FILES if (folder / name).is_file()]
    if len(found) != 1:
        names = " and ".join(file.name for file in found) or "none of them"
        raise DataError(f"{folder}: a folder must hold one of {', '.join(_KNOWN_FILES)}, found {names}; give the file")
    return found[0]


def batch_of(raw: RawRatings, scale: RatingScale) -> RatingBatch:
    """Return a file's ratings on a scale.

    Raises
    ------
    DataError
        If a rating is not on the scale, or an id is neither whole number nor text.
    """
    return RatingBatch.from_rows(
        raw.users,
        raw.items,
        raw.ratings,
        scale=scale,
        timestamps=raw.timestamps,
        source=raw.source,
        rows=raw.rows,
    )
