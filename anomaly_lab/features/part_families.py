"""Part families: feature families of the users of a log that comes in parts, of which one at a time is looked at.

A part is passed over twice: what the users of each cross-fit fold gave each item is counted, then each user is
described beside the sums over the other folds. Sums are whole numbers, so the features are those of the whole log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.errors import ConfigError
from anomaly_lab.features.extract import describe_folds, fold_of
from anomaly_lab.features.part_counts import PartCounts, as_counted
from anomaly_lab.features.sums import ReferenceSums, beside_others
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.registry import FEATURES
from anomaly_lab.types import AnyArray

FROM_SUMS = ("profile", "agreement", "popularity", "likelihood", "seed")
"""Families that need nothing of reference users but sums."""


@dataclass(frozen=True, eq=False)
class LogSums:
    """What every part needs to know of the whole log.

    Parameters
    ----------
    item_ids : ndarray of shape (n_items,)
        Ascending.
    references : tuple of ReferenceSums
        Beside which the users of each fold are described.
    digests : frozenset of str
        Of the parts that were counted.
    """

    item_ids: AnyArray
    references: tuple[ReferenceSums, ...]
    digests: frozenset[str]


def check_families(families: Sequence[str]) -> None:
    """Raise `ConfigError` unless families are known, named once, and need nothing of other users but sums."""
    for family in families:
        FEATURES.load(family)
        if family not in FROM_SUMS:
            raise ConfigError(
                f"--families must be of {', '.join(FROM_SUMS)} where a log comes in parts, found '{family}', which "
                "compares users with users"
            )
        if families.count(family) > 1:
            raise ConfigError(f"--families must name each family once, found '{family}' twice")


def log_sums(log: PartCounts) -> LogSums:
    """Return what every part needs to know of the whole log, as `count_folds` counted it."""
    return LogSums(log.item_ids, beside_others(log.folds), frozenset(log.digests))


def describe_part(part: RatingBatch, log: LogSums, families: Sequence[str]) -> pd.DataFrame:
    """Return features of the users of a part, ``family:column`` of float32, under the users' ids.

    Parameters
    ----------
    part : RatingBatch
        All ratings of its users.
    log : LogSums
        Of the whole log, this part among it.
    families : sequence of str
        Of `FROM_SUMS`.

    Raises
    ------
    DataError
        If the part is none of those that were counted: its file was written to since.
    """
    part, fold = as_counted(part, log.item_ids, log.digests), fold_of(part)
    folds = [(int(one), part.select(fold == one), log.references[one]) for one in np.unique(fold)]
    with threadpool_limits(1):  # threaded products of matrices round differently
        found = [describe_folds(family, fold, folds) for family in families]
    columns = {name: one.matrix[:, place] for one in found for place, name in enumerate(one.names)}
    return pd.DataFrame(columns, index=part.user_ids)
