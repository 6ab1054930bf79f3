"""Composites: one figure for class scores, as the editions of the course that name kinds rank by."""

from __future__ import annotations

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.types import FloatArray, IntArray


def class_aucs(kinds: IntArray, class_scores: FloatArray) -> dict[int, float]:
    """Return the AUC of each class that occurs against all others (one-vs-rest).

    A class without a column scored everyone alike, which is an AUC of 0.5: nobody could name a kind that no label had.

    Parameters
    ----------
    kinds : ndarray of shape (n_users,)
        0 for genuine users, from 1 on how a user was generated; both must occur.
    class_scores : ndarray of shape (n_users, n_classes)
        Column k is higher the more a user looks like class k.

    Raises
    ------
    DataError
        If the shapes differ, or only one class occurs.
    """
    if class_scores.ndim != 2 or len(class_scores) != len(kinds):
        raise DataError(f"class scores must have a row a user, ({len(kinds)}, n_classes), found {class_scores.shape}")
    classes = np.unique(kinds)
    if classes[0] != 0 or len(classes) < 2:
        raise DataError(f"genuine users (0) and at least one kind must occur, found classes {classes.tolist()}")
    return {int(one): _one_vs_rest(kinds, class_scores, int(one)) for one in classes}


def mean_ovr_auc(kinds: IntArray, class_scores: FloatArray) -> float:
    """Return the mean of the one-vs-rest AUCs of the classes that occur: the 2024 edition's figure, in [0, 1].

    Parameters
    ----------
    kinds, class_scores
        As for `class_aucs`.
    """
    return float(np.mean(list(class_aucs(kinds, class_scores).values())))


def composite(kinds: IntArray, class_scores: FloatArray) -> float:
    """Return half the AUC of the genuine class and half the mean AUC of the kinds that occur, in [0, 1].

    With five kinds this is the 2025 edition's ``0.5 AUC(0) + 0.1 (AUC(1) + … + AUC(5))``.

    Parameters
    ----------
    kinds, class_scores
        As for `class_aucs`.
    """
    aucs = class_aucs(kinds, class_scores)
    return float(0.5 * aucs.pop(0) + 0.5 * np.mean(list(aucs.values())))


def class_metrics(kinds: IntArray, class_scores: FloatArray) -> dict[str, float]:
    """Return ``composite``, ``mean_ovr_auc`` and ``auc_class_<k>`` of each class that occurs.

    Parameters
    ----------
    kinds, class_scores
        As for `class_aucs`.
    """
    aucs = class_aucs(kinds, class_scores)
    return {
        "composite": composite(kinds, class_scores),
        "mean_ovr_auc": mean_ovr_auc(kinds, class_scores),
        **{f"auc_class_{one}": value for one, value in aucs.items()},
    }


def _one_vs_rest(kinds: IntArray, class_scores: FloatArray, one: int) -> float:
    if one >= class_scores.shape[1]:
        return 0.5
    return roc_auc((kinds == one).astype(np.int64), class_scores[:, one])
