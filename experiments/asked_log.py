"""What a command asks about where recommenders are concerned: the task, and the log of ratings it is put to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.cache import RatingCache
from anomaly_lab.ratings.items import SENSITIVE_GENRES, ItemTable
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.logs import read_log
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers
from anomaly_lab.tasks.registry import make_task
from experiments.options import pairs

SENSITIVE = "sensitive"
"""Stands for the genres that may offend, where genres to drop are named."""


def take_task(settings: dict[str, Any]) -> dict[str, Task]:
    """Return the task that settings ask for, and take its options out of them.

    Raises
    ------
    ConfigError
        If the task or one of its options is unknown.
    """
    options = pairs(settings.pop("task_options", None), "--task-option")
    return {"task": make_task(settings.pop("task", FakeUsers.name), options)}


def read_asked_log(
    settings: dict[str, Any],
    rounds: Sequence[str | Path] | None,
    *,
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
    cache: RatingCache | None = None,
) -> list[Round]:
    """Return the one log that settings name, and take its path out of them.

    Raises
    ------
    ConfigError
        If none is named, or rounds are.
    DataError
        If it cannot be read.
    """
    path, items = settings.pop("ratings", None), settings.pop("items", None)
    drop = settings.pop("drop_genres", None) or ()
    if rounds or not path:
        raise ConfigError(
            f"task {settings['task'].name} needs one log of ratings, --ratings FILE, found "
            f"{'--round' if rounds else 'none'}; "
            "`anomaly-lab data fetch ml-latest-small` gets one"
        )
    return [read_asked(path, items, drop_genres=drop, scale=scale, columns=columns, cache=cache)]


def read_asked(
    path: str | Path,
    items: str | Path | None = None,
    *,
    drop_genres: Sequence[str] = (),
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
    cache: RatingCache | None = None,
) -> Round:
    """Return a log as a round without labels, with what is known of its items.

    Parameters
    ----------
    path, items, scale, columns, cache
        See `anomaly_lab.ratings.logs.read_log`. What it has to say of how the log was read goes to standard error.
    drop_genres : sequence of str
        Genres that no recommender is to see; ``sensitive`` stands for those that may offend.

    Raises
    ------
    DataError
        If the log cannot be read, or a genre to drop is none of its items'.
    """
    log = read_log(path, items=items, scale=scale, columns=columns, cache=cache)
    for note in log.notes:
        typer.echo(f"note: {note}", err=True)
    return Round(log.ratings, None, log.name, str(path), _without(log.content, drop_genres, str(path)))


def _without(content: ItemTable | None, drop: Sequence[str], source: str) -> ItemTable | None:
    if not drop:
        return content
    if content is None:
        raise DataError(f"{source}: --drop-genre needs a table of items, found none; give --items FILE")
    named = {name for name in drop if name != SENSITIVE}
    unknown = sorted(named - set(content.genres))
    if unknown:
        raise DataError(f"{content.source}: '{unknown[0]}' must be a genre, known: {', '.join(content.genres)}")
    return content.without_genres(sorted(named | (set(SENSITIVE_GENRES) if SENSITIVE in drop else set())))


def recommend_next(log: Round, store: Path) -> str:
    """Return what to do after recommenders were tuned."""
    user = log.ratings.user_ids[log.ratings.ascending[0]]
    return f"Next: anomaly-lab recommend --ratings {log.path} --user {user} --store {store}"
