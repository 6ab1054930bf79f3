"""Record: what a study or a trial leaves in MLflow, in as few writes as there can be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property, partial
from math import isfinite
from typing import Any

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.recommending import RecommenderResult
from anomaly_lab.tasks.question import Question
from tracking.artifacts import write_artifacts
from tracking.notes import NOTE, question_note, study_note
from tracking.read import COMMON_PARAMS
from tracking.spec import RunSpec
from tracking.store import PREFIX, Store
from tracking.views import detector_view, question_views
from tracking.whole_run import DatasetFacts, Point, WholeRun, points_of
from tracking.write import dataset_inputs, log, write_run

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
        client.log_inputs(run.info.run_id, dataset_inputs(self._datasets))
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
        log(self.store, run_id, [Point(key, value) for key, value in metrics.items()], tags=tags)
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
        """Write a finished run with its metrics and artifacts, under a name and with tags, and return its id."""
        run = self._run(
            spec,
            name,
            {**tags, PREFIX + "seed": str(result.seed)},
            params or result.params,
            form=result.form,
            points=points_of(result, self.question),
            datasets=self._datasets,
            started=time.time() if started is None else started,
        )
        return write_run(self.store, run, partial(write_artifacts, result))

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
        points = [Point(VALIDATION, value, epoch) for epoch, value in validation.items()]
        run = self._run(spec, f"{spec.detector} {trial}", tags, params, points=points, started=started)
        return write_run(self.store, run)

    def write_failure(
        self, error: str, *, name: str, tags: Mapping[str, str], params: Mapping[str, Any], started: float
    ) -> str:
        """Write a run whose model failed, under a name, with the reason as a tag."""
        tags = {**tags, PREFIX + "error": error[:4000], NOTE: f"Failed: {error[:4000]}"}
        texts = {key: str(value) for key, value in params.items()}
        run = WholeRun(self.experiment_id, name, tags, texts, started=started, status="FAILED")
        return write_run(self.store, run)

    def add_metrics(self, run_id: str, metrics: Mapping[str, float], tags: Mapping[str, str] | None = None) -> None:
        """Add metrics, and tags without prefix, to a run."""
        tags = {PREFIX + key: value for key, value in (tags or {}).items()}
        log(self.store, run_id, [Point(key, float(value)) for key, value in metrics.items()], tags=tags)

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

    def _run(
        self,
        spec: RunSpec,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        form: str = "",
        **others: Any,
    ) -> WholeRun:
        texts = {key: str(value) for key, value in {**_common(spec, form), **params}.items()}
        return WholeRun(self.experiment_id, name, tags, texts, **others)

    @cached_property
    def _datasets(self) -> list[DatasetFacts]:
        return [DatasetFacts.of(one) for one in self.question.rounds]


def experiment_name(question: Question) -> str:
    """Return the experiment of a question: ``fake-users next-round 1a2b3c4d5e``."""
    return f"{question.task.name} {question.protocol} {question.fingerprint[:10]}"


def _common(spec: RunSpec, form: str = "") -> dict[str, str]:
    """Return the parameters that runs of every detector have; the form only where a detector has two."""
    values = zip(COMMON_PARAMS, (spec.detector, ",".join(spec.families), form), strict=True)
    return {key: value for key, value in values if value or key != "form"}
