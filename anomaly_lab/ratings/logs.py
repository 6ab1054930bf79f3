"""Whole logs: ratings with what is known of their items, as recommenders take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.cache import RatingCache
from anomaly_lab.ratings.item_files import find_items, for_items, read_items
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.opening import find_file, open_ratings
from anomaly_lab.ratings.readers import joint_scale
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.ratings.table_files import open_table

UNRATED = "UNKNOWN"
_OF_ITEMS = ("title", "genres")
_WITH_HEADER = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, eq=False)
class Log:
    """Ratings of one community, and what is known of the items.

    Parameters
    ----------
    ratings : RatingBatch
        The ratings.
    content : ItemTable, optional
        Titles and genres, row `i` for ``ratings.item_ids[i]``.
    name, path : str
        What boards call the log, and where it was read.
    n_unrated : int
        Rows of the file that were left out because their rating is ``UNKNOWN``.
    """

    ratings: RatingBatch
    content: ItemTable | None
    name: str
    path: str
    n_unrated: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the log was read, one sentence each."""
        notes = []
        if self.n_unrated:
            notes.append(f"{self.path}: {self.n_unrated:,} rows left out, their rating is {UNRATED}")
        if self.content is not None and self.content.n_unknown:
            unknown = f"{self.content.n_unknown:,} of {self.ratings.n_items:,} items"
            notes.append(f"{self.content.source}: says nothing of {unknown}")
        return tuple(notes)


def read_log(
    path: str | Path,
    *,
    items: str | Path | None = None,
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
    cache: RatingCache | None = None,
) -> Log:
    """Read a log of ratings and the table of its items.

    Parameters
    ----------
    path : str or Path
        A file as in :func:`~anomaly_lab.ratings.readers.read_rounds`, or a folder that holds a published one. In
        tables, a rating ``UNKNOWN`` means that none was given: the row is left out and counted.
    items : str or Path, optional
        The table of items, see :func:`~anomaly_lab.ratings.item_files.read_items`. By default the one that lies
        beside the ratings under a name known of published data, if there is one.
    scale : RatingScale, optional
        What the ratings mean; inferred by default.
    columns : mapping of str to str, optional
        Role to column name: user, item, rating, timestamp of the ratings; title, genres and, where a column is so
        called, item of the table of items.
    cache : RatingCache, optional
        As in :func:`~anomaly_lab.ratings.readers.read_rounds`.

    Raises
    ------
    DataError
        If a file is missing, broken or not what its format says; the message names file, line and key.
    """
    columns = columns or {}
    file = find_file(path)
    of_ratings = {role: name for role, name in columns.items() if role not in _OF_ITEMS}
    opened = open_ratings(file, of_ratings, unrated=UNRATED, cache=cache)
    parsed = opened.on(scale or joint_scale([opened]))
    batch = parsed.batch
    table = Path(items) if items is not None else find_items(file.parent)
    content = None if table is None else for_items(read_items(table, _item_columns(table, columns)), batch.item_ids)
    return Log(batch, content, _name(Path(path)), str(path), parsed.n_unrated)


def _item_columns(table: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """Return what was said of the table of items: the item's column may have another name in the ratings."""
    given = {role: columns[role] for role in _OF_ITEMS if role in columns}
    if "item" in columns and table.is_file() and table.suffix.lower() in _WITH_HEADER:
        given |= {"item": columns["item"]} if columns["item"] in open_table(table).names else {}
    return given


def _name(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.stem
