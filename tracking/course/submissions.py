"""Submissions: files that teams hand in, each an MLflow run with the file as its artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.labels import Round
from anomaly_lab.types import FloatArray
from tracking.artifacts import artifact_folder
from tracking.class_forms import read_hand_in
from tracking.course.folder import CourseFolder
from tracking.course.rules import OF_KINDS, RoundRules, check_team
from tracking.course.untrusted import check_untrusted
from tracking.forms import HandIn, threshold_notes
from tracking.manifest import file_digest
from tracking.read import artifacts
from tracking.scoring import check_count, same_users
from tracking.store import PREFIX

if TYPE_CHECKING:
    from mlflow.entities import Run

ROLE = "submission"
STEM = "submission"


@dataclass(frozen=True)
class Submission:
    """A file that was accepted.

    Parameters
    ----------
    run_id : str
        Its run.
    team, round : str
        Whose it is, and for which round.
    submitted : datetime
        When it came in, in the course's time zone.
    days_late : int
        Days begun since the deadline; 0 in time.
    baseline : bool
        Whether it is the organiser's, for comparison.
    file : str
        Name of the artifact.
    sha256 : str
        Of the file.
    figures : mapping of str to float
        Metrics of its run; empty until the round is closed.
    """

    run_id: str
    team: str
    round: str
    submitted: datetime
    days_late: int
    baseline: bool
    file: str
    sha256: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Receipt:
    """What a team is told.

    Parameters
    ----------
    submission : Submission
        What was accepted.
    left : int or None
        How many more the team may make in this round; None for any number.
    notes : tuple of str
        What to know of the file.
    """

    submission: Submission
    left: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a submission says, users in ascending order of their ids.

    Parameters
    ----------
    scores : ndarray of shape (n_users,)
        Higher = more anomalous.
    classes : ndarray of shape (n_users, n_classes), optional
        Class scores, where the file holds such.
    """

    scores: FloatArray
    classes: FloatArray | None


def submit(
    course: CourseFolder, team: str, name: str, file: str | Path, *, at: datetime, baseline: bool = False
) -> Receipt:
    """Take a team's file in, or refuse it; a refused one uses up no attempt and leaves nothing behind.

    Parameters
    ----------
    course : CourseFolder
        The course.
    team : str
        Who hands in.
    name : str
        The round, or its number.
    file : path-like
        Scores in any form of `tracking.forms`. It is trusted in nothing.
    at : datetime
        When it came in, with its time zone.
    baseline : bool
        Whether it is the organiser's own, for comparison: no limit holds for it, and it gets no grade.

    Raises
    ------
    ConfigError
        If there is no such round or team, the round is not open, the deadline is over, or the team has no attempt left.
    DataError
        If the file is not what a hand-in must be.
    """
    path, rules = Path(file), course.rules
    one = rules.round(name)
    check_team(team)
    if rules.teams and not baseline and team not in rules.teams:
        raise ConfigError(f"--team must be one of {', '.join(rules.teams)}, found '{team}'")
    at = at.astimezone(rules.timezone)
    days_late = rules.days_late(one, at)
    with course.locked():
        _check_open(course, one)
        if days_late and rules.late == "refuse" and not baseline:
            raise ConfigError(
                f"{path}: must come by {one.deadline:%Y-%m-%d %H:%M %Z}, the end of round {one.name}, "
                f"came {at:%Y-%m-%d %H:%M %Z}; nothing late is taken"
            )
        earlier = submissions(course, one)
        used = sum(each.team == team for each in earlier)
        if rules.per_round and used >= rules.per_round and not baseline:
            raise ConfigError(f"{team} must hand in at most {rules.per_round} files in round {one.name}, found {used}")
        notes = _validate(course, one, path)
        digest = file_digest(path)
        copied = sorted({each.team for each in earlier if each.sha256 == digest and each.team != team})
        notes += [f"{path.name} is the very file that {other} handed in" for other in copied]
        made = _record(
            course,
            Submission("", team, one.name, at, days_late, baseline, STEM + path.suffix.lower(), digest, {}),
            path,
        )
    left = None if baseline or not rules.per_round else rules.per_round - used - 1
    return Receipt(made, left, tuple(notes))


def submissions(course: CourseFolder, one: RoundRules) -> list[Submission]:
    """Return everything accepted in a round, oldest first."""
    client = course.store.client
    experiment = client.get_experiment_by_name(_experiment(course, one.name))
    if experiment is None:
        return []
    found: list[Submission] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment.experiment_id],
            f"tags.`{PREFIX}role` = '{ROLE}' and attributes.status = 'FINISHED'",
            max_results=1000,
            page_token=token,
        )
        found += [_submission(run, course) for run in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda each: (each.submitted, each.run_id))


def read_submission(course: CourseFolder, submission: Submission, truth: Round) -> Scores:
    """Return the scores of an accepted file, read from its artifact."""
    assert truth.labels is not None
    with artifacts(course.store, submission.run_id, [submission.file]) as folder:
        found, classes = read_hand_in(folder / submission.file, None, truth.labels.kinds)
    return Scores(found.scores, classes)


def _check_open(course: CourseFolder, one: RoundRules) -> None:
    if not course.is_released(one):
        raise ConfigError(
            f"round {one.name} must be released before anything is handed in; `anomaly-lab course release`"
        )
    if course.is_closed(one):
        raise ConfigError(f"round {one.name} must be open, found it closed: its labels are public")


def _validate(course: CourseFolder, one: RoundRules, path: Path) -> list[str]:
    """Raise unless a file is one finite score, or row of class scores, for each user of the round."""
    check_untrusted(path, course.rules.max_megabytes)
    truth = course.truth(one)
    assert truth.labels is not None
    users = truth.ratings.user_ids[truth.ratings.ascending]
    found, classes = read_hand_in(path, None, truth.labels.kinds)
    _check_round(course, one, path, found, len(users))
    check_count(found, len(users), str(path), lambda: truth.ratings.n_rows)
    same_users(found.users, users, str(path), str(course.batch_file(one)))
    if course.rules.metric in OF_KINDS and classes is None:
        raise DataError(
            f"{path}: must hold a column of scores for every class, for {course.rules.metric} ranks by them"
        )
    notes = threshold_notes(found.scores)
    if found.scores.min() == found.scores.max():
        notes = [f"every score is {found.scores[0]:g}: nobody is told from anybody, which is an AUC of 0.5"]
    return notes


def _check_round(course: CourseFolder, one: RoundRules, path: Path, found: HandIn, n_users: int) -> None:
    """Raise if there are as many scores as another round has users."""
    if len(found.scores) == n_users:
        return
    for other in course.rules.rounds:
        if other != one and course.is_released(other) and len(found.scores) == course.truth(other).ratings.n_users:
            raise DataError(
                f"{path}: must hold scores of the {n_users:,} users of round {one.name}, found {len(found.scores):,}, "
                f"as many as round {other.name} has: scores of another round?"
            )


def _record(course: CourseFolder, submission: Submission, path: Path) -> Submission:
    """Write the run: the file first, FINISHED last, so that whatever is counted is whole."""
    store = course.store
    tags = {
        "role": ROLE,
        "team": submission.team,
        "round": submission.round,
        "submitted": submission.submitted.isoformat(),
        "days_late": str(submission.days_late),
        "baseline": str(submission.baseline).lower(),
        "file": submission.file,
        "sha256": submission.sha256,
        "home": store.home,
    }
    experiment = store.experiment(_experiment(course, submission.round), {PREFIX + "course": course.rules.title})
    run = store.client.create_run(
        experiment,
        start_time=int(submission.submitted.timestamp() * 1000),
        tags={PREFIX + key: value for key, value in tags.items()},
        run_name=f"{submission.team} {submission.submitted:%m-%d %H:%M}",
    )
    try:
        with artifact_folder(store, run) as folder:
            copyfile(path, folder / submission.file)
        store.client.set_terminated(run.info.run_id, end_time=int(time.time() * 1000))
    except BaseException:  # Ctrl-C, too, leaves no half submission behind
        store.client.delete_run(run.info.run_id)
        raise
    return Submission(**{**vars(submission), "run_id": str(run.info.run_id)})


def _submission(run: Run, course: CourseFolder) -> Submission:
    tags = {key.removeprefix(PREFIX): value for key, value in run.data.tags.items() if key.startswith(PREFIX)}
    return Submission(
        str(run.info.run_id),
        tags["team"],
        tags["round"],
        datetime.fromisoformat(tags["submitted"]).astimezone(course.rules.timezone),
        int(tags["days_late"]),
        tags["baseline"] == "true",
        tags["file"],
        tags["sha256"],
        dict(run.data.metrics),
    )


def _experiment(course: CourseFolder, name: str) -> str:
    return f"{course.path.resolve().name}: {name}"
