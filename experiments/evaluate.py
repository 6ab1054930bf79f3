"""Evaluate: one model at given parameters, fitted once a seed; what targets are shown with."""

from __future__ import annotations

import os
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
from anomaly_lab.tasks.fake_users import LEAVE_KIND_OUT, query_round
from anomaly_lab.tasks.question import Question
from experiments.choose import check_families, check_seen

RANKINGS = ("seed", "query", "auc", "average_precision", "auc_se")
"""What is told of a kind left out: nothing that needs a threshold, for none is chosen."""
OF_KINDS = ("auc_kind_", "auc_class_")


def evaluate(
    model: str,
    train: Sequence[Round],
    test: Sequence[Round] = (),
    *,
    protocol: str | None = None,
    params: Mapping[str, str] | None = None,
    seeds: Iterable[int] = (0,),
    families: Sequence[str] | None = None,
    inductive: bool = False,
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
    protocol : str, optional
        How to ask the training rounds instead of scoring others: in-round, next-round, forward or leave-kind-out.
    params : mapping of str to str, optional
        Hyperparameters as text; those not given stand at their defaults.
    seeds : iterable of int
        One fit per test round each.
    families : sequence of str, optional
        The feature families that are switched on: a model that names its own sees these of them. By default all it
        names, else the default ones.
    inductive : bool
        Whether nothing of the users asked about is used but their own ratings: each is described and scored as if it
        were alone.
    features : path-like, optional
        A team's own features.

    Returns
    -------
    DataFrame
        One row a seed and queried round, part of it or kind left out, with ``seed``, ``query`` and every metric; where
        labels name kinds, those of class scores too.

    Raises
    ------
    ConfigError
        If a name or parameter is unknown, no family that the model names is switched on, or rounds to score are given
        beside a protocol.
    DataError
        If a round has no labels, or the protocol asks more of the rounds.
    """
    cls = MODELS.load(model)
    parsed = parse_params(cls, params or {}, model)
    check_families(families)
    team = None if features is None else TeamFeatures.read(features)
    threads = os.cpu_count() or 1
    store = FeatureStore(families or DEFAULT_FAMILIES, team=team, threads=threads, only=families, inductive=inductive)
    check_seen(model, cls, store)
    if not train:
        raise ConfigError("--train must name at least one labelled round")
    folds = _folds(train, test, protocol)
    left_out = protocol == LEAVE_KIND_OUT
    settings = {"thresholds": not left_out, "kinds": not left_out}
    rows = [row for seed in seeds for row in _rows(run(model, cls, parsed, folds, store, seed=seed, **settings))]
    table = pd.DataFrame(rows)
    return table[[*RANKINGS]] if left_out else table


def summary(table: pd.DataFrame, protocol: str | None = None) -> pd.DataFrame:
    """Return mean and standard deviation over seeds of each seed's mean over queried rounds, one row a metric.

    For leave-kind-out there are also ``auc_kind_out``, the mean over kinds, and ``auc_worst_kind``, the lowest of each
    seed.
    """
    grouped = table.drop(columns="query").groupby("seed")
    by_seed = grouped.mean()
    if protocol == LEAVE_KIND_OUT:
        by_seed = by_seed.assign(auc_kind_out=by_seed["auc"], auc_worst_kind=grouped["auc"].min())
    return pd.DataFrame({"mean": by_seed.mean(), "sd": by_seed.std(ddof=1), "seeds": len(by_seed)})


def of_kinds(table: pd.DataFrame) -> list[str]:
    """Return the columns that speak of one kind or class each, and the composites."""
    named = [name for name in table.columns if name.startswith(OF_KINDS)]
    return [name for name in ("composite", "mean_ovr_auc") if name in table.columns] + named


def in_words(table: pd.DataFrame, protocol: str | None) -> str:
    """Return what a reader must know of an evaluation; empty if its figures speak for themselves."""
    if protocol == "in-round":
        return "in-round: this does not predict the next round, whose fakes may be new"
    if protocol != LEAVE_KIND_OUT:
        return ""
    by_kind = table.groupby("query", sort=False)["auc"].mean()
    return (
        f"leave-kind-out: mean AUC {by_kind.mean():.3f} over {len(by_kind)} kinds that no label showed, "
        f"worst {by_kind.min():.3f} ({by_kind.idxmin()})"
    )


def _folds(train: Sequence[Round], test: Sequence[Round], protocol: str | None) -> list[Fold]:
    Question((*train, *test), "in-round")  # every round is labelled and given once
    if test and protocol:
        raise ConfigError(f"--protocol {protocol} asks the training rounds; give either --test or --protocol")
    if test:
        return [_fold(train, one) for one in test]
    return list(Question(tuple(train), protocol or "in-round").folds())


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
