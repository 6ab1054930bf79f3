"""Record: what a study or a trial leaves in MLflow, in as few writes as there can be."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.ratings.labels import Round
from anomaly_lab.tasks.question import Question
from tracking.artifacts import artifact_folder, write_artifacts
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

RECORDED_PACKAGES = ("anomaly-lab", "numpy", "scikit-learn", "imbalanced-learn", "lightgbm", "optuna", "mlflow")


@dataclass(frozen=True)
class RunSpec:
    """What identifies a run.

    Parameters
    ----------
    question : Question
        What it answers.
    detector : str
        Registered name.
    kind : str
        ``supervised``, ``unsupervised``, or ``recorded``.
    families : tuple of str
        Feature families it sees.
    origin : str
        Where the detector comes from: ``built-in`` or a distribution.
    baseline : bool
        Whether boards mark it as one.
    study : str
        Name of its study.
    home : str
        Machine and folder whose locks tell whether the run's writer is alive.
    extra : mapping of str to str
        Further tags, without prefix.
    """

    question: Question
    detector: str
    kind: str
    families: tuple[str, ...]
    origin: str = "built-in"
    baseline: bool = False
    study: str = ""
    home: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def tags(self, role: str) -> dict[str, str]:
        """Return the run's tags, ours prefixed."""
        ours = {
            "role": role,
            "ranked": str(role in ("trial", "recorded")).lower(),
            "detector": self.detector,
            "kind": self.kind,
            "task": self.question.task.name,
            "protocol": self.question.protocol,
            "question": self.question.fingerprint,
            "question_title": self.question.title,
            "rounds": json.dumps([_round_facts(one) for one in self.question.rounds]),
            "scale": _scale_tag(self.question),
            "fake_share": f"{_fake_share(self.question):.6f}",
            "families": ",".join(self.families),
            "origin": self.origin,
            "baseline": str(self.baseline).lower(),
            "study": self.study,
            "home": self.home,
            "git_commit": _git_commit(),
            "versions": versions(),
            **self.extra,
        }
        return {PREFIX + key: value for key, value in ours.items()}


class Recorder:
    """Writes runs of one question into a store.

    Parameters
    ----------
    store : Store
        Where.
    question : Question
        What the runs answer; each question is an MLflow experiment, so that the UI compares like with like.
    """

    def __init__(self, store: Store, question: Question) -> None:
        self.store = store
        self.question = question
        self.experiment_id = store.experiment(experiment_name(question))

    def start_study(self, spec: RunSpec) -> str:
        """Return the id of a study's parent run, opened again if the study was begun before."""
        from mlflow.entities import RunStatus

        client = self.store.client
        found = client.search_runs(
            [self.experiment_id],
            f"tags.`{PREFIX}role` = 'study' and tags.`{PREFIX}study` = '{spec.study}'",
            max_results=1,
        )
        if found:
            run_id = found[0].info.run_id
            client.set_tag(run_id, PREFIX + "home", spec.home)  # the folder may have been moved
            client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
            return str(run_id)
        run = client.create_run(self.experiment_id, tags=spec.tags("study"), run_name=f"{spec.detector} study")
        client.log_inputs(run.info.run_id, self._datasets())
        return str(run.info.run_id)

    def mark_best(self, study: str, run_id: str, n_trials: int) -> None:
        """Tag the best trial of a study; one that was the best before loses the tag."""
        client = self.store.client
        found = client.search_runs(
            [self.experiment_id], f"tags.`{PREFIX}study` = '{study}' and tags.`{PREFIX}best_of_study` = 'true'"
        )
        for run in found:
            if run.info.run_id != run_id:
                client.delete_tag(run.info.run_id, PREFIX + "best_of_study")
                client.delete_tag(run.info.run_id, PREFIX + "selected")
        self.add_metrics(run_id, {}, {"best_of_study": "true", "selected": f"best of {n_trials} trials"})

    def finish_study(self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, Any], status: str) -> None:
        """Close a study's parent run with the figures of its best trial."""
        self._log(run_id, metrics, {}, {PREFIX + "best_params": json.dumps(dict(params))})
        self.store.client.set_terminated(run_id, status=status)

    def record(
        self,
        spec: RunSpec,
        result: RunResult,
        *,
        parent: str | None = None,
        trial: int | None = None,
        params: Mapping[str, Any] | None = None,
        started: float | None = None,
    ) -> str:
        """Write a finished run with its metrics and artifacts and return its id.

        One request makes the run, one writes all parameters and metrics, one folder of artifacts is written together,
        and one request ends it. Whoever finds a run still RUNNING knows that its writer died.
        """
        client = self.store.client
        tags = spec.tags("recorded" if spec.kind == "recorded" else "trial")
        tags[PREFIX + "seed"] = str(result.seed)
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        name = spec.detector if trial is None else f"{spec.detector} {trial}"
        if trial is not None:
            tags[PREFIX + "trial"] = str(trial)
        began = int((started if started is not None else time.time()) * 1000)
        run = client.create_run(self.experiment_id, start_time=began, tags=tags, run_name=name)
        run_id = str(run.info.run_id)
        with artifact_folder(self.store, run) as folder:
            write_artifacts(result, folder)
        client.log_inputs(run_id, self._datasets())
        everything = {"detector": spec.detector, "families": ",".join(spec.families), **(params or result.params)}
        self._log(run_id, result.metrics, everything, {}, result)
        client.set_terminated(run_id, status="FINISHED")
        return run_id

    def record_failure(
        self, spec: RunSpec, error: str, *, parent: str, trial: int, params: Mapping[str, Any], started: float
    ) -> str:
        """Write a run whose model failed, with the reason as a tag."""
        client = self.store.client
        tags = spec.tags("failed") | {
            "mlflow.parentRunId": parent,
            PREFIX + "trial": str(trial),
            PREFIX + "error": error[:4000],
        }
        run = client.create_run(
            self.experiment_id, start_time=int(started * 1000), tags=tags, run_name=f"{spec.detector} {trial}"
        )
        self._log(run.info.run_id, {}, params, {})
        client.set_terminated(run.info.run_id, status="FAILED")
        return str(run.info.run_id)

    def add_metrics(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str] | None = None) -> None:
        """Add metrics, and tags without prefix, to a run."""
        self._log(run_id, metrics, {}, {PREFIX + key: value for key, value in (tags or {}).items()})

    def finished_trials(self, study: str) -> dict[int, str]:
        """Return the runs of a study's finished trials by trial number."""
        found = self.store.client.search_runs(
            [self.experiment_id],
            f"tags.`{PREFIX}study` = '{study}' and tags.`{PREFIX}role` = 'trial' and attributes.status = 'FINISHED'",
            max_results=50_000,
        )
        return {int(run.data.tags[PREFIX + "trial"]): str(run.info.run_id) for run in found}

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        result: RunResult | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        rows = [Metric(key, float(value), now, 0) for key, value in metrics.items()]
        if result is not None:
            rows += [Metric(f"seconds_{stage}", value, now, 0) for stage, value in result.seconds.items()]
            place = {one.name: number for number, one in enumerate(self.question.rounds)}
            for number, fold in enumerate(result.folds):
                step = place.get(fold.name, number)
                rows += [Metric(f"fold_{name}", fold.metrics[name], now, step) for name in ("auc", "f1")]
        self.store.client.log_batch(
            run_id,
            metrics=rows,
            params=[Param(key, str(value)) for key, value in params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )

    def _datasets(self) -> list[DatasetInput]:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for one in self.question.rounds:
            profile = {
                "ratings": one.ratings.n_rows,
                "users": one.ratings.n_users,
                "items": one.ratings.n_items,
                "scale": one.ratings.scale.name,
                "labels_digest": one.labels.digest(one.ratings) if one.labels else None,
                "ratings_digest": one.ratings.digest,
            }
            dataset = Dataset(
                name=one.name,
                digest=one.ratings.digest[:32],
                source_type="local",
                source=json.dumps({"uri": one.path}),
                profile=json.dumps(profile),
            )
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "labelled round")]))
        return inputs


def experiment_name(question: Question) -> str:
    """Return the experiment of a question: ``fake-users next-round 1a2b3c4d5e``."""
    return f"{question.task.name} {question.protocol} {question.fingerprint[:10]}"


def _scale_tag(question: Question) -> str:
    scale = question.rounds[0].ratings.scale
    levels = [f"{level:g}" for level in scale.levels]
    if scale.unknown is not None:
        levels[-1] += "?"
    return ",".join(levels)


def _round_facts(one: Round) -> dict[str, str | None]:
    """Return what tells a round again, wherever its file is by then."""
    return {
        "name": one.name,
        "path": str(Path(one.path).absolute()) if one.path else None,
        "ratings": one.ratings.digest,
        "labels": one.labels.digest(one.ratings) if one.labels else None,
    }


def _fake_share(question: Question) -> float:
    """Share of generated users among those queried: every round counts the same."""
    return float(np.mean([one.labels.fake.mean() for one in question.rounds if one.labels is not None]))


@cache
def _git_commit() -> str:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


@cache
def versions() -> str:
    """Return the versions of Python and of `RECORDED_PACKAGES` as JSON."""
    return json.dumps({"python": platform.python_version(), **{name: version(name) for name in RECORDED_PACKAGES}})
