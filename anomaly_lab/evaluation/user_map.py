"""User map: users who are described alike stand close together."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import QuantileTransformer
from threadpoolctl import threadpool_limits

from anomaly_lab.types import Float32Array, FloatArray

DIRECTIONS = 30
"""Main directions of the features that neighbours are sought in."""
PERPLEXITY = 30
"""About how many neighbours each user is to stand close to."""
ITERATIONS = 500
"""Twice as many take twice as long and move no group."""
ENOUGH = 4 * PERPLEXITY
"""Fewer users have no neighbourhoods to be kept."""


def user_map(matrix: Float32Array, *, seed: int = 0) -> FloatArray:
    """Return a place in the plane for every user, shape (n_users, 2).

    Each column is mapped to a normal distribution by its ranks, so that no single one rules. Of the main directions of
    what results, t-SNE keeps who is whose neighbour (van der Maaten and Hinton, 2008), begun from the first two
    directions so that the lie of the groups means something, too (Kobak and Berens, 2019). Few users are drawn on these
    two directions themselves. Neither axis has a unit, and distances between far groups mean little.

    Parameters
    ----------
    matrix : ndarray of shape (n_users, n_features)
        Finite; at least two users.
    seed : int
        Of the map: the same one for the same users.
    """
    n_users, n_features = matrix.shape
    scaler = QuantileTransformer(n_quantiles=min(200, n_users), output_distribution="normal", random_state=0)
    with threadpool_limits(1):
        ranked = scaler.fit_transform(matrix)
        if (ranked == ranked[0]).all():
            return np.zeros((n_users, 2))
        flat = PCA(min(DIRECTIONS, n_users, n_features), random_state=seed).fit_transform(ranked).astype(float)
        if n_users < ENOUGH or flat.shape[1] < 3:
            return np.column_stack([flat, np.zeros((n_users, 2))])[:, :2]
        from sklearn.manifold import TSNE

        drawn = TSNE(2, perplexity=PERPLEXITY, init="pca", max_iter=ITERATIONS, random_state=seed, n_jobs=1)
        found: FloatArray = drawn.fit_transform(flat).astype(float)
    return found
