"""Phases: a course's rounds one after another, as Codabench opens and ends them by date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.labels import Round
from tracking.course.folder import RULES, CourseFolder
from tracking.course.rules import OF_KINDS, RoundRules, Rules

SECOND = timedelta(seconds=1)
"""Between the end of a phase and the start of the next: Codabench refuses phases that touch."""


@dataclass(frozen=True, eq=False)
class Phase:
    """A round as a phase.

    Parameters
    ----------
    rules : RoundRules
        The round.
    truth : Round
        With its labels.
    start, end : datetime
        In UTC, whole seconds; the end includes the grace.
    with_data : bool
        Whether batch and starting kit are in the bundle.
    """

    rules: RoundRules
    truth: Round
    start: datetime
    end: datetime
    with_data: bool

    @property
    def name(self) -> str:
        """What the round is called."""
        return self.rules.name


def plan_phases(course: CourseFolder, start: datetime, *, all_batches: bool = False) -> list[Phase]:
    """Return a phase for every round whose labelled file is there.

    Rounds need not be released, but then come without their batch: Codabench opens a phase by date, and yet shows the
    public data of every phase from the first day on.

    Parameters
    ----------
    course : CourseFolder
        The course.
    start : datetime
        When the first phase begins, with its time zone. Each further one begins a second after the one before it.
    all_batches : bool
        Whether batches that are not released come too.

    Raises
    ------
    ConfigError
        If there is no labelled file, a round has no deadline or not a later one than the round before, or the course
        ranks by kinds that a round does not name.
    """
    start = start.astimezone(UTC).replace(microsecond=0)
    phases: list[Phase] = []
    for one in with_labels(course):
        end = _end(course, one)
        if end <= start:
            _refuse_order(course, one, phases, start)
        truth = course.truth(one)
        _check_kinds(course.rules, one, truth)
        phases.append(Phase(one, truth, start, end, all_batches or course.is_released(one)))
        start = end + SECOND
    return phases


def with_labels(course: CourseFolder) -> list[RoundRules]:
    """Return the rounds whose labelled files are there.

    Raises
    ------
    ConfigError
        If there are none.
    """
    rounds = [one for one in course.rules.rounds if course.truth_file(one).exists()]
    if not rounds:
        raise ConfigError(f"{course.path / 'private'}: must hold the labelled file of a round, found none")
    return rounds


def _end(course: CourseFolder, one: RoundRules) -> datetime:
    if one.deadline is None:
        raise ConfigError(
            f"{course.path / RULES}: round {one.name} must have a deadline, for Codabench ends rounds by date; "
            'give it one, such as deadline = "2026-12-02 12:00"'
        )
    return (one.deadline + timedelta(minutes=course.rules.grace_minutes)).astimezone(UTC).replace(microsecond=0)


def _refuse_order(course: CourseFolder, one: RoundRules, before: list[Phase], start: datetime) -> None:
    zone = course.rules.timezone
    found = f"{one.deadline:%Y-%m-%d %H:%M %Z}"
    if before:
        raise ConfigError(
            f"{course.path / RULES}: the deadline of round {one.name} must be after that of {before[-1].name}, and its "
            f"grace, {start.astimezone(zone):%Y-%m-%d %H:%M %Z}, found {found}"
        )
    raise ConfigError(
        f"--start must be before the deadline of round {one.name}, {found}, "
        f"found {start.astimezone(zone):%Y-%m-%d %H:%M %Z}; give an earlier --start, or a later deadline in {RULES}"
    )


def _check_kinds(rules: Rules, one: RoundRules, truth: Round) -> None:
    assert truth.labels is not None
    for figure in (rules.metric, rules.tie_breaker):
        if figure in OF_KINDS and truth.labels.kinds is None:
            raise ConfigError(
                f"round {one.name} must name kinds, for the course ranks by {figure}, found none in its labels"
            )
