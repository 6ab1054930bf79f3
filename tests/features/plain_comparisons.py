"""The families that compare users with users once more, slowly: one user, one item, one pair at a time.

Constants of a family are read from it; what they are is its own business, what is done with them is not.
"""

from collections import Counter
from math import log, sqrt
from statistics import fmean, pstdev

import numpy as np
from plain_families import correlate, described, item_means, mean

from anomaly_lab.features import copies as copying
from anomaly_lab.features import neighbours as likeness
from anomaly_lab.features.low_rank import RANKS, fit_factors


def profiles(batch):
    """Return each user as {item: level}, the highest level where an item was rated twice."""
    users = [{} for _ in range(batch.n_users)]
    for user, item, level in zip(batch.users, batch.items, batch.ratings, strict=True):
        users[user][int(item)] = max(int(level), users[user].get(int(item), -1))
    return users


def columns(rows):
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}


def top(numbers, count):
    return fmean(sorted(numbers, reverse=True)[:count])


def low_rank(users, reference):
    found = {}
    for rank in RANKS:
        model = fit_factors(reference, rank)
        described_by = described(users, lambda ratings, model=model: _residuals(ratings, model))
        found |= {f"k{rank}_{name}": column for name, column in described_by.items()}
    return found


def posterior(ratings, model):
    """Return mean and covariance of a user's factors given (item, value) pairs."""
    precision, right = np.eye(model.loadings.shape[1]), np.zeros(model.loadings.shape[1])
    for item, value in ratings:
        w = model.loadings[item]
        precision += np.outer(w, w) / model.noise
        right += w * (value - model.mean[item]) / model.noise
    covariance = np.linalg.inv(precision)
    return covariance @ right, covariance


def log_likelihood(ratings, model):
    """Return the log density of all of a user's (item, value) pairs together."""
    items = [item for item, _ in ratings]
    deviation = np.array([value for _, value in ratings]) - model.mean[items]
    loadings = model.loadings[items]
    covariance = loadings @ loadings.T + model.noise * np.eye(len(items))
    log_det = np.linalg.slogdet(2 * np.pi * covariance)[1]
    return -0.5 * (deviation @ np.linalg.solve(covariance, deviation) + log_det)


LOW_RANK = (
    *("rmse", "mae", "bias", "z_rmse", "kurtosis", "large_share", "r2", "correlation", "slope", "correlation_z"),
    *("relative", "predicted_std", "surprise", "distance", "gain"),
)


def _residuals(ratings, model):
    known = [(item, value) for item, _, value in ratings if value is not None]
    if not known:
        return dict.fromkeys(LOW_RANK, 0.0)
    predictions, z = [], []
    for place, (item, value) in enumerate(known):
        factors, covariance = posterior(known[:place] + known[place + 1 :], model)
        w = model.loadings[item]
        predictions.append(model.mean[item] + w @ factors)
        z.append((value - predictions[-1]) / sqrt(model.noise + w @ covariance @ w))
    residuals = [value - predicted for (_, value), predicted in zip(known, predictions, strict=True)]
    deviations = [value - model.mean[item] for item, value in known]
    bias = fmean(deviations)
    before = sum((one - bias) ** 2 for one in deviations)
    after = sum(one**2 for one in residuals)
    correlation, slope = correlate([(value, one) for (_, value), one in zip(known, predictions, strict=True)])
    z_square = fmean([one**2 for one in z])
    values = (
        *(sqrt(after / len(known)), fmean([abs(one) for one in residuals]), fmean(residuals), sqrt(z_square)),
        *(fmean([one**4 for one in z]) / (z_square + 0.05) ** 2, fmean([float(abs(one) > 2) for one in z])),
        *(1 - after / (before + 0.02), correlation, slope, correlation * sqrt(len(known))),
        *(sqrt(after / len(known)) / (sqrt(before / len(known)) + 0.02), pstdev(predictions)),
        log_likelihood(known, model) / len(known),
        float((posterior(known, model)[0] ** 2).sum()),
        log(before + 0.04) - log(after + 0.04),
    )
    return dict(zip(LOW_RANK, values, strict=True))


def chance_agreement(reference):
    counts = Counter(reference.ratings.tolist())
    return sum((n / reference.n_rows) ** 2 for n in counts.values())


def neighbours(users, reference):
    means, _ = item_means(reference)
    values = users.scale.values
    chance = chance_agreement(reference)

    def deviations(profile):
        known = {item: values[level] - means[item] for item, level in profile.items() if not np.isnan(values[level])}
        bias = mean(list(known.values()))
        return {item: deviation - bias for item, deviation in known.items()}

    def likeness_of(a, b):
        common = a.keys() & b.keys()
        together = sum(a[item] * b[item] for item in common)
        spread = sum(a[item] ** 2 for item in common) * sum(b[item] ** 2 for item in common)
        return together / sqrt(spread + 1e-8) * len(common) / (len(common) + likeness.CORRELATION_PRIOR)

    def agreement(a, b):
        common = a.keys() & b.keys()
        equal = sum(a[item] == b[item] for item in common)
        return (equal + likeness.AGREEMENT_PRIOR * chance) / (len(common) + likeness.AGREEMENT_PRIOR)

    def describe(profile):
        similar = [likeness_of(deviations(profile), deviations(other)) for other in profiles(reference)]
        agree = [agreement(profile, other) for other in profiles(reference)]
        return {
            **{f"correlation_{k}": top(similar, k) for k in (1, 10, 50)},
            "correlation_mean": fmean(similar),
            "correlation_std": pstdev(similar),
            "correlation_low": -top([-one for one in similar], 10),
            **{f"agreement_{k}": top(agree, k) for k in (1, 10)},
            "agreement_mean": fmean(agree),
        }

    return columns([describe(profile) for profile in profiles(users)])


def copies(users, reference):
    """Return the columns, and as ``clear`` whether one source alone is best: which of equals is taken is no matter."""
    sources = profiles(reference)
    levels = range(users.scale.n_levels)
    overall = Counter(level for source in sources for level in source.values())

    def level_chance(item, level):
        counts = Counter(source[item] for source in sources if item in source)
        prior = copying.PRIOR_RATINGS / sum(overall.values())
        share = (counts[level] + prior * overall[level]) / (sum(counts.values()) + copying.PRIOR_RATINGS)
        return min(max(share + copying.SHARED_BIAS, 0.05), 0.8)

    table = {(item, level): level_chance(item, level) for item in range(users.n_items) for level in levels}

    def ratio(profile, source):
        total = 0.0
        for item in profile.keys() & source.keys():
            chance = table[item, profile[item]]
            copied = copying.COPIED if profile[item] == source[item] else 1 - copying.COPIED
            total += log(copied / (chance if profile[item] == source[item] else 1 - chance))
        return total

    chance = chance_agreement(reference) + copying.SHARED_BIAS

    def agreement_z(profile, source):
        common = profile.keys() & source.keys()
        return (sum(profile[i] == source[i] for i in common) - chance * len(common)) / sqrt(0.25 * len(common) + 1)

    def describe(profile):
        ratios = [ratio(profile, source) for source in sources]
        best = int(np.argmax(ratios))
        source = sources[best]
        common = profile.keys() & source.keys()
        remainder = {item: level for item, level in profile.items() if source.get(item) != level}
        others = [ratio(remainder, other) for number, other in enumerate(sources) if number != best]
        z = [agreement_z(profile, other) for other in sources]
        return {
            "ratio_1": ratios[best],
            "ratio_2": max(others, default=0.0),
            "ratio_sum": ratios[best] + max(others, default=0.0),
            "common_share": len(common) / len(profile),
            "agreement": sum(profile[item] == source[item] for item in common) / max(len(common), 1),
            "source_covered": len(common) / len(source),
            "source_length": log(len(source)),
            "remainder": len(remainder) / len(profile),
            **{f"agreement_z_{k}": top(z, k) for k in (1, 10)},
            "agreement_z_low": -top([-one for one in z], 10),
            "agreement_z_mean": fmean(z),
            "clear": len(ratios) == 1 or ratios[best] - sorted(ratios)[-2] > 1e-4,
        }

    return columns([describe(profile) for profile in profiles(users)])
