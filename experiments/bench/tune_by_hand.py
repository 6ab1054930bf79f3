"""The loop that a team writes by hand: one process, Optuna, the lab's detectors and fluent MLflow.

Optuna is asked with the parameters of a finished tune, each fold's features are computed once and kept, one fluent call
logs each thing, and for every detector's best trial the other protocols, importances and plots follow. It ends with a
line of JSON: the AUC of each trial by detector, and CPU seconds by part.

    python experiments/bench/tune_by_hand.py LAB FOLDER ROUND.npz [ROUND.npz …]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import optuna
from optuna.trial import FrozenTrial

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import defaults
from anomaly_lab.tasks.question import Question
from experiments.bench.bench_tracking import Content, fluently
from experiments.studies import open_studies
from experiments.winners import FURTHER
from experiments.workbench import Job, Workbench
from tracking.plots import log_plots
from tracking.store import PREFIX, Store

Trials = Mapping[str, Sequence[FrozenTrial]]
"""What a tune asked of each detector, in order."""


def tuned_trials(lab: Path) -> Trials:
    """Return what a tune asked, read from its studies."""
    storage = open_studies(Store.open(lab))
    names = sorted(optuna.get_all_study_names(storage))
    return {name.split(" ")[0]: optuna.load_study(study_name=name, storage=storage).trials for name in names}


class Loop:
    """Runs trials one after the other.

    Parameters
    ----------
    rounds : list of Round
        Labelled rounds, oldest first.
    folder : Path
        Where its SQLite stores come to lie.
    """

    def __init__(self, rounds: list[Round], folder: Path) -> None:
        folder.mkdir()
        self.bench = Workbench(Question.of(rounds), FeatureStore(DEFAULT_FAMILIES))
        self.store = Store(folder, f"sqlite:///{folder / 'mlflow.db'}")
        self.studies = f"sqlite:///{folder / 'optuna.db'}"
        self.seconds: dict[str, float] = dict.fromkeys(("models", "tracking", "plots"), 0.0)
        mlflow.set_tracking_uri(self.store.tracking_uri)
        self._timed("tracking", lambda: mlflow.create_experiment("tune", artifact_location=folder.as_uri()))
        mlflow.set_experiment("tune")

    def run(self, trials: Trials) -> dict[str, list[float]]:
        """Run the trials and measure the best of each detector further; return their AUCs."""
        return {name: self._detector(name, asked) for name, asked in trials.items()}

    def _detector(self, name: str, asked: Sequence[FrozenTrial]) -> list[float]:
        study = optuna.create_study(storage=self.studies, study_name=name, direction="maximize")
        done: list[tuple[tuple[float, float, int], Job, str]] = []
        for number, trial in enumerate(asked):
            study.enqueue_trial(trial.params)
            now = study.ask(fixed_distributions=trial.distributions)
            params = {**defaults(MODELS.load(name)), **now.params}
            job = Job(name, params, number, self.bench.question.protocol)
            result = self._timed("models", partial(self._result, job))
            run_id = self._timed("tracking", partial(fluently, content_of(job, result), result))
            study.tell(now, result.metrics["auc"])
            done.append(((result.metrics["auc"], result.metrics["f1"], -number), job, run_id))
        _, job, run_id = max(done, key=lambda one: one[0])
        self._measure_best(job, run_id)
        return [worth[0] for worth, _, _ in done]

    def _measure_best(self, job: Job, run_id: str) -> None:
        for protocol, metric in FURTHER.get(job.protocol, {}).items():
            further = Job(job.detector, job.params, job.seed, protocol, thresholds=False)
            auc = self._timed("models", partial(self._result, further)).metrics["auc"]
            with mlflow.start_run(run_id=run_id):
                mlflow.log_metric(metric, auc)
        importance = Job(job.detector, job.params, job.seed, job.protocol, importance=True)
        outcome = self._timed("models", lambda: self.bench.run(importance))
        self._timed("plots", lambda: log_plots(self.store, run_id, outcome.importance))

    def _result(self, job: Job) -> RunResult:
        outcome = self.bench.run(job)
        if isinstance(outcome.result, RunResult):
            return outcome.result
        raise RuntimeError(f"{job.detector} must give a result, found {outcome.error}")

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        before = time.process_time()
        found = work()
        self.seconds[part] += time.process_time() - before
        return found


def content_of(job: Job, result: RunResult) -> Content:
    """Return what is logged of a trial: its parameters, its metrics and those of each round."""
    metrics = [(name, value, 0) for name, value in result.metrics.items()]
    for step, fold in enumerate(result.folds):
        metrics += [(f"fold_{name}", value, step) for name, value in fold.metrics.items()]
    params = {name: str(value) for name, value in job.params.items()}
    tags = {"detector": job.detector, "protocol": job.protocol, PREFIX + "question_title": "a tune by hand"}
    return Content(params, tags, metrics)


def main(lab: str, folder: str, *paths: str) -> None:
    """Run the trials of a lab's tune on the same rounds."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    loop = Loop(read_rounds([Path(path) for path in paths], require_labels=True), Path(folder))
    found = loop.run(tuned_trials(Path(lab)))
    print(json.dumps({"aucs": found, "seconds": loop.seconds, "all": time.process_time()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
