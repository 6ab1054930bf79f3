"""Snapshots: the board as a page and as data, a dated copy for each round, and what changed since the last one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from anomaly_lab.errors import StoreError
from tracking.course.board_page import board_page
from tracking.course.folder import CourseFolder
from tracking.course.grades import grades
from tracking.course.rules import NAMES
from tracking.course.standings import RoundStandings, course_standings
from tracking.pages.page import write_text

STAMP = "%Y-%m-%d_%H%M%S"


def write_board(
    course: CourseFolder,
    out: str | Path | None = None,
    *,
    rounds: Sequence[RoundStandings] | None = None,
    snapshot: str | None = None,
    now: datetime | None = None,
) -> tuple[Path, Path | None]:
    """Write the board as a page, and where asked for as a dated snapshot that says what changed since the last one.

    Parameters
    ----------
    course : CourseFolder
        The course.
    out : path-like, optional
        The page; by default ``board/index.html`` of the course.
    rounds : sequence of RoundStandings, optional
        What to show; by default it is read anew.
    snapshot : str, optional
        The round that was closed: a page and a JSON file are kept under its name and the time.
    now : datetime, optional
        The time; by default the clock's.

    Returns
    -------
    page : Path
        The page.
    snapshot : Path or None
        The dated copy.

    Raises
    ------
    StoreError
        If a file cannot be written, or the last snapshot cannot be read.
    """
    now = (now or datetime.now(course.rules.timezone)).astimezone(course.rules.timezone)
    shown = course_standings(course) if rounds is None else list(rounds)
    records = as_records(course, shown) | {"written": now.isoformat()}
    last = _last_snapshot(course)
    page = board_page(course.rules, shown, grades(course.rules, shown), written=now, changes=changes(last, records))
    kept = None
    if snapshot is not None:
        stem = f"{now:{STAMP}}_{snapshot}"
        kept = write_text(course.board / "snapshots" / f"{stem}.html", page)
        write_text(kept.with_suffix(".json"), json.dumps(records, indent=1, ensure_ascii=False) + "\n")
    return write_text(out or course.board / "index.html", page), kept


def as_records(course: CourseFolder, rounds: Sequence[RoundStandings]) -> dict[str, Any]:
    """Return the board as plain data."""
    table = grades(course.rules, rounds).astype(object)
    return {
        "title": course.rules.title,
        "metric": course.rules.metric,
        "rounds": {one.rules.name: {"state": one.state, "rows": _rows(one)} for one in rounds},
        "grades": [
            {key: None if pd.isna(value) else value for key, value in row.items()} for row in table.to_dict("records")
        ],
    }


def changes(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what changed between two boards, None if there is no earlier one.

    Parameters
    ----------
    before, now : mapping
        From `as_records`, with the time ``written``.

    Returns
    -------
    dict
        ``since``; ``closed``, the rounds closed since; ``teams``, the grades that changed: ``team``, ``rank``,
        ``rank_before``, ``total``, ``total_before``; and ``figures`` of rounds that were closed before and are others
        now.
    """
    if before is None:
        return None
    closed = [name for name, one in now["rounds"].items() if one["state"] == "closed"]
    closed_before = {name for name, one in before["rounds"].items() if one["state"] == "closed"}
    return {
        "since": datetime.fromisoformat(before["written"]),
        "closed": [name for name in closed if name not in closed_before],
        "teams": _changed_grades(before["grades"], now["grades"]),
        "figures": [
            change
            for name in closed
            if name in closed_before
            for change in _changed_figures(name, before["rounds"][name]["rows"], now["rounds"][name]["rows"])
        ],
    }


def _changed_grades(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {row["team"]: row for row in before}
    teams = [
        {
            **{key: row[key] for key in ("team", "rank", "total")},
            **{f"{key}_before": known.get(row["team"], {}).get(key) for key in ("rank", "total")},
        }
        for row in now
    ]
    return [one for one in teams if (one["rank"], one["total"]) != (one["rank_before"], one["total_before"])]


def _changed_figures(name: str, before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    old = {row["team"]: row["figure"] for row in before}
    return [
        {"round": name, "team": row["team"], "before": old.get(row["team"]), "now": row["figure"]}
        for row in now
        if old.get(row["team"]) != row["figure"]
    ]


def standings_table(one: RoundStandings, metric: str) -> pd.DataFrame:
    """Return a round's standings as they are read in a terminal."""
    return pd.DataFrame(
        {
            "rank": each.rank,
            "band": each.band,
            "team": each.submission.team + (" (baseline)" if each.submission.baseline else ""),
            NAMES[metric]: each.figure,
            "95 %": f"{each.submission.figures['low']:.3f}-{each.submission.figures['high']:.3f}",
            "F1": each.submission.figures["f1"],
            "P": each.submission.figures["precision"],
            "R": each.submission.figures["recall"],
            "handed in": f"{each.submission.submitted:%m-%d %H:%M}",
            "of": each.used,
            "ahead of next": "" if each.ahead is None else f"{each.ahead.difference:+.3f} (p {each.ahead.p:.2g})",
            "why this rank": each.why,
        }
        for each in one.standings
    )


def _rows(one: RoundStandings) -> list[dict[str, Any]]:
    return [
        {
            "rank": each.rank,
            "band": each.band,
            "team": each.submission.team,
            "baseline": each.submission.baseline,
            "figure": each.figure,
            "penalty": each.penalty,
            "moved": each.moved,
            "submitted": each.submission.submitted.isoformat(),
            "run": each.submission.run_id,
            "why": each.why,
            "ahead": None if each.ahead is None else vars(each.ahead),
            **{name: value for name, value in each.submission.figures.items() if not name.startswith("auc_")},
        }
        for each in one.standings
    ]


def _last_snapshot(course: CourseFolder) -> dict[str, Any] | None:
    found = sorted((course.board / "snapshots").glob("*.json"))
    if not found:
        return None
    try:
        record: dict[str, Any] = json.loads(found[-1].read_text(encoding="utf-8"))
        record["written"], record["rounds"], record["grades"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{found[-1]}: must be a snapshot of the board, found a broken one; remove it") from error
    return record
