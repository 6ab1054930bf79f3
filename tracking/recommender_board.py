"""Boards of recommenders: ordered by their task's own metric, equals by its tie-breaker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from anomaly_lab.errors import StoreError
from anomaly_lab.tasks.names import RECOMMENDING
from tracking.figures import figures_of
from tracking.read import COMMON_PARAMS, find_run, shown_runs
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

OF_RECOMMENDERS = (
    *dict.fromkeys(name for task in RECOMMENDING for name in (*figures_of(task).measures[1:], "epochs")),
    "rmse",
    "rmse_low",
    "rmse_high",
)
"""What boards of recommenders show and boards of detectors do not."""


def rank_recommenders(runs: pd.DataFrame, task: str, *, all_runs: bool = False) -> pd.DataFrame:
    """Return runs of one question in the order of their task.

    Parameters
    ----------
    runs : DataFrame
        ``run_id``, ``detector``, ``trial``, ``submitted`` and the task's metrics.
    task : str
        What they answer.
    all_runs : bool
        Every run instead of the best one of each recommender.

    Returns
    -------
    DataFrame
        Best first: ``rank``, ``model``, the primary metric with ``_low`` and ``_high``, the other metrics, ``epochs``,
        ``runs`` (how many it was selected from), ``seconds``, ``why``, ``baseline``, ``run_id``, ``store``.
    """
    from anomaly_lab.tasks.registry import make_task

    asked = make_task(task)
    primary, tie_breaker = asked.primary, asked.tie_breaker
    tries = runs.groupby("detector")["run_id"].transform("size")
    runs = runs.assign(runs=1 if all_runs else tries, trial=pd.to_numeric(runs["trial"]))
    better = {
        primary.name: primary.direction == "minimize",
        tie_breaker.name: tie_breaker.direction == "minimize",
        "trial": True,
        "run_id": True,
    }
    runs = runs.sort_values(list(better), ascending=list(better.values()))
    runs = runs if all_runs else runs.drop_duplicates("detector")
    table = runs.rename(columns={"detector": "model"}).reset_index(drop=True)
    table["rank"] = range(1, len(table) + 1)
    table["why"] = _reasons(
        table[primary.name], primary.name.upper(), best="lowest" if better[primary.name] else "highest"
    )
    table["baseline"] = table["baseline"] == "true"
    measures = figures_of(task).measures
    interval = [f"{primary.name}_low", f"{primary.name}_high"]
    columns = ["rank", "model", primary.name, *interval, *measures[1:], "epochs", "runs", "seconds", "why"]
    return table[[*columns, "baseline", "run_id", "store"]]


def _reasons(figures: pd.Series, name: str, best: str) -> list[str]:
    behind = figures.diff().abs()
    return [
        f"{best} {name}" if place == 0 else f"{name} {gap:.4f} behind the one above"
        for place, gap in enumerate(behind.tolist())
    ]


@dataclass(frozen=True)
class RecommenderRun:
    """A recommender as a run had it.

    Parameters
    ----------
    run_id : str
        The run.
    name : str
        Registered name.
    params : mapping of str to str
        Its hyperparameters, as recorded.
    figure : str
        Its primary metric in words.
    """

    run_id: str
    name: str
    params: Mapping[str, str]
    figure: str


def best_recommender(store: Store, ratings: str) -> RecommenderRun | None:
    """Return the leader of a board of recommenders on one log, that of implicit-ranking first; None if there is none.

    Parameters
    ----------
    store : Store
        The lab.
    ratings : str
        Digest of the log's ratings.
    """
    shown = shown_runs(store)
    for task in reversed(RECOMMENDING):
        runs = [run for run in shown if _answers(run, task, ratings)]
        if not runs:
            continue
        newest = max(runs, key=lambda run: run.info.end_time).data.tags[PREFIX + "question"]
        asked = {str(run.info.run_id): run for run in runs if run.data.tags[PREFIX + "question"] == newest}
        leader = rank_recommenders(_table(list(asked.values())), task)
        return _recommender(asked[str(leader["run_id"].iloc[0])])
    return None


def recommender_run(store: Store, run_id: str) -> RecommenderRun:
    """Return the recommender of a run.

    Raises
    ------
    StoreError
        If there is no such run, or it is one of a detector.
    """
    run = find_run(store, run_id)
    if run.data.tags[PREFIX + "task"] not in RECOMMENDING:
        detector = run.data.tags[PREFIX + "detector"]
        raise StoreError(
            f"run {run_id[:8]} ({detector}) must be of a recommender, found one of a detector; "
            "see `anomaly-lab leaderboard`"
        )
    return _recommender(run)


def _recommender(run: Run) -> RecommenderRun:
    tags = {key.removeprefix(PREFIX): value for key, value in run.data.tags.items()}
    primary = figures_of(tags["task"]).measures[0]
    params = {key: value for key, value in run.data.params.items() if key not in COMMON_PARAMS}
    figure = f"{primary.upper()} {run.data.metrics[primary]:.3f} on {tags['question_title']}"
    return RecommenderRun(str(run.info.run_id), tags["detector"], params, figure)


def _answers(run: Run, task: str, ratings: str) -> bool:
    tags: dict[str, str] = run.data.tags
    return tags[PREFIX + "task"] == task and json.loads(tags[PREFIX + "rounds"])[0]["ratings"] == ratings


def _table(runs: Sequence[Run]) -> pd.DataFrame:
    tags = ("detector", "trial", "baseline")
    rows = [
        {
            "run_id": run.info.run_id,
            "store": "",
            **{key: run.data.tags[PREFIX + key] for key in tags},
            **run.data.metrics,
        }
        for run in runs
    ]
    return pd.DataFrame(rows).reindex(
        columns=["run_id", "store", *tags, "seconds", *OF_RECOMMENDERS, "auc", "auc_low", "auc_high"]
    )
