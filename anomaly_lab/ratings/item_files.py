"""Item tables on disk: titles and genres as MovieLens, MyAnimeList's dumps and any other table hold them."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.columns import ITEM_NAMES, find_columns
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.rows import RowNames, refuse
from anomaly_lab.ratings.table_files import open_table
from anomaly_lab.ratings.tables import read_ids
from anomaly_lab.types import AnyArray, BoolArray

ITEM_FILES = ("movies.csv", "movies.dat", "u.item", "anime_info.dat", "anime-dataset-2023.csv")
"""Names of item tables that are found beside ratings."""

_SUFFIXES = (".csv", ".tsv", ".dat", ".item", ".parquet")
_UNKNOWN = ("", "UNKNOWN")
_NO_GENRE = (*_UNKNOWN, "unknown", "(no genres listed)")
_MOVIES_DAT = ("item", "title", "genres")
_U_ITEM = ("item", "title", "release date", "video release date", "IMDb URL")
_U_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


_Record = tuple[int, list[str]]
"""The line a record ends on, and its fields."""


def read_items(path: str | Path, columns: Mapping[str, str] | None = None) -> ItemTable:
    """Read a table of items.

    Parameters
    ----------
    path : str or Path
        MovieLens' ``movies.csv``, ``movies.dat`` or ``u.item`` (genre names from ``u.genre`` where it lies beside);
        ``anime_info.dat``; ``anime-dataset-2023.csv``; or any ``.csv``, ``.tsv``, ``.dat`` or ``.parquet`` with a
        column for the item and, if known, for the title and for genres separated by ``|`` or commas. Text is UTF-8;
        ``movies.dat`` and ``u.item`` may be Latin-1.
    columns : mapping of str to str, optional
        Role (item, title, genres) to column name, where common names do not settle it.

    Returns
    -------
    items : ItemTable
        One row an item, in the order of the file. ``UNKNOWN``, ``(no genres listed)`` and u.item's genre ``unknown``
        are no genre; character references (``&#039;``) in titles are resolved.

    Raises
    ------
    DataError
        If the file is missing or broken, a column is missing, a row has another number of fields than the first, or
        an item stands there twice. The message names file, line and key.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: must be a file of items, found no such file")
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(f"{path}: must end in one of {', '.join(_SUFFIXES)}, found '{path.suffix or path.name}'")
    frame, rows = _read_parquet(path, columns) if path.suffix.lower() == ".parquet" else _read_text(path, columns)
    return _item_table(frame, rows, str(path))


def find_items(folder: Path) -> Path | None:
    """Return the item table that lies in a folder under a name known of published data, None if there is none.

    Raises
    ------
    DataError
        If there are several.
    """
    found = [folder / name for name in ITEM_FILES if (folder / name).is_file()]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DataError(f"{folder}: must hold one table of items, found {names}; say which with --items FILE")
    return found[0] if found else None


def for_items(table: ItemTable, item_ids: AnyArray) -> ItemTable:
    """Return a table's rows in the order of a log's items.

    Parameters
    ----------
    table : ItemTable
        What is known.
    item_ids : ndarray of shape (n_items,)
        The log's items; one that the table lacks gets no title and no genre, and `n_unknown` counts it.
    """
    known, wanted = pd.Index(table.item_ids), pd.Index(item_ids)
    if (known.dtype.kind == "i") != (wanted.dtype.kind == "i"):  # one id that is no number makes all of them text
        known, wanted = known.astype(str), wanted.astype(str)
    place = known.get_indexer(wanted)
    aligned = table.take(np.maximum(place, 0))
    lacking = place < 0
    return ItemTable(
        np.asarray(item_ids),
        np.where(lacking, "", aligned.titles).astype(object),
        table.genres,
        aligned.has_genre & ~lacking[:, None],
        table.source,
    )


def _read_parquet(path: Path, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, RowNames]:
    """Return the columns that fill a role, called by it, and how messages name the rows."""
    table = open_table(path)
    found = _find_columns(table.names, columns, path)
    frame = table.read(list(found.values()))[list(found.values())].set_axis(list(found), axis=1)
    for role in ("title", "genres"):
        if role in frame and pd.api.types.infer_dtype(frame[role], skipna=True) not in ("string", "empty"):
            raise DataError(f"{path}: column '{found[role]}' must hold text, found a column of {frame[role].dtype}")
    return frame, table.rows


def _read_text(path: Path, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, RowNames]:
    """Return the columns that fill a role, called by it, and how messages name the rows."""
    content = path.read_bytes()
    if path.suffix.lower() == ".item":
        frame, rows = _fields(_split(_movielens_text(content), "|"), (*_U_ITEM, *_genres_beside(path)), path)
        return _flags_as_text(frame, rows, path), rows
    if path.suffix.lower() == ".dat" and b"::" in content.partition(b"\n")[0]:
        return _fields(_split(_movielens_text(content), "::"), _MOVIES_DAT, path)
    records = _delimited(_text(content, path), "," if path.suffix.lower() == ".csv" else "\t", path)
    _, names = next(records, (1, []))
    if not names:
        raise DataError(f"{path}: line 1: must name the columns, found an empty line")
    found = _find_columns(names, columns, path)
    frame, rows = _fields(records, names, path)
    return frame[list(found.values())].set_axis(list(found), axis=1), rows


def _find_columns(names: Sequence[str], columns: Mapping[str, str] | None, path: Path) -> dict[str, str]:
    optional = ("title", "genres")
    return find_columns(names, columns, needed=("item",), optional=optional, source=str(path), common=ITEM_NAMES)


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line}: must be text in UTF-8, found other bytes ({error.reason})") from None


def _movielens_text(content: bytes) -> str:
    """Return the text of MovieLens' files: UTF-8 since ml-10m, Latin-1 before."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _split(text: str, separator: str) -> Iterator[_Record]:
    """Return the records of text in which nothing is quoted."""
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), start=1):
        yield number, line.rstrip("\r").split(separator)


def _delimited(text: str, separator: str, path: Path) -> Iterator[_Record]:
    """Return the records of text in which a quoted field may hold separators and line ends, as synopses do."""
    reader = csv.reader(io.StringIO(text.rstrip("\r\n"), newline=""), delimiter=separator, strict=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: must be delimited text, found: {error}") from None


def _fields(records: Iterable[_Record], names: Sequence[str], path: Path) -> tuple[pd.DataFrame, RowNames]:
    """Return records as a table, and how messages name its rows."""
    lines, table = [], []
    for line, fields in records:
        if len(fields) != len(names):
            raise DataError(
                f"{path}: line {line}: must have {len(names)} fields ({', '.join(names[:3])}, …), found {len(fields)}"
            )
        lines.append(line)
        table.append(fields)
    frame = pd.DataFrame(table, columns=list(names), dtype=object)
    return frame, RowNames(first_line=0, positions=np.array(lines, dtype=np.int64))


def _genres_beside(path: Path) -> tuple[str, ...]:
    """Return the names of u.item's flags: as ``u.genre`` numbers them, else as published with ml-100k."""
    file = path.with_name("u.genre")
    if not file.is_file():
        return _U_GENRES
    frame, rows = _fields(_split(_movielens_text(file.read_bytes()), "|"), ("genre", "number"), file)
    expected = pd.Series(range(len(frame))).astype(str).to_numpy()
    wrong = frame["number"].str.strip().to_numpy() != expected
    refuse(wrong, "genres must be numbered from 0 on", frame["number"], source=str(file), rows=rows)
    return tuple(frame["genre"])


def _flags_as_text(frame: pd.DataFrame, rows: RowNames, path: Path) -> pd.DataFrame:
    """Return u.item's table with the names of the genres whose flag is 1."""
    genres = frame.columns[len(_U_ITEM) :]
    for name in genres:
        wrong = ~frame[name].isin(["0", "1"]).to_numpy()
        refuse(wrong, f"the flag of genre '{name}' must be 0 or 1", frame[name], source=str(path), rows=rows)
    flags = (frame[genres] == "1").to_numpy()
    named = ["|".join(genres[row]) for row in flags]
    return frame[["item", "title"]].assign(genres=named)


def _item_table(frame: pd.DataFrame, rows: RowNames, source: str) -> ItemTable:
    if frame.empty:
        raise DataError(f"{source}: must have at least one item, found none")
    ids = read_ids(frame["item"], "item", source, rows)
    _refuse_twice(ids, source, rows)
    genres, has_genre = _genre_flags(_column(frame, "genres"))
    return ItemTable(ids, _titles(_column(frame, "title")), genres, has_genre, source)


def _refuse_twice(ids: AnyArray, source: str, rows: RowNames) -> None:
    again = pd.Series(ids).duplicated().to_numpy()
    if again.any():
        second = int(np.argmax(again))
        first = rows.name(int(np.argmax(ids == ids[second])))
        raise DataError(
            f"{source}: {rows.name(second)}: item {ids[second]} must stand in one row, found it in {first} too"
        )


def _column(frame: pd.DataFrame, role: str) -> pd.Series[str]:
    """Return a column of text without blanks around it, empty where it is not there."""
    if role not in frame:
        return pd.Series("", index=range(len(frame)), dtype=object)
    return frame[role].reset_index(drop=True).astype(object).where(frame[role].notna().to_numpy(), "").str.strip()


def _titles(column: pd.Series[str]) -> AnyArray:
    titles = ["" if title in _UNKNOWN else html.unescape(title) for title in column]
    return np.array(titles, dtype=object)


def _genre_flags(column: pd.Series[str]) -> tuple[tuple[str, ...], BoolArray]:
    """Return the names of all genres, ascending, and which item is of which."""
    separator = "|" if column.str.contains("|", regex=False).any() else ","
    named = column.str.split(separator).explode().str.strip()
    named = named[~named.isin(_NO_GENRE)]
    codes, names = pd.factorize(named, sort=True)
    flags = np.zeros((len(column), len(names)), dtype=bool)
    flags[named.index.to_numpy(), codes] = True
    return tuple(names), flags
