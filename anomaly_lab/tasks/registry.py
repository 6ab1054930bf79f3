"""The tasks by name, and their settings from text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from anomaly_lab.errors import ConfigError
from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers
from anomaly_lab.tasks.implicit_ranking import ImplicitRanking
from anomaly_lab.tasks.rating_prediction import RatingPrediction

TASKS: dict[str, type[Any]] = {task.name: task for task in (FakeUsers, RatingPrediction, ImplicitRanking)}


def make_task(name: str, settings: Mapping[str, str] | None = None) -> Task:
    """Return a task with some settings given as text.

    Parameters
    ----------
    name : str
        One of `TASKS`.
    settings : mapping of str to str, optional
        Fields of the task and their values; those not given stand at their defaults.

    Raises
    ------
    ConfigError
        If the task or a setting is unknown, or a value is not what its setting needs.
    """
    if name not in TASKS:
        raise ConfigError(f"--task must be one of {', '.join(TASKS)}, found '{name}'")
    kinds = {item.name: float if "float" in str(item.type) else int for item in fields(TASKS[name])}
    parsed = {}
    for key, text in (settings or {}).items():
        if key not in kinds:
            raise ConfigError(f"task {name} has no option '{key}'; it has {', '.join(kinds) or 'none'}")
        try:
            parsed[key] = kinds[key](text)
        except ValueError:
            what = "a number" if kinds[key] is float else "a whole number"
            raise ConfigError(f"task option {key} must be {what}, found '{text}'") from None
    task: Task = TASKS[name](**parsed)
    return task
