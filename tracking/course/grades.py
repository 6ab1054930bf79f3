"""Grades: what the rounds of a course add up to for each team."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tracking.course.rules import Rules
from tracking.course.standings import RoundStandings

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these."""


def grades(rules: Rules, rounds: Sequence[RoundStandings]) -> pd.DataFrame:
    """Return one row a team: its figure and state in each closed round, and the weighted mean of them.

    Parameters
    ----------
    rules : Rules
        Weights, and what a missed round counts.
    rounds : sequence of RoundStandings
        Of the course; rounds that are not closed count nothing yet.

    Returns
    -------
    DataFrame
        ``rank``, ``team``, ``total``, then for each closed round its figure less the penalty, its rank among everyone
        on the board, and ``in time``, ``late`` or ``missed``. Equal totals share a rank. Baselines get no grade.
    """
    closed = [one for one in rounds if one.state == "closed"]
    teams = dict.fromkeys(rules.teams) | {
        each.submission.team: None for one in closed for each in one.standings if not each.submission.baseline
    }
    rows = [_row(rules, closed, team) for team in teams]
    columns = ["team", "total", *(f"{one.rules.name}{what}" for one in closed for what in ("", "_rank", "_state"))]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(
        0, "rank", table["total"].round(12).rank(ascending=False, method="min", na_option="bottom").astype(int)
    )
    return table.sort_values(["rank", "team"], ignore_index=True)


def spreadsheet(table: pd.DataFrame) -> str:
    """Return a table as CSV in which no team's name is taken for a formula."""
    safe = table["team"].map(lambda name: f"'{name}" if name.startswith(FORMULA) else name)
    return table.assign(team=safe).to_csv(index=False, float_format="%.6f", lineterminator="\n")


def _row(rules: Rules, closed: Sequence[RoundStandings], team: str) -> dict[str, object]:
    row: dict[str, object] = {"team": team}
    figures, weights = [], []
    for one in closed:
        mine = next((each for each in one.standings if each.submission.team == team), None)
        figure = (
            mine.figure if mine is not None else {"chance": rules.chance, "zero": 0.0, "skip": np.nan}[rules.missed]
        )
        state = "missed" if mine is None else "late" if mine.submission.days_late else "in time"
        name = one.rules.name
        row |= {name: figure, f"{name}_rank": None if mine is None else mine.rank, f"{name}_state": state}
        if not np.isnan(figure):
            figures.append(figure)
            weights.append(one.rules.weight)
    row["total"] = float(np.average(figures, weights=weights)) if figures else np.nan
    return row
