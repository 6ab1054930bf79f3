"""Artifacts: the files that every run carries, and how they get to where its artifacts are kept."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.recommending import RecommenderResult
from anomaly_lab.types import FloatArray, IntArray
from tracking.read import local_folder
from tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

POINTS = 400
"""Points kept of each curve."""


@contextmanager
def artifact_folder(store: Store, run: Run) -> Iterator[Path]:
    """Give a folder whose files are artifacts of the run when the block ends.

    In the lab's own folder that is where the run's artifacts are: sending them there through MLflow would read the run
    back from the database first. Else it is a temporary folder that is sent as a whole.
    """
    if store.is_local:
        folder = local_folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        store.client.log_artifacts(run.info.run_id, name)


def write_artifacts(result: RunResult | RecommenderResult, folder: Path) -> None:
    """Write the files of a run.

    Of detectors: ``scores.csv`` (labelled rounds only) and ``curves.json``. Of recommenders: ``users.csv``, each user's
    own figures, and where there are such ``epochs.csv`` and ``sides_of_mean.json``. Of both: ``result.json``.
    """
    if isinstance(result, RecommenderResult):
        _write_recommended(result, folder)
    else:
        _write_detected(result, folder)
    folds: list[dict[str, Any]] = [{"name": fold.name, "metrics": fold.metrics} for fold in result.folds]
    if isinstance(result, RunResult):
        for told, fold in zip(folds, result.folds, strict=True):
            told |= {"threshold": fold.threshold, "scale": fold.scale}
    summary = {
        "model": result.model,
        "params": result.params,
        "seed": result.seed,
        "metrics": result.metrics,
        "seconds": result.seconds,
        "folds": folds,
    }
    (folder / "result.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")


def _write_recommended(result: RecommenderResult, folder: Path) -> None:
    users = pd.concat([fold.users.assign(fold=fold.name) for fold in result.folds])
    users.to_csv(folder / "users.csv", index=False, float_format="%.6g", lineterminator="\n")
    epochs = [fold.history.assign(fold=fold.name) for fold in result.folds if len(fold.history)]
    if epochs:
        pd.concat(epochs).to_csv(folder / "epochs.csv", index=False, float_format="%.6g", lineterminator="\n")
    sides = {fold.name: fold.sides.tolist() for fold in result.folds if fold.sides is not None}
    if sides:
        (folder / "sides_of_mean.json").write_text(json.dumps(sides), encoding="utf-8")


def _write_detected(result: RunResult, folder: Path) -> None:
    with (folder / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")  # pandas takes four times as long
        writer.writerow(["fold", "user", "label", "score"])
        for fold in result.folds:
            writer.writerows(zip(repeat(fold.name), fold.users.tolist(), fold.truth.tolist(), fold.scores.tolist()))
    curves = {fold.name: _curves(fold.truth, fold.scores) for fold in result.folds}
    (folder / "curves.json").write_text(json.dumps(curves), encoding="utf-8")


def _curves(truth: IntArray, scores: FloatArray) -> dict[str, list[float]]:
    """Return points of scikit-learn's ``roc_curve`` and ``precision_recall_curve``, which sort and check twice over."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=np.nan))  # of users whose scores are equal
    found, flagged = np.cumsum(truth[order])[last], last + 1.0
    wrong = flagged - found
    bends = np.flatnonzero(np.r_[True, (np.diff(wrong, 2) != 0) | (np.diff(found, 2) != 0), True][: len(last)])
    curves = {
        "fpr": np.r_[0, wrong[bends]] / wrong[-1],
        "tpr": np.r_[0, found[bends]] / found[-1],
        "precision": np.r_[(found / flagged)[::-1], 1],
        "recall": np.r_[(found / found[-1])[::-1], 0],
    }
    return {name: _thinned(values) for name, values in curves.items()}


def _thinned(values: FloatArray) -> list[float]:
    keep = np.unique(np.linspace(0, len(values) - 1, min(POINTS, len(values))).astype(int))
    kept: list[float] = np.round(values[keep], 5).tolist()
    return kept
