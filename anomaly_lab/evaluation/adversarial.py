"""Adversarial validation: how well a classifier tells the users of a batch from others."""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.types import BoolArray, Float32Array, IntArray

N_PARTS = 5


def adversarial_auc(matrix: Float32Array, batch: BoolArray, groups: IntArray) -> float:
    """Return the cross-validated AUC of a classifier that tells the users of a batch from others.

    Adversarial validation, a classifier two-sample test (Lopez-Paz and Oquab, 2017), by boosted trees (Ke et al.,
    2017). About 0.5 if both sides are alike; below it only by chance.

    Parameters
    ----------
    matrix : ndarray of shape (n_users, n_features)
        Features.
    batch : ndarray of shape (n_users,), bool
        Who belongs to the batch.
    groups : ndarray of shape (n_users,)
        Users of one group are held out together: profiles that occur twice would give themselves away.
    """
    part_of = _parts(batch, groups)
    scores = np.empty(len(batch))
    with threadpool_limits(1):
        for number in range(N_PARTS):
            part = part_of == number
            scores[part] = _classifier().fit(matrix[~part], batch[~part]).predict_proba(matrix[part])[:, 1]
    return roc_auc(batch.astype(np.int64), scores)


def _classifier() -> Any:
    from lightgbm import LGBMClassifier  # half a second that only this needs

    return LGBMClassifier(
        n_estimators=60,
        num_leaves=7,
        colsample_bytree=0.5,
        class_weight="balanced",
        random_state=0,
        deterministic=True,
        force_col_wise=True,
        n_jobs=1,
        verbose=-1,
    )


def _parts(batch: BoolArray, groups: IntArray) -> IntArray:
    """Return the part of each user: groups dealt out in turn within each side."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    side = batch[first]
    part: IntArray = np.empty(len(first), dtype=np.int64)
    for mine in (side, ~side):
        part[mine] = np.arange(mine.sum()) % N_PARTS
    return part[group]
