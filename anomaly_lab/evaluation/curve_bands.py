"""Curve bands: how far chance alone moves a ROC curve and a precision-recall curve, point by point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_lab.types import FloatArray, IntArray

GRID = np.linspace(0.0, 1.0, 101)
"""False positive rates, and recalls, that a curve is read at."""
RESAMPLES = 1000
CELLS = 2_000_000
"""Weights held at once."""

ROC, RECALL = slice(0, len(GRID)), slice(len(GRID), -1)
"""Where each curve stands in a row; the average precision stands last."""

Part = tuple[IntArray, FloatArray]
"""Truth and scores of the users of one fold."""


@dataclass(frozen=True, eq=False)
class Band:
    """A curve and its interval at every point.

    Parameters
    ----------
    x, y, low, high : ndarray of shape (n_points,)
        In [0, 1].
    """

    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class CurveBands:
    """Both curves of a score, with intervals.

    Parameters
    ----------
    roc : Band
        True positive rate at each false positive rate.
    recall : Band
        Precision at each recall, from the lowest above 0 on.
    average_precision : tuple of float
        Its value, low and high.
    """

    roc: Band
    recall: Band
    average_precision: tuple[float, float, float]


def curve_bands(
    parts: Sequence[Part], *, level: float = 0.95, n_resamples: int = RESAMPLES, seed: int = 0
) -> CurveBands:
    """Return ROC and precision-recall curves of one or more folds with pointwise bootstrap intervals.

    Users are drawn with replacement within each class of each fold, and every interval is that of the percentiles at
    its point (Efron and Tibshirani, 1993). Folds are scored by models of their own, whose scores nobody may mix: their
    curves are averaged at equal false positive rates, or recalls (vertical averaging: Fawcett, 2006), so that the area
    under the average is the mean of their AUCs. Precision at a recall is that of the first threshold that reaches it,
    for nothing lies on a straight line between two points of such a curve (Davis and Goadrich, 2006).

    Parameters
    ----------
    parts : sequence of (truth, scores)
        Of each fold: 1 for generated and 0 for genuine, both of which occur, and scores, higher = more anomalous.
    level : float
        In (0, 1).
    n_resamples : int
        Draws.
    seed : int
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    whole = _mean_curves(parts)
    drawn = np.mean([np.vstack([*_Sorted(*part).resampled(n_resamples, rng)]) for part in parts], axis=0)
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return CurveBands(
        Band(GRID, whole[ROC], low[ROC], high[ROC]),
        Band(GRID[1:], whole[RECALL], low[RECALL], high[RECALL]),
        (float(whole[-1]), float(low[-1]), float(high[-1])),
    )


def mean_curves(parts: Sequence[Part]) -> tuple[FloatArray, FloatArray]:
    """Return the curves of `curve_bands` alone: true positive rates at `GRID`, and precisions at ``GRID[1:]``.

    Parameters
    ----------
    parts : sequence of (truth, scores)
        As for `curve_bands`.
    """
    whole = _mean_curves(parts)
    return whole[ROC], whole[RECALL]


def _mean_curves(parts: Sequence[Part]) -> FloatArray:
    curves = [_Sorted(truth, scores).curves(np.ones((1, len(truth))))[0] for truth, scores in parts]
    found: FloatArray = np.mean(curves, axis=0)
    return found


class _Sorted:
    """Users of a fold by falling score; users with one score share a threshold."""

    def __init__(self, truth: IntArray, scores: FloatArray) -> None:
        order = np.argsort(-scores, kind="stable")
        self.truth = truth[order]
        self.ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)

    def resampled(self, n: int, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield the curves of samples, some rows at a time."""
        step = max(1, CELLS // len(self.truth))
        for first in range(0, n, step):
            weights = np.empty((min(step, n - first), len(self.truth)))
            for label in (0, 1):
                mine = np.flatnonzero(self.truth == label)
                weights[:, mine] = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), len(weights))
            yield self.curves(weights)

    def curves(self, weights: FloatArray) -> FloatArray:
        """Return true positive rates, precisions and the average precision of weighted users, one row a weighting."""
        hits = np.cumsum(weights * self.truth, axis=1)[:, self.ends]
        alarms = np.cumsum(weights * (1 - self.truth), axis=1)[:, self.ends]
        precision = hits / np.maximum(hits + alarms, 1)
        recall, false_rate = hits / hits[:, -1:], alarms / alarms[:, -1:]
        found = np.empty((len(weights), 2 * len(GRID)))
        for row, (f, r, p) in enumerate(zip(false_rate, recall, precision, strict=True)):
            found[row, ROC] = np.interp(GRID, np.append(0.0, f), np.append(0.0, r))
            # rounding may leave the last recall just below 1
            found[row, RECALL] = p[np.minimum(np.searchsorted(r, GRID[1:] - 1e-12), len(p) - 1)]
            found[row, -1] = np.sum(np.diff(r, prepend=0.0) * p)
        return found
