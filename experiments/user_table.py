"""User table: twenty statistics of every user of a log of any size, written as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anomaly_lab.errors import ConfigError
from anomaly_lab.features.blocks import add_up, count_items, describe_users, log_table, sum_users
from anomaly_lab.ratings.readers import joint_scale
from anomaly_lab.ratings.scale import RatingScale
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
        ``user``, ascending, and twenty statistics (see `anomaly_lab.features.statistics.user_statistics`).
    n_ratings, n_items : int
        Size of the log.
    scale : RatingScale
        What its ratings mean.
    """

    table: pd.DataFrame
    n_ratings: int
    n_items: int
    scale: RatingScale


def describe_log(parts: LogParts, scale: RatingScale | None = None) -> UserTable:
    """Describe every user of a log beside all others, by two passes over its parts.

    Parameters
    ----------
    parts : LogParts
        The log.
    scale : RatingScale, optional
        What its ratings mean; without one it is inferred, which takes another pass.

    Raises
    ------
    DataError
        If a part cannot be read, has unknown ratings, changes meanwhile, or names users or items in another way.
    """
    if scale is None:
        scale = joint_scale(parts.levels())
    parts.read(scale)
    log = add_up(parts.over(count_items))
    table = describe_users(parts.over(sum_users, log_table(log, scale)), scale)
    return UserTable(table, int(log.counts.sum()), len(log.item_ids), scale)


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
