"""Drift in words: what a difference between a batch and training rounds means for whoever hands in."""

from __future__ import annotations

from anomaly_lab.evaluation.drift import Difference


def told_apart_words(found: Difference) -> str:
    """Return what it means that users of a batch can be told from those of training rounds.

    Parameters
    ----------
    found : Difference
        Of `anomaly_lab.evaluation.drift.Drift.told_apart`.
    """
    if found.batch <= found.chance:
        return "users of this batch cannot be told from those of training rounds"
    told = f"users of this batch can be told from training rounds with AUC {found.batch:.2f}"
    return f"{told}: {_beside(found)}"


def levels_words(found: Difference) -> str:
    """Return what it means that levels have other shares than in training rounds.

    Parameters
    ----------
    found : Difference
        Of `anomaly_lab.evaluation.drift.Drift.levels`.
    """
    if found.batch <= found.chance:
        return "levels have the shares they have in training rounds"
    moved = f"{found.batch:.1%} of ratings would have to change their level to have the shares of training rounds"
    return f"{moved}: {_beside(found)}"


def warnings(told_apart: Difference, levels: Difference) -> list[str]:
    """Return a line for each difference that is far larger than between training rounds.

    Parameters
    ----------
    told_apart, levels : Difference
        As `anomaly_lab.evaluation.drift.unusual` returns them.
    """
    found = [(told_apart, told_apart_words(told_apart)), (levels, levels_words(levels))]
    return [f"{words}; see `anomaly-lab describe --against`" for difference, words in found if difference.far_more]


def _beside(found: Difference) -> str:
    """Return how a difference compares with those between training rounds."""
    if not found.rounds:
        return "with one training round nobody can say whether that is much"
    most = max(found.rounds)
    if found.far_more:
        return (
            f"far more than training rounds from each other ({most:.3f} at most); expect less than the board promises"
        )
    if found.batch > most:
        return f"a little more than training rounds from each other ({most:.3f} at most)"
    return f"no more than training rounds from each other ({most:.3f} at most)"
