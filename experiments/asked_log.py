"""What a command asks about where recommenders are concerned: the task, and the log of ratings it is put to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.logs import read_log
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers
from anomaly_lab.tasks.registry import make_task
from experiments.options import pairs


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
    if rounds or not path:
        raise ConfigError(
            f"task {settings['task'].name} needs one log of ratings, --ratings FILE, found "
            f"{'--round' if rounds else 'none'}; "
            "`anomaly-lab data fetch ml-latest-small` gets one"
        )
    return [read_asked(path, items, scale=scale, columns=columns)]


def read_asked(
    path: str | Path,
    items: str | Path | None = None,
    *,
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
) -> Round:
    """Return a log as a round without labels, with what is known of its items."""
    log = read_log(path, items=items, scale=scale, columns=columns)
    return Round(log.ratings, None, log.name, str(path), log.content)


def recommend_next(log: Round, store: Path) -> str:
    """Return what to do after recommenders were tuned."""
    user = log.ratings.user_ids[log.ratings.ascending[0]]
    return f"Next: anomaly-lab recommend --ratings {log.path} --user {user} --store {store}"
