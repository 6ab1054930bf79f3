"""Readers: files of ratings and labels in, rounds out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.cache import ParsedRatings, RatingCache
from anomaly_lab.ratings.labels import Labels, Round, check_labels
from anomaly_lab.ratings.npz import read_npz_labels
from anomaly_lab.ratings.opening import find_file, open_ratings
from anomaly_lab.ratings.raw import RawLabels
from anomaly_lab.ratings.scale import RatingScale, infer_scale
from anomaly_lab.ratings.tables import read_table_labels
from anomaly_lab.types import AnyArray, FloatArray, IntArray


def read_rounds(
    paths: Sequence[str | Path],
    *,
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
    require_labels: bool = False,
    cache: RatingCache | None = None,
) -> list[Round]:
    """Read several rounds on one rating scale.

    Parameters
    ----------
    paths : sequence of str or Path
        Files: the course's ``.npz``; ``.csv``, ``.tsv`` or ``.parquet`` with a column each for user, item and rating;
        MovieLens' ``u.data`` and ``ratings.dat``; or a folder that holds one of MovieLens' files.
    scale : RatingScale, optional
        What the ratings mean; inferred over all files together by default.
    columns : mapping of str to str, optional
        Role (user, item, rating, timestamp, label, kind) to column name, for tables whose columns have other than
        common names. Archives and files without a header have no names and ignore it.
    require_labels : bool
        Whether a file without labels is an error.
    cache : RatingCache, optional
        Where tables are kept once they are parsed; without it every reading parses them.

    Returns
    -------
    rounds : list of Round
        One per path, in the order given, named after the file (or folder) without its suffix, or by the whole path
        where two are called the same.

    Raises
    ------
    DataError
        If a file is missing, broken, given twice, or not what its format says; if the scale is ambiguous; or if labels
        are wrong or, where required, missing. The message names file, key or column, and row: lines of text files
        count from 1 with the header, rows of arrays and Parquet from 0.
    """
    if not paths:
        raise DataError("at least one file of ratings must be given, found none")
    _check_given_once(paths)
    files = [open_ratings(path, columns, cache=cache) for path in paths]
    for file in files:
        if require_labels and file.labels is None:
            raise DataError(f"{file.source}: must hold labels (key 'y', or a column for the label), found none")
    scale = scale or joint_scale(files)
    names = _names(paths)
    return [_round(file.on(scale), name, str(path)) for file, name, path in zip(files, names, paths, strict=True)]


def read_round(
    path: str | Path,
    *,
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
    cache: RatingCache | None = None,
) -> Round:
    """Read one round.

    Parameters
    ----------
    path, scale, columns, cache
        As in :func:`read_rounds`; the scale is inferred from this file alone, so rounds of one question are better
        read together.

    Raises
    ------
    DataError
        As in :func:`read_rounds`.
    """
    return read_rounds([path], scale=scale, columns=columns, cache=cache)[0]


def read_labels(
    path: str | Path, *, columns: Mapping[str, str] | None = None
) -> tuple[AnyArray, IntArray, IntArray | None]:
    """Read who was generated, without ratings.

    Parameters
    ----------
    path : str or Path
        The course's ``.npz`` with `y`, `yy` or both, or a table with a column for user and label (or kind).
    columns : mapping of str to str, optional
        As in :func:`read_rounds`.

    Returns
    -------
    users : ndarray of shape (n_users,)
        User ids in the order of the file.
    labels : ndarray of shape (n_users,), int64
        1 for generated, 0 for genuine.
    kinds : ndarray of shape (n_users,), int64, or None
        How each user was generated, 0 for genuine; None where the file does not say.

    Raises
    ------
    DataError
        If the file is missing or broken, a label is outside the set, a user is labelled twice, kinds and labels
        disagree, or only one class occurs.
    """
    file = find_file(path)
    raw: RawLabels = read_npz_labels(file) if file.suffix.lower() == ".npz" else read_table_labels(file, columns)
    fake, kinds = check_labels(raw.users, raw.labels, raw.kinds, source=raw.source, rows=raw.rows)
    return raw.users, fake, kinds


def _check_given_once(paths: Sequence[str | Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        if (real := Path(path).resolve()) in seen:
            raise DataError(f"{path}: each file must be given once, found it twice")
        seen.add(real)


def _names(paths: Sequence[str | Path]) -> list[str]:
    files = [Path(path) for path in paths]
    stems = [file.name if file.is_dir() else file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file.with_suffix("")) for file in files]


class HoldsRatings(Protocol):
    """Anything that holds a file's ratings before they are on a scale."""

    @property
    def ratings(self) -> FloatArray:
        """Ratings, every distinct one among them."""

    @property
    def source(self) -> str:
        """The file, for messages."""


def joint_scale(raws: Sequence[HoldsRatings]) -> RatingScale:
    """Return the one scale that fits the ratings of several files.

    Raises
    ------
    DataError
        If there is none, or several fit alike.
    """
    try:
        return infer_scale(np.unique(np.concatenate([np.unique(raw.ratings) for raw in raws])))
    except DataError as error:
        raise DataError(f"{', '.join(raw.source for raw in raws)}: {error}") from None


def _round(parsed: ParsedRatings, name: str, path: str) -> Round:
    given, labels = parsed.labels, None
    if given is not None:
        labels = Labels.for_batch(
            parsed.batch, given.users, given.labels, given.kinds, source=given.source, rows=given.rows
        )
    return Round(parsed.batch, labels, name, path)
