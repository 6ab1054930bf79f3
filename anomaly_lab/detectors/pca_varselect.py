"""PCA-VarSelect: fakes are the users that the population's main components hold least of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from scipy.sparse.linalg import LinearOperator, svds

from anomaly_lab.detectors.literature import learnt_from, stars, user_items
from anomaly_lab.evaluation.folds import Query, Train
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import AnyArray, FloatArray


@dataclass
class PCAVarSelectDetector:
    """Small loadings on the first principal components of users (PCA-VarSelect; Mehta and Nejdl, 2009).

    Users are the variables and items the observations. Each user's profile is standardised, and the score is minus the
    sum of the user's squared loadings on the first components: fakes agree with each other more than with people, so
    what most people share says little about them. No label is looked at.

    What the paper leaves open: an item without a rating counts as 0 before profiles are standardised, and ratings
    count from 1 as stars do, so that 0 is no rating; a rating of unknown value stands in the middle of the scale.

    Parameters
    ----------
    n_components : int
        Components looked at; fewer in a table that has fewer.
    """

    task: ClassVar[str] = "fake-users"
    kind: ClassVar[str] = "unsupervised"
    baseline: ClassVar[bool] = True
    tuned_by_default: ClassVar[bool] = False

    n_components: int = 3

    directions_: FloatArray = field(init=False, repr=False)

    def fit(self, train: Train, *, rng: np.random.Generator) -> PCAVarSelectDetector:
        """Find the components of everyone; loadings of the users follow from their profiles."""
        profiles = _Profiles(learnt_from(train))
        n_components = min(self.n_components, min(profiles.shape) - 1)
        start = rng.standard_normal(min(profiles.shape))
        _, strengths, directions = svds(profiles.operator, n_components, v0=start, solver="arpack", rng=rng)
        self.directions_ = directions / np.maximum(strengths, 1e-9)[:, None]
        return self

    def score(self, query: Query) -> FloatArray:
        """Return minus the sum of squared loadings, in [-1, 0] for users whose profiles made the components."""
        loadings = _Profiles(query.ratings).times(self.directions_.T)[query.users]
        return -np.asarray((loadings**2).sum(axis=1), dtype=float)


class _Profiles:
    """Standardised profiles of users, a matrix (n_users, n_items) that is never made: it has no zeros."""

    def __init__(self, batch: RatingBatch) -> None:
        self.table = user_items(batch, np.nan_to_num(stars(batch), nan=(1 + batch.scale.n_ordered) / 2))
        self.shape = self.table.shape
        self.mean = np.asarray(self.table.mean(axis=1), dtype=float)
        squares = np.asarray((self.table**2).mean(axis=1), dtype=float)
        self.spread = np.sqrt(np.maximum(squares - self.mean**2, 1e-12))

    def times(self, right: AnyArray) -> AnyArray:
        """Return the product with one column, or several, for every item."""
        shifted = self.table @ right - np.multiply.outer(self.mean, right.sum(axis=0))
        return np.asarray((shifted.T / self.spread).T)

    def transposed_times(self, right: AnyArray) -> AnyArray:
        """Return the transpose's product with one column for every user."""
        weighted = right.ravel() / self.spread
        return np.asarray(self.table.T @ weighted - self.mean @ weighted)

    @property
    def operator(self) -> LinearOperator:
        """The matrix as what an iterative solver asks of one."""
        return LinearOperator(
            self.shape, matvec=lambda one: self.times(one.ravel()), rmatvec=self.transposed_times, dtype=float
        )
