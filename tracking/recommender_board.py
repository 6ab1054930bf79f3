"""Boards of recommenders: ordered by their task's own metric, equals by its tie-breaker."""

from __future__ import annotations

import pandas as pd

from anomaly_lab.tasks.names import RECOMMENDING
from tracking.figures import figures_of

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
