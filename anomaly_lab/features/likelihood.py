"""Family *likelihood*: how likely each user's ratings are, given the items they stand on."""

from __future__ import annotations

import numpy as np

from anomaly_lab.features.rows import incidence, item_level_counts, level_counts, per_user
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import FloatArray

PRIOR_RATINGS = 8.0
"""Ratings' worth of the global histogram mixed into each item's histogram."""

SURPRISING = np.log(0.05)
"""A rating this unlikely on its item counts as a surprise."""


def likelihood(users: RatingBatch, reference: RatingBatch) -> dict[str, FloatArray]:
    """Describe each user's ratings under the reference's distribution of levels on each item.

    Levels are categories, so any scale will do and the unknown level takes part.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch
        The users whose ratings make the items' histograms.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``mean`` log-likelihood a rating (nats); ``shuffled``, its expectation if the user's own ratings were permuted
        over the user's own items; ``gain`` of the one over the other and its ``gain_z`` by the permutation variance;
        ``worst`` rating, ``surprise_share``.
    """
    log_p = log_level_probabilities(reference)
    n = np.maximum(per_user(users), 1)
    row = log_p[users.items, users.ratings]
    mean = per_user(users, row) / n
    shuffled, spread = _permutation_moments(users, log_p)
    gain = mean - shuffled
    worst = np.zeros(users.n_users)
    np.minimum.at(worst, users.users, row)
    return {
        "mean": mean,
        "shuffled": shuffled,
        "gain": gain,
        "gain_z": np.where(spread > 1e-2, gain * np.sqrt(n) / np.maximum(spread, 1e-2), 0.0),
        "worst": worst,
        "surprise_share": per_user(users, row < SURPRISING) / n,
    }


def log_level_probabilities(reference: RatingBatch) -> FloatArray:
    """Return the log-probability of each level on each item, shape (n_items, n_levels), smoothed (Dirichlet)."""
    counts = item_level_counts(reference)
    overall = counts.sum(axis=0) + 1
    smoothed = counts + PRIOR_RATINGS * overall / overall.sum()
    log_p: FloatArray = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))
    return log_p


def _permutation_moments(users: RatingBatch, log_p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and spread of the log-likelihood a rating when a user's ratings are permuted over their items.

    With p the user's shares of levels and C the covariance over the user's items of the items' log-probabilities, the
    variance a rating is ``p·diag(C) - p'Cp`` (Hoeffding, 1951).
    """
    n_levels = log_p.shape[1]
    chosen = incidence(users)
    n = np.maximum(per_user(users), 1)
    share = level_counts(users) / n[:, None]
    first = (chosen @ log_p) / n[:, None]
    products = (log_p[:, :, None] * log_p[:, None, :]).reshape(len(log_p), -1)
    second = (chosen @ products).reshape(-1, n_levels, n_levels) / n[:, None, None]
    covariance = second - first[:, :, None] * first[:, None, :]
    diagonal = np.einsum("nkk->nk", covariance)
    variance = (share * diagonal).sum(axis=1) - np.einsum("nk,nkl,nl->n", share, covariance, share)
    return (share * first).sum(axis=1), np.sqrt(np.maximum(variance, 0))
