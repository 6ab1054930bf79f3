"""Bayesian matrix factorisation by Gibbs sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import IntDistribution
from scipy import sparse

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Training
from anomaly_lab.recommenders.biases import Biases, fit_biases
from anomaly_lab.recommenders.factors import FactorModel, residuals, spread
from anomaly_lab.recommenders.least_squares import normal_equations
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

START = 0.1
"""Standard deviation of the factors that sampling starts from, in units of what biases leave."""

PRIOR_WEIGHT = 2.0
"""How many vectors at 0 the prior of the mean is worth, as in Salakhutdinov and Mnih (2008)."""


@dataclass
class BayesianMFRecommender(FactorModel):
    """Matrix factorisation averaged over Gibbs samples instead of one best fit (Salakhutdinov and Mnih, 2008).

    A user's and an item's factors and bias are one normal vector; its mean and precision are sampled too, and so is the
    precision of the ratings: there is no penalty to choose. The factors kept are those of all samples side by side, so
    that one product is the mean of the samples' predictions.

    Parameters
    ----------
    n_factors : int
        Length of the vectors of one sample.
    burn_in : int
        Sweeps before the first sample.
    samples : int
        Sweeps that are kept.
    """

    task: ClassVar[str] = "rating-prediction"

    n_factors: Annotated[int, IntDistribution(4, 64, log=True)] = 16
    burn_in: Annotated[int, IntDistribution(5, 50, log=True)] = 15
    samples: Annotated[int, IntDistribution(10, 200, log=True)] = 60

    def fit(self, train: Training, *, rng: np.random.Generator) -> BayesianMFRecommender:
        """Draw factors and biases, and keep those of every sweep after the first ones."""
        known, k = train.known, self.n_factors
        biases = fit_biases(known)
        unit = spread(known, biases)
        by_user = residuals(known, Biases(known.mean, 0 * biases.users, 0 * biases.items), unit)
        by_item = by_user.T.tocsr()
        users, items = _start(biases.users / unit, k, rng), _start(biases.items / unit, k, rng)
        user_factors = np.empty((known.n_users, self.samples, k), dtype=np.float32)
        item_factors = np.empty((known.n_items, self.samples, k), dtype=np.float32)
        user_biases, item_biases = np.zeros(known.n_users), np.zeros(known.n_items)
        for sweep in range(-self.burn_in, self.samples):
            noise = _draw_noise(known, by_user.data, users, items, rng)
            users = _draw_vectors(by_user, items, noise, *_draw_prior(users, rng), rng)
            items = _draw_vectors(by_item, users, noise, *_draw_prior(items, rng), rng)
            if sweep >= 0:
                user_factors[:, sweep], item_factors[:, sweep] = users[:, :k], items[:, :k]
                user_biases += users[:, k]
                item_biases += items[:, k]
        share = unit / self.samples
        user_factors *= np.float32(share)
        self.keep(
            Biases(biases.mean, user_biases * share, item_biases * share),
            user_factors.reshape(known.n_users, -1),
            item_factors.reshape(known.n_items, -1),
        )
        return self


def _start(biases: FloatArray, n_factors: int, rng: np.random.Generator) -> Float32Array:
    """Return random factors with given biases as the last column."""
    factors = rng.normal(0, START, (len(biases), n_factors))
    return np.column_stack([factors, biases]).astype(np.float32)


def _draw_noise(
    known: Interactions, targets: Float32Array, users: Float32Array, items: Float32Array, rng: np.random.Generator
) -> float:
    """Return a precision of the ratings given all vectors, drawn from its gamma distribution."""
    errors = 0.0
    for start in range(0, len(targets), 2**20):
        part = slice(start, start + 2**20)
        user, item = users[known.users[part]], items[known.items[part]]
        told = np.einsum("ij,ij->i", user[:, :-1], item[:, :-1]) + user[:, -1] + item[:, -1]
        errors += float(np.square(targets[part] - told).sum(dtype=np.float64))
    return float(rng.gamma(1 + len(targets) / 2) / (1 + errors / 2))


def _draw_prior(vectors: Float32Array, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the precision of the vectors, drawn from their normal-Wishart distribution.

    Before any vector is seen it has the identity for its scale and as many degrees of freedom as a vector has entries.
    """
    n, k = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    scale = np.eye(k) + centred.T @ centred + n * PRIOR_WEIGHT / (n + PRIOR_WEIGHT) * np.outer(mean, mean)
    precision = _draw_wishart(np.linalg.inv(scale), n + k, rng)
    root = np.linalg.cholesky(np.linalg.inv(precision * (n + PRIOR_WEIGHT)))
    return n * mean / (n + PRIOR_WEIGHT) + root @ rng.normal(size=k), precision


def _draw_wishart(scale: FloatArray, freedom: int, rng: np.random.Generator) -> FloatArray:
    """Return a matrix drawn from a Wishart distribution by the decomposition of Bartlett (1933)."""
    k = len(scale)
    lower = np.tril(rng.normal(size=(k, k)), -1) + np.diag(np.sqrt(rng.chisquare(freedom - np.arange(k))))
    root = np.linalg.cholesky(scale) @ lower
    return np.asarray(root @ root.T)


def _draw_vectors(
    matrix: sparse.csr_array,
    others: Float32Array,
    noise: float,
    mean: FloatArray,
    precision: FloatArray,
    rng: np.random.Generator,
) -> Float32Array:
    """Return each row's vector, factors and bias, drawn given those of the columns.

    With ``precision = root @ root.T``, the solution of ``precision @ x = right + root @ z`` with a standard normal z is
    a draw from the normal distribution of that precision around the solution without z.
    """
    regressors = np.column_stack([others[:, :-1], np.ones(len(others), dtype=np.float32)])
    drawn = np.empty((matrix.shape[0], others.shape[1]), dtype=np.float32)
    z = rng.standard_normal((*drawn.shape, 1), dtype=np.float32)
    prior, pull = precision.astype(np.float32), (precision @ mean).astype(np.float32)
    for rows, gram, moment in normal_equations(_less(matrix, others[:, -1]), regressors):
        posterior = np.float32(noise) * gram + prior
        right = (np.float32(noise) * moment + pull)[:, :, None]
        drawn[rows] = np.linalg.solve(posterior, right + np.linalg.cholesky(posterior) @ z[rows])[:, :, 0]
    return drawn


def _less(matrix: sparse.csr_array, biases: AnyArray) -> sparse.csr_array:
    """Return the entries of a matrix less the biases of the columns they stand in."""
    return sparse.csr_array((matrix.data - biases[matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape)
