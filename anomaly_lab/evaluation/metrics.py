"""Metrics of anomaly scores, with the uncertainty of the AUC and an honest threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import average_precision_score, precision_recall_curve, precision_recall_fscore_support

from anomaly_lab.types import FloatArray, IntArray


@dataclass(frozen=True)
class MetricSpec:
    """A metric's fixed name, and which way is better.

    Parameters
    ----------
    name : str
        As it stands in MLflow and on boards.
    direction : {"maximize", "minimize"}
        Which way is better.
    summary : str
        What it says, in one line.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    summary: str

    def gain(self, value: float) -> float:
        """Return a value turned so that more is better."""
        return value if self.direction == "maximize" else -value


def roc_auc(truth: IntArray, scores: FloatArray) -> float:
    """Return the area under the ROC curve by rank sums (Mann and Whitney, 1947).

    Parameters
    ----------
    truth : ndarray of shape (n_users,)
        1 for generated, 0 for genuine; both must occur.
    scores : ndarray of shape (n_users,)
        Higher = more anomalous; ties count half.
    """
    n_fake = int(truth.sum())
    n_genuine = len(truth) - n_fake
    ranks = rankdata(scores)
    return float((ranks[truth == 1].sum() - n_fake * (n_fake + 1) / 2) / (n_fake * n_genuine))


def roc_auc_variance(truth: IntArray, scores: FloatArray) -> float:
    """Return the variance of the AUC by DeLong, DeLong and Clarke-Pearson (1988), in O(n log n) by midranks.

    The fast form is that of Sun and Xu (2014). Infinite where a class has fewer than two users.
    """
    return _variance(*_placements(truth, scores))


def roc_auc_difference_variance(truth: IntArray, first: FloatArray, second: FloatArray) -> float:
    """Return the variance of the difference of two AUCs on the same users (DeLong, DeLong and Clarke-Pearson, 1988).

    What both scores find hard cancels out, so it is often far below the sum of both variances. Infinite where a class
    has fewer than two users.
    """
    pairs = zip(_placements(truth, first), _placements(truth, second), strict=True)
    return _variance(*(one - other for one, other in pairs))


def _placements(truth: IntArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return which share of the other class each fake and each genuine user is on the right side of."""
    fake, genuine = scores[truth == 1], scores[truth == 0]
    m, n = len(fake), len(genuine)
    joint = rankdata(np.concatenate([fake, genuine]))
    return (joint[:m] - rankdata(fake)) / n, 1 - (joint[m:] - rankdata(genuine)) / m


def _variance(fake: FloatArray, genuine: FloatArray) -> float:
    if len(fake) < 2 or len(genuine) < 2:
        return float("inf")
    return float(fake.var(ddof=1) / len(fake) + genuine.var(ddof=1) / len(genuine))


def mean_interval(
    values: FloatArray, variances: FloatArray, level: float = 0.95, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """Return the normal interval of a mean of independent figures, AUCs unless other bounds are given, cut to these."""
    half = norm.ppf(0.5 + level / 2) * np.sqrt(np.sum(variances)) / len(values)
    centre = float(np.mean(values))
    return max(bounds[0], centre - half), min(bounds[1], centre + half)


def best_f1_threshold(truth: IntArray, scores: FloatArray, *, slack: float = 0.0) -> float:
    """Return the threshold with the highest F1: users scoring at least it are flagged.

    It lies half-way between the last flagged score and the next lower one, so that it does not hang on one user.

    Parameters
    ----------
    truth, scores : ndarray of shape (n_users,)
        1 for generated; higher = more anomalous.
    slack : float
        Of thresholds whose F1 lies within so many of its standard errors of the highest, the lowest is returned.
    """
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    best = int(np.argmax(f1))
    if slack > 0:
        flagged = scores >= thresholds[best]
        error = _f1_error(float(f1[best]), int((flagged | (truth == 1)).sum()))
        best = int(np.argmax(f1 >= f1[best] - slack * error))
    lower = thresholds[best - 1] if best > 0 else thresholds[best]
    middle = (thresholds[best] + lower) / 2
    return float(middle if middle > lower else thresholds[best])


def _f1_error(f1: float, n_either: int) -> float:
    """Return the standard error of an F1, by that of J = F1 / (2 - F1), a share of the users flagged or generated."""
    share = f1 / (2 - f1)
    return float(2 / (1 + share) ** 2 * np.sqrt(share * (1 - share) / max(n_either, 1)))


def score_metrics(
    truth: IntArray, scores: FloatArray, threshold: float, kinds: IntArray | None = None
) -> dict[str, float]:
    """Return every metric of one query round under its fixed name.

    Parameters
    ----------
    truth : ndarray of shape (n_users,)
        1 for generated, 0 for genuine.
    scores : ndarray of shape (n_users,)
        Higher = more anomalous.
    threshold : float
        Users scoring at least this are flagged; chosen without sight of `truth`.
    kinds : ndarray of shape (n_users,), optional
        How each user was generated, 0 for genuine.

    Returns
    -------
    dict of str to float
        ``auc``, ``average_precision``, ``precision``, ``recall``, ``f1`` at the threshold, ``f1_hindsight`` at the best
        threshold for `truth` itself (an upper bound, never to be reported as a result), ``flagged`` (share of users),
        and ``auc_kind_<k>`` of each kind against the genuine users.
    """
    flagged = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(truth, flagged, average="binary", zero_division=0)
    hindsight = best_f1_threshold(truth, scores)
    metrics = {
        "auc": roc_auc(truth, scores),
        "average_precision": float(average_precision_score(truth, scores)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "f1_hindsight": float(
            precision_recall_fscore_support(truth, scores >= hindsight, average="binary", zero_division=0)[2]
        ),
        "flagged": float(flagged.mean()),
    }
    for kind in np.unique(kinds[kinds > 0]) if kinds is not None else ():
        either = (kinds == kind) | (truth == 0)
        metrics[f"auc_kind_{kind}"] = roc_auc(truth[either], scores[either])
    return metrics
