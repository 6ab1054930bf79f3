"""Metrics of predicted ratings."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from anomaly_lab.types import Float32Array, FloatArray, IntArray


def rating_metrics(truth: Float32Array, predicted: FloatArray, middle: float) -> dict[str, float]:
    """Return how far predictions are from ratings, and how often they stand on the right side of the mean.

    Parameters
    ----------
    truth, predicted : ndarray of shape (n_pairs,)
        Ratings, and what was said of them.
    middle : float
        The mean rating in training.

    Returns
    -------
    dict of str to float
        ``rmse`` with its ``rmse_variance`` (delta method), ``mae``, and of the question whether a rating is at least
        the mean: ``accuracy``, ``high_precision`` and ``high_recall``.
    """
    errors = predicted - truth
    squared = errors**2
    rmse = float(np.sqrt(squared.mean()))
    variance = float(squared.var() / len(squared) / (4 * squared.mean())) if rmse > 0 else 0.0
    (low_low, low_high), (high_low, high_high) = sides_of_mean(truth, predicted, middle)
    return {
        "rmse": rmse,
        "rmse_variance": variance,
        "mae": float(np.abs(errors).mean()),
        "accuracy": float((low_low + high_high) / len(truth)),
        "high_precision": float(high_high / max(low_high + high_high, 1)),
        "high_recall": float(high_high / max(high_low + high_high, 1)),
    }


def sides_of_mean(truth: Float32Array, predicted: FloatArray, middle: float) -> IntArray:
    """Return counts of ratings below and from the mean on, shape (2, 2): rows as rated, columns as predicted."""
    counts: IntArray = confusion_matrix(truth >= middle, predicted >= middle, labels=[False, True])
    return counts
