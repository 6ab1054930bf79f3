"""Kinds: how a generated user was made, given that it was generated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomaly_lab.detectors.bounded_forest import bound_trees
from anomaly_lab.types import Float32Array, FloatArray, IntArray


@dataclass
class KindClassifier:
    """Extremely randomised trees over the kinds of known fakes (Geurts, Ernst and Wehenkel, 2006).

    Kinds weigh the same however many users of each are known. A course knows about twenty users a kind: too few for
    boosting to tell what repeats from what happened once.

    Parameters
    ----------
    seed : int
        Randomness of the trees.
    n_estimators : int
        Number of trees.
    """

    seed: int = 0
    n_estimators: int = 300

    kinds_: IntArray = field(init=False, repr=False)
    estimator_: Any = field(init=False, repr=False, default=None)

    def fit(self, matrix: Float32Array, kinds: IntArray) -> KindClassifier:
        """Fit on the features of users known to be generated.

        Parameters
        ----------
        matrix : ndarray of shape (n_fakes, n_features)
            Their features.
        kinds : ndarray of shape (n_fakes,)
            Their kinds, each 1 or more; at least one user.
        """
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            self.n_estimators, min_samples_leaf=3, class_weight="balanced", random_state=self.seed, n_jobs=1
        )
        self.estimator_ = bound_trees(forest, len(matrix)).fit(matrix, kinds)
        self.kinds_ = np.asarray(self.estimator_.classes_, dtype=np.int64)
        return self

    def probabilities(self, matrix: Float32Array, n_kinds: int) -> FloatArray:
        """Return P(kind | generated), shape (n_rows, n_kinds): column k - 1 is kind k, 0 for kinds nobody named.

        Parameters
        ----------
        matrix : ndarray of shape (n_rows, n_features)
            Features of any users.
        n_kinds : int
            The highest kind known.
        """
        known = np.zeros((len(matrix), n_kinds))
        known[:, self.kinds_ - 1] = self.estimator_.predict_proba(matrix)
        return known


def join_classes(genuine: FloatArray, kinds: FloatArray) -> FloatArray:
    """Return class scores (n_users, n_kinds + 1): P(genuine), then P(generated) times P(kind | generated).

    Parameters
    ----------
    genuine : ndarray of shape (n_users,)
        In [0, 1].
    kinds : ndarray of shape (n_users, n_kinds)
        Rows that sum to 1.
    """
    return np.column_stack([genuine, (1 - genuine)[:, None] * kinds])
