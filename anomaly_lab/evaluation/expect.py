"""Expect: the AUC of the coming round, with an interval, of a run that was selected among many on rounds gone by.

Three things stand between a board's best AUC and the next one: the best of many is partly lucky, rounds differ, and a
new round brings new kinds of fakes. The first is taken off the AUC; the other two make a t distribution over its
log-odds, where chance is zero. In terms of the AUC its lower half is the wider one: a high AUC has more to lose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, t

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.types import FloatArray

EDGE = 1e-3
"""AUCs are cut to [EDGE, 1 - EDGE]: beyond, their log-odds say nothing but how few users there were."""
MOST_ERROR = 0.5
"""No number in [0, 1] has a larger standard deviation; where a class has one user, DeLong's is infinite."""
UNSHARED = 0.3
"""Share of the variance of a run's AUC that other good runs, scored on the same users, do not have in common."""
WORTH = 4.0
"""How many rounds' differences the prior spread between rounds counts for."""
_GRID = np.linspace(-8, 8, 801)


@dataclass(frozen=True)
class Prior:
    """What simulated courses say of the way from labelled rounds to the coming one.

    Parameters
    ----------
    kept : float
        Median share of the log-odds that is left in the coming round.
    spread : float
        Scale of that share about its median.
    between : float
        Standard deviation between rounds, in log-odds.
    """

    kept: float
    spread: float
    between: float


PRIORS = {
    "next-round": Prior(kept=1.0, spread=0.15, between=0.3),
    "in-round": Prior(kept=0.55, spread=0.2, between=0.3),
}
"""By protocol; fitted by ``experiments/bench/calibrate_interval.py``, rounded, never to real rounds.

Nothing is lost on average from one round to the next, for the final fit has one labelled round more than any of those
measured, which makes up for new kinds. From within a round to the next one nearly half of the log-odds is lost.
``auc_kind_out`` and ``auc_worst_kind`` are not used: given the AUC, they told nothing about the coming round.
"""
PRIORS["forward"] = PRIORS["next-round"]


@dataclass(frozen=True)
class Predictive:
    """The distribution of the coming round's log-odds: a scaled t distribution.

    Parameters
    ----------
    centre : float
        Median.
    scale : float
        Its unit.
    freedom : float
        Degrees of freedom.
    """

    centre: float
    scale: float
    freedom: float

    def auc(self, share: float) -> float:
        """Return the AUC below which the coming round stays with a chance of `share`."""
        return float(expit(t.ppf(share, self.freedom, self.centre, self.scale)))

    def log_density(self, auc: float) -> float:
        """Return the log of the density at the log-odds of an AUC."""
        return float(t.logpdf(_log_odds(auc), self.freedom, self.centre, self.scale))


@dataclass(frozen=True)
class Expectation:
    """What to expect of the coming round.

    Parameters
    ----------
    auc : float
        The median.
    low, high : float
        The interval, in [0, 1].
    level : float
        How often it is meant to hold the real AUC.
    seen : float
        The run's mean AUC on the rounds gone by.
    selection_bias : float
        By how much that is too high because the run was selected.
    protocol : str
        How these rounds were asked.
    n_runs, n_rounds : int
        How many runs it was selected from, on how many rounds.
    """

    auc: float
    low: float
    high: float
    level: float
    seen: float
    selection_bias: float
    protocol: str
    n_runs: int
    n_rounds: int


def expect(
    aucs: FloatArray,
    errors: FloatArray,
    selected: int,
    protocol: str,
    *,
    n_rounds: int | None = None,
    level: float = 0.9,
) -> Expectation:
    """Return what to expect of the coming round.

    Parameters
    ----------
    aucs : ndarray of shape (n_runs, n_folds)
        AUC of each run on each query of the question: rounds, or parts of rounds.
    errors : ndarray of shape (n_runs,)
        Standard error of each run's mean AUC by the users it was scored on (DeLong et al., 1988).
    selected : int
        Which run is to be handed in.
    protocol : {"next-round", "forward", "in-round"}
        How the rounds were asked.
    n_rounds : int, optional
        How many rounds the folds are of; by default each is a round, and under ``in-round`` all are parts of one.
    level : float
        Of the interval, in (0, 1).

    Raises
    ------
    ConfigError
        If there is no prior for the protocol, or the level lies outside (0, 1).
    DataError
        If an AUC is no number in [0, 1].
    """
    if protocol not in PRIORS:
        raise ConfigError(f"an expectation needs one of the protocols {', '.join(PRIORS)}, found '{protocol}'")
    if not 0 < level < 1:
        raise ConfigError(f"the level of an interval must lie in (0, 1), found {level:g}")
    if aucs.ndim != 2 or not ((aucs >= 0) & (aucs <= 1)).all():
        raise DataError("AUCs of finished runs must be numbers in [0, 1], one a run and fold; run `tune` again")
    n_rounds = n_rounds or (1 if protocol == "in-round" else aucs.shape[1])
    means, error = aucs.mean(axis=1), min(float(errors[selected]), MOST_ERROR)
    bias = bias_of_selected(means, error, selected)
    coming = predict(aucs[selected], error, bias, n_rounds, PRIORS[protocol])
    return Expectation(
        auc=coming.auc(0.5),
        low=coming.auc(0.5 - level / 2),
        high=coming.auc(0.5 + level / 2),
        level=level,
        seen=float(means[selected]),
        selection_bias=bias,
        protocol=protocol,
        n_runs=len(aucs),
        n_rounds=n_rounds,
    )


def bias_of_selected(means: FloatArray, error: float, selected: int) -> float:
    """Return by how much a selected run's mean AUC is too high; less, down to 0, for a run that is not the best.

    What it takes off leaves no AUC below chance that was above it.

    Parameters
    ----------
    means : ndarray of shape (n_runs,)
        Mean AUC of every run it was selected from.
    error : float
        Standard error of the selected run's.
    selected : int
        Which run it is.
    """
    bias = selection_bias(means, float(np.sqrt(UNSHARED) * error)) - float(means.max() - means[selected])
    return float(np.clip(bias, 0, max(means[selected] - 0.5, 0)))


def selection_bias(scores: FloatArray, noise: float) -> float:
    """Return by how much the highest of some noisy scores is expected to be too high.

    The bootstrap bias correction of Tsamardinos, Greasidou and Borboudakis (2018) in closed form: every score is drawn
    again, normal about itself; the bias is what the highest of the new scores has above the old score of its run. It is
    large where many runs are about equally good and small where one leads by far.

    Parameters
    ----------
    scores : ndarray of shape (n_runs,)
        Estimates.
    noise : float
        Standard deviation of the errors that runs do not share.
    """
    if len(scores) < 2 or noise < 1e-9:
        return 0.0
    highest = scores.max() + noise * _GRID  # the highest new score lies outside once in 10^15 times
    steps = (highest - scores[:, None]) / noise
    below = norm.logcdf(steps)
    density = np.exp(norm.logpdf(steps) + below.sum(axis=0) - below)  # that this run comes out highest, just there
    return float(np.trapezoid(((highest - scores[:, None]) * density).sum(axis=0), _GRID))


def predict(aucs: FloatArray, error: float, bias: float, n_rounds: int, prior: Prior) -> Predictive:
    """Return the distribution of the coming round.

    A round differs from the mean of those before by their spread, which is a weighted mean of the prior's and the one
    seen, and by what new kinds cost, which grows with the log-odds there are to lose.

    Parameters
    ----------
    aucs : ndarray of shape (n_folds,)
        AUC of the run on each query.
    error : float
        Standard error of their mean.
    bias : float
        What selection has added to their mean.
    n_rounds : int
        How many rounds they are of; only where each is a round of its own do they show how much rounds differ.
    prior : Prior
        Of the protocol.
    """
    mean = np.clip(aucs.mean(), EDGE, 1 - EDGE)
    log_odds = _log_odds(aucs.mean() - bias)
    variance = prior.between**2 + n_rounds * (error / (mean * (1 - mean))) ** 2
    freedom = WORTH
    if n_rounds == len(aucs) > 1:
        freedom = WORTH + n_rounds - 1
        seen = np.var([_log_odds(auc) for auc in aucs])
        variance = (WORTH * variance + n_rounds * seen) / freedom
    scale = float(np.hypot(np.sqrt(variance * (1 + 1 / n_rounds)), prior.spread * log_odds))
    return Predictive(prior.kept * log_odds, scale, freedom)


def _log_odds(auc: float) -> float:
    return float(logit(np.clip(auc, EDGE, 1 - EDGE)))
