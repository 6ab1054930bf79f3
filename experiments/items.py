"""Catalogue: items as users call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.labels import Round
from anomaly_lab.types import AnyArray, BoolArray, IntArray

SHOWN = 5
"""Items named in a message."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items of a log, with titles and genres where they are known.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ids, ascending.
    content : ItemTable or None
        Titles and genres, in the same order.
    source : str
        Where the ratings came from, for messages.
    """

    item_ids: AnyArray
    content: ItemTable | None
    source: str

    @classmethod
    def of(cls, log: Round) -> Catalogue:
        """Return the catalogue of a log."""
        return cls(log.ratings.item_ids, log.content, log.path or log.name)

    def rows(self, places: IntArray) -> pd.DataFrame:
        """Return ``item``, and where known ``title`` and ``genres``, of the items at some positions."""
        table = pd.DataFrame({"item": self.item_ids[places]})
        if self.content is not None:
            names = np.array(self.content.genres, dtype=object)
            table["title"] = self.content.titles[places]
            table["genres"] = ["|".join(names[row]) for row in self.content.has_genre[places]]
        return table

    def name_of(self, place: int) -> str:
        """Return the title of the item at a position, its id where none is known."""
        title = "" if self.content is None else str(self.content.titles[place])
        return title or str(self.item_ids[place])

    def rows_of_ids(self, ids: AnyArray) -> pd.DataFrame:
        """Return the same of the items with some ids."""
        return self.rows(pd.Index(self.item_ids).get_indexer(pd.Index(ids)))

    def find(self, text: str) -> int:
        """Return the position of the item with an id, or with a title, or with a part of one.

        Raises
        ------
        DataError
            If no item is meant, or more than one.
        """
        by_id = np.flatnonzero(self.item_ids.astype(str) == text)
        if len(by_id):
            return int(by_id[0])
        titles = pd.Series(self.content.titles if self.content is not None else [], dtype=str).str.lower()
        plain = titles.str.replace(r"\s*\(\d{4}\)$", "", regex=True)
        wanted = text.lower().strip()
        for fitting in (titles == wanted, plain == wanted, titles.str.contains(wanted, regex=False)):
            places = np.flatnonzero(fitting)
            if len(places) == 1:
                return int(places[0])
            if len(places) > 1:
                raise DataError(f"{self.source}: '{text}' must mean one item, found {self._named(places)}; give its id")
        what = "id or title" if self.content is not None else "id (no table of items is known; see --items)"
        raise DataError(f"{self.source}: '{text}' must be an item's {what}, found no such item")

    def of_genres(self, genres: Sequence[str]) -> BoolArray:
        """Return which items are of all of some genres.

        Raises
        ------
        DataError
            If a genre is unknown, or no item is of all of them.
        """
        if self.content is None:
            raise DataError(f"{self.source}: genres need a table of items, found none; give --items FILE")
        known = {name.lower(): place for place, name in enumerate(self.content.genres)}
        for name in genres:
            if name.lower() not in known:
                raise DataError(
                    f"{self.content.source}: '{name}' must be a genre, known: {', '.join(self.content.genres)}"
                )
        wanted = [known[name.lower()] for name in genres]
        fitting = np.asarray(self.content.has_genre[:, wanted].all(axis=1), dtype=bool)
        if not fitting.any():
            raise DataError(f"{self.content.source}: some item must be of {' and '.join(genres)}, found none")
        return fitting

    def _named(self, places: IntArray) -> str:
        rows = self.rows(places[:SHOWN])
        named = [f"{row.item} ({row.title})" for row in rows.itertuples()]
        return ", ".join(named) + (f" and {len(places) - SHOWN} more" if len(places) > SHOWN else "")
