"""Published splits: which pairs of a log its publisher held out, such as ml-100k's u1 to u5, ua and ub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.ratings.rows import RowNames, refuse
from anomaly_lab.ratings.tables import read_table
from anomaly_lab.types import AnyArray, BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class HeldOutPairs:
    """The pairs of a user and an item that a published split holds out.

    Parameters
    ----------
    users, items : ndarray of shape (n_pairs,)
        Ids, in the order of the file.
    source : str
        The file, for messages.
    rows : RowNames
        How messages name a pair.
    """

    users: AnyArray
    items: AnyArray
    source: str
    rows: RowNames

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.users)

    def held_out(self, data: Interactions, user_ids: AnyArray, item_ids: AnyArray) -> BoolArray:
        """Return which rows of a whole log are held out.

        Parameters
        ----------
        data : Interactions
            The log: the split's training part is all that is not held out.
        user_ids, item_ids : ndarray of shape (n_users,) and (n_items,)
            What the log's users and items are called.

        Raises
        ------
        DataError
            If a pair is not in the log; the message names the first.
        """
        users = self._positions(self.users, user_ids, "user")
        items = self._positions(self.items, item_ids, "item")
        rows = data.users.astype(np.int64) * data.n_items + data.items
        pairs = users * data.n_items + items
        absent = ~np.isin(pairs, rows)
        if absent.any():
            pair = int(np.argmax(absent))
            raise DataError(
                f"{self.source}: {self.rows.name(pair)}: every pair must be rated in the log, "
                f"found no rating of user {self.users[pair]} for item {self.items[pair]}"
            )
        return np.isin(rows, pairs)

    def _positions(self, ids: AnyArray, known: AnyArray, role: str) -> IntArray:
        positions = pd.Index(known).get_indexer(pd.Index(ids)).astype(np.int64)
        refuse(positions < 0, f"every {role} must occur in the log", ids, source=self.source, rows=self.rows)
        return positions


def read_given_split(folder: str | Path) -> list[tuple[str, HeldOutPairs]]:
    """Read the splits that were published with a log.

    Parameters
    ----------
    folder : str or Path
        Holds test parts such as ml-100k's ``u1.test`` or ml-10m's ``r1.test``; what is not in one is its training part.

    Returns
    -------
    splits : list of (str, HeldOutPairs)
        Name (``u1``) and held-out pairs, by ascending name.

    Raises
    ------
    DataError
        If there is none, a file is broken, or a pair is held out twice.
    """
    files = sorted(Path(folder).glob("*.test"))
    if not files:
        raise DataError(f"{folder}: must hold published splits (u1.test, …), found none")
    return [(file.stem, _read_pairs(file)) for file in files]


def _read_pairs(file: Path) -> HeldOutPairs:
    raw = read_table(file)
    again = pd.DataFrame({"user": raw.users, "item": raw.items}).duplicated().to_numpy()
    if again.any():
        row = int(np.argmax(again))
        pair = f"user {raw.users[row]} and item {raw.items[row]}"
        raise DataError(f"{file}: {raw.rows.name(row)}: a pair must be held out once, found {pair} again")
    return HeldOutPairs(raw.users, raw.items, raw.source, raw.rows)
