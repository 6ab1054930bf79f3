"""Family *low rank*: how well each rating follows from the user's other ratings under a factor model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import sparse

from anomaly_lab.features.rows import correlation, per_user, sums_over_cells
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray

RANKS = (1, 8)
ITERATIONS = 10
RIDGE = 3.0
PRIOR_RATINGS = 5.0


@dataclass(frozen=True)
class FactorModel:
    """Factor analysis with missing data: rating = mean of item + loading of item · factors of user + noise.

    Parameters
    ----------
    mean : ndarray of shape (n_items,)
        Item means.
    loadings : ndarray of shape (n_items, rank)
        What each factor does to each item.
    noise : float
        Variance of the noise.
    """

    mean: FloatArray
    loadings: FloatArray
    noise: float


@dataclass(frozen=True)
class Known:
    """The ratings of known value as two sparse tables over (user, item)."""

    users: AnyArray
    items: AnyArray
    values: FloatArray
    n_users: int
    n_items: int

    @classmethod
    def of(cls, batch: RatingBatch) -> Known:
        """Return the known ratings of a batch."""
        known = ~np.isnan(batch.values)
        return cls(batch.users[known], batch.items[known], batch.values[known], batch.n_users, batch.n_items)

    def table(self, data: FloatArray) -> sparse.csr_array:
        """Return one number a rating as a sparse table of shape (n_users, n_items)."""
        return sparse.csr_array((data, self.items, self.starts), shape=(self.n_users, self.n_items))

    @cached_property
    def starts(self) -> AnyArray:
        """Where each user's ratings begin, which stand in the order of users; and their number."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1))

    @cached_property
    def by_item(self) -> tuple[AnyArray, AnyArray]:
        """Where each item's ratings begin if they stand by item, and their users."""
        order = np.argsort(self.items, kind="stable")
        return np.searchsorted(self.items[order], np.arange(self.n_items + 1)), self.users[order]

    def products(self, by_user: FloatArray, by_item: FloatArray) -> FloatArray:
        """Return the product of the user's and the item's row at each rating, shape (n_ratings,)."""
        from anomaly_lab.features.kernels import row_products

        found = np.empty(len(self.values))
        row_products(self.users, self.items, np.ascontiguousarray(by_user), np.ascontiguousarray(by_item), found)
        return found

    def user_sums(self, tables: FloatArray) -> FloatArray:
        """Return the sum of items' symmetric tables over each user's ratings, shape (n_users, rank, rank)."""
        return _symmetric_sums(self.starts, self.items, tables)

    def item_sums(self, tables: FloatArray) -> FloatArray:
        """Return the sum of users' symmetric tables over each item's ratings, shape (n_items, rank, rank)."""
        return _symmetric_sums(*self.by_item, tables)


def _symmetric_sums(starts: AnyArray, cells: AnyArray, tables: FloatArray) -> FloatArray:
    rank = tables.shape[1]
    upper = np.triu_indices(rank)
    found = np.empty((len(starts) - 1, rank, rank))
    sums = sums_over_cells(starts, cells, [tables[:, i, j] for i, j in zip(*upper, strict=True)])
    for i, j, column in zip(*upper, sums, strict=True):
        found[:, i, j] = found[:, j, i] = column
    return found


@lru_cache(maxsize=24)
def fit_factors(reference: RatingBatch, rank: int, seed: int = 0) -> FactorModel:
    """Fit a factor model by expectation-maximisation (Rubin and Thayer, 1982), loadings shrunk by a ridge.

    The first factor starts as the user's general level, and its loadings are shrunk towards their mean rather than 0.

    Parameters
    ----------
    reference : RatingBatch
        The users to learn from.
    rank : int
        Number of factors.
    seed : int
        Of the starting point of the other factors.
    """
    known = Known.of(reference)
    n_items = np.bincount(known.items, minlength=known.n_items).astype(float)
    overall = known.values.mean() if len(known.values) else 0.5
    mean = _damped(np.bincount(known.items, known.values, known.n_items), n_items, overall)
    spread = (float(np.std(known.values)) if len(known.values) else 0.0) or 0.1
    loadings = np.random.default_rng(seed).normal(0, 0.1 * spread, (known.n_items, rank))
    loadings[:, 0] = 0.5 * spread
    model = FactorModel(mean, loadings, max(0.6 * spread**2, 1e-4))
    for _ in range(ITERATIONS):
        model = _step(model, known, n_items)
    return model


def _step(model: FactorModel, known: Known, n_items: FloatArray) -> FactorModel:
    rank = model.loadings.shape[1]
    residual = known.values - model.mean[known.items]
    factors, covariance, precision = _posterior(model, known)
    gram = known.item_sums(covariance + _outer(factors)) + RIDGE * np.eye(rank)
    prior = np.zeros(rank)
    prior[0] = model.loadings[:, 0].mean()
    right = known.table(residual).T @ factors + RIDGE * prior
    loadings = np.asarray(np.linalg.solve(gram, right[:, :, None])[:, :, 0], dtype=float)
    predicted = known.products(factors, loadings)
    level = np.bincount(known.items, known.values - predicted, known.n_items)
    mean = (level + 3 * model.mean.mean()) / (n_items + 3)
    left = known.values - mean[known.items] - predicted
    uncertain = float((covariance * (precision - np.eye(rank))).sum()) * model.noise
    noise = (float((left**2).sum()) + uncertain) / max(len(left), 1)
    return FactorModel(mean, loadings, max(noise, 1e-5))


def _outer(vectors: FloatArray) -> FloatArray:
    """Return the product of each vector with itself, shape (n, rank, rank)."""
    return vectors[:, :, None] * vectors[:, None, :]


def _posterior(model: FactorModel, known: Known) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return each user's factors, shape (n_users, rank), their covariance and its inverse, (n_users, rank, rank)."""
    rank = model.loadings.shape[1]
    precision = known.user_sums(_outer(model.loadings)) / model.noise + np.eye(rank)
    covariance = np.asarray(np.linalg.inv(precision), dtype=float)
    right = known.table(known.values - model.mean[known.items]) @ model.loadings / model.noise
    return np.einsum("nij,nj->ni", covariance, right), covariance, precision


def low_rank(users: RatingBatch, reference: RatingBatch) -> dict[str, FloatArray]:
    """Describe the residuals of each rating when the factor model has seen the user's other ratings only.

    With the posterior covariance S of a user's factors and an item's loadings w, the leverage is ``w'Sw / noise`` and
    the leave-one-rating-out residual is the residual divided by one less it, in closed form. Ratings of unknown value
    are left out; a user without a known rating gets zeros.

    Parameters
    ----------
    users : RatingBatch
        The users to describe.
    reference : RatingBatch
        The users the model is fitted on.

    Returns
    -------
    dict of str to ndarray of shape (n_users,)
        For rank k in `RANKS`, ``k<k>_``: ``rmse``, ``mae``, ``bias`` of the residuals; ``z_rmse``, ``kurtosis`` and
        ``large_share`` of the standardised ones; ``r2``, ``correlation``, ``slope``, ``correlation_z`` of ratings and
        predictions; ``relative``, rmse beside the user's own deviation from item means; ``predicted_std``;
        ``surprise``, log-likelihood a rating; ``distance`` of the user's factors from the origin; ``gain``, log ratio
        of squared deviations before and after.
    """
    columns: dict[str, FloatArray] = {}
    for rank in RANKS:
        found = _describe(users, fit_factors(reference, rank))
        columns |= {f"k{rank}_{name}": column for name, column in found.items()}
    return columns


def _describe(users: RatingBatch, model: FactorModel) -> dict[str, FloatArray]:
    known = Known.of(users)
    rank = model.loadings.shape[1]
    used = ~np.isnan(users.values)
    n = np.maximum(per_user(users, used), 1)
    factors, covariance, _ = _posterior(model, known)
    deviation = known.values - model.mean[known.items]
    fitted = known.products(factors, model.loadings)
    leverage = known.products(covariance.reshape(-1, rank * rank), _outer(model.loadings).reshape(-1, rank * rank))
    kept = np.maximum(1 - leverage / model.noise, 1e-3)
    residual = (deviation - fitted) / kept
    standardised = residual / np.sqrt(model.noise / kept)

    def total(per_row: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(known.users, per_row, known.n_users), dtype=float)

    bias = total(deviation) / n
    centred = total((deviation - bias[known.users]) ** 2)
    squares, z_squares = total(residual**2), total(standardised**2)
    predicted, values = np.zeros(users.n_rows), np.zeros(users.n_rows)
    predicted[used], values[used] = known.values - residual, known.values
    matched, slope = correlation(users, values, predicted, used)
    mean_predicted = per_user(users, predicted) / n
    rmse = np.sqrt(squares / n)
    log_det = np.linalg.slogdet(covariance)[1]
    likelihood = -0.5 * (
        total(deviation * (deviation - fitted)) / model.noise - log_det + n * np.log(2 * np.pi * model.noise)
    )
    columns = {
        "rmse": rmse,
        "mae": total(np.abs(residual)) / n,
        "bias": total(residual) / n,
        "z_rmse": np.sqrt(z_squares / n),
        "kurtosis": total(standardised**4) / n / (z_squares / n + 0.05) ** 2,
        "large_share": total((np.abs(standardised) > 2).astype(float)) / n,
        "r2": 1 - squares / (centred + 0.02),
        "correlation": matched,
        "slope": slope,
        "correlation_z": matched * np.sqrt(n),
        "relative": rmse / (np.sqrt(centred / n) + 0.02),
        "predicted_std": np.sqrt(np.maximum(per_user(users, predicted**2) / n - mean_predicted**2, 0)),
        "surprise": likelihood / n,
        "distance": (factors**2).sum(axis=1),
        "gain": np.log(centred + 0.04) - np.log(squares + 0.04),
    }
    has_known = per_user(users, used) > 0
    return {name: np.where(has_known, column, 0.0) for name, column in columns.items()}


def _damped(sums: AnyArray, counts: FloatArray, overall: float) -> FloatArray:
    return np.asarray((sums + PRIOR_RATINGS * overall) / (counts + PRIOR_RATINGS), dtype=float)
