"""Family *likelihood*: how likely each user's ratings are, given the items they stand on."""

from __future__ import annotations

import numpy as np

from anomaly_lab.features.rows import cells, level_counts, per_user, sums_over_cells
from anomaly_lab.features.sums import Reference, sums_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import FloatArray

PRIOR_RATINGS = 8.0
"""Ratings' worth of the global histogram mixed into each item's histogram."""

SURPRISING = np.log(0.05)
"""A rating this unlikely on its item counts as a surprise."""


def likelihood(users: RatingBatch, reference: Reference) -> dict[str, FloatArray]:
    """Describe each user's ratings under the reference's distribution of levels on each item.

    Levels are categories, so any scale will do and the unknown level takes part.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch or ReferenceSums
        The users whose ratings make the items' histograms.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``mean`` log-likelihood a rating (nats); ``shuffled``, its expectation if the user's own ratings were permuted
        over the user's own items; ``gain`` of the one over the other and its ``gain_z`` by the permutation variance;
        ``worst`` rating, ``surprise_share``.
    """
    from anomaly_lab.features.kernels import least_of_cells

    log_p = log_level_probabilities(reference)
    n = np.maximum(per_user(users), 1)
    own, by_cell = cells(users), log_p.ravel()
    total, surprises = sums_over_cells(users.indptr, own, [by_cell, by_cell < SURPRISING])
    worst = np.zeros(users.n_users)
    least_of_cells(users.indptr, own, by_cell, worst)
    mean = total / n
    shuffled, spread = _permutation_moments(users, log_p)
    gain = mean - shuffled
    return {
        "mean": mean,
        "shuffled": shuffled,
        "gain": gain,
        "gain_z": np.where(spread > 1e-2, gain * np.sqrt(n) / np.maximum(spread, 1e-2), 0.0),
        "worst": worst,
        "surprise_share": surprises / n,
    }


def log_level_probabilities(reference: Reference) -> FloatArray:
    """Return the log-probability of each level on each item, shape (n_items, n_levels), smoothed (Dirichlet)."""
    counts = sums_of(reference).item_levels
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
    upper = np.triu_indices(n_levels)  # of a symmetric table
    products = [log_p[:, a] * log_p[:, b] for a, b in zip(*upper, strict=True)]
    sums = np.stack(sums_over_cells(users.indptr, users.items, [*log_p.T, *products]), axis=1)
    n = np.maximum(per_user(users), 1)
    share = level_counts(users) / n[:, None]
    first = sums[:, :n_levels] / n[:, None]
    second = np.empty((len(n), n_levels, n_levels))
    second[:, upper[0], upper[1]] = second[:, upper[1], upper[0]] = sums[:, n_levels:] / n[:, None]
    covariance = second - first[:, :, None] * first[:, None, :]
    diagonal = np.einsum("nkk->nk", covariance)
    variance = (share * diagonal).sum(axis=1) - np.einsum("nk,nkl,nl->n", share, covariance, share)
    return (share * first).sum(axis=1), np.sqrt(np.maximum(variance, 0))
