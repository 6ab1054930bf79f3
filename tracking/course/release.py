"""Release: rounds taken into a course, handed out without labels, and their labels in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copyfile

import numpy as np
import pandas as pd

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.archives import round_arrays
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.opening import batch_of, read_raw
from anomaly_lab.ratings.readers import joint_scale
from anomaly_lab.types import AnyArray
from tracking.course.files import save_arrays
from tracking.course.folder import RULES, CourseFolder
from tracking.course.leaks import check_leaks
from tracking.course.rules import RoundRules
from tracking.course.rules_file import ROUND_TEMPLATE, TEMPLATE


def init_course(
    path: str | Path,
    rounds: Sequence[Round],
    *,
    title: str = "Anomalous users",
    timezone: str = "UTC",
    first_deadline: datetime | None = None,
    every_days: int = 7,
    keep_ids: bool = False,
    seed: int = 0,
) -> CourseFolder:
    """Make a course of labelled rounds.

    Users get new ids: a random order, running on from round to round. Which old id became which new one is said in
    ``private/<round>_ids.csv``.

    Parameters
    ----------
    path : path-like
        Folder of the course; made if need be, and empty of another course.
    rounds : sequence of Round
        Oldest first, with labels. Users and items are called by whole numbers.
    title, timezone : str
        For the rules, which may be edited afterwards.
    first_deadline : datetime, optional
        When the first round ends; the others follow every `every_days` days.
    every_days : int
        Days between deadlines.
    keep_ids : bool
        Whether users keep their ids. A round whose ids say who was generated is refused.
    seed : int
        Of the permutations; who knows it and the organiser's files can undo them.

    Raises
    ------
    ConfigError
        If there is a course already, or a round's name cannot name a file.
    DataError
        If a round has no labels, ids are no whole numbers, or the ids that are kept predict the labels.
    """
    folder = Path(path)
    if (folder / RULES).exists():
        raise ConfigError(f"{folder}: must hold no course yet, found {RULES}; take another folder")
    names = [f"round{number}" for number in range(1, len(rounds) + 1)]
    deadlines = [
        None if first_deadline is None else first_deadline + number * timedelta(days=every_days)
        for number in range(len(rounds))
    ]
    files: dict[str, dict[str, AnyArray]] = {}
    tables: dict[str, pd.DataFrame] = {}
    first = 0
    rng = np.random.default_rng(seed)
    for name, one in zip(names, rounds, strict=True):
        ids = _new_ids(one, first, rng, keep=keep_ids)
        files[name] = round_arrays(one, ids, labels=True)
        check_leaks(one.path or one.name, files[name]["X"], files[name]["y"][:, 0], files[name]["y"][:, 1])
        tables[name] = pd.DataFrame({"released": ids, "original": one.ratings.user_ids}).sort_values("released")
        first += one.ratings.n_users
    try:
        (folder / "private").mkdir(parents=True, exist_ok=True)
        for name, arrays in files.items():
            save_arrays(folder / "private" / f"{name}.npz", arrays)
            tables[name].to_csv(folder / "private" / f"{name}_ids.csv", index=False)
        (folder / RULES).write_text(_rules_text(title, timezone, names, deadlines), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: must be a folder that can be written, found: {error.strerror}") from error
    return CourseFolder.open(folder)


def release_round(course: CourseFolder, name: str, file: str | Path | None = None) -> Path:
    """Hand a round out: write its public batch without labels, in canonical order.

    Parameters
    ----------
    course : CourseFolder
        The course.
    name : str
        The round, or its number.
    file : path-like, optional
        A batch that the organiser made of the same users and ratings; published as it is.

    Returns
    -------
    batch : Path
        The public file, read again and checked.

    Raises
    ------
    ConfigError
        If there is no such round, or teams have it already.
    DataError
        If the file holds labels or other ratings than the labelled round, or its order or ids predict the labels.
    """
    one = course.rules.round(name)
    with course.locked():
        if course.is_released(one):
            raise ConfigError(f"{course.batch_file(one)}: round {one.name} must not be released yet; teams have it")
        truth = course.truth(one)
        target = course.batch_file(one)
        if file is None:
            return write_batch(target, truth)
        check_batch(Path(file), truth)
        target.parent.mkdir(parents=True, exist_ok=True)
        copyfile(file, target.with_suffix(".part"))
        target.with_suffix(".part").replace(target)
    return target


def write_batch(target: Path, truth: Round) -> Path:
    """Write a round's batch without labels, in canonical order, and return it checked; what fails is not left behind.

    Raises
    ------
    DataError
        If its order or ids predict the labels, or it cannot be written.
    """
    save_arrays(target, round_arrays(truth, truth.ratings.user_ids, labels=False))
    try:
        check_batch(target, truth)
    except DataError:
        target.unlink()
        raise
    return target


def check_batch(file: Path, truth: Round) -> None:
    """Raise unless a file is a round's batch, without labels, in canonical order.

    Raises
    ------
    DataError
        If it holds labels or other ratings than the labelled round, or its order or ids predict the labels.
    """
    assert truth.labels is not None
    raw = read_raw(file)
    if raw.labels is not None:
        raise DataError(f"{file}: a released batch must hold no labels, found some; leave out 'y' and 'yy'")
    found = batch_of(raw, joint_scale([raw]))
    if found.digest != truth.ratings.digest or set(found.user_ids) != set(truth.ratings.user_ids):
        raise DataError(
            f"{file}: must hold the users and ratings of {truth.path}, found others; write it anew from these"
        )
    order = truth.ratings.ascending
    rows = np.column_stack([raw.users, raw.items, raw.ratings])
    check_leaks(str(file), rows, truth.ratings.user_ids[order], truth.labels.fake[order])


def publish_labels(course: CourseFolder, one: RoundRules) -> Path:
    """Write the labelled round to the public folder and return it."""
    truth = course.truth(one)
    target = course.labels_file(one)
    save_arrays(target, round_arrays(truth, truth.ratings.user_ids, labels=True))
    return target


def _new_ids(one: Round, first: int, rng: np.random.Generator, *, keep: bool) -> AnyArray:
    """Return what a round's users are called, in the batch's order."""
    batch, where = one.ratings, one.path or one.name
    if one.labels is None:
        raise DataError(f"{where}: must be labelled, found no labels; a course needs to know who was generated")
    for what, ids in (("user", batch.user_ids), ("item", batch.item_ids)):
        if ids.dtype.kind not in "iu" or np.abs(ids).max() >= 2**31:
            raise DataError(f"{where}: every {what} id must be a whole number of 32 bits, found others; number them")
    if keep:
        return batch.user_ids
    rank = np.argsort(np.argsort(batch.user_ids, kind="stable"))
    return first + rng.permutation(batch.n_users)[rank]


def _rules_text(title: str, timezone: str, names: Sequence[str], deadlines: Sequence[datetime | None]) -> str:
    """Return a course's rules as TOML with comments."""
    text = TEMPLATE.format(title=_quoted(title), timezone=_quoted(timezone))
    for name, when in zip(names, deadlines, strict=True):
        line = '# deadline = "2026-12-02 12:00"' if when is None else f'deadline = "{when:%Y-%m-%d %H:%M}"'
        text += ROUND_TEMPLATE.format(name=_quoted(name), deadline=line)
    return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise ConfigError(f"a title must be of visible characters, found {text!r}")
    return f'"{escaped}"'
