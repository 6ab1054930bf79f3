"""Evaluate a recommender at given hyperparameters: every fold of a protocol, one fit each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.recommending import recommend_fold
from anomaly_lab.evaluation.result import VARIANCE
from anomaly_lab.ratings.labels import Round
from anomaly_lab.space import parse_params
from anomaly_lab.tasks.names import RECOMMENDING
from anomaly_lab.tasks.question import Question
from anomaly_lab.tasks.registry import make_task
from experiments.recommend import recommender_class


def evaluate_recommender(
    model: str,
    log: Round,
    *,
    protocol: str | None = None,
    options: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    seeds: Iterable[int] = (0,),
) -> pd.DataFrame:
    """Return the metrics of one recommender on every fold of a protocol.

    Parameters
    ----------
    model : str
        Registered name.
    log : Round
        The ratings.
    protocol : str, optional
        One of the model's task; the task's own choice by default.
    options : mapping of str to str, optional
        Settings of the task as text.
    params : mapping of str to str, optional
        Hyperparameters as text; those not given stand at their defaults.
    seeds : iterable of int
        Of the fits; the folds are the same.

    Returns
    -------
    DataFrame
        One row a seed and fold: ``seed``, ``query``, every metric, the standard error of the primary one, and
        ``seconds`` of fitting and answering.

    Raises
    ------
    ConfigError
        If a name, an option or a parameter is unknown.
    DataError
        If the log cannot be asked under the protocol.
    """
    cls = recommender_class(model)
    if cls.task not in RECOMMENDING:
        raise ConfigError(f"'{model}' answers task {cls.task}, which must be one of {', '.join(RECOMMENDING)}")
    parsed = parse_params(cls, params or {}, model)
    question = Question.of([log], protocol, make_task(cls.task, options))
    folds = list(question.folds())
    rows = []
    for seed in seeds:
        for number, fold in enumerate(folds):
            result = recommend_fold(model, cls, parsed, fold, number=number, seed=seed)
            rows.append(
                {"seed": seed, "query": fold.name, **_told(result.folds[0].metrics), **_seconds(result.seconds)}
            )
    return pd.DataFrame(rows)


def over_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each metric over folds and seeds, and the standard deviation of its fold means, a row each."""
    by_fold = table.drop(columns="seed").groupby("query").mean()
    return pd.DataFrame({"mean": by_fold.mean(), "sd": by_fold.std(ddof=1), "folds": len(by_fold)})


def _told(metrics: Mapping[str, float]) -> dict[str, float]:
    found = {name: value for name, value in metrics.items() if not name.endswith(VARIANCE)}
    for name in metrics:
        if name.endswith(VARIANCE):
            found[f"{name.removesuffix(VARIANCE)}_se"] = metrics[name] ** 0.5
    return found


def _seconds(stages: Mapping[str, float]) -> dict[str, float]:
    return {f"{stage}_seconds": value for stage, value in stages.items()}
