"""Importance: how much of a model's AUC rests on each feature, and on each family of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.evaluation.engine import checked_scores
from anomaly_lab.evaluation.folds import Fold, query_view, train_view
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.features.extract import FeatureStore

COLUMNS = ("level", "feature", "family", "importance")

MAX_COLUMNS = 120
"""Beyond so many columns only families are permuted: one of many columns that say much the same costs nothing alone."""
MAX_QUERIES = 4000
"""Query users looked at: more cost time and change no order among features that matter."""


def permutation_importance(
    name: str,
    model: type,
    params: Mapping[str, Any],
    fold: Fold,
    store: FeatureStore,
    *,
    seed: Sequence[int],
    top: int | None = None,
) -> pd.DataFrame:
    """Return the AUC that a model loses on a fold when features are permuted among the query users.

    The model is fitted once. Each feature is permuted alone (Breiman, 2001; Fisher, Rudin and Dominici, 2019), and each
    family with all its columns by one permutation: correlated features stand in for each other, so that each alone may
    cost nothing while their family costs much.

    Parameters
    ----------
    name, model, params
        The model's registered name, class and hyperparameters.
    fold : Fold
        What is asked; its truth must hold both classes.
    store : FeatureStore
        Where features come from.
    seed : sequence of int
        Of the fit, as in `anomaly_lab.evaluation.engine.run`, and of the permutations.
    top : int, optional
        Keep this many features only, the most important ones; families are all kept.

    Returns
    -------
    DataFrame
        ``level`` (``family`` or ``feature``), ``feature`` (its name, or the family's), ``family`` and ``importance``
        (drop in AUC, in [-1, 1]; about 0 where the model makes no use of it), families first, the highest drop first.
        Empty if the model reads ratings itself and scores no matrix.
    """
    if not hasattr(model, "score_matrix"):
        return pd.DataFrame(columns=[*COLUMNS])
    with threadpool_limits(1):
        fitted = model(**params)
        fitted.fit(train_view(fold, store), rng=np.random.default_rng(list(seed)))
        features = query_view(fold, store).features(getattr(model, "families", None))
        rng = np.random.default_rng([*seed, 1])
        rows = rng.permutation(len(fold.query))[:MAX_QUERIES]
        matrix, truth = features.matrix[rows], fold.truth[rows]

        def auc(columns: Sequence[int]) -> float:
            shuffled = matrix.copy()
            shuffled[:, columns] = matrix[rng.permutation(len(rows))][:, columns]
            return roc_auc(truth, checked_scores(name, fitted.score_matrix(shuffled), len(rows)))

        intact = auc([])
        drops = [(*group, intact - auc(columns)) for group, columns in _groups(features.names)]
    table = pd.DataFrame(drops, columns=[*COLUMNS]).sort_values("importance", ascending=False, kind="stable")
    families, columns = table[table["level"] == "family"], table[table["level"] == "feature"]
    return pd.concat([families, columns if top is None else columns.head(top)], ignore_index=True)


def _groups(names: Sequence[str]) -> Iterator[tuple[tuple[str, str, str], list[int]]]:
    """Yield what is permuted together, level, feature and family, and its columns: families, then features if few."""
    families = [name.partition(":")[0] for name in names]
    for family in dict.fromkeys(families):
        yield ("family", family, family), [column for column, one in enumerate(families) if one == family]
    if len(names) > MAX_COLUMNS:
        return
    for column, (name, family) in enumerate(zip(names, families, strict=True)):
        yield ("feature", name, family), [column]
