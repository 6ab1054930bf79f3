"""Record: what a study or a trial leaves in MLflow, in as few writes as there can be."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.recommending import RecommenderResult
from anomaly_lab.evaluation.result import ScoredFold
from anomaly_lab.tasks.question import Question
from tracking.artifacts import artifact_folder, write_artifacts
from tracking.notes import NOTE, question_note, study_note
from tracking.read import COMMON_PARAMS
from tracking.spec import RunSpec
from tracking.store import PREFIX, Store
from tracking.views import detector_view, question_views

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

VALIDATION = "epoch_validation"
"""Metric whose steps are epochs: what is held out of the known ratings, and what trials are ended early by."""


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
        tags = {NOTE: question_note(question), **question_views(question.task)}
        self.experiment_id = store.experiment(experiment_name(question), tags)

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

    def finish_study(self, spec: RunSpec, run_id: str, status: str, *, n_trials: int, best: str | None) -> None:
        """Close a study's parent run with the figures of its best trial, a description, and a view of its trials.

        Parameters
        ----------
        spec : RunSpec
            What the study's runs have in common.
        run_id : str
            Its parent run.
        status : {"FINISHED", "KILLED"}
            How it ended.
        n_trials : int
            Finished trials.
        best : str or None
            Run of the best of them.
        """
        client = self.store.client
        metrics, tags = {"trials": float(n_trials)}, {}
        if best is not None:
            run = client.get_run(best)
            params = {key: value for key, value in run.data.params.items() if key not in COMMON_PARAMS}
            link = f"[{run.info.run_name}](#/experiments/{self.experiment_id}/runs/{best})"
            metrics |= run.data.metrics
            tags = {
                PREFIX + "best_run": best,
                NOTE: study_note(self.question, spec.detector, link, run.data.metrics, n_trials, params),
            }
            self._mark_best(spec.study, best, n_trials)
            for key, value in detector_view(self.question.task, spec.detector, list(params)).items():
                client.set_experiment_tag(self.experiment_id, key, value)
        self._log(run_id, metrics, {}, tags)
        client.set_terminated(run_id, status=status)

    def _mark_best(self, study: str, run_id: str, n_trials: int) -> None:
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

    def record(
        self,
        spec: RunSpec,
        result: RunResult | RecommenderResult,
        *,
        parent: str | None = None,
        trial: int | None = None,
        params: Mapping[str, Any] | None = None,
        started: float | None = None,
    ) -> str:
        """Write a finished trial, or a run recorded from scores, and return its id."""
        tags = spec.tags("recorded" if spec.kind == "recorded" else "trial")
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        else:  # recorded scores are a study of one run
            tags[PREFIX + "best_of_study"] = "true"
        name = spec.detector if trial is None else f"{spec.detector} {trial}"
        if trial is not None:
            tags[PREFIX + "trial"] = str(trial)
        return self.write(spec, result, name=name, tags=tags, params=params, started=started)

    def write(
        self,
        spec: RunSpec,
        result: RunResult | RecommenderResult,
        *,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        started: float | None = None,
    ) -> str:
        """Write a finished run with its metrics and artifacts, under a name and with tags, and return its id.

        One request makes the run, one writes all parameters and metrics, one folder of artifacts is written together,
        and one request ends it. Whoever finds a run still RUNNING knows that its writer died.
        """
        client = self.store.client
        tags = {**tags, PREFIX + "seed": str(result.seed)}
        began = int((started if started is not None else time.time()) * 1000)
        run = client.create_run(self.experiment_id, start_time=began, tags=tags, run_name=name)
        run_id = str(run.info.run_id)
        with artifact_folder(self.store, run) as folder:
            write_artifacts(result, folder)
        client.log_inputs(run_id, self._datasets())
        common = dict(zip(COMMON_PARAMS, (spec.detector, ",".join(spec.families)), strict=True))
        self._log(run_id, result.metrics, {**common, **(params or result.params)}, {}, result)
        client.set_terminated(run_id, status="FINISHED")
        return run_id

    def record_failure(
        self, spec: RunSpec, error: str, *, parent: str, trial: int, params: Mapping[str, Any], started: float
    ) -> str:
        """Write a trial whose model failed, with the reason as a tag."""
        tags = spec.tags("failed") | {"mlflow.parentRunId": parent, PREFIX + "trial": str(trial)}
        return self.write_failure(error, name=f"{spec.detector} {trial}", tags=tags, params=params, started=started)

    def record_behind(
        self,
        spec: RunSpec,
        why: str,
        validation: Mapping[int, float],
        *,
        parent: str,
        trial: int,
        params: Mapping[str, Any],
        started: float,
    ) -> str:
        """Write a trial that was ended early, with how far it had come."""
        tags = spec.tags("pruned") | {"mlflow.parentRunId": parent, PREFIX + "trial": str(trial), NOTE: why}
        run = self.store.client.create_run(
            self.experiment_id, start_time=int(started * 1000), tags=tags, run_name=f"{spec.detector} {trial}"
        )
        common = dict(zip(COMMON_PARAMS, (spec.detector, ",".join(spec.families)), strict=True))
        self._log(run.info.run_id, {}, {**common, **params}, {}, validation=validation)
        self.store.client.set_terminated(run.info.run_id, status="FINISHED")
        return str(run.info.run_id)

    def write_failure(
        self, error: str, *, name: str, tags: Mapping[str, str], params: Mapping[str, Any], started: float
    ) -> str:
        """Write a run whose model failed, under a name, with the reason as a tag."""
        client = self.store.client
        tags = {**tags, PREFIX + "error": error[:4000], NOTE: f"Failed: {error[:4000]}"}
        run = client.create_run(self.experiment_id, start_time=int(started * 1000), tags=tags, run_name=name)
        self._log(run.info.run_id, {}, params, {})
        client.set_terminated(run.info.run_id, status="FAILED")
        return str(run.info.run_id)

    def add_metrics(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str] | None = None) -> None:
        """Add metrics, and tags without prefix, to a run."""
        self._log(run_id, metrics, {}, {PREFIX + key: value for key, value in (tags or {}).items()})

    def written_trials(self, study: str) -> dict[int, str]:
        """Return the runs of a study's trials by trial number: of all that ended, failed or ended early or not."""
        found = self.store.client.search_runs(
            [self.experiment_id],
            f"tags.`{PREFIX}study` = '{study}' and attributes.status != 'RUNNING'",
            max_results=50_000,
        )
        trials = [run for run in found if PREFIX + "trial" in run.data.tags]  # not the study's own, nor its variants
        return {int(run.data.tags[PREFIX + "trial"]): str(run.info.run_id) for run in trials}

    def validation(self, run_id: str) -> dict[int, float]:
        """Return the validation figure of a run by epoch, as written; empty for models without epochs."""
        curve = self.store.client.get_metric_history(run_id, VALIDATION)
        return {one.step: one.value for one in curve if isfinite(one.value)}

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        result: RunResult | RecommenderResult | None = None,
        validation: Mapping[int, float] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        rows = [Metric(key, float(value), now, 0) for key, value in metrics.items()]
        rows += [Metric(VALIDATION, value, now, epoch) for epoch, value in (validation or {}).items()]
        if result is not None:
            rows += [Metric(f"seconds_{stage}", value, now, 0) for stage, value in result.seconds.items()]
            place = {one.name: number for number, one in enumerate(self.question.rounds)}
            task = self.question.task
            folds: Sequence[ScoredFold] = result.folds
            for number, fold in enumerate(folds):
                step = place.get(fold.name, number)
                shown = (task.primary.name, task.tie_breaker.name)
                rows += [Metric(f"fold_{name}", fold.metrics[name], now, step) for name in shown]
            if isinstance(result, RecommenderResult):
                curve = result.folds[0].history.to_dict("records")
                rows += [
                    Metric(f"epoch_{name}", one[name], now, int(one["epoch"]))
                    for one in curve
                    for name in one
                    if name != "epoch"
                ]
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
                digest=one.ratings.digest[:10],
                source_type="local",
                source=json.dumps({"uri": one.path}),
                profile=json.dumps(profile),
            )
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "labelled round")]))
        return inputs


def experiment_name(question: Question) -> str:
    """Return the experiment of a question: ``fake-users next-round 1a2b3c4d5e``."""
    return f"{question.task.name} {question.protocol} {question.fingerprint[:10]}"
