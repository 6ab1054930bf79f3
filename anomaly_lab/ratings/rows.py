"""How messages name the rows of a file, and the checks of rows that every format shares."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.types import AnyArray, BoolArray, IntArray

_LARGEST_EXACT_FLOAT = 2.0**53


@dataclass(frozen=True)
class RowNames:
    """Names of rows: lines of a text file count from 1 with the header, rows of arrays and tables count from 0.

    Parameters
    ----------
    key : str, optional
        The array that holds the rows, where a file holds several.
    first_line : int, optional
        The line of a text file that holds the first row; None for arrays and tables, which have no lines.
    positions : ndarray of shape (n_rows,), int64, optional
        Where each row stands in the file, where not every row of the file is one.
    """

    key: str | None = None
    first_line: int | None = None
    positions: IntArray | None = field(default=None, compare=False, repr=False)

    def name(self, row: int) -> str:
        """Return how a message names a row that stands at position `row`."""
        row = row if self.positions is None else int(self.positions[row])
        if self.first_line is not None:
            return f"line {row + self.first_line}"
        place = f"row {row} (counted from 0)"
        return place if self.key is None else f"key '{self.key}', {place}"


ARRAY_ROWS = RowNames()


def refuse(wrong: BoolArray, must: str, found: AnyArray | pd.Series, *, source: str, rows: RowNames) -> None:
    """Raise an error that names the first wrong row and what stands there.

    Raises
    ------
    DataError
        If any row is wrong.
    """
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    value = found.iloc[row] if isinstance(found, pd.Series) else found[row]
    raise DataError(f"{source}: {rows.name(row)}: {must}, found {_show(value)}")


def whole_numbers(values: AnyArray, must: str, *, source: str, rows: RowNames) -> IntArray:
    """Return numbers as int64, exactly.

    Raises
    ------
    DataError
        If one is not finite, not whole, or too large to be held exactly.
    """
    if values.dtype.kind == "f":
        exact = np.isfinite(values) & (np.abs(values) <= _LARGEST_EXACT_FLOAT)
        refuse(~exact | (np.where(exact, values, 0) % 1 != 0), must, values, source=source, rows=rows)
    elif values.dtype.kind == "u":
        refuse(values > np.iinfo(np.int64).max, must, values, source=source, rows=rows)
    return values.astype(np.int64)


def _show(value: object) -> str:
    """Return a value as a one-line message shows it."""
    if isinstance(value, str):
        return "an empty cell" if not value.strip() else repr(value if len(value) <= 40 else value[:40] + "…")
    return "an empty cell" if value is None else str(value)
