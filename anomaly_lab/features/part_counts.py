"""Part counts: who and what is in the parts of a log, which need not be in memory together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError
from anomaly_lab.features.extract import N_FOLDS, fold_of
from anomaly_lab.features.sums import ReferenceSums
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray

Known = TypeVar("Known")


@dataclass(frozen=True, eq=False)
class WholeLog(Generic[Known]):
    """What every part needs to know of the whole log.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ascending.
    known : object
        What all parts together say of these items.
    digests : frozenset of str
        Of the parts that were counted.
    """

    item_ids: AnyArray
    known: Known
    digests: frozenset[str]

    def admit(self, part: RatingBatch) -> RatingBatch:
        """Return a part on the items of the whole log.

        Raises
        ------
        DataError
            If the part is none of those that were counted: its file was written to since.
        """
        if part.digest not in self.digests:
            raise DataError(f"{part.source}: must not change while it is read, found other ratings the second time")
        places = pd.Index(self.item_ids).get_indexer(pd.Index(part.item_ids)).astype(np.int32)
        return replace(part, items=places[part.items], item_ids=self.item_ids)


@dataclass(frozen=True, eq=False)
class PartCounts:
    """Who and what is in a part of a log, or in all of it.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ascending.
    folds : tuple of ReferenceSums
        Sums over the users of each fold of a cross-fit, or over all users.
    user_ids : ndarray of shape (n_users,)
        In any order.
    digests : tuple of str
        Of each part, in order.
    sources : tuple of str
        Where each part came from, for messages.
    """

    item_ids: AnyArray
    folds: tuple[ReferenceSums, ...]
    user_ids: AnyArray
    digests: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def users_are_whole(self) -> bool:
        """Whether each user's ratings are all in one part."""
        return sum(fold.n_users for fold in self.folds) == len(self.user_ids)

    def tell(self, known: Known) -> WholeLog[Known]:
        """Return what every part needs to know, with what these counts say of the items."""
        return WholeLog(self.item_ids, known, frozenset(self.digests))


def count_part(part: RatingBatch) -> PartCounts:
    """Count what everyone in a part rated."""
    return _counts(part, (ReferenceSums.of(part),))


def count_folds(part: RatingBatch) -> PartCounts:
    """Count what the users of each fold of a cross-fit rated in a part."""
    fold = fold_of(part)
    return _counts(part, tuple(ReferenceSums.of(part.select(fold == number)) for number in range(N_FOLDS)))


def _counts(part: RatingBatch, folds: tuple[ReferenceSums, ...]) -> PartCounts:
    return PartCounts(part.item_ids, folds, part.user_ids, (part.digest,), (part.source,))


def add_up(parts: Sequence[PartCounts]) -> PartCounts:
    """Return who and what is in all parts together.

    Raises
    ------
    DataError
        If ids are numbers in one part and texts in another: nobody can say which of them are the same.
    """
    for ids, what in (("user_ids", "users"), ("item_ids", "items")):
        for one in parts[1:]:
            if getattr(one, ids).dtype.kind != getattr(parts[0], ids).dtype.kind:
                raise DataError(
                    f"{one.sources[0]}: {what} must be called alike in every part of a log, found numbers here or in "
                    f"{parts[0].sources[0]} and texts in the other"
                )
    items = pd.Index(np.concatenate([one.item_ids for one in parts])).unique().sort_values()
    on_items = [_on_items(one, items) for one in parts]
    folds = tuple(reduce(add, of_parts) for of_parts in zip(*on_items, strict=True))
    users = pd.unique(np.concatenate([one.user_ids for one in parts]))
    digests, sources = sum((one.digests for one in parts), ()), sum((one.sources for one in parts), ())
    return PartCounts(items.to_numpy(), folds, users, digests, sources)


def _on_items(part: PartCounts, items: pd.Index) -> list[ReferenceSums]:
    places = items.get_indexer(pd.Index(part.item_ids))
    return [fold.on(places, len(items)) for fold in part.folds]
