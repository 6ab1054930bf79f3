"""Family *copies*: whether a user's ratings were taken over from some reference user, whole or in part."""

from __future__ import annotations

import numpy as np

from anomaly_lab.features.panel import Levels, blocks, highest, panels, rated
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import Float32Array, FloatArray

COPIED = 0.95
"""Chance that a copied rating is on the same level."""
SHARED_BIAS = 0.15
"""People agree by more than chance; added to each level's chance so that this alone is no copy."""
PRIOR_RATINGS = 4.0


def copies(users: RatingBatch, reference: RatingBatch) -> dict[str, FloatArray]:
    """Describe the likelihood that each user copied a reference user, and that the remainder copies another.

    On each common item the log-likelihood ratio of "copied" (same level with probability `COPIED`) to "independent"
    (the item's own share of the level) is summed; the best source is taken out and the rest compared again, so that a
    hybrid of two users shows twice. Levels are categories.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch
        The users who may have been copied.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``ratio_1`` of the best source and ``ratio_2`` of the best source of the remainder; ``ratio_sum``;
        ``common_share`` of the user's items that the source rated, ``agreement`` on them, ``source_covered`` (share of
        the source's items), ``source_length`` (log); ``remainder`` (share of items not explained);
        ``agreement_z_<1|10|low|mean>``, exact agreements standardised, of the nearest and farthest ten and of all.
    """
    mine, theirs = panels(users, reference)
    weights = _level_weights(theirs, users.scale.n_levels)
    shares = np.bincount(reference.ratings, minlength=users.scale.n_levels) / max(reference.n_rows, 1)
    chance = float((shares**2).sum()) + SHARED_BIAS
    parts = [_describe(mine[part], theirs, weights, chance) for part in blocks(len(mine))]
    return {name: np.concatenate([part[name] for part in parts]).astype(float) for name in parts[0]}


def _level_weights(theirs: Levels, n_levels: int) -> list[tuple[Float32Array, Float32Array]]:
    """Return for each level the log ratios of an agreement and of a disagreement on each item."""
    counts = np.stack([(theirs == level).sum(axis=0) for level in range(n_levels)]).astype(float)
    overall = counts.sum(axis=1, keepdims=True)
    counts += PRIOR_RATINGS * overall / max(overall.sum(), 1)
    chance = np.clip(counts / np.maximum(counts.sum(axis=0), 1e-9) + SHARED_BIAS, 0.05, 0.8)
    agree, differ = np.log(COPIED / chance), np.log((1 - COPIED) / (1 - chance))
    return [(agree[level].astype(np.float32), differ[level].astype(np.float32)) for level in range(n_levels)]


def _ratios(
    mine: Levels, theirs: Levels, weights: list[tuple[Float32Array, Float32Array]]
) -> tuple[Float32Array, Float32Array]:
    """Return the log-likelihood ratio and the number of agreements of each user with each reference user."""
    ratio = np.zeros((len(mine), len(theirs)), dtype=np.float32)
    agreements = np.zeros_like(ratio)
    penalty = np.zeros(mine.shape, dtype=np.float32)
    for level, (agree, differ) in enumerate(weights):
        here, there = (mine == level).astype(np.float32), (theirs == level).astype(np.float32)
        ratio += (here * (agree - differ)) @ there.T
        agreements += here @ there.T
        penalty += here * differ
    return ratio + penalty @ rated(theirs).T, agreements


def _describe(
    mine: Levels, theirs: Levels, weights: list[tuple[Float32Array, Float32Array]], chance: float
) -> dict[str, FloatArray]:
    rows = np.arange(len(mine))
    n = np.maximum(rated(mine).sum(axis=1), 1)
    ratio, agreements = _ratios(mine, theirs, weights)
    common = rated(mine) @ rated(theirs).T
    best = ratio.argmax(axis=1)
    remainder = np.where(mine == theirs[best], np.int8(-1), mine)
    second, _ = _ratios(remainder, theirs, weights)
    second[rows, best] = -np.inf
    again = second.max(axis=1) if len(theirs) > 1 else np.zeros(len(mine))
    lengths = np.maximum(rated(theirs).sum(axis=1), 1)
    z = (agreements - chance * common) / np.sqrt(0.25 * common + 1)
    top = highest(z, 10)
    return {
        "ratio_1": ratio[rows, best],
        "ratio_2": again,
        "ratio_sum": ratio[rows, best] + again,
        "common_share": common[rows, best] / n,
        "agreement": agreements[rows, best] / np.maximum(common[rows, best], 1),
        "source_covered": common[rows, best] / lengths[best],
        "source_length": np.log(lengths[best]),
        "remainder": (remainder >= 0).sum(axis=1) / n,
        "agreement_z_1": top[:, 0],
        "agreement_z_10": top.mean(axis=1),
        "agreement_z_low": -highest(-z, 10).mean(axis=1),
        "agreement_z_mean": z.mean(axis=1),
    }
