"""Family *copies*: whether a user's ratings were taken over from some reference user, whole or in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from anomaly_lab.features.panel import (
    Levels,
    highest,
    kept_items,
    one_hot,
    panel,
    products,
    rated,
    reference_panel,
    user_blocks,
)
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
    items, theirs = kept_items(reference), reference_panel(reference)
    shares = np.bincount(reference.ratings, minlength=users.scale.n_levels) / max(reference.n_rows, 1)
    chance = float((shares**2).sum()) + SHARED_BIAS
    sources = _Sources(
        theirs, rated(theirs).T, one_hot(theirs, users.scale.n_levels), *_level_weights(theirs, users.scale.n_levels)
    )
    parts = [_describe(panel(part, items), sources, chance) for part in user_blocks(users)]
    return {name: np.concatenate([part[name] for part in parts]).astype(float) for name in parts[0]}


@dataclass(frozen=True, eq=False)
class _Sources:
    """Reference users who may have been copied.

    Parameters
    ----------
    levels : ndarray of int8, shape (n_reference, n_items)
        Their ratings.
    rated : ndarray of shape (n_items, n_reference)
        1 where they rated an item.
    one_hot : csr_array of shape (n_reference, n_levels * n_items)
        Their ratings, a column for each level of each item.
    agree, differ : ndarray of shape (n_levels, n_items)
        Log ratios of an agreement with a rating of this level, and of a disagreement.
    """

    levels: Levels
    rated: Float32Array
    one_hot: sparse.csr_array
    agree: Float32Array
    differ: Float32Array

    def ratios(self, mine: Levels) -> Float32Array:
        """Return the log-likelihood ratio of each user and each source."""
        gain = products(one_hot(mine, len(self.agree), self.agree - self.differ), self.one_hot)
        penalty = np.where(mine >= 0, np.take_along_axis(self.differ, mine, axis=0), np.float32(0))
        return np.asarray(gain + penalty @ self.rated, dtype=np.float32)


def _level_weights(theirs: Levels, n_levels: int) -> tuple[Float32Array, Float32Array]:
    """Return the log ratios of an agreement and of a disagreement for each level and item."""
    counts = np.stack([(theirs == level).sum(axis=0) for level in range(n_levels)]).astype(float)
    overall = counts.sum(axis=1, keepdims=True)
    counts += PRIOR_RATINGS * overall / max(overall.sum(), 1)
    chance = np.clip(counts / np.maximum(counts.sum(axis=0), 1e-9) + SHARED_BIAS, 0.05, 0.8)
    agree, differ = np.log(COPIED / chance), np.log((1 - COPIED) / (1 - chance))
    return agree.astype(np.float32), differ.astype(np.float32)


def _describe(mine: Levels, sources: _Sources, chance: float) -> dict[str, FloatArray]:
    rows = np.arange(len(mine))
    n = np.maximum(rated(mine).sum(axis=1), 1)
    ratio = sources.ratios(mine)
    agreements = products(one_hot(mine, len(sources.agree)), sources.one_hot)
    common = rated(mine) @ sources.rated
    best = ratio.argmax(axis=1)
    remainder = np.where(mine == sources.levels[best], np.int8(-1), mine)
    second = sources.ratios(remainder)
    second[rows, best] = -np.inf
    again = second.max(axis=1) if len(sources.levels) > 1 else np.zeros(len(mine))
    lengths = np.maximum(sources.rated.sum(axis=0), 1)
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
