"""Rules file: ``course.toml`` read, every complaint naming file and key, and the text of a new one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ranking import TIE_MARGIN
from tracking.course.rules import FIGURES, RoundRules, Rules, check_team

TEMPLATE = """\
# The rules of this course. Times are of this zone unless they name another.
title = {title}
timezone = {timezone}

# Who may submit; an empty list lets anyone.
teams = []

[ranking]
metric = "auc"          # auc, f1, precision, recall, average_precision; for named kinds composite, mean_ovr_auc
tie_margin = 0.005      # figures strictly closer than this are tied ...
tie_breaker = "f1"      # ... and ordered by this, users scoring 0.5 or more flagged
counts = "last"         # last or best: which of a team's submissions of a round counts
feedback = "on-close"   # on-close, or at-once: teams see their figures before the deadline

[submissions]
per_round = 3           # of each team; a refused file uses none up; 0 = any number
max_megabytes = 20

[deadlines]
late = "refuse"         # refuse or penalty
grace_minutes = 5
late_penalty = 0.01     # taken off the figure for every begun day, where late = "penalty"
missed = "chance"       # a round without a submission counts as chance, zero, or not at all: skip
"""
ROUND_TEMPLATE = """
[[rounds]]
name = {name}
{deadline}
weight = 1.0
"""


def read_rules(path: Path) -> Rules:
    """Read a course's rules.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value is not what it must be; the message names the key.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(
            f"{path}: must be a course's rules, found no such file; run `anomaly-lab course init`"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: must be TOML, found: {error}") from None
    return _Reader(path).rules(given)


@dataclass(frozen=True)
class _Reader:
    """Turns tables into rules, naming file and key in every complaint."""

    path: Path

    def rules(self, given: Mapping[str, Any]) -> Rules:
        self._known(given, ("title", "timezone", "ranking", "submissions", "deadlines", "rounds", "teams"), "")
        zone = self._zone(given.get("timezone", "UTC"))
        ranking, limits, times = (self._table(given, name) for name in ("ranking", "submissions", "deadlines"))
        self._known(ranking, ("metric", "tie_breaker", "tie_margin", "counts", "feedback"), "ranking.")
        self._known(limits, ("per_round", "max_megabytes"), "submissions.")
        self._known(times, ("late", "grace_minutes", "late_penalty", "missed"), "deadlines.")
        per_round = self._number(limits, "per_round", "submissions.", 3)
        if per_round % 1:
            self._refuse("submissions.per_round", "a whole number", per_round)
        return Rules(
            title=self._text(given, "title"),
            timezone=zone,
            rounds=self._rounds(given.get("rounds"), zone),
            metric=self._choice(ranking, "metric", "ranking.", FIGURES),
            tie_breaker=self._choice(ranking, "tie_breaker", "ranking.", ("f1", *FIGURES)),
            tie_margin=self._number(ranking, "tie_margin", "ranking.", TIE_MARGIN),
            counts=self._choice(ranking, "counts", "ranking.", ("last", "best")),
            feedback=self._choice(ranking, "feedback", "ranking.", ("on-close", "at-once")),
            per_round=int(per_round),
            max_megabytes=self._number(limits, "max_megabytes", "submissions.", 20.0),
            late=self._choice(times, "late", "deadlines.", ("refuse", "penalty")),
            grace_minutes=self._number(times, "grace_minutes", "deadlines.", 0.0),
            late_penalty=self._number(times, "late_penalty", "deadlines.", 0.0),
            missed=self._choice(times, "missed", "deadlines.", ("chance", "zero", "skip")),
            teams=self._teams(given.get("teams", [])),
        )

    def _rounds(self, given: object, zone: ZoneInfo) -> tuple[RoundRules, ...]:
        if not isinstance(given, list) or not given:
            self._refuse("rounds", "at least one [[rounds]]", given)
        rounds = tuple(self._round(number, one, zone) for number, one in enumerate(given, start=1))
        names = [one.name for one in rounds]
        if len(set(names)) < len(names):
            self._refuse("rounds.name", "another name for each round", ", ".join(names))
        return rounds

    def _round(self, number: int, given: object, zone: ZoneInfo) -> RoundRules:
        where = f"rounds[{number}]."
        if not isinstance(given, Mapping):
            self._refuse(where[:-1], "a table", given)
        self._known(given, ("name", "deadline", "weight"), where)
        name = self._text(given, "name", where)
        if not name.replace("-", "").replace("_", "").isalnum():
            self._refuse(where + "name", "letters, digits, - and _", name)
        weight = self._number(given, "weight", where, 1.0)
        if weight == 0:
            self._refuse(where + "weight", "above 0", weight)
        deadline = given.get("deadline")
        return RoundRules(name, None if deadline is None else self._moment(deadline, where, zone), weight)

    def _moment(self, given: object, where: str, zone: ZoneInfo) -> datetime:
        try:
            when = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
        except ValueError:
            self._refuse(where + "deadline", "a date and time such as 2026-12-02 12:00", given)
        return when.replace(tzinfo=zone) if when.tzinfo is None else when.astimezone(zone)

    def _zone(self, given: object) -> ZoneInfo:
        try:
            return ZoneInfo(str(given))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._refuse("timezone", "the name of a time zone such as Europe/Berlin", given)

    def _teams(self, given: object) -> tuple[str, ...]:
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            self._refuse("teams", "a list of names", given)
        for one in given:
            try:
                check_team(one)
            except DataError as error:
                raise ConfigError(f"{self.path}: teams: {error}") from None
        return tuple(given)

    def _table(self, given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = given.get(name, {})
        if not isinstance(table, Mapping):
            self._refuse(name, "a table", table)
        return table

    def _text(self, given: Mapping[str, Any], key: str, where: str = "") -> str:
        text = given.get(key)
        if not isinstance(text, str) or not text.strip():
            self._refuse(where + key, "a text", text)
        return text

    def _choice(self, given: Mapping[str, Any], key: str, where: str, choices: tuple[str, ...]) -> str:
        value = given.get(key, choices[0])
        if value not in choices:
            self._refuse(where + key, f"one of {', '.join(dict.fromkeys(choices))}", value)
        return str(value)

    def _number(self, given: Mapping[str, Any], key: str, where: str, default: float) -> float:
        value = given.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            self._refuse(where + key, "a number from 0 on", value)
        return float(value)

    def _known(self, given: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
        for key in given:
            if key not in keys:
                self._refuse(where + key, f"one of the keys {', '.join(keys)}", "another one")

    def _refuse(self, key: str, must: str, found: object) -> NoReturn:
        raise ConfigError(f"{self.path}: {key} must be {must}, found {found!r}")
