"""User table: statistics or features of every user of a log of any size, written as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anomaly_lab.errors import ConfigError
from anomaly_lab.features.part_counts import PartCounts, add_up, count_folds, count_part
from anomaly_lab.features.part_families import describe_part, log_references
from anomaly_lab.features.part_statistics import describe_users, log_tables, sum_users
from anomaly_lab.features.statistics import require_numbers
from anomaly_lab.ratings.readers import joint_scale
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.ratings.user_blocks import user_blocks
from experiments.log_parts import LogParts
from tracking.whole_file import whole_file

FORMS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".csv": lambda table, path: table.to_csv(path, index=False),
}


@dataclass(frozen=True, eq=False)
class UserTable:
    """What is known of every user.

    Parameters
    ----------
    table : DataFrame
        ``user``, ascending, and twenty statistics (see `anomaly_lab.features.statistics.user_statistics`) or the
        features of some families, ``family:column``.
    n_ratings, n_items : int
        Size of the log.
    scale : RatingScale
        What its ratings mean.
    """

    table: pd.DataFrame
    n_ratings: int
    n_items: int
    scale: RatingScale


def describe_log(parts: LogParts, scale: RatingScale | None = None, families: Sequence[str] = ()) -> UserTable:
    """Describe every user of a log beside all others, by two passes over its parts.

    Parameters
    ----------
    parts : LogParts
        The log.
    scale : RatingScale, optional
        What its ratings mean; without one it is inferred, which takes another pass.
    families : sequence of str
        Feature families that need only sums of other users, instead of the twenty statistics. Where a user's ratings
        are in several parts, these are put together anew, which takes another pass.

    Raises
    ------
    DataError
        If a part cannot be read, changes meanwhile, or names users or items in another way; if ratings are unknown and
        statistics need numbers.
    """
    if scale is None:
        scale = joint_scale(parts.levels())
    parts.read(scale)
    log, table = _families(parts, families) if families else _statistics(parts, scale)
    table = table.sort_index().rename_axis("user").reset_index()
    return UserTable(table, sum(fold.n_rows for fold in log.folds), len(log.item_ids), scale)


def _statistics(parts: LogParts, scale: RatingScale) -> tuple[PartCounts, pd.DataFrame]:
    require_numbers(scale)
    log = add_up(parts.over(count_part))
    return log, describe_users(parts.over(sum_users, log_tables(log, scale)), scale)


def _families(parts: LogParts, families: Sequence[str]) -> tuple[PartCounts, pd.DataFrame]:
    log = add_up(parts.over(count_folds))
    if not log.users_are_whole:
        parts.regroup(user_blocks(log.user_ids, len(log.sources)))
        log = add_up(parts.over(count_folds))
    return log, pd.concat(parts.over(describe_part, log_references(log), families))


def check_form(out: Path) -> None:
    """Raise `ConfigError` unless a table can be written in the form that a file's name asks for."""
    if out.suffix.lower() not in FORMS:
        raise ConfigError(f"--out must end in {' or '.join(FORMS)}, found '{out.suffix or out.name}'")


def write_table(table: pd.DataFrame, out: Path) -> None:
    """Write a table whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    with whole_file(out) as draft:
        FORMS[out.suffix.lower()](table, draft)
