"""Part families: feature families of the users of a log that comes in parts, of which one at a time is looked at.

A part is passed over twice: what the users of each cross-fit fold gave each item is counted, then each user is
described beside the sums over the other folds. Sums are whole numbers, so the features are those of the whole log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.errors import ConfigError
from anomaly_lab.features.extract import describe_folds, fold_of
from anomaly_lab.features.part_counts import PartCounts, WholeLog
from anomaly_lab.features.sums import ReferenceSums, beside_others
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.registry import FEATURES

FROM_SUMS = ("profile", "agreement", "popularity", "likelihood", "seed")
"""Families that need nothing of reference users but sums."""
References: TypeAlias = tuple[ReferenceSums, ...]
"""Beside which the users of each fold are described."""


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


def log_references(log: PartCounts) -> WholeLog[References]:
    """Return what every part needs to know of the whole log, as `count_folds` counted it: each fold's reference."""
    return log.tell(beside_others(log.folds))


def describe_part(part: RatingBatch, log: WholeLog[References], families: Sequence[str]) -> pd.DataFrame:
    """Return features of the users of a part, ``family:column`` of float32, under the users' ids.

    Parameters
    ----------
    part : RatingBatch
        All ratings of its users.
    log : WholeLog
        Of the whole log, this part among it.
    families : sequence of str
        Of `FROM_SUMS`.

    Raises
    ------
    DataError
        If the part is none of those that were counted: its file was written to since.
    """
    part, fold = log.admit(part), fold_of(part)
    folds = [(int(one), part.select(fold == one), log.known[one]) for one in np.unique(fold)]
    with threadpool_limits(1):  # threaded products of matrices round differently
        found = [describe_folds(family, fold, folds) for family in families]
    columns = {name: one.matrix[:, place] for one in found for place, name in enumerate(one.names)}
    return pd.DataFrame(columns, index=part.user_ids)
