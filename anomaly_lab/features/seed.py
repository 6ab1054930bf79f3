"""Family *seed*: the nine features of the notebook the project grew from, for the `seed-notebook` baseline."""

from __future__ import annotations

import numpy as np

from anomaly_lab.features.rows import per_user
from anomaly_lab.features.sums import Reference, ReferenceSums, sums_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import FloatArray

LIKED_ABOVE = 0.65
DISLIKED_BELOW = 0.45


def seed(users: RatingBatch, reference: Reference) -> dict[str, FloatArray]:
    """Count likes, dislikes and neutral ratings as the seed notebook did, its mistakes repaired.

    Repaired: the mean of the three counts divided only the last of them by three; the number of ratings that follow the
    majority was joined by position rather than by user; the majority was taken over everyone, the user among them.
    A level counts as a like above 0.65 of the scale and as a dislike below 0.45 (so of 0-5 stars, 3 is neutral); a
    rating of unknown value counts as neutral.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch or ReferenceSums
        The users whose ratings make the majority.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``total``, ``likes``, ``dislikes``, ``meh``, ``mean``, ``std`` and ``cv`` (percent) of the three counts,
        ``followed_majority`` and its ``followed_share``.
    """
    sides = _sides(users.scale)
    counts = np.stack([per_user(users, sides[users.ratings] == side) for side in (1, -1, 0)], axis=1)
    majority = _majority(sums_of(reference))
    followed = per_user(users, sides[users.ratings] == majority[users.items])
    total = counts.sum(axis=1)
    mean, std = counts.mean(axis=1), counts.std(axis=1, ddof=1)
    return {
        "total": total,
        "likes": counts[:, 0],
        "dislikes": counts[:, 1],
        "meh": counts[:, 2],
        "mean": mean,
        "std": std,
        "cv": 100 * std / mean,
        "followed_majority": followed,
        "followed_share": followed / total,
    }


def _sides(scale: RatingScale) -> FloatArray:
    """Return 1, -1 or 0 for each level: like, dislike, or neither."""
    values = np.nan_to_num(scale.values, nan=0.5)
    return (values > LIKED_ABOVE).astype(float) - (values < DISLIKED_BELOW)


def _majority(known: ReferenceSums) -> FloatArray:
    sides, levels = _sides(known.scale), known.item_levels
    counts = np.stack([levels[:, sides == side].sum(axis=1) for side in (1, 0, -1)], axis=1)
    majority: FloatArray = np.array([1.0, 0.0, -1.0])[counts.argmax(axis=1)]
    return majority
