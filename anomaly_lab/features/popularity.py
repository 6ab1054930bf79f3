"""Family *popularity*: which items a user rated, whatever the ratings."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log1p, logit

from anomaly_lab.features.agreement import item_means
from anomaly_lab.features.rows import distinct_items, item_correlation, per_user, sums_over_cells
from anomaly_lab.features.sums import Reference, sums_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray

CELLS_AT_ONCE = 4_000_000
"""Cells of the (activity, item) table held in memory at a time."""
QUANTILES = (25, 50, 75, 90)
"""Percent of the catalogue."""


def popularity(users: RatingBatch, reference: Reference) -> dict[str, FloatArray]:
    """Describe the popularity of the items each user chose.

    Popularity is the share of reference users who rated an item, so the size of the population cancels.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch or ReferenceSums
        The users whose choices make the popularity.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``mean_log``, ``std_log``, ``mean`` of popularity; ``above_q<25|50|75|90>``, shares of items more popular than
        that quantile of the catalogue; ``rating_correlation`` and ``rating_slope`` of known ratings on log popularity;
        ``liked_mean``, ``liked_std``, mean and spread of the item means of the chosen items; ``choice_z``, the
        standardised log-likelihood of the set of items if each were chosen independently, tilted to the user's
        activity.
    """
    known = sums_of(reference)
    share = (known.item_users + 1) / (known.n_users + 2)
    log_share = np.log(share)
    item_mean = item_means(known).mean
    quantiles = np.quantile(share, [percent / 100 for percent in QUANTILES])
    table = [log_share, log_share**2, share, item_mean, item_mean**2, *(share > bound for bound in quantiles)]
    n = np.maximum(per_user(users), 1)
    sums = sums_over_cells(users.indptr, users.items, table)
    mean_log, log_square, mean, liked, liked_square, *above = (column / n for column in sums)
    rating_correlation, slope, _ = item_correlation(users, log_share)
    columns = {
        "mean_log": mean_log,
        "std_log": np.sqrt(np.maximum(log_square - mean_log**2, 0)),
        "mean": mean,
        "rating_correlation": rating_correlation,
        "rating_slope": slope,
        "liked_mean": liked,
        "liked_std": np.sqrt(np.maximum(liked_square - liked**2, 0)),
        "choice_z": choice_z(users, share),
    }
    return columns | {f"above_q{percent}": column for percent, column in zip(QUANTILES, above, strict=True)}


def choice_z(users: RatingBatch, share: FloatArray) -> FloatArray:
    """Return how typical each user's set of items is for an independent chooser of the same activity.

    Each item i is chosen with probability ``expit(logit(share_i) + t)``, the tilt t set so that the expected number of
    items equals the user's. All but the set's own sum depends on that number alone, so it is computed once for each
    number that occurs.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    share : ndarray of shape (n_items,)
        Share of reference users who rated each item, in (0, 1).

    Returns
    -------
    ndarray of shape (n_users,)
        Log-likelihood less its expectation, in standard deviations.
    """
    base = logit(np.clip(share, 1e-6, 1 - 1e-6))
    starts, items = distinct_items(users)
    activity = np.diff(starts).astype(float)
    sizes, which = np.unique(activity, return_inverse=True)
    odds, times = np.unique(base, return_counts=True)  # items with as many raters are alike
    tilt, log_none, expected, spread = (np.empty(len(sizes)) for _ in range(4))
    step = max(1, CELLS_AT_ONCE // len(odds))
    for start in range(0, len(sizes), step):
        part = slice(start, start + step)
        tilt[part] = solve_tilt(odds, sizes[part], times)
        log_odds = odds + tilt[part, None]
        chance = expit(log_odds)
        log_none[part] = -log1p(np.exp(log_odds)) @ times
        expected[part] = (chance * log_odds) @ times + log_none[part]
        spread[part] = np.sqrt((chance * (1 - chance) * log_odds**2) @ times)
    found = sums_over_cells(starts, items, [base])[0] + activity * tilt[which] + log_none[which]
    return (found - expected[which]) / np.maximum(spread[which], 1e-3)


def solve_tilt(base: FloatArray, sizes: FloatArray, times: AnyArray | None = None) -> FloatArray:
    """Solve sum(expit(base + t)) = size for t: read off a grid, then two steps of Newton's method.

    Parameters
    ----------
    base : ndarray of shape (n_items,)
        Log-odds of each item.
    sizes : ndarray of shape (n_sizes,)
        Wanted sums, in [0, n_items].
    times : ndarray of shape (n_items,), optional
        How many items have these odds; by default one each.

    Returns
    -------
    ndarray of shape (n_sizes,)
    """
    times = np.ones(len(base)) if times is None else times
    target = np.clip(sizes, 0.25, times.sum() - 0.25)
    grid = np.linspace(-30, 30, 601)
    tilt = np.interp(target, [float(expit(base + t) @ times) for t in grid], grid)
    for _ in range(2):
        chance = expit(base + tilt[:, None])
        tilt = tilt + (target - chance @ times) / np.maximum((chance * (1 - chance)) @ times, 1e-9)
    return np.asarray(tilt, dtype=float)
