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

from tracking.store import PREFIX

SHARED = "mlflow.sharedViewState."
BEST = "lab-best"
"""Key of the view that `anomaly-lab ui` opens."""

MEASURES = ("auc", "f1", "precision", "recall", "average_precision")
FURTHER = ("auc_in_round", "auc_forward", "optimism", "seconds")
COMPARED = ("auc", "f1", "average_precision", "auc_in_round")
OURS, REST = "lab", "rest"
"""Sections of charts: those of the view, and those that MLflow makes of every metric, folded up."""


def question_views() -> dict[str, str]:
    """Return the tags that save the views of every question: best runs of detectors, and all runs."""
    shown = ["params.`detector`", *_metrics(MEASURES + FURTHER)]
    best = _state({"best_of_study": "true"}, shown, [_bars(name) for name in COMPARED])
    every = _state({"ranked": "true"}, shown, [_parallel(["detector", "families"], MEASURES)])
    # MLflow lists the latest first, and those of detectors are to stand below
    return {
        SHARED + BEST: _saved("Best run of each detector, highest AUC first", best, created=3),
        SHARED + "lab-runs": _saved("Every run, highest AUC first", every, created=2),
    }


def detector_view(detector: str, params: Sequence[str]) -> dict[str, str]:
    """Return the tag that saves a detector's view: its hyperparameters against the AUC they gave.

    Parameters
    ----------
    detector : str
        Registered name.
    params : sequence of str
        Names of its hyperparameters.
    """
    shown = [*_metrics(MEASURES), *(f"params.`{name}`" for name in params)]
    state = _state({"detector": detector, "ranked": "true"}, shown, [_parallel(params, ["auc"])])
    return {f"{SHARED}lab-{detector}": _saved(f"{detector}: hyperparameters and AUC", state, created=1)}


def _metrics(names: Sequence[str]) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


def _state(tags: Mapping[str, str], columns: Sequence[str], charts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the state of a runs page: runs with some tags, highest AUC first."""
    return {
        "searchFilter": " and ".join(f"tags.`{PREFIX}{name}` = '{value}'" for name, value in tags.items()),
        "orderByKey": "metrics.`auc`",
        "orderByAsc": False,
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
