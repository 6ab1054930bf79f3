"""Bayesian matrix factorisation by Gibbs sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from optuna.distributions import IntDistribution
from scipy import sparse

from anomaly_lab.recommenders.base import Training
from anomaly_lab.recommenders.biases import fit_biases
from anomaly_lab.recommenders.factors import FactorModel, residuals
from anomaly_lab.recommenders.least_squares import normal_equations
from anomaly_lab.types import Float32Array, FloatArray

START = 0.1


@dataclass
class BayesianMFRecommender(FactorModel):
    """Matrix factorisation averaged over Gibbs samples instead of one best fit (Salakhutdinov and Mnih, 2008).

    Users' and items' vectors are normal with means and precisions that are sampled too, and so is the precision of the
    ratings: there is no penalty to choose. The factors kept are those of all samples side by side, so that one product
    is the mean of the samples' predictions.

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
    samples: Annotated[int, IntDistribution(10, 100, log=True)] = 40

    def fit(self, train: Training, *, rng: np.random.Generator) -> BayesianMFRecommender:
        """Sample vectors of what biases leave."""
        known = train.known
        biases = fit_biases(known)
        by_user, unit = residuals(known, biases)
        by_item = by_user.T.tocsr()
        shape = (self.samples, self.n_factors)
        kept_users = np.empty((known.n_users, *shape), dtype=np.float32)
        kept_items = np.empty((known.n_items, *shape), dtype=np.float32)
        users = rng.normal(0, START, (known.n_users, self.n_factors)).astype(np.float32)
        items = rng.normal(0, START, (known.n_items, self.n_factors)).astype(np.float32)
        for sweep in range(-self.burn_in, self.samples):
            noise = _draw_noise(known.users, known.items, by_user.data, users, items, rng)
            users = _draw_vectors(by_user, items, noise, *_draw_prior(users, rng), rng)
            items = _draw_vectors(by_item, users, noise, *_draw_prior(items, rng), rng)
            if sweep >= 0:
                kept_users[:, sweep], kept_items[:, sweep] = users, items
        kept_users *= np.float32(unit / self.samples)
        self.keep(biases, kept_users.reshape(known.n_users, -1), kept_items.reshape(known.n_items, -1))
        return self

    def item_vectors(self) -> FloatArray | None:
        """Return each item's factors in the last sample, shape (n_items, n_factors): samples may be turned."""
        return self.item_factors_[:, -self.n_factors :].astype(np.float64)


def _draw_noise(users, items, targets, user_factors, item_factors, rng):  # type: ignore
    """Return a precision of the ratings given all vectors, drawn from its gamma distribution."""
    errors = 0.0
    for start in range(0, len(targets), 2**20):
        part = slice(start, start + 2**20)
        told = np.einsum("ij,ij->i", user_factors[users[part]], item_factors[items[part]])
        errors += float(np.square(targets[part] - told).sum(dtype=np.float64))
    return rng.gamma(1 + len(targets) / 2) / (1 + errors / 2)


def _draw_prior(vectors: Float32Array, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the precision of the vectors, drawn from their normal-Wishart distribution.

    The prior is that of Salakhutdinov and Mnih (2008): mean 0 with weight 2, unit scale, as many degrees of freedom as
    there are factors.
    """
    n, k = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    weight = 2.0
    scale = np.eye(k) + centred.T @ centred + n * weight / (n + weight) * np.outer(mean, mean)
    precision = _draw_wishart(np.linalg.inv(scale), k + n, rng)
    root = np.linalg.cholesky(np.linalg.inv(precision * (weight + n)))
    return n * mean / (n + weight) + root @ rng.normal(size=k), precision


def _draw_wishart(scale: FloatArray, freedom: int, rng: np.random.Generator) -> FloatArray:
    """Return a draw from a Wishart distribution by Bartlett's decomposition."""
    k = len(scale)
    lower = np.tril(rng.normal(size=(k, k)), -1) + np.diag(np.sqrt(rng.chisquare(freedom - np.arange(k))))
    root = np.linalg.cholesky(scale) @ lower
    return root @ root.T


def _draw_vectors(
    matrix: sparse.csr_array,
    others: Float32Array,
    noise: float,
    mean: FloatArray,
    precision: FloatArray,
    rng: np.random.Generator,
) -> Float32Array:
    """Return each row's vector, drawn given those of the columns.

    With precision `A` = `L L'`, the solution of `A x = b + L z` has mean `inv(A) b` and covariance `inv(A)`.
    """
    own = np.empty((matrix.shape[0], others.shape[1]), dtype=np.float32)
    normal = rng.standard_normal(own.shape, dtype=np.float32)
    prior, pull = precision.astype(np.float32), (precision @ mean).astype(np.float32)
    for rows, gram, moment in normal_equations(matrix, others):
        gram *= np.float32(noise)
        gram += prior
        root = np.linalg.cholesky(gram)
        right = np.float32(noise) * moment + pull + (root @ normal[rows][:, :, None])[:, :, 0]
        own[rows] = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
    return own
