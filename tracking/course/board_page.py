"""Board page: the standings of a course as one standalone HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import floor
from typing import Any

import pandas as pd

from tracking.course.rules import NAMES, Rules
from tracking.course.standings import RoundStandings, Standing
from tracking.pages.page import render


def board_page(
    rules: Rules,
    rounds: Sequence[RoundStandings],
    table: pd.DataFrame,
    *,
    written: datetime,
    changes: Mapping[str, Any] | None = None,
) -> str:
    """Return the board as HTML.

    Parameters
    ----------
    rules : Rules
        Of the course.
    rounds : sequence of RoundStandings
        In their order.
    table : DataFrame
        From `tracking.course.grades.grades`.
    written : datetime
        The time, with its zone.
    changes : mapping, optional
        Since the last snapshot; see `tracking.course.snapshots.changes`.
    """
    shown = [one.rules.name for one in rounds if one.standings]
    return render(
        "board.html.j2",
        rules=rules,
        metric=NAMES[rules.metric],
        breaker=NAMES[rules.tie_breaker],
        rounds=[_round(one, rules) for one in rounds],
        closed=[one.rules.name for one in rounds if one.state == "closed"],
        chosen=shown[-1] if shown else None,
        grades=table.astype(object).where(table.notna(), None).to_dict("records"),
        written=written,
        changes=changes,
    )


def _round(one: RoundStandings, rules: Rules) -> dict[str, Any]:
    lows = [each.submission.figures["low"] for each in one.standings]
    return {
        "name": one.rules.name,
        "state": one.state,
        "deadline": one.rules.deadline,
        "weight": one.rules.weight,
        "standings": [_row(each) for each in one.standings],
        "handed_in": one.handed_in,
        "verdict": verdict(one.standings, NAMES[rules.metric]),
        "from": floor(10 * min([0.5, *lows])) / 10,
    }


def _row(each: Standing) -> dict[str, Any]:
    return {**vars(each), "figures": each.submission.figures, "is_real": each.ahead is not None and each.ahead.is_real}


def verdict(standings: Sequence[Standing], metric: str) -> str:
    """Return in a sentence who leads, and whether that is more than chance."""
    if not standings:
        return ""
    first = standings[0]
    told = f"{first.submission.team} leads with {metric} {first.figure:.3f}"
    if first.ahead is None:
        return told + "; nobody else handed in."
    second, lead = standings[1].submission.team, first.ahead
    sure = "more than chance explains" if lead.is_real else "which chance alone would often bring about"
    low, high = sorted([lead.low, lead.high] if lead.difference >= 0 else [-lead.low, -lead.high])
    by = f"{abs(lead.difference):.3f} (95 %: {low:.3f} to {high:.3f}), {sure}".replace("-", "\N{MINUS SIGN}")
    if lead.difference < 0:
        return f"{told} by the rule of ties: {second} has a {metric} higher by {by}."
    return f"{told}, ahead of {second} by {by}."
