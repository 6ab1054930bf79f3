"""ItemTable: what is known of items beside their ratings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from anomaly_lab.types import AnyArray, BoolArray, IntArray

SENSITIVE_GENRES = ("Ecchi", "Hentai", "Erotica")
"""Genres of anime that the course's notebook leaves out, for :meth:`ItemTable.without_genres`."""


@dataclass(frozen=True, eq=False)
class ItemTable:
    """Titles and genres of items, one row an item.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ids as the ratings give them.
    titles : ndarray of shape (n_items,), str
        Empty where unknown.
    genres : tuple of str
        Names of the genres, ascending.
    has_genre : ndarray of shape (n_items, n_genres), bool
        Which item is of which genre; no genre where unknown.
    source : str
        Where the table came from, for messages.
    """

    item_ids: AnyArray
    titles: AnyArray
    genres: tuple[str, ...]
    has_genre: BoolArray
    source: str = "items"

    @property
    def n_unknown(self) -> int:
        """Number of items of which neither title nor genre is known."""
        return int(((self.titles == "") & ~self.has_genre.any(axis=1)).sum())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what models see: which item is of which genre."""
        digest = hashlib.sha256(repr(self.genres).encode())
        digest.update(pd.util.hash_array(self.item_ids).tobytes())
        digest.update(np.packbits(self.has_genre).tobytes())
        return digest.hexdigest()

    def take(self, rows: IntArray) -> ItemTable:
        """Return some rows in a given order."""
        return ItemTable(self.item_ids[rows], self.titles[rows], self.genres, self.has_genre[rows], self.source)

    def without_genres(self, left_out: Sequence[str]) -> ItemTable:
        """Return the table without some genres; an item of these alone has none left."""
        keep = np.array([name not in left_out for name in self.genres], dtype=bool)
        names = tuple(name for name in self.genres if name not in left_out)
        return ItemTable(self.item_ids, self.titles, names, self.has_genre[:, keep], self.source)
