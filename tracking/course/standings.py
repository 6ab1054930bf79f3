"""Standings: who stands where in a round, why, and whether the one ahead really is."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from anomaly_lab.errors import ConfigError
from anomaly_lab.ranking import Contender, rank
from tracking.course.figures import Lead, Truth, compare, measure
from tracking.course.folder import CourseFolder
from tracking.course.release import publish_labels
from tracking.course.rules import NAMES, RoundRules
from tracking.course.submissions import Submission, read_submission, submissions
from tracking.sweep import sweep


@dataclass(frozen=True)
class Standing:
    """A team's place in a round.

    Parameters
    ----------
    rank, band : int
        From 1.
    submission : Submission
        The one that counts, with its figures.
    figure : float
        What the rank goes by: the course's metric less a penalty.
    penalty : float
        For being late.
    why : str
        The rule that put it here.
    ahead : Lead or None
        Of the next one below; None for the last.
    moved : int or None
        Places gained since the last closed round; None for somebody new.
    used, left : int, int or None
        Submissions made, and still allowed.
    """

    rank: int
    band: int
    submission: Submission
    figure: float
    penalty: float
    why: str
    ahead: Lead | None
    moved: int | None
    used: int
    left: int | None


@dataclass(frozen=True)
class RoundStandings:
    """A round on the board.

    Parameters
    ----------
    rules : RoundRules
        The round.
    state : {"not released", "open", "closed"}
        How far it is.
    standings : tuple of Standing
        Best first; empty while figures are hidden.
    handed_in : tuple of (str, int, int or None)
        Each team, its number of submissions and how many it has left, while figures are hidden.
    """

    rules: RoundRules
    state: str
    standings: tuple[Standing, ...]
    handed_in: tuple[tuple[str, int, int | None], ...]


def close_round(course: CourseFolder, name: str, *, now: datetime | None = None, early: bool = False) -> RoundRules:
    """End a round: compute every submission's figures, log them into its run, publish the labels, and return its rules.

    Runs of submissions whose writer was killed are deleted: they were never taken.

    Parameters
    ----------
    course : CourseFolder
        The course.
    name : str
        The round, or its number.
    now : datetime, optional
        The time, with its zone; by default the clock's.
    early : bool
        Whether to close before the deadline.

    Raises
    ------
    ConfigError
        If there is no such round, it is not released or closed already, or its deadline is to come.
    """
    one = course.rules.round(name)
    with course.locked():
        if not course.is_released(one) or course.is_closed(one):
            state = "closed" if course.is_closed(one) else "not released"
            raise ConfigError(f"round {one.name} must be open to be closed, found it {state}")
        if one.deadline is not None and (now or datetime.now(UTC)) < one.deadline and not early:
            raise ConfigError(
                f"round {one.name} must have reached its deadline, {one.deadline:%Y-%m-%d %H:%M %Z}; "
                "close it with --early"
            )
        sweep(course.store)
        measured(course, one)
        publish_labels(course, one)
    return one


def measured(course: CourseFolder, one: RoundRules) -> list[Submission]:
    """Return a round's submissions with their figures; those without are measured outside MLflow and logged."""
    truth = course.truth(one)
    known = Truth.of(truth)
    done = []
    for each in submissions(course, one):
        if "low" not in each.figures or course.rules.metric not in each.figures:
            figures = measure(known, read_submission(course, each, truth), course.rules.metric)
            _log(course, each.run_id, figures)
            done.append(replace(each, figures=figures))
        else:
            done.append(each)
    return done


def course_standings(course: CourseFolder) -> list[RoundStandings]:
    """Return every round of a course, with each team's movement since the closed round before."""
    found: list[RoundStandings] = []
    before: dict[str, int] = {}
    for one in course.rules.rounds:
        standing = round_standings(course, one)
        moved = [
            replace(each, moved=before[each.submission.team] - each.rank if each.submission.team in before else None)
            for each in standing.standings
        ]
        found.append(replace(standing, standings=tuple(moved)))
        if standing.standings:
            before = {each.submission.team: each.rank for each in standing.standings}
    return found


def round_standings(course: CourseFolder, one: RoundRules) -> RoundStandings:
    """Return who stands where in a round."""
    if not course.is_released(one):
        return RoundStandings(one, "not released", (), ())
    state = "closed" if course.is_closed(one) else "open"
    if state == "open" and course.rules.feedback == "on-close":
        return RoundStandings(one, state, (), _handed_in(course, submissions(course, one)))
    return RoundStandings(one, state, tuple(_ranked(course, one, measured(course, one))), ())


def penalty(course: CourseFolder, submission: Submission) -> float:
    """Return what is taken off a submission's figure."""
    return 0.0 if submission.baseline else course.rules.late_penalty * submission.days_late


def _handed_in(course: CourseFolder, made: list[Submission]) -> tuple[tuple[str, int, int | None], ...]:
    teams = list(dict.fromkeys([*course.rules.teams, *(each.team for each in made)]))
    counts = {team: sum(each.team == team for each in made) for team in teams}
    return tuple((team, counts[team], _left(course, counts[team])) for team in sorted(teams, key=str.casefold))


def _left(course: CourseFolder, used: int) -> int | None:
    return max(0, course.rules.per_round - used) if course.rules.per_round else None


def _ranked(course: CourseFolder, one: RoundRules, made: list[Submission]) -> list[Standing]:
    counting = {team: _counting(course, [each for each in made if each.team == team]) for team in _teams(made)}
    by_run = {each.run_id: each for each in counting.values()}
    rules = course.rules
    names = NAMES[rules.metric], NAMES[rules.tie_breaker]
    placings = rank([_contender(course, each) for each in counting.values()], rules.tie_margin, names)
    chosen = [by_run[placing.contender.key] for placing in placings]
    leads = [*_leads(course, one, chosen), None] if chosen else []
    standings = []
    for placing, each, lead in zip(placings, chosen, leads, strict=True):
        used = sum(other.team == each.team for other in made)
        left = None if each.baseline else _left(course, used)
        off = penalty(course, each)
        standings.append(
            Standing(placing.rank, placing.band, each, placing.contender.auc, off, placing.why, lead, None, used, left)
        )
    return standings


def _teams(made: list[Submission]) -> list[str]:
    return list(dict.fromkeys(each.team for each in made))


def _contender(course: CourseFolder, each: Submission) -> Contender:
    rules = course.rules
    figure = each.figures[rules.metric] - penalty(course, each)
    return Contender(each.run_id, figure, each.figures[rules.tie_breaker], each.submitted.timestamp())


def _counting(course: CourseFolder, made: list[Submission]) -> Submission:
    """Return the submission of a team that counts."""
    if course.rules.counts == "last":
        return made[-1]
    best = rank([_contender(course, each) for each in made], course.rules.tie_margin)[0].contender.key
    return next(each for each in made if each.run_id == best)


def _leads(course: CourseFolder, one: RoundRules, chosen: list[Submission]) -> list[Lead]:
    """Return how far each is ahead of the next."""
    truth = course.truth(one)
    known = Truth.of(truth)
    scores = [read_submission(course, each, truth) for each in chosen]
    return [compare(known, first, second, course.rules.metric) for first, second in pairwise(scores)]


def _log(course: CourseFolder, run_id: str, figures: dict[str, float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    course.store.client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in figures.items()])
