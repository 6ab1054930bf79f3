"""Family *co-occurrence*: whether a user's items belong together, whatever the ratings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import eigh, inv
from scipy.special import expit, logit

from anomaly_lab.features.choice import rarity_columns, raters_ranks, seat_columns
from anomaly_lab.features.order import ascending_order
from anomaly_lab.features.panel import highest, kept_items, panel, rated, reference_panel, user_blocks
from anomaly_lab.features.popularity import solve_tilt
from anomaly_lab.features.split import split_columns
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import Float32Array, FloatArray

EASE_RIDGES = {"loose": 0.08, "tight": 0.4}
"""Ridge of EASE per reference user, so that the size of the population cancels."""
COMPONENTS = (5, 20, 60)


def cooccurrence(users: RatingBatch, reference: RatingBatch) -> dict[str, FloatArray]:
    """Describe how well each user's set of items follows from its own parts and from reference users' sets.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch
        The users whose sets say what belongs together.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        ``ease_<loose|tight>_…`` (Steck, 2019; each item scored from the user's others): ``precision_<q|h|n|2n|10>``,
        ``ap``, ``auc``, ``log_rank``, ``ap_gain`` over popularity, ``rated_mean``, ``rated_std``,
        ``rated_q<10|25|50>``, ``hole_<10|25|50|100>`` (the score at that share of the user's activity among items *not*
        rated), ``hole_energy``, ``mse``, ``r2``. ``components_<5|20|60>``: share of the set's deviation from popularity
        and activity in the leading principal components; ``deviation``, ``choice_mean``. ``knn_…``: common items with
        reference users, standardised under independent choice: means of the nearest 1, 10, 50, of the farthest 20, of
        all, their spread, and ``knn_relative`` to activity; ``jaccard_<1|10|mean>``. ``split_…``: see
        `anomaly_lab.features.split`; ``rarity_…``, ``lift_…`` and ``seat_…``: see `anomaly_lab.features.choice`.
    """
    model, items = fit_sets(reference), kept_items(reference)
    parts = [_describe(rated(panel(part, items)), model) for part in user_blocks(users)]
    return {name: np.concatenate([part[name] for part in parts]).astype(float) for name in parts[0]}


def _describe(chosen: Float32Array, model: SetModel) -> dict[str, FloatArray]:
    expected = _expected(chosen, model.share)
    columns: dict[str, FloatArray] = {}
    scores = {name: chosen @ weights for name, weights in model.ease.items()}
    for name, fit in scores.items():
        found = _ease_columns(chosen, fit, model.share, expected)
        columns |= {f"ease_{name}_{key}": column for key, column in found.items()}
    loose = scores["loose"]
    columns |= rarity_columns(chosen, expected, model.share, loose) | seat_columns(chosen, loose, model.raters)
    columns |= _component_columns(chosen, expected, model.components)
    columns |= _neighbour_columns(chosen, model.known, model.expected)
    return columns | split_columns(chosen, model.affinity)


@dataclass(frozen=True, eq=False)
class SetModel:
    """What reference users' sets of items teach.

    Parameters
    ----------
    known : ndarray of shape (n_reference, n_items)
        1 where a reference user rated an item.
    share : ndarray of shape (n_items,)
        Smoothed share of reference users who rated each item.
    expected : ndarray of shape (n_reference, n_items)
        Chances under independent choice.
    ease : dict of str to ndarray of shape (n_items, n_items)
        EASE's weights by ridge.
    components : ndarray of shape (n_items, n_components)
        Leading principal components of the deviations from `expected`.
    affinity : ndarray of shape (n_items, n_items)
        Correlation-like affinity of items, zero diagonal.
    raters : list of ndarray
        How each item ranks with the reference users who rated it.
    """

    known: Float32Array
    share: FloatArray
    expected: Float32Array
    ease: dict[str, Float32Array]
    components: Float32Array
    affinity: Float32Array
    raters: list[Float32Array]


@lru_cache(maxsize=6)
def fit_sets(reference: RatingBatch) -> SetModel:
    """Learn from the sets of items of reference users; kept for the next users to be described beside them."""
    known = rated(reference_panel(reference))
    share = (known.sum(axis=0) + 1) / (len(known) + 2)
    expected = _expected(known, share)
    residual = known - expected
    covariance = residual.T @ residual
    ease = {name: ease_weights(known, ridge * len(known)) for name, ridge in EASE_RIDGES.items()}
    size = len(covariance)
    wanted = min(max(COMPONENTS), size)
    leading = eigh(covariance, subset_by_index=[size - wanted, size - 1])[1][:, ::-1]
    components = np.asarray(leading, dtype=np.float32)
    covariance /= len(known)
    spread = np.sqrt(np.diag(covariance) + np.float32(1e-3))
    affinity = np.asarray(covariance / spread[:, None] / spread[None], dtype=np.float32)
    np.fill_diagonal(affinity, 0.0)
    raters = raters_ranks(known, known @ ease["loose"])
    return SetModel(known, share, expected, ease, components, affinity, raters)


def _expected(chosen: Float32Array, share: FloatArray) -> Float32Array:
    """Return each user's chance of choosing each item if only popularity and activity counted."""
    base = logit(np.clip(share, 1e-6, 1 - 1e-6))
    sizes, which = np.unique(chosen.sum(axis=1), return_inverse=True)
    chance = expit(base + solve_tilt(base, sizes)[:, None])
    return np.clip(chance, 1e-4, 1 - 1e-4).astype(np.float32)[which]


def ease_weights(known: Float32Array, ridge: float) -> Float32Array:
    """Return EASE's item-item weights in closed form (Steck, 2019), shape (n_items, n_items), zero diagonal."""
    gram = known.T @ known  # in single precision: the ridge keeps it well conditioned
    gram[np.diag_indices_from(gram)] += ridge
    inverse = inv(gram, overwrite_a=True, assume_a="pos")
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float32)


def _ease_columns(
    chosen: Float32Array, scores: Float32Array, share: FloatArray, expected: Float32Array
) -> dict[str, FloatArray]:
    n_users, n_items = chosen.shape
    n = np.maximum(chosen.sum(axis=1), 1)
    rows = np.arange(n_users)
    hits = np.take_along_axis(chosen, ascending_order(-scores), axis=1)
    found = hits.cumsum(axis=1)
    ranks = np.arange(1, n_items + 1, dtype=np.float32)
    columns = {}
    for name, fraction in (("q", 0.25), ("h", 0.5), ("n", 1.0), ("2n", 2.0)):
        last = np.clip((n * fraction).astype(int), 1, n_items) - 1
        columns[f"precision_{name}"] = found[rows, last] / (last + 1)
    columns["precision_10"] = found[:, min(9, n_items - 1)] / 10
    columns["ap"] = (hits * found / ranks).sum(axis=1) / n
    by_popularity = chosen[:, np.argsort(-share, kind="stable")]
    popular_ap = (by_popularity * by_popularity.cumsum(axis=1) / ranks).sum(axis=1) / n
    columns["ap_gain"] = columns["ap"] - popular_ap
    below = ((hits * ranks).sum(axis=1) - n * (n + 1) / 2) / (n * np.maximum(n_items - n, 1))
    columns["auc"] = np.where(chosen.any(axis=1), 1 - below, 0.5)
    columns["log_rank"] = (hits * np.log(ranks)).sum(axis=1) / n - np.log(n)
    mean = (scores * chosen).sum(axis=1) / n
    columns["rated_mean"] = mean
    columns["rated_std"] = np.sqrt((((scores - mean[:, None]) * chosen) ** 2).sum(axis=1) / n)
    ascending = np.sort(np.where(chosen > 0, scores, np.inf), axis=1)
    for percent in (10, 25, 50):
        columns[f"rated_q{percent}"] = _pick(ascending, (n * percent / 100).astype(int), n.astype(int) - 1)
    descending = -np.sort(np.where(chosen > 0, np.inf, -scores), axis=1)
    for percent in (10, 25, 50, 100):
        place = (n * percent / 100).astype(int)
        columns[f"hole_{percent}"] = _pick(descending, place, (n_items - n - 1).astype(int))
    error = ((chosen - scores) ** 2).sum(axis=1)
    columns["hole_energy"] = (scores**2 * (1 - chosen)).sum(axis=1) / n
    columns["mse"] = error / n
    columns["r2"] = 1 - error / np.maximum(((chosen - expected) ** 2).sum(axis=1), 1e-6)
    return columns


def _pick(rows: Float32Array, place: FloatArray, last: FloatArray) -> FloatArray:
    """Return one entry of each row; 0 where the row has none."""
    found = rows[np.arange(len(rows)), np.clip(np.minimum(place, last), 0, rows.shape[1] - 1).astype(int)]
    return np.where(np.isfinite(found) & (last >= 0), found, 0.0)


def _component_columns(chosen: Float32Array, expected: Float32Array, vectors: Float32Array) -> dict[str, FloatArray]:
    residual = chosen - expected
    energy = (residual**2).sum(axis=1)
    n = np.maximum(chosen.sum(axis=1), 1)
    projected = (residual @ vectors) ** 2
    columns = {f"components_{k}": projected[:, :k].sum(axis=1) / (energy + 1) for k in COMPONENTS}
    log_choice = np.where(chosen > 0, np.log(expected), np.log(1 - expected)).sum(axis=1)
    return columns | {"deviation": energy / n, "choice_mean": log_choice / n}


def _neighbour_columns(
    chosen: Float32Array, known: Float32Array, their_expected: Float32Array
) -> dict[str, FloatArray]:
    common = chosen @ known.T
    variance = chosen @ (their_expected * (1 - their_expected)).T
    z = (common - chosen @ their_expected.T) / np.sqrt(variance + 1)
    top = highest(z, 50)
    n = np.maximum(chosen.sum(axis=1), 1)
    jaccard = common / np.maximum(n[:, None] + known.sum(axis=1)[None] - common, 1)
    near = highest(jaccard, 10)
    nearest = top[:, :10].mean(axis=1)
    return {
        "knn_1": top[:, 0],
        "knn_10": nearest,
        "knn_50": top.mean(axis=1),
        "knn_std": z.std(axis=1),
        "knn_low": -highest(-z, 20).mean(axis=1),
        "knn_mean": z.mean(axis=1),
        "knn_relative": nearest / np.sqrt(n),
        "jaccard_1": near[:, 0],
        "jaccard_10": near.mean(axis=1),
        "jaccard_mean": jaccard.mean(axis=1),
    }
