"""Evaluate: one model at given parameters, fitted once a seed; what targets are shown with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.engine import RunResult, run
from anomaly_lab.evaluation.folds import Fold
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.features.team import TeamFeatures
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import parse_params
from anomaly_lab.tasks.fake_users import query_round
from anomaly_lab.tasks.question import Question
from experiments.choose import check_families


def evaluate(
    model: str,
    train: Sequence[Round],
    test: Sequence[Round] = (),
    *,
    params: Mapping[str, str] | None = None,
    seeds: Iterable[int] = (0,),
    families: Sequence[str] = DEFAULT_FAMILIES,
    features: str | Path | None = None,
) -> pd.DataFrame:
    """Return the metrics of one model trained on some rounds and scored on others.

    Parameters
    ----------
    model : str
        Registered name.
    train : sequence of Round
        Labelled rounds to learn from.
    test : sequence of Round
        Labelled rounds to score, each by itself; without any, the training rounds are cross-validated in-round, which
        says nothing about the next round.
    params : mapping of str to str, optional
        Hyperparameters as text; those not given stand at their defaults.
    seeds : iterable of int
        One fit per test round each.
    families : sequence of str
        Feature families, unless the model names its own.
    features : path-like, optional
        A team's own features.

    Returns
    -------
    DataFrame
        One row a seed and queried round, with ``seed``, ``query`` and every metric.

    Raises
    ------
    ConfigError
        If a name or parameter is unknown.
    DataError
        If a round has no labels.
    """
    cls = MODELS.load(model)
    parsed = parse_params(cls, params or {}, model)
    check_families(families)
    store = FeatureStore(tuple(families), team=None if features is None else TeamFeatures.read(features))
    if not train:
        raise ConfigError("--train must name at least one labelled round")
    Question((*train, *test), "in-round")  # every round is labelled and given once
    folds = [_fold(train, one) for one in test] if test else list(Question(tuple(train), "in-round").folds())
    rows = [row for seed in seeds for row in _rows(run(model, cls, parsed, folds, store, seed=seed))]
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of each seed's mean over queried rounds, one row a metric."""
    by_seed = table.drop(columns="query").groupby("seed").mean()
    return pd.DataFrame({"mean": by_seed.mean(), "sd": by_seed.std(ddof=1), "seeds": len(by_seed)})


def _fold(train: Sequence[Round], test: Round) -> Fold:
    rounds = [*train, test]
    return query_round(pool([one.ratings for one in rounds]), rounds, len(train))


def _rows(result: RunResult) -> list[dict[str, float | int | str]]:
    return [
        {
            "seed": result.seed,
            "query": fold.name,
            **{key: value for key, value in fold.metrics.items() if key != "auc_variance"},
            "auc_se": fold.metrics["auc_variance"] ** 0.5,
            "threshold": fold.threshold,
        }
        for fold in result.folds
    ]
