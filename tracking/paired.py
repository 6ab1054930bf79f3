"""Paired: how far chance alone brings the AUCs of two runs apart that scored the same users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from anomaly_lab.evaluation.metrics import roc_auc_difference_variance
from tracking.read import artifacts
from tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run


def difference_se(store: Store, first: Run, second: Run) -> float:
    """Return the standard error of the difference in AUC of two runs of one question.

    Folds count the same and are independent; within a fold both AUCs are of the same users, and what is hard for both
    cancels out.

    Parameters
    ----------
    store : Store
        Where the runs are.
    first, second : Run
        Finished runs; their ``scores.csv`` is read back.
    """
    both = _scores(store, first).join(_scores(store, second)["score"].rename("other"), validate="one_to_one")
    variances = [
        roc_auc_difference_variance(fold["label"].to_numpy(), fold["score"].to_numpy(), fold["other"].to_numpy())
        for _, fold in both.groupby("fold")
    ]
    return float(np.sqrt(np.sum(variances)) / len(variances))


def _scores(store: Store, run: Run) -> pd.DataFrame:
    with artifacts(store, run.info.run_id, ["scores.csv"]) as folder:
        kinds = {"fold": str, "user": str, "label": int, "score": float}
        return pd.read_csv(folder / "scores.csv", dtype=kinds, keep_default_na=False).set_index(["fold", "user"])
