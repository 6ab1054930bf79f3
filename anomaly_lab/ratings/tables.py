"""Ratings and labels in tables: CSV, TSV, Parquet and MovieLens' layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.columns import find_columns
from anomaly_lab.ratings.labels import check_label_values
from anomaly_lab.ratings.raw import RawLabels, RawRatings
from anomaly_lab.ratings.rows import RowNames, refuse, whole_numbers
from anomaly_lab.ratings.table_files import TableFile, open_table
from anomaly_lab.types import AnyArray, FloatArray, IntArray


def read_table(path: Path, columns: Mapping[str, str] | None = None, *, unrated: str | None = None) -> RawRatings:
    """Read ratings, and labels if a column holds them, from a table.

    Parameters
    ----------
    path : Path
        See :func:`~anomaly_lab.ratings.table_files.open_table`.
    columns : mapping of str to str, optional
        Role (user, item, rating, timestamp, label, kind) to column name, where common names do not settle it.
    unrated : str, optional
        What stands for "no rating given": such rows are left out and counted. Without it they are an error.

    Raises
    ------
    DataError
        If the file is broken, a column is missing, a cell is empty or not what its column must hold, or a user has
        two labels.
    """
    table = open_table(path)
    source = str(path)
    frame = _read_roles(
        table, columns, needed=("user", "item", "rating"), optional=("timestamp", "label", "kind"), source=source
    )
    n_rows = len(frame)
    frame, rows = _rated(frame, table.rows, unrated, source)
    users, items = (read_ids(frame[role], role, source, rows) for role in ("user", "item"))
    ratings = _numbers(frame["rating"], "a rating must be a number", source, rows)
    timestamps = _timestamps(frame["timestamp"], source, rows) if "timestamp" in frame else None
    labels = _labels_of_rows(frame, users, source, rows)
    return RawRatings(users, items, ratings, timestamps, labels, source, rows, n_rows - len(frame))


def read_table_labels(path: Path, columns: Mapping[str, str] | None = None) -> RawLabels:
    """Read labels from a table of users, or from the label column of a table of ratings.

    Parameters
    ----------
    path : Path
        A table with one row a user, or one row a rating (then it has a column for the item).
    columns : mapping of str to str, optional
        As in :func:`read_table`.

    Raises
    ------
    DataError
        As in :func:`read_table`, or if neither a label nor a kind is there.
    """
    table = open_table(path)
    source = str(path)
    frame = _read_roles(table, columns, needed=("user",), optional=("item", "label", "kind"), source=source)
    users = read_ids(frame["user"], "user", source, table.rows)
    if "item" in frame:
        labels = _labels_of_rows(frame, users, source, table.rows)
    else:
        labels = _labels(frame, users, source, table.rows)
    if labels is None:
        raise DataError(
            f"{source}: must have a column for the label (label, fake, …) or the kind, "
            f"found columns {', '.join(map(repr, table.names))}; say which with --columns label=NAME"
        )
    return labels


def _read_roles(
    table: TableFile,
    columns: Mapping[str, str] | None,
    *,
    needed: tuple[str, ...],
    optional: tuple[str, ...],
    source: str,
) -> pd.DataFrame:
    """Return the table with roles for column names."""
    found = find_columns(table.names, columns, needed=needed, optional=optional, source=source)
    frame = table.read(list(found.values()))[list(found.values())].set_axis(list(found), axis=1)
    if frame.empty:
        raise DataError(f"{source}: must have at least one row, found none")
    return frame


def _rated(frame: pd.DataFrame, rows: RowNames, unrated: str | None, source: str) -> tuple[pd.DataFrame, RowNames]:
    """Return the rows in which a rating was given, and how messages name them."""
    missing = (frame["rating"] == unrated).to_numpy(dtype=bool, na_value=False)
    if not missing.any():
        return frame, rows
    if missing.all():
        raise DataError(f"{source}: must hold at least one rating, found {unrated} in every row")
    return frame[~missing], replace(rows, positions=np.flatnonzero(~missing))


def read_ids(column: pd.Series, role: str, source: str, rows: RowNames) -> AnyArray:
    """Return ids as int64 where every one is a whole number as Python writes it, otherwise as strings.

    Raises
    ------
    DataError
        If a cell is empty, or holds neither a whole number nor text.
    """
    must = f"{'an' if role == 'item' else 'a'} {role} must be a whole number or text"
    empty = column.isna() | (column == "") if not pd.api.types.is_numeric_dtype(column) else column.isna()
    refuse(empty.to_numpy(bool), must, column, source=source, rows=rows)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return whole_numbers(column.to_numpy(), must, source=source, rows=rows)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.infer_dtype(column) != "string":
        raise DataError(f"{source}: {must}, found a column of {column.dtype}")
    codes, distinct = pd.factorize(column)
    texts = pd.Series(distinct, dtype="str")
    if texts.str.fullmatch(r"(?:0|-?[1-9][0-9]{0,17})").all():
        return texts.astype(np.int64).to_numpy()[codes]
    return texts.to_numpy(dtype=object)[codes]


def _numbers(column: pd.Series, must: str, source: str, rows: RowNames) -> FloatArray:
    """Return finite numbers."""
    exact = _all_numbers(column)
    if exact is not None:
        return exact
    try:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{source}: {must}, found a column of {column.dtype}") from error
    refuse(~np.isfinite(numbers), must, column, source=source, rows=rows)
    return numbers


def _all_numbers(column: pd.Series) -> FloatArray | None:
    """Return text as numbers, twenty times as fast as pandas does; None where a cell is no finite number."""
    if not isinstance(column.dtype, pd.StringDtype):
        return None
    try:
        numbers = pa.compute.cast(pa.array(column), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _timestamps(column: pd.Series, source: str, rows: RowNames) -> IntArray:
    must = "a timestamp must be whole seconds since 1970"
    if pd.api.types.is_datetime64_any_dtype(column):
        refuse(column.isna().to_numpy(), must, column, source=source, rows=rows)
        return pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy("datetime64[s]").astype(np.int64)
    return whole_numbers(_numbers(column, must, source, rows), must, source=source, rows=rows)


def _labels(frame: pd.DataFrame, users: AnyArray, source: str, rows: RowNames) -> RawLabels | None:
    """Return the label of every row."""
    found = {role: _label_values(frame[role], role, source, rows) for role in ("label", "kind") if role in frame}
    if not found:
        return None
    kinds = found.get("kind")
    labels = found["label"] if "label" in found else found["kind"]
    return RawLabels(users, labels, kinds, source, rows)


def _label_values(column: pd.Series, role: str, source: str, rows: RowNames) -> IntArray:
    must = f"a {role} must be a whole number"
    values = whole_numbers(_numbers(column, must, source, rows), must, source=source, rows=rows)
    check_label_values(values, source=source, rows=rows)
    return values


def _labels_of_rows(frame: pd.DataFrame, users: AnyArray, source: str, rows: RowNames) -> RawLabels | None:
    """Return one label per user of a table of ratings."""
    labels = _labels(frame, users, source, rows)
    if labels is None:
        return None
    codes, distinct = pd.factorize(users)
    first = np.unique(codes, return_index=True)[1]
    for role, values in (("label", labels.labels), ("kind", labels.kinds)):
        if values is not None:
            must = f"every row of a user must have the same {role}"
            refuse(values != values[first][codes], must, values, source=source, rows=rows)
    kinds = None if labels.kinds is None else labels.kinds[first]
    return RawLabels(np.asarray(distinct), labels.labels[first], kinds, source)
