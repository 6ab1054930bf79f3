"""Views: what MLflow's runs page shows when a question is opened: which runs, columns and charts.

MLflow keeps a saved view as a tag of the experiment: compressed JSON of the page's state. The format is MLflow's own;
a page that does not know it says so and shows its default.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from anomaly_lab.tasks.base import Task
from tracking.figures import figures_of
from tracking.store import PREFIX

SHARED = "mlflow.sharedViewState."
BEST = "lab-best"
"""Key of the view that `anomaly-lab ui` opens."""

OURS, REST = "lab", "rest"
"""Sections of charts: those of the view, and those that MLflow makes of every metric, folded up."""


def question_views(task: Task) -> dict[str, str]:
    """Return the tags that save the views of every question of a task: best runs of models, and all runs."""
    figures = figures_of(task.name)
    shown = ["params.`detector`", *_metrics(figures.measures + figures.further)]
    best = _state(task, {"best_of_study": "true"}, shown, [_bars(name) for name in figures.compared])
    every = _state(task, {"ranked": "true"}, shown, [_parallel(["detector", *figures.seen], figures.measures)])
    # MLflow lists the latest first, and those of detectors are to stand below
    first = f"{'lowest' if _ascending(task) else 'highest'} {task.primary.name.upper()} first"
    return {
        SHARED + BEST: _saved(f"Best run of each {figures.model}, {first}", best, created=3),
        SHARED + "lab-runs": _saved(f"Every run, {first}", every, created=2),
    }


def detector_view(task: Task, detector: str, params: Sequence[str]) -> dict[str, str]:
    """Return the tag that saves a detector's view: its hyperparameters against the figure they gave.

    Parameters
    ----------
    task : Task
        What it answers.
    detector : str
        Registered name.
    params : sequence of str
        Names of its hyperparameters.
    """
    primary = task.primary.name
    shown = [*_metrics(figures_of(task.name).measures), *(f"params.`{name}`" for name in params)]
    state = _state(task, {"detector": detector, "ranked": "true"}, shown, [_parallel(params, [primary])])
    return {f"{SHARED}lab-{detector}": _saved(f"{detector}: hyperparameters and {primary.upper()}", state, created=1)}


def _ascending(task: Task) -> bool:
    return task.primary.direction == "minimize"


def _metrics(names: Sequence[str]) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


def _state(
    task: Task, tags: Mapping[str, str], columns: Sequence[str], charts: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the state of a runs page: runs with some tags, best first."""
    return {
        "searchFilter": " and ".join(f"tags.`{PREFIX}{name}` = '{value}'" for name, value in tags.items()),
        "orderByKey": f"metrics.`{task.primary.name}`",
        "orderByAsc": _ascending(task),
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": list(charts),
        "compareRunSections": [
            {**_section(OURS, "Compared"), "display": True, "columns": min(len(charts), 2)},
            {**_section(REST, "Model metrics"), "display": False},
        ],
    }


def _section(key: str, name: str) -> dict[str, Any]:
    return {"uuid": key, "name": name, "isReordered": False, "deleted": False, "isGenerated": False}


def _bars(metric: str) -> dict[str, Any]:
    return {**_card(f"bars of {metric}", "BAR"), "metricKey": metric, "displayName": metric}


def _parallel(params: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    chosen = {"selectedParams": list(params), "selectedMetrics": list(metrics), "showAllRuns": True}
    return {**_card("parallel coordinates", "PARALLEL"), **chosen}


def _card(key: str, kind: str) -> dict[str, Any]:
    card = {"uuid": key, "type": kind, "metricSectionId": OURS, "runsCountToCompare": 20}
    return {**card, "deleted": False, "isGenerated": False}


def _saved(name: str, state: dict[str, Any], *, created: int) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": f"deflate;{packed}"})
