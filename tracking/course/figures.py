"""Figures: what a submission really scored, how sure that is, and whether one is ahead of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from anomaly_lab.evaluation.composite import class_metrics
from anomaly_lab.evaluation.metrics import (
    mean_interval,
    roc_auc,
    roc_auc_difference_variance,
    roc_auc_variance,
    score_metrics,
)
from anomaly_lab.ratings.labels import Round
from anomaly_lab.types import FloatArray, IntArray
from tracking.course.rules import OF_KINDS
from tracking.course.submissions import Scores
from tracking.forms import THRESHOLD

RESAMPLES = 400
"""Rounds drawn anew to see how far a figure other than the AUC may lie off."""
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Truth:
    """Who was generated in a round, users in ascending order of their ids.

    Parameters
    ----------
    fake : ndarray of shape (n_users,)
        1 for generated.
    kinds : ndarray of shape (n_users,), optional
        How.
    """

    fake: IntArray
    kinds: IntArray | None

    @classmethod
    def of(cls, one: Round) -> Truth:
        """Return the truth of a labelled round."""
        assert one.labels is not None
        order = one.ratings.ascending
        return cls(one.labels.fake[order], None if one.labels.kinds is None else one.labels.kinds[order])


@dataclass(frozen=True)
class Lead:
    """How far one submission is ahead of another on the same users.

    Parameters
    ----------
    difference : float
        In the ranking figure.
    low, high : float
        Its 95 % interval.
    p : float
        Two-sided: how likely chance brings them this far apart, if neither is ahead.
    """

    difference: float
    low: float
    high: float
    p: float

    @property
    def is_real(self) -> bool:
        """Whether chance would rarely do this."""
        return self.p < 1 - LEVEL


def measure(truth: Truth, found: Scores, metric: str) -> dict[str, float]:
    """Return every figure of a submission and the 95 % interval of the one it is ranked by.

    Parameters
    ----------
    truth : Truth
        Of the round.
    found : Scores
        The submission.
    metric : str
        Of `tracking.course.rules.FIGURES`.

    Returns
    -------
    dict of str to float
        `score_metrics` at 0.5, those of class scores where there are such, ``low`` and ``high``: by DeLong for the AUC,
        else by resampling users of each class.
    """
    figures = score_metrics(truth.fake, found.scores, THRESHOLD, truth.kinds)
    if found.classes is not None and truth.kinds is not None:
        figures |= class_metrics(truth.kinds, found.classes)
    if metric == "auc":
        variance = roc_auc_variance(truth.fake, found.scores)
        low, high = mean_interval(np.array([figures["auc"]]), np.array([variance]))
    else:
        low, high = np.quantile(_resampled(truth, metric, found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return figures | {"low": float(low), "high": float(high)}


def compare(truth: Truth, first: Scores, second: Scores, metric: str) -> Lead:
    """Return how far the first is ahead of the second, both judged on the same users.

    By DeLong, DeLong and Clarke-Pearson (1988) for the AUC; for other figures by resampling the users of each class,
    the same for both (paired bootstrap: Efron and Tibshirani, 1993).
    """
    figure = _figure(metric)
    difference = figure(truth.fake, truth.kinds, first) - figure(truth.fake, truth.kinds, second)
    if metric == "auc":
        spread = float(np.sqrt(roc_auc_difference_variance(truth.fake, first.scores, second.scores)))
        half = norm.ppf((1 + LEVEL) / 2) * spread
        p = 1.0 if difference == 0 else float(2 * norm.sf(abs(difference) / spread)) if spread > 0 else 0.0
        return Lead(difference, difference - half, difference + half, p)
    drawn = _resampled(truth, metric, first) - _resampled(truth, metric, second)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    side = float(min((drawn <= 0).mean(), (drawn >= 0).mean()))
    return Lead(difference, float(low), float(high), min(1.0, 2 * max(side, 1 / RESAMPLES)))


def _figure(metric: str) -> Callable[[IntArray, IntArray | None, Scores], float]:
    """Return the one figure alone: resampling asks for it hundreds of times."""

    def of(fake: IntArray, kinds: IntArray | None, found: Scores) -> float:
        if metric in OF_KINDS:
            assert kinds is not None
            assert found.classes is not None
            return class_metrics(kinds, found.classes)[metric]
        if metric in {"f1", "precision", "recall"}:
            flagged = found.scores >= THRESHOLD
            among = {"f1": (flagged.sum() + fake.sum()) / 2, "precision": flagged.sum(), "recall": fake.sum()}
            return float((flagged & (fake == 1)).sum() / max(among[metric], 1e-12))
        return float((roc_auc if metric == "auc" else average_precision_score)(fake, found.scores))

    return of


def _resampled(truth: Truth, metric: str, found: Scores) -> FloatArray:
    """Return a figure on users drawn anew within each class; the same draws for every submission of a round."""
    rng = np.random.default_rng(0)
    classes = truth.fake if truth.kinds is None else truth.kinds
    members = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    figure = _figure(metric)
    values = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(one, len(one)) for one in members])
        drawn = Scores(found.scores[rows], None if found.classes is None else found.classes[rows])
        values.append(figure(truth.fake[rows], None if truth.kinds is None else truth.kinds[rows], drawn))
    return np.array(values)
