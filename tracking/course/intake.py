"""Intake: a folder of files that arrived by e-mail, each taken in for its team or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anomaly_lab.errors import DataError, LabError
from tracking.course.folder import CourseFolder
from tracking.course.submissions import Receipt, submit

SUFFIXES = (".npz", ".npy", ".csv", ".zip")
MARK = "__"
"""In a file's name, what stands before this is the team, where the rules name no teams."""


@dataclass(frozen=True)
class Taken:
    """What became of one file.

    Parameters
    ----------
    file : Path
        The file.
    team : str
        Whose it is; empty if that could not be told.
    receipt : Receipt or None
        None if it was refused.
    refused : str
        Why; empty if it was taken.
    """

    file: Path
    team: str
    receipt: Receipt | None
    refused: str


def submit_folder(course: CourseFolder, name: str, folder: str | Path, at: datetime | None = None) -> list[Taken]:
    """Take in every file of a folder, oldest first.

    A file belongs to the team whose name its own begins with, or whose folder it lies in. Times are those of the files'
    last change unless one is given.

    Parameters
    ----------
    course : CourseFolder
        The course.
    name : str
        The round, or its number.
    folder : path-like
        Where the files are: ``<team>.npz``, ``<team>__final.csv``, or ``<team>/scores.npz``.
    at : datetime, optional
        When all of them came in, with its time zone.

    Raises
    ------
    ConfigError
        If there is no such round.
    DataError
        If there is no such folder, or no file in it.
    """
    course.rules.round(name)
    root = Path(folder)
    files = sorted(one for one in root.rglob("*") if one.is_file() or one.is_symlink()) if root.is_dir() else []
    if not files:
        raise DataError(f"{root}: must be a folder of submissions, found no file in it")
    when = {file: at or datetime.fromtimestamp(file.lstat().st_mtime, UTC) for file in files}
    return [_take(course, name, root, file, when[file]) for file in sorted(files, key=lambda file: (when[file], file))]


def team_of(file: Path, root: Path, teams: Sequence[str]) -> str:
    """Return whose a file is.

    Parameters
    ----------
    file, root : Path
        The file, and the folder of all files.
    teams : sequence of str
        Who may submit; empty for anyone.

    Raises
    ------
    DataError
        If that cannot be told.
    """
    inside = file.relative_to(root)
    claimed = inside.parts[0] if len(inside.parts) > 1 else file.stem
    if not teams:
        return claimed.partition(MARK)[0] if len(inside.parts) == 1 else claimed
    fitting = [team for team in teams if _begins_with(claimed, team)]
    if not fitting:
        raise DataError(
            f"{file}: must begin with the name of a team, or lie in its folder, found none of {', '.join(teams)}"
        )
    return max(fitting, key=len)


def _begins_with(claimed: str, team: str) -> bool:
    """Return whether a name is a team's, alone or with more after a character that is no letter."""
    rest = claimed[len(team) :]
    return claimed.casefold().startswith(team.casefold()) and not rest[:1].isalnum()


def _take(course: CourseFolder, name: str, root: Path, file: Path, at: datetime) -> Taken:
    team = ""
    try:
        if file.suffix.lower() not in SUFFIXES:
            raise DataError(f"{file}: scores must end in {', '.join(SUFFIXES)}, found '{file.suffix}'")
        team = team_of(file, root, course.rules.teams)
        return Taken(file, team, submit(course, team, name, file, at=at), "")
    except LabError as error:
        return Taken(file, team, None, str(error))
