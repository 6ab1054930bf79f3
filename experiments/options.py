"""Options that several commands share, and how their text is read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anomaly_lab.errors import ConfigError

if TYPE_CHECKING:
    from anomaly_lab.ratings.cache import RatingCache
    from anomaly_lab.ratings.scale import RatingScale

Rounds = Annotated[list[Path] | None, typer.Option("--round", help="A labelled round; give each, oldest first.")]
StoreFolder = Annotated[Path, typer.Option("--store", help="The lab's folder.")]
KeptIn = Annotated[Path, typer.Option("--store", help="A lab's folder: tables parsed before are read back from it.")]
Scale = Annotated[str | None, typer.Option(help="stars, likes, likes-watched, …, or levels in order: -1,0,1.")]
Columns = Annotated[
    list[str] | None, typer.Option("--columns", help="For tables: user=COLUMN, item=…, rating=…; repeatable.")
]
Families = Annotated[str | None, typer.Option(help="Feature families, separated by commas.")]
Inductive = Annotated[
    bool | None,
    typer.Option(
        "--inductive/--transductive",
        help="Use nothing of the users asked about but their own ratings.  [default: transductive]",
        show_default=False,
    ),
]
TeamFile = Annotated[
    Path | None, typer.Option("--features", help="Your own features: Parquet or CSV with a column user.")
]
TaskName = Annotated[
    str | None, typer.Option("--task", help="fake-users, rating-prediction or implicit-ranking.  [default: fake-users]")
]
Log = Annotated[
    Path | None, typer.Option("--ratings", help="For recommenders: a log of ratings, or the folder that holds it.")
]
Items = Annotated[Path | None, typer.Option("--items", help="A table of the items.  [default: the one beside the log]")]
DropGenres = Annotated[
    list[str] | None,
    typer.Option("--drop-genre", help="A genre that no recommender is to see, or 'sensitive'; repeatable."),
]
TaskOptions = Annotated[
    list[str] | None, typer.Option("--task-option", help="A setting of the task: name=value; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CourseDir = Annotated[Path, typer.Argument(metavar="DIR", help="The course's folder.")]
RunId = Annotated[str | None, typer.Option("--run", help="A run's id, or the beginning of one.")]


def scale_of(text: str | None) -> RatingScale | None:
    """Return the scale a user named, None if none was."""
    from anomaly_lab.ratings.scale import parse_scale

    return parse_scale(text) if text else None


def kept_tables(store: Path, *, create: bool = False) -> RatingCache | None:
    """Return where a lab keeps the tables it has parsed; None if there is no lab and none is to be made."""
    from tracking.store import Store

    return Store.open(store, create=True).rating_cache if create or store.is_dir() else None


def split(text: str | None) -> list[str] | None:
    """Return what stands between commas, None if nothing was given."""
    return [part.strip() for part in text.split(",")] if text else None


def pairs(settings: list[str] | None, option: str = "--columns") -> dict[str, str]:
    """Return what was given as name=value.

    Raises
    ------
    ConfigError
        If a setting is not of that form; the message names the option.
    """
    found = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not key or not value:
            raise ConfigError(f"{option} must be name=value, found '{setting}'")
        found[key] = value
    return found


def date_of(text: str, option: str) -> datetime:
    """Return the date and time that an option gives.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} must be a date and time such as 2026-12-02T12:00, found '{text}'") from None


def in_zone(when: datetime, opened: Any) -> datetime:
    """Return a time with a zone: the course's, unless it names one."""
    return when.replace(tzinfo=opened.rules.timezone) if when.tzinfo is None else when
