"""Semi-SAD: naive Bayes on five profile metrics, helped by users without a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from anomaly_lab.detectors.literature import check_known, learnt_from, stars, user_items
from anomaly_lab.evaluation.folds import HIDDEN, Query, Train
from anomaly_lab.features.agreement import agreement
from anomaly_lab.features.panel import blocks, highest
from anomaly_lab.features.profile import profile
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.types import FloatArray

FULL_TRUST = 50
"""Common items from which on a correlation counts in full (Burke, Mobasher, Williams and Bhaumik, 2006)."""


@dataclass
class SemiSADDetector:
    """Naive Bayes, then EM over users without a label, weighted (Semi-SAD; Cao, Wu, Mao and Zhang, 2013).

    The metrics are entropy of the ratings, degree of similarity with the nearest users (DegSim), variance of the
    profile's length, deviation from items' means weighted by rarity (RDMA, here its logarithm) and the difference of
    fillers and target (FMTD). Normal distributions are fitted to the labelled users; then users without a label enter
    with their class probabilities, each weighing `weight` (lambda of EM-lambda; Nigam et al., 2000), until these
    settle. An inductive one stays with the labelled users.

    The score is the log-odds of being generated. What the paper leaves open: correlations over fewer than 50 common
    items count in proportion, for over two of them everybody is alike.

    Parameters
    ----------
    weight : float
        What a user without a label counts for beside a labelled one, in [0, 1].
    n_neighbors : int
        Nearest users that DegSim is the mean of.
    max_iter : int
        Rounds of EM at most.
    """

    task: ClassVar[str] = "fake-users"
    kind: ClassVar[str] = "supervised"
    baseline: ClassVar[bool] = True
    tuned_by_default: ClassVar[bool] = False

    weight: float = 0.1
    n_neighbors: int = 25
    max_iter: int = 50

    metrics_: FloatArray = field(init=False, repr=False)
    bayes_: Any = field(init=False, repr=False)

    def fit(self, train: Train, *, rng: np.random.Generator) -> SemiSADDetector:
        """Fit on the labelled users, then on everyone again and again."""
        check_known("semi-sad", train)
        self.metrics_ = profile_metrics(train.ratings, learnt_from(train), self.n_neighbors)
        known, labels = self.metrics_[train.users], train.labels
        self.bayes_ = _bayes(known, labels, np.ones(len(labels)))
        if train.inductive or self.weight == 0:
            return self
        others = self.metrics_[train.visible == HIDDEN]
        rows = np.concatenate([known, others, others])
        classes = np.concatenate([labels, np.zeros(len(others)), np.ones(len(others))]).astype(np.int64)
        before = np.zeros(len(others))
        for _ in range(self.max_iter if len(others) else 0):
            chance = self.bayes_.predict_proba(others)[:, 1]
            if np.abs(chance - before).max() < 1e-3:
                break
            shares = self.weight * np.concatenate([1 - chance, chance])
            self.bayes_ = _bayes(rows, classes, np.concatenate([np.ones(len(labels)), shares]))
            before = chance
        return self

    def score(self, query: Query) -> FloatArray:
        """Return the log-odds of each query user; their metrics are those of the fit, which saw the same ratings."""
        logs = self.bayes_.predict_joint_log_proba(self.metrics_[query.users])
        return np.asarray(logs[:, 1] - logs[:, 0], dtype=float)


def profile_metrics(batch: RatingBatch, reference: RatingBatch, n_neighbors: int) -> FloatArray:
    """Return entropy, DegSim, LengthVar, RDMA and FMTD of each user, shape (n_users, 5).

    Parameters
    ----------
    batch, reference, n_neighbors
        As for `similarity`.
    """
    deviations = agreement(batch, reference)
    columns = [profile(batch, reference)["entropy"], similarity(batch, reference, n_neighbors)]
    columns += [deviations[name] for name in ("length_variance", "rdma", "fmtd")]
    return np.column_stack(columns).astype(float)


def _bayes(rows: FloatArray, classes: Any, weights: FloatArray) -> Any:
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB().fit(rows, classes, sample_weight=weights)


def similarity(batch: RatingBatch, reference: RatingBatch, n_neighbors: int) -> FloatArray:
    """Return the mean Pearson correlation of each user with the nearest reference users (DegSim), shape (n_users,).

    Parameters
    ----------
    batch, reference : RatingBatch
        The users to describe, and those to compare them with: on the same items. A user who is in both is no neighbour
        of itself.
    n_neighbors : int
        Nearest users; those at hand where there are fewer.
    """
    mine, theirs = _tables(batch), [one.T.tocsc() for one in _tables(reference)]
    found = []
    for part in blocks(batch.n_users):
        similar = _correlations([one[part] for one in mine], theirs)
        same = (batch.profiles[part][:, None] == reference.profiles[None]).all(axis=2)
        similar[same] = -1.0
        found.append(highest(similar.astype(np.float32), n_neighbors).mean(axis=1))
    return np.concatenate(found).astype(float)


def _tables(batch: RatingBatch) -> list[sparse.csr_array]:
    """Return whether each known rating is there, its value, and the value's square."""
    values = stars(batch)
    known = ~np.isnan(values)
    return [user_items(batch, np.where(known, np.nan_to_num(values) ** power, 0)) for power in (0, 1, 2)]


def _correlations(mine: list[sparse.csr_array], theirs: list[sparse.csc_array]) -> FloatArray:
    """Return correlations over common items, 0 where they cannot be said, shape (n_users, n_reference)."""

    def sums(a: int, b: int) -> FloatArray:
        return np.asarray((mine[a] @ theirs[b]).toarray(), dtype=float)

    n = np.maximum(sums(0, 0), 1)
    my_sum, their_sum = sums(1, 0), sums(0, 1)
    covariance = sums(1, 1) - my_sum * their_sum / n
    spread = (sums(2, 0) - my_sum**2 / n) * (sums(0, 2) - their_sum**2 / n)
    found = np.where(spread > 1e-9, covariance / np.sqrt(np.maximum(spread, 1e-9)), 0.0)
    return np.asarray(found * np.minimum(n / FULL_TRUST, 1), dtype=float)
