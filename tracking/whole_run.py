"""Whole run: all that is known of a run that has ended, before any of it is written."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.recommending import RecommenderResult
from anomaly_lab.evaluation.result import ScoredFold
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.question import Question

CONTEXT = "mlflow.data.context"
"""MLflow's tag of what a dataset was to a run."""


class Point(NamedTuple):
    """A value of a metric.

    Parameters
    ----------
    key : str
        The metric's name.
    value : float
        Its value, possibly NaN or infinite.
    step : int
        The fold or epoch it belongs to; 0 for the whole run.
    """

    key: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class DatasetFacts:
    """What MLflow is told of a round that a run was asked about.

    Parameters
    ----------
    name, digest : str
        Which round.
    source, profile : str
        Where it comes from and what it holds, as JSON.
    """

    name: str
    digest: str
    source: str
    profile: str
    source_type: str = "local"
    context: str = "labelled round"

    @classmethod
    def of(cls, one: Round) -> DatasetFacts:
        """Return the facts of a round."""
        profile = {
            "ratings": one.ratings.n_rows,
            "users": one.ratings.n_users,
            "items": one.ratings.n_items,
            "scale": one.ratings.scale.name,
            "labels_digest": one.labels.digest(one.ratings) if one.labels else None,
            "ratings_digest": one.ratings.digest,
        }
        return cls(one.name, one.ratings.digest[:10], json.dumps({"uri": one.path}), json.dumps(profile))


@dataclass(frozen=True)
class WholeRun:
    """A run that has ended.

    Parameters
    ----------
    experiment_id : str
        Its experiment.
    name : str
        Its name.
    tags, params : mapping of str to str
        As MLflow keeps them.
    points : sequence of Point
        Values of its metrics.
    datasets : sequence of DatasetFacts
        What it was asked about.
    started : float
        When it was begun (seconds).
    status : {"FINISHED", "FAILED"}
        How it ended.
    """

    experiment_id: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[Point] = ()
    datasets: Sequence[DatasetFacts] = ()
    started: float = field(default_factory=time.time)
    status: str = "FINISHED"


def points_of(result: RunResult | RecommenderResult, question: Question) -> list[Point]:
    """Return what a result says in figures: of the whole, of each stage, each fold, and each epoch."""
    points = [Point(key, float(value)) for key, value in result.metrics.items()]
    points += [Point(f"seconds_{stage}", value) for stage, value in result.seconds.items()]
    place = {one.name: number for number, one in enumerate(question.rounds)}
    shown = (question.task.primary.name, question.task.tie_breaker.name)
    folds: Sequence[ScoredFold] = result.folds
    for number, fold in enumerate(folds):
        step = place.get(fold.name, number)
        points += [Point(f"fold_{name}", fold.metrics[name], step) for name in shown]
    if isinstance(result, RecommenderResult):
        for epoch in result.folds[0].history.to_dict("records"):
            points += [Point(f"epoch_{name}", epoch[name], int(epoch["epoch"])) for name in epoch if name != "epoch"]
    return points
