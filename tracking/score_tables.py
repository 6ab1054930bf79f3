"""Scores as a table: one line a user, with columns user and score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.types import AnyArray, FloatArray


def write_table(path: Path, users: AnyArray, scores: FloatArray) -> None:
    """Write user ids and their scores as CSV."""
    pd.DataFrame({"user": users, "score": scores}).to_csv(path, index=False)


def read_table(path: Path) -> tuple[AnyArray, AnyArray]:
    """Return user ids, ascending, and their scores.

    Raises
    ------
    DataError
        If the file has other columns than user and score, or a cell of them does not hold what it must.
    """
    try:
        # Without a header pandas refuses a longer line; with one it would take a first column too many for an index.
        lines = pd.read_csv(path, header=None, dtype=str, skip_blank_lines=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: must be a table of scores, found: {str(error).strip()}") from error
    names = [str(name) for name in lines.iloc[0]]
    if sorted(names) != ["score", "user"]:
        extra = [name for name in names if name not in ("user", "score")]
        raise DataError(
            f"{path}: must have the columns user and score, found {', '.join(names)}"
            + (f"; leave out {', '.join(extra)}" if {"user", "score"} <= set(names) else "")
        )
    table = lines.iloc[1:].set_axis(names, axis="columns")
    users = _ids(table["user"], path)
    scores = np.asarray([_number(text, line, path) for line, text in enumerate(table["score"], start=2)])
    order = np.argsort(users, kind="stable")
    return users[order], scores[order]


def _number(text: object, line: int, path: Path) -> float:
    try:
        return float(str(text))
    except ValueError:
        raise DataError(f"{path}: line {line}: a score must be a number, found '{text}'") from None


def _ids(column: pd.Series[str], path: Path) -> AnyArray:
    """Return ids as int64 where all of them are whole numbers, else as they stand."""
    if column.isna().any():
        raise DataError(f"{path}: line {int(column.isna().argmax()) + 2}: must name a user, found an empty cell")
    if column.duplicated().any():
        twice = column[column.duplicated()].iloc[0]
        raise DataError(f"{path}: each user must have one score, found user {twice} twice")
    numbers = pd.to_numeric(column, errors="coerce")
    if pd.api.types.is_integer_dtype(numbers) and (numbers.astype(str) == column).all():
        return numbers.to_numpy(dtype=np.int64)
    return column.to_numpy(dtype=object)
