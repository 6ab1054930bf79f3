"""DegreeSAD: how popular the items are that a user selects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from anomaly_lab.detectors.literature import check_known, item_shares, learnt_from
from anomaly_lab.evaluation.folds import Query, Train
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import FloatArray

UPPER_QUARTILE = 0.75


@dataclass
class DegreeSADDetector:
    """Mean, range and upper quartile of the popularity of a user's items, in a tree (DegreeSAD; Li, Gao et al., 2016).

    An item's degree is the number of its ratings, here per user, so that a larger batch does not shift it. Ratings'
    values play no part: whoever selects items as people do stays unseen, whatever is rated.

    The paper compares classifiers; a decision tree on balanced classes is taken. A fully grown tree answers 0 or 1 and
    orders nobody: leaves hold a few training users, and the score is their weighted share of generated ones.

    Parameters
    ----------
    min_samples_leaf : int
        Training users in each leaf.
    """

    task: ClassVar[str] = "fake-users"
    kind: ClassVar[str] = "supervised"
    baseline: ClassVar[bool] = True
    tuned_by_default: ClassVar[bool] = False

    min_samples_leaf: int = 5

    degrees_: FloatArray = field(init=False, repr=False)
    tree_: Any = field(init=False, repr=False)

    def fit(self, train: Train, *, rng: np.random.Generator) -> DegreeSADDetector:
        """Grow the tree on the labelled users."""
        from sklearn.tree import DecisionTreeClassifier

        check_known("degree-sad", train)
        self.degrees_ = item_shares(learnt_from(train))
        self.tree_ = DecisionTreeClassifier(
            min_samples_leaf=self.min_samples_leaf, class_weight="balanced", random_state=int(rng.integers(2**31 - 1))
        )
        self.tree_.fit(degree_features(train.ratings, self.degrees_)[train.users], train.labels)
        return self

    def score(self, query: Query) -> FloatArray:
        """Return the share of generated users in each query user's leaf, in [0, 1]."""
        features = degree_features(query.ratings, self.degrees_)[query.users]
        return np.asarray(self.tree_.predict_proba(features)[:, 1], dtype=float)


def degree_features(batch: RatingBatch, degrees: FloatArray) -> FloatArray:
    """Return mean (MUD), range (RUD) and upper quartile (QUD) of the degrees of each user's items, (n_users, 3).

    Parameters
    ----------
    batch : RatingBatch
        Whose users; each has a rating.
    degrees : ndarray of shape (n_items,)
        The degree of each item.
    """
    found = degrees[batch.items]
    ascending = found[np.lexsort((found, batch.users))]
    first, last = batch.indptr[:-1], batch.indptr[1:] - 1
    quartile = first + np.ceil(UPPER_QUARTILE * (last - first)).astype(np.int64)
    mean = np.add.reduceat(ascending, first) / (last - first + 1)
    return np.column_stack([mean, ascending[last] - ascending[first], ascending[quartile]])
