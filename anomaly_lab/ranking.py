"""The course's rule: order by AUC, ties closer than 0.005 broken by F1, made into an order.

"Closer than 0.005 means tied" is not transitive, so sorting by it gives different boards for different input orders.
Here the leader of those not yet placed anchors a band: everyone strictly less than 0.005 below it is tied with it and
ordered by F1; the next band starts at the first run that is not tied.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from math import isnan

TIE_MARGIN = 0.005


@dataclass(frozen=True)
class Contender:
    """What the rule looks at.

    Parameters
    ----------
    key : str
        Identifies the run; the last tie-breaker.
    auc : float
        Primary metric, in [0, 1].
    f1 : float
        Tie-breaker, in [0, 1]; NaN counts as lowest.
    submitted : float
        When it was handed in; earlier is better.
    """

    key: str
    auc: float
    f1: float
    submitted: float = 0.0


@dataclass(frozen=True)
class Placing:
    """Where a contender stands, and why.

    Parameters
    ----------
    rank, band : int
        From 1.
    contender : Contender
        Who.
    why : str
        The reason in words.
    """

    rank: int
    band: int
    contender: Contender
    why: str


def rank(
    contenders: Iterable[Contender], margin: float = TIE_MARGIN, names: tuple[str, str] = ("AUC", "F1")
) -> list[Placing]:
    """Return contenders in order, best first; the order of the input does not matter.

    Parameters
    ----------
    contenders : iterable of Contender
        Whoever answered the same question.
    margin : float
        AUCs strictly closer than this are tied; the difference is rounded to 12 decimals, for 0.563 - 0.558 < 0.005 in
        floating point.
    names : tuple of str
        What reasons call the primary metric and the tie-breaker, where a course ranks by others.
    """
    ordered = sorted(contenders, key=lambda one: (-one.auc, -_f1(one), one.submitted, one.key))
    placings: list[Placing] = []
    band = 0
    while len(placings) < len(ordered):
        band += 1
        start = len(placings)
        leader = ordered[start]
        end = bisect_left(ordered, margin, start + 1, key=partial(_behind, leader))
        tied = ordered[start:end]
        tied.sort(key=lambda one: (-_f1(one), -one.auc, one.submitted, one.key))
        below = placings[-1].contender.auc if placings else None
        for place, one in enumerate(tied):
            why = _alone(one, below, names) if len(tied) == 1 else _tied(place, tied, leader, margin, names)
            placings.append(Placing(len(placings) + 1, band, one, why))
    return placings


def _behind(leader: Contender, one: Contender) -> float:
    return round(leader.auc - one.auc, 12)


def _f1(one: Contender) -> float:
    return float("-inf") if isnan(one.f1) else one.f1


def _alone(one: Contender, above: float | None, names: tuple[str, str]) -> str:
    return f"highest {names[0]}" if above is None else f"{names[0]} {above - one.auc:.3f} below the one above"


def _tied(place: int, tied: list[Contender], leader: Contender, margin: float, names: tuple[str, str]) -> str:
    one, (primary, breaker) = tied[place], names
    if place == 0 and one == leader:
        return f"highest {primary} and {breaker} of {len(tied)} tied"
    if place == 0:
        return f"tied at {primary} {leader.auc:.3f} (within {margin:g}), highest {breaker} of {len(tied)}"
    return (
        f"tied at {primary} {leader.auc:.3f} (within {margin:g}), {breaker} {one.f1:.3f} after {tied[place - 1].f1:.3f}"
    )
