"""Known items: the catalogue as those know it who know no ratings of the users asked about."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import RatingPool
from anomaly_lab.types import AnyArray, BoolArray


def known_items(pool: RatingPool, visible: AnyArray) -> BoolArray:
    """Return which items a user with a visible label rated, shape (n_items,).

    Parameters
    ----------
    pool : RatingPool
        Everyone's ratings.
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    """
    ratings = pool.ratings
    known: BoolArray = np.bincount(ratings.items[visible[ratings.users] >= 0], minlength=ratings.n_items) > 0
    return known


def on_items(batch: RatingBatch, known: BoolArray) -> RatingBatch:
    """Return the same ratings on the known items and one more, the last, that stands for every other.

    As an unknown word is to a language model, an item that is not known is one like any other such item: users keep
    all of their ratings, and who else rated it, or how many such items there are, is not told. That last item is there
    even if nobody rated it. Doing this twice changes nothing.

    Parameters
    ----------
    batch : RatingBatch
        Any ratings.
    known : ndarray of shape (n_items,), bool
        Which of its items are known.
    """
    place = np.where(known, np.cumsum(known) - 1, known.sum()).astype(np.int32)
    items = place[batch.items]
    rows = np.lexsort((batch.ratings, items, batch.users))
    ids = batch.item_ids
    unknown = ids.min() - 1 if ids.dtype.kind in "iu" else "unknown"
    return replace(
        batch,
        users=batch.users[rows],
        items=items[rows],
        ratings=batch.ratings[rows],
        item_ids=np.append(ids[known], [unknown]),
        timestamps=None if batch.timestamps is None else batch.timestamps[rows],
    )


@lru_cache(maxsize=8)
def pool_on_known_items(pool: RatingPool, visible: bytes) -> RatingPool:
    """Return the same users' ratings on the items known by some visible labels; kept, as others keep by the pool."""
    known = known_items(pool, np.frombuffer(visible, dtype=np.int8))
    return replace(pool, ratings=on_items(pool.ratings, known))
