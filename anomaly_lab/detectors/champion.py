"""A refitted detector with its calibration: from a feature matrix to hand-in scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_lab.types import Float32Array, FloatArray


def calibrate(scores: FloatArray, threshold: float | FloatArray, scale: float | FloatArray) -> FloatArray:
    """Return scores in (0, 1), 0.5 where the threshold is, their order kept.

    The softsign of z = (score - threshold) / scale saturates far later than a logistic curve, so close scores stay
    apart. It is written as ``0.5 / (1 - z)`` below 0 and ``1 - 0.5 / (1 + z)`` above, for ``z / (1 + |z|)`` rounds
    neighbouring scores into the wrong order. Only scores that differ by no more than rounding may become equal.

    Parameters
    ----------
    scores : ndarray of shape (n_users,)
        Raw scores, higher = more anomalous.
    threshold : float or ndarray of shape (n_users,)
        The raw score from which users are flagged.
    scale : float or ndarray of shape (n_users,)
        Spread of raw scores, > 0.
    """
    z = (scores - threshold) / scale
    tail = 0.5 / (1 + np.abs(z))
    calibrated: FloatArray = np.where(z < 0, tail, 1 - tail)
    return calibrated


@dataclass
class CalibratedDetector:
    """A fitted detector, its threshold and its spread.

    Parameters
    ----------
    detector : EstimatorDetector
        Fitted.
    threshold, scale : float
        See `calibrate`.
    """

    detector: Any
    threshold: float
    scale: float

    def score_matrix(self, matrix: Float32Array) -> FloatArray:
        """Return calibrated scores of rows of features, shape (n_rows,), 0.5 and above = flagged."""
        return calibrate(self.detector.score_matrix(matrix), self.threshold, self.scale)
