"""Rules: what a course's ``course.toml`` says about rounds, deadlines, submissions and ranking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ranking import TIE_MARGIN

FIGURES = ("auc", "f1", "precision", "recall", "average_precision", "composite", "mean_ovr_auc")
"""Figures a course may rank by."""
NAMES = {
    "auc": "AUC",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "average_precision": "average precision",
    "composite": "composite",
    "mean_ovr_auc": "mean AUC of classes",
}
"""What readers call them."""
OF_KINDS = ("composite", "mean_ovr_auc")
"""Figures of class scores, for rounds whose labels name kinds."""
CHANCE = {"f1": 0.0, "precision": 0.0, "recall": 0.0, "average_precision": 0.0}
"""What a missed round counts where that is no area, which is one half by chance. Chance alone would say how many users
are generated: whoever hands nothing in has found none."""
MEGABYTE = 2**20
DAY = timedelta(days=1)


@dataclass(frozen=True)
class RoundRules:
    """One round's part of the rules.

    Parameters
    ----------
    name : str
        The round.
    deadline : datetime, optional
        With its time zone; None where any time will do.
    weight : float
        Of its figure in the grades, above 0.
    """

    name: str
    deadline: datetime | None
    weight: float


@dataclass(frozen=True)
class Rules:
    """A course's rules.

    Parameters
    ----------
    title : str
        What the course is called.
    timezone : ZoneInfo
        In which deadlines are given and times are shown.
    rounds : tuple of RoundRules
        In their order.
    metric, tie_breaker : str
        Of `FIGURES`.
    tie_margin : float
        Figures strictly closer than this are tied.
    counts : {"last", "best"}
        Which of a team's submissions of a round counts.
    feedback : {"on-close", "at-once"}
        When a team's figures are computed: with the labels' release, or as soon as a file is accepted.
    per_round : int
        Submissions a team may make in a round; 0 = any number.
    max_megabytes : float
        Largest file, unpacked.
    late : {"refuse", "penalty"}
        What happens to a file after the deadline.
    grace_minutes : float
        After the deadline, still in time.
    late_penalty : float
        Taken off the ranking figure for every begun day.
    missed : {"chance", "zero", "skip"}
        What a round without a submission counts in the grades: what a hand-in that knows nothing has, 0, or nothing.
    teams : tuple of str
        Who may submit; empty for anyone.
    """

    title: str
    timezone: ZoneInfo
    rounds: tuple[RoundRules, ...]
    metric: str = "auc"
    tie_breaker: str = "f1"
    tie_margin: float = TIE_MARGIN
    counts: str = "last"
    feedback: str = "on-close"
    per_round: int = 3
    max_megabytes: float = 20.0
    late: str = "refuse"
    grace_minutes: float = 0.0
    late_penalty: float = 0.0
    missed: str = "chance"
    teams: tuple[str, ...] = ()

    def round(self, name: str) -> RoundRules:
        """Return a round's rules by its name or its number, from 1.

        Raises
        ------
        ConfigError
            If there is no such round.
        """
        for number, one in enumerate(self.rounds, start=1):
            if name in {one.name, str(number)}:
                return one
        names = ", ".join(one.name for one in self.rounds)
        raise ConfigError(f"a round must be one of {names} or its number, found '{name}'")

    def days_late(self, one: RoundRules, when: datetime) -> int:
        """Return how many days have begun since a round's deadline and its grace; 0 in time."""
        if one.deadline is None:
            return 0
        after = when - one.deadline - timedelta(minutes=self.grace_minutes)
        return 0 if after <= timedelta(0) else -(-after // DAY)

    @property
    def chance(self) -> float:
        """What a round counts that was missed, where rules say ``missed = "chance"``."""
        return CHANCE.get(self.metric, 0.5)


def check_team(name: str) -> None:
    """Raise unless a text can name a team: up to 60 characters, none of them invisible.

    Raises
    ------
    DataError
        If it cannot.
    """
    if not name.strip() or name != name.strip() or len(name) > 60 or not name.isprintable():
        raise DataError(f"a team's name must be 1 to 60 visible characters, without blanks around it, found {name!r}")
