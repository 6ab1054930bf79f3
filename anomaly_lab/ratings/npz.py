"""The course's files: NumPy archives with `X`, `y` and `yy`."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.raw import RawLabels, RawRatings
from anomaly_lab.ratings.rows import ARRAY_ROWS, RowNames, refuse, whole_numbers
from anomaly_lab.types import AnyArray

_BROKEN = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_npz(path: Path) -> RawRatings:
    """Read one round of the course.

    Parameters
    ----------
    path : Path
        An archive with `X` of shape (n_rows, 3): user, item, rating; optionally with `y` of shape (n_users, 2): user
        and 0/1 or a kind 0, 1, 2, …; and `yy` of shape (n_users, 2): user and kind.

    Raises
    ------
    DataError
        If the file is broken, an array is missing or not as described, or the file is of the noise edition.
    """
    source = str(path)
    arrays = _load(path, ("X", "y", "yy"))
    rows = RowNames(key="X")
    table = _table(arrays, "X", 3, source)
    ratings = table[:, 2].astype(float)
    refuse(~np.isfinite(ratings), "a rating must be a finite number", ratings, source=source, rows=rows)
    users, items = (
        whole_numbers(table[:, column], f"{what} must be a whole number", source=source, rows=rows)
        for column, what in enumerate(("a user", "an item"))
    )
    return RawRatings(users, items, ratings, None, _labels(arrays, source), source, rows)


def read_npz_labels(path: Path) -> RawLabels:
    """Read the labels of one round of the course.

    Parameters
    ----------
    path : Path
        An archive with `y` or `yy` as in :func:`read_npz`; `X` need not be there.

    Raises
    ------
    DataError
        If the file is broken, holds no labels, or is of the noise edition.
    """
    arrays = _load(path, ("y", "yy"))
    labels = _labels(arrays, str(path))
    if labels is None:
        raise DataError(f"{path}: must hold key 'y' (user, label), found {_keys(arrays)}")
    return labels


def _load(path: Path, wanted: tuple[str, ...]) -> dict[str, AnyArray | None]:
    """Return the wanted arrays, and the names of all others with None."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: must be a NumPy archive (.npz), found a truncated or other file; fetch it again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            if "yy_cat" in names:
                raise _noise_edition(path)
            return {name: _member(archive, name, path) if name in wanted else None for name in names}
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(
            f"{path}: must be a NumPy archive (.npz), found a broken one ({error}); fetch it again"
        ) from error


def _member(archive: np.lib.npyio.NpzFile, key: str, path: Path) -> AnyArray:
    try:
        array = archive[key]
    except _BROKEN as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: key '{key}' must hold numbers, found Python objects, which are never unpickled; "
                "save it again as an integer array"
            ) from None
        raise DataError(
            f"{path}: key '{key}' must be a NumPy array, found a broken one ({error}); fetch it again"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: key '{key}' must be a NumPy array, found other bytes")
    return array


def _table(arrays: dict[str, AnyArray | None], key: str, width: int, source: str) -> AnyArray:
    """Return a non-empty numeric array of shape (n, width)."""
    array = arrays.get(key)
    if array is None:
        raise DataError(f"{source}: must hold key '{key}', found {_keys(arrays)}")
    if array.ndim != 2 or array.shape[1] != width:
        raise DataError(f"{source}: key '{key}' must have shape (n, {width}), found {array.shape}")
    if array.dtype.kind not in "iuf":
        raise DataError(f"{source}: key '{key}' must hold integers, found dtype {array.dtype}")
    if len(array) == 0:
        raise DataError(f"{source}: key '{key}' must have at least one row, found none")
    return array


def _labels(arrays: dict[str, AnyArray | None], source: str) -> RawLabels | None:
    if "yy" in arrays and _is_noise_level(arrays["yy"]):
        raise _noise_edition(source)
    pairs = {key: _pairs(arrays, key, source) for key in ("y", "yy") if key in arrays}
    if not pairs:
        return None
    if len(pairs) == 1:
        ((key, (users, labels)),) = pairs.items()
        return RawLabels(users, labels, None, f"{source}: key '{key}'")
    (users, labels), (kind_users, kinds) = pairs["y"], pairs["yy"]
    place = _match(users, kind_users, source)
    return RawLabels(users, labels, kinds[place], f"{source}: key 'y'")


def _pairs(arrays: dict[str, AnyArray | None], key: str, source: str) -> tuple[AnyArray, AnyArray]:
    table = _table(arrays, key, 2, source)
    source = f"{source}: key '{key}'"
    users = whole_numbers(table[:, 0], "a user must be a whole number", source=source, rows=ARRAY_ROWS)
    labels = whole_numbers(table[:, 1], "a label must be a whole number", source=source, rows=ARRAY_ROWS)
    return users, labels


def _match(users: AnyArray, kind_users: AnyArray, source: str) -> AnyArray:
    """Return where each labelled user's kind stands."""
    repeated = pd.Series(kind_users).duplicated().to_numpy()
    source = f"{source}: key 'yy'"
    refuse(repeated, "each user must have one kind", kind_users, source=source, rows=ARRAY_ROWS)
    unknown = ~np.isin(kind_users, users)
    refuse(unknown, "a user with a kind must stand in 'y' too", kind_users, source=source, rows=ARRAY_ROWS)
    missing = ~np.isin(users, kind_users)
    if missing.any():
        raise DataError(f"{source}: every user of 'y' must have a kind, found none for user {users[missing][0]}")
    return pd.Index(kind_users).get_indexer(pd.Index(users))


def _is_noise_level(yy: AnyArray | None) -> bool:
    if yy is None or yy.dtype.kind != "f":
        return False
    return bool((yy[np.isfinite(yy)] % 1 != 0).any())


def _noise_edition(source: Path | str) -> DataError:
    return DataError(
        f"{source}: the noise edition ('yy' = noise level in [0, 1], 'yy_cat' = kind) is not supported yet; "
        "give a round labelled 'y' (user, 0/1 or kind)"
    )


def _keys(arrays: dict[str, AnyArray | None]) -> str:
    return f"keys {', '.join(arrays)}" if arrays else "no key"
