"""The families once more, slowly: plain loops over one user at a time, to hold the vectorised ones against."""

from collections import Counter
from math import exp, log, sqrt
from statistics import fmean, pstdev

import numpy as np
from scipy.optimize import brentq

from anomaly_lab.ratings.batch import RatingBatch


def by_user(batch: RatingBatch):
    """Return each user's ratings as (item, level, value), value None where unknown."""
    users = [[] for _ in range(batch.n_users)]
    for user, item, level in zip(batch.users, batch.items, batch.ratings, strict=True):
        value = batch.scale.values[level]
        users[user].append((int(item), int(level), None if np.isnan(value) else float(value)))
    return users


def by_item(batch: RatingBatch):
    """Return each item's ratings as (user, level, value)."""
    items = [[] for _ in range(batch.n_items)]
    for user, ratings in enumerate(by_user(batch)):
        for item, level, value in ratings:
            items[item].append((user, level, value))
    return items


def described(users, describe):
    rows = [describe(ratings) for ratings in by_user(users)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def mean(numbers, otherwise=0.0):
    return fmean(numbers) if numbers else otherwise


def correlate(pairs):
    a_mean, b_mean = mean([a for a, _ in pairs]), mean([b for _, b in pairs])
    ab = sum((a - a_mean) * (b - b_mean) for a, b in pairs)
    aa, bb = sum((a - a_mean) ** 2 for a, _ in pairs), sum((b - b_mean) ** 2 for _, b in pairs)
    return ab / (sqrt(aa * bb) + 1e-4), ab / (bb + 1e-2)


def profile(users, reference):
    scale = users.scale
    histogram = Counter(int(level) for level in reference.ratings)
    total = sum(histogram.values()) + scale.n_levels

    def describe(ratings):
        counts = Counter(level for _, level, _ in ratings)
        n = len(ratings)
        share = [counts[level] / n for level in range(scale.n_levels)]
        known = [value for _, _, value in ratings if value is not None]
        centre = mean(known, 0.5)
        moment = {k: mean([(value - centre) ** k for value in known]) for k in (2, 3, 4)}
        std = sqrt(moment[2])
        return {
            "log_count": log(1 + n),
            **{f"share_{scale.levels[level]:g}": share[level] for level in range(scale.n_levels)},
            "mean": centre,
            "std": std,
            "skewness": moment[3] / (std**3 + 1e-3),
            "kurtosis": moment[4] / (std**4 + 1e-4),
            "lowest": min(known, default=0.5),
            "highest": max(known, default=0.5),
            "entropy": -sum(p * log(p) for p in share if p),
            "levels_used": len(counts) / scale.n_levels,
            "top_share": max(share),
            "extreme_share": share[0] + share[scale.n_ordered - 1],
            "level_cv": pstdev([counts[level] for level in range(scale.n_levels)]) / (n / scale.n_levels),
            "divergence": sum(p * log(p / ((histogram[k] + 1) / total)) for k, p in enumerate(share) if p),
        }

    return described(users, describe)


def item_means(reference):
    known = [[value for _, _, value in ratings if value is not None] for ratings in by_item(reference)]
    everything = [value for values in known for value in values]
    overall = mean(everything, 0.5)
    means = [(sum(values) + 5 * overall) / (len(values) + 5) for values in known]
    squares = [sum((value - means[item]) ** 2 for value in values) for item, values in enumerate(known)]
    typical = max(sum(squares) / max(len(everything), 1), 1e-4)
    return means, [sqrt((s + 5 * typical) / (len(values) + 5)) for s, values in zip(squares, known, strict=True)]


def raters(reference):
    return [len({user for user, _, _ in ratings}) for ratings in by_item(reference)]


def agreement(users, reference):
    means, spreads = item_means(reference)
    weight = [(reference.n_users + 1) / (n + 1) for n in raters(reference)]
    lengths = [len(ratings) for ratings in by_user(reference)]
    overall = Counter(int(level) for level in reference.ratings)

    def majority(ratings):
        counts = Counter(level for _, level, _ in ratings)
        return max(range(users.scale.n_levels), key=lambda k: (counts[k], overall[k], -k))

    commonest = [majority(ratings) for ratings in by_item(reference)]

    def describe(ratings):
        known = [(item, value) for item, _, value in ratings if value is not None]
        away = [value - means[item] for item, value in known]
        bias = mean(away)
        centred = sqrt(mean([(d - bias) ** 2 for d in away]))
        own_std = pstdev([value for _, value in known]) if known else 0.0
        correlation, slope = correlate([(value, means[item]) for item, value in known])
        highest = max((value for _, value in known), default=None)
        top = [value for _, value in known if value == highest]
        rest = [value for _, value in known if value != highest]
        weighted = [(abs(value - means[item]), weight[item]) for item, value in known]
        n = len(ratings)
        return {
            "mad": mean([abs(d) for d in away]),
            "rms": sqrt(mean([d**2 for d in away])),
            "bias": bias,
            "z_rms": sqrt(mean([((value - means[item]) / spreads[item]) ** 2 for item, value in known])),
            "centred_rms": centred,
            "rms_ratio": centred / (own_std + 0.02),
            "correlation": correlation,
            "slope": slope,
            "correlation_z": correlation * sqrt(max(len(known), 1)),
            "fmtd": mean(top) - mean(rest) if rest else 0.0,
            "majority_share": mean([float(level == commonest[item]) for item, level, _ in ratings]),
            "rdma": log(sum(d * w for d, w in weighted) / n + 1e-4),
            "wdma": log(sum(d * w**2 for d, w in weighted) / n + 1e-4),
            "wda": log(sum(d * w for d, w in weighted) + 1e-4),
            "length_variance": abs(n - mean(lengths)) / (pstdev(lengths) + 1e-9),
        }

    return described(users, describe)


def popularity(users, reference):
    share = [(n + 1) / (reference.n_users + 2) for n in raters(reference)]
    means, _ = item_means(reference)
    bounds = {q: np.quantile(share, q / 100) for q in (25, 50, 75, 90)}
    base = [log(p / (1 - p)) for p in share]

    def chance(odds):
        return 1 / (1 + exp(-odds))

    def choice_z(items):
        wanted = min(max(len(items), 0.25), len(base) - 0.25)
        tilt = brentq(lambda t: sum(chance(b + t) for b in base) - wanted, -60, 60)
        odds = [b + tilt for b in base]
        none = -sum(log(1 + exp(o)) for o in odds)
        expected = none + sum(chance(o) * o for o in odds)
        spread = sqrt(sum(chance(o) * (1 - chance(o)) * o**2 for o in odds))
        return (none + sum(odds[item] for item in items) - expected) / max(spread, 1e-3)

    def describe(ratings):
        items = [item for item, _, _ in ratings]
        logs = [log(share[item]) for item in items]
        correlation, slope = correlate([(value, log(share[item])) for item, _, value in ratings if value is not None])
        return {
            "mean_log": mean(logs),
            "std_log": pstdev(logs),
            "mean": mean([share[item] for item in items]),
            "rating_correlation": correlation,
            "rating_slope": slope,
            "liked_mean": mean([means[item] for item in items]),
            "liked_std": pstdev([means[item] for item in items]),
            "choice_z": choice_z(set(items)),
            **{f"above_q{q}": mean([float(share[item] > bound) for item in items]) for q, bound in bounds.items()},
        }

    return described(users, describe)


def likelihood(users, reference):
    overall = Counter(int(level) for level in reference.ratings)
    levels = range(users.scale.n_levels)
    total = sum(overall.values()) + len(levels)

    def log_probabilities(ratings):
        counts = Counter(level for _, level, _ in ratings)
        return [log((counts[k] + 8 * (overall[k] + 1) / total) / (len(ratings) + 8)) for k in levels]

    log_p = [log_probabilities(ratings) for ratings in by_item(reference)]

    def describe(ratings):
        table = np.array([[log_p[item][level] for _, level, _ in ratings] for item, _, _ in ratings])
        rows = np.diag(table)
        doubly_centred = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
        spread = sqrt((doubly_centred**2).mean())
        gain = rows.mean() - table.mean()
        return {
            "mean": rows.mean(),
            "shuffled": table.mean(),
            "gain": gain,
            "gain_z": gain * sqrt(len(rows)) / spread if spread > 1e-2 else 0.0,
            "worst": rows.min(),
            "surprise_share": mean([float(row < log(0.05)) for row in rows]),
        }

    return described(users, describe)


def seed(users, reference):
    values = users.scale.values

    def side(level):
        value = 0.5 if np.isnan(values[level]) else values[level]
        return 1 if value > 0.65 else -1 if value < 0.45 else 0

    def majority(ratings):
        counts = Counter(side(level) for _, level, _ in ratings)
        return max((1, 0, -1), key=lambda s: (counts[s], s))

    follow = [majority(ratings) for ratings in by_item(reference)]

    def describe(ratings):
        sides = [side(level) for _, level, _ in ratings]
        counts = [sides.count(1), sides.count(-1), sides.count(0)]
        followed = sum(side(level) == follow[item] for item, level, _ in ratings)
        std = float(np.std(counts, ddof=1))
        return {
            "total": len(ratings),
            "likes": counts[0],
            "dislikes": counts[1],
            "meh": counts[2],
            "mean": mean(counts),
            "std": std,
            "cv": 100 * std / mean(counts),
            "followed_majority": followed,
            "followed_share": followed / len(ratings),
        }

    return described(users, describe)
