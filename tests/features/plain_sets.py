"""Family *co-occurrence* once more, slowly: one user's set of items, one item, one pair at a time."""

from math import exp, log, sqrt
from statistics import fmean, pstdev

import numpy as np
from plain_comparisons import top
from plain_families import mean
from scipy.optimize import brentq

from anomaly_lab.features.choice import MASS, THIRDS, UNLIKELY
from anomaly_lab.features.cooccurrence import COMPONENTS


def ease_weights(known, ridge):
    """Return a ridge regression of each item on all others, as columns, zero diagonal."""
    n_items = known.shape[1]
    weights = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = np.delete(np.arange(n_items), item)
        X, y = known[:, others].astype(float), known[:, item].astype(float)
        weights[others, item] = np.linalg.solve(X.T @ X + ridge * np.eye(len(others)), X.T @ y)
    return weights


def expected_choice(n_chosen, share):
    """Return the chance of each item if popularity and the number of items were all that counts."""
    base = [log(p / (1 - p)) for p in share]
    wanted = min(max(n_chosen, 0.25), len(base) - 0.25)
    tilt = brentq(lambda t: sum(1 / (1 + exp(-b - t)) for b in base) - wanted, -60, 60, xtol=1e-13)
    return [min(max(1 / (1 + exp(-b - tilt)), 1e-4), 1 - 1e-4) for b in base]


def ease_columns(mine, scores, share, expected):
    """Return what the scores of all items say of one user's set of items."""
    n_items, n = len(scores), len(mine)
    ranking = sorted(range(n_items), key=lambda item: -scores[item])
    by_popularity = sorted(range(n_items), key=lambda item: -share[item])
    rated = sorted(scores[item] for item in mine)
    holes = sorted((scores[item] for item in range(n_items) if item not in mine), reverse=True)
    places = [rank for rank, item in enumerate(ranking, 1) if item in mine]
    pairs = [(a, b) for a in places for b in range(1, n_items + 1) if b not in places]
    error = sum(((item in mine) - scores[item]) ** 2 for item in range(n_items))

    def precision(length):
        return sum(item in mine for item in ranking[:length]) / length

    def average_precision(order):
        hits = [rank for rank, item in enumerate(order, 1) if item in mine]
        return sum(number / rank for number, rank in enumerate(hits, 1)) / n

    lengths = {"q": n // 4, "h": n // 2, "n": n, "2n": 2 * n}
    return {
        **{f"precision_{name}": precision(min(max(length, 1), n_items)) for name, length in lengths.items()},
        "precision_10": sum(item in mine for item in ranking[:10]) / 10,
        "ap": average_precision(ranking),
        "ap_gain": average_precision(ranking) - average_precision(by_popularity),
        "auc": mean([float(a < b) for a, b in pairs], otherwise=1.0),
        "log_rank": fmean([log(rank) for rank in places]) - log(n),
        "rated_mean": fmean(rated),
        "rated_std": pstdev(rated),
        **{f"rated_q{percent}": rated[min(n * percent // 100, n - 1)] for percent in (10, 25, 50)},
        **{
            f"hole_{percent}": holes[min(n * percent // 100, len(holes) - 1)] if holes else 0.0
            for percent in (10, 25, 50, 100)
        },
        "hole_energy": sum(score**2 for score in holes) / n,
        "mse": error / n,
        "r2": 1 - error / sum(((item in mine) - chance) ** 2 for item, chance in enumerate(expected)),
    }


def component_columns(mine, expected, vectors):
    """Return the share of a set's deviation that lies in the leading components, which are columns."""
    residual = np.array([(item in mine) - chance for item, chance in enumerate(expected)])
    energy = sum(residual**2)
    likelihoods = [log(chance) if item in mine else log(1 - chance) for item, chance in enumerate(expected)]
    shares = {
        f"components_{k}": sum((residual @ vector) ** 2 for vector in vectors.T[:k]) / (energy + 1) for k in COMPONENTS
    }
    return {**shares, "deviation": energy / len(mine), "choice_mean": sum(likelihoods) / len(mine)}


def neighbour_columns(mine, theirs, their_expected):
    """Return how many items one user has in common with each reference user, by the user's nearest and farthest."""
    z, jaccard = [], []
    for other, chances in zip(theirs, their_expected, strict=True):
        by_chance = [chances[item] for item in mine]
        z.append((len(mine & other) - sum(by_chance)) / sqrt(sum(p * (1 - p) for p in by_chance) + 1))
        jaccard.append(len(mine & other) / len(mine | other))
    return {
        **{f"knn_{k}": top(z, k) for k in (1, 10, 50)},
        "knn_std": pstdev(z),
        "knn_low": -top([-one for one in z], 20),
        "knn_mean": fmean(z),
        "knn_relative": top(z, 10) / sqrt(len(mine)),
        **{f"jaccard_{k}": top(jaccard, k) for k in (1, 10)},
        "jaccard_mean": fmean(jaccard),
    }


def split_columns(mine, affinity):
    """Return the two-way split of one user's items by the exact leading eigenvector."""
    items = sorted(mine)
    m = len(items)
    own = affinity[np.ix_(items, items)]
    row_mean = own.sum(axis=1) / (m - 1)
    centred = own - row_mean[:, None] - row_mean[None] + row_mean.mean()
    eigenvalues, eigenvectors = np.linalg.eigh(centred)
    sides = [np.flatnonzero(eigenvectors[:, -1] > 0), np.flatnonzero(eigenvectors[:, -1] <= 0)]
    within = [mean([own[a, b] for a in side for b in side if a != b]) for side in sides]
    return {
        "split_affinity": row_mean.mean(),
        "split_strength": eigenvalues[-1] / sqrt(m),
        "split_strength_raw": eigenvalues[-1],
        "split_across": mean([own[a, b] for a in sides[0] for b in sides[1]], otherwise=row_mean.mean()),
        "split_within_low": min(within),
        "split_within_high": max(within),
        "split_balance": min(len(side) for side in sides) / m,
        "split_lonely": np.percentile(row_mean, 10),
    }


def rarity_columns(mine, share, expected, scores):
    """Return how often one user chose items of each band of popularity, and how well those fit, beside chance."""
    chances = dict(enumerate(expected))
    found = {}
    for mass, band in zip(MASS, bands(share, MASS), strict=True):
        excess = sum((item in mine) - chances[item] for item in band)
        found[f"rarity_z_{mass:g}"] = excess / sqrt(sum(chances[item] * (1 - chances[item]) for item in band) + 0.5)
    for name, weights in (("surprise", [-log(p) for p in share]), ("inverse", [1 / sqrt(p) for p in share])):
        excess = sum(weight * ((item in mine) - chances[item]) for item, weight in enumerate(weights))
        variance = sum(weight**2 * chances[item] * (1 - chances[item]) for item, weight in enumerate(weights))
        found[f"rarity_{name}"] = excess / sqrt(variance + 1)
    for mass, band in zip(THIRDS, bands(share, THIRDS), strict=True):
        own = [item for item in band if item in mine]
        found[f"lift_{mass:g}"] = mean([log(min(max(scores[item], 1e-3), 1) / chances[item]) for item in own])
        found[f"lift_low_{mass:g}"] = mean([float(scores[item] < chances[item]) for item in own])
    return found


def bands(share, masses):
    """Return the items of each band, rarest first: a band ends at its share of all choices."""
    share = [float(one) for one in share]
    total, found, reached = sum(share), [[] for _ in masses], 0.0
    for item in sorted(range(len(share)), key=lambda item: share[item]):
        reached += share[item]
        found[min(sum(round(reached / total, 9) > mass for mass in masses[:-1]), len(masses) - 1)].append(item)
    return found


def seat_columns(mine, scores, others):
    """Return how each item of one user ranks, beside how it ranks with the reference users who rated it.

    `others` are their sets of items and scores.
    """

    def rank(item, by):
        return sorted(range(len(by)), key=lambda one: by[one]).index(item)

    seats = []
    for item in mine:
        theirs = [rank(item, by) for other, by in others if item in other]
        own = rank(item, scores)
        lower, equal = sum(one < own for one in theirs), sum(one == own for one in theirs)
        seats.append((lower + 0.5 * equal + 0.5) / (len(theirs) + 1))
    return {
        "seat_mean": fmean(seats),
        "seat_std": pstdev(seats),
        "seat_log": -fmean([log(seat) for seat in seats]),
        "seat_excess": (sum(seat < 0.1 for seat in seats) - 0.1 * len(mine)) / sqrt(len(mine)),
        **{f"seat_below_{100 * limit:g}": fmean([float(seat < limit) for seat in seats]) for limit in UNLIKELY},
    }
