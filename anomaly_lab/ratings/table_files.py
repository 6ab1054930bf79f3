"""Tables on disk: delimited text, MovieLens' layouts and Parquet, read strictly and without guessing types."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.rows import ARRAY_ROWS, RowNames

TABLE_SUFFIXES = (".csv", ".tsv", ".dat", ".data", ".parquet")
_MOVIELENS = ("user", "item", "rating", "timestamp")


@dataclass(frozen=True)
class TextTable:
    """Delimited text whose cells come back as the strings they are, so that id ``007`` stays ``007``.

    Parameters
    ----------
    path : Path
        The file, in UTF-8.
    separator : str
        What stands between two fields; one character, or ``::``.
    names : tuple of str
        Names of the columns.
    header : bool
        Whether the first line holds the names.
    """

    path: Path
    separator: str
    names: tuple[str, ...]
    header: bool

    @property
    def rows(self) -> RowNames:
        """How messages name a row: by its line."""
        return RowNames(first_line=2 if self.header else 1)

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return some columns; empty lines at the end are no rows.

        Raises
        ------
        DataError
            If a row has more or fewer fields than there are columns, or the text is not UTF-8.
        """
        broken: list[pa.csv.InvalidRow] = []

        def keep_and_skip(row: pa.csv.InvalidRow) -> str:
            broken.append(row)
            return "skip"

        content = self.path.read_bytes() + b"\n"  # a header that no line end follows is refused by pyarrow
        separator = self.separator
        if separator == "::":
            content, separator = content.replace(b"::", b"\t"), "\t"
        try:
            table = pa.csv.read_csv(
                io.BytesIO(content),
                pa.csv.ReadOptions(use_threads=False, column_names=None if self.header else list(self.names)),
                pa.csv.ParseOptions(delimiter=separator, ignore_empty_lines=False, invalid_row_handler=keep_and_skip),
                pa.csv.ConvertOptions(
                    include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()), null_values=[]
                ),
            )
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.path}: must be a table of text in UTF-8, found: {_one_line(error)}") from error
        if broken:
            row = broken[0]
            raise DataError(
                f"{self.path}: line {row.number}: must have {row.expected_columns} fields as the first line has, "
                f"found {row.actual_columns}"
            )
        return _without_empty_end(table.to_pandas())


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    names : tuple of str
        Names of the columns.
    """

    path: Path
    names: tuple[str, ...]
    rows: RowNames = ARRAY_ROWS

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return some columns.

        Raises
        ------
        DataError
            If the file is broken.
        """
        try:
            table = pa.parquet.ParquetFile(self.path).read(columns=list(columns))
        except (pa.ArrowException, OSError) as error:
            raise _not_parquet(self.path, error) from error
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        return frame


TableFile = TextTable | ParquetTable


def open_table(path: Path) -> TableFile:
    """Return the table in a file, by its suffix.

    Parameters
    ----------
    path : Path
        ``.csv``; ``.tsv``; ``.dat`` and ``.data`` (separated by tabs or ``::``, with a header, or without one in
        MovieLens' order: user, item, rating, timestamp); ``.parquet``.

    Raises
    ------
    DataError
        If the file is empty, not text in UTF-8, or not Parquet.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        try:
            return ParquetTable(path, tuple(pa.parquet.read_schema(path).names))
        except (pa.ArrowException, OSError) as error:
            raise _not_parquet(path, error) from error
    first_line = _first_line(path)
    if suffix in (".csv", ".tsv"):
        return _table_with_header(path, "," if suffix == ".csv" else "\t", first_line)
    separator = "::" if "::" in first_line else "\t"
    fields = first_line.split(separator)
    if len(fields) in (3, 4) and _is_number(fields[2]):
        return TextTable(path, separator, _MOVIELENS[: len(fields)], header=False)
    return _table_with_header(path, separator, first_line)


def _table_with_header(path: Path, separator: str, first_line: str) -> TextTable:
    if separator == "::":
        first_line, delimiter = first_line.replace("::", "\t"), "\t"
    else:
        delimiter = separator
    return TextTable(path, separator, tuple(next(csv.reader([first_line], delimiter=delimiter))), header=True)


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = file.readline().rstrip("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: must be text in UTF-8, found other bytes ({error.reason})") from error
    if not line.strip():
        raise DataError(f"{path}: line 1: must name the columns or hold a rating, found an empty line")
    return line


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _without_empty_end(frame: pd.DataFrame) -> pd.DataFrame:
    filled = (frame != "").any(axis=1).to_numpy().nonzero()[0]
    return frame.iloc[: filled[-1] + 1] if len(filled) else frame.iloc[:0]


def _not_parquet(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: must be a Parquet file, found another or a truncated one ({_one_line(error)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
