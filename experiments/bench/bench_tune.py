"""How long does a whole tune take? Two workers beside a careful loop in one process, at the same trials.

The loop is what a team writes by hand: Optuna with the tune's own parameters enqueued, each fold's features computed
once and kept, one fluent MLflow call for each thing logged, and for every detector's best trial the other protocols,
importances and plots. It runs the lab's detectors, so what is compared is the way, not the models. Both start with
nothing described and a store of their own; an AUC that differs anywhere ends the benchmark with an error.

    python experiments/bench/bench_tune.py [--rounds A.npz B.npz C.npz] [--detectors NAME …] [--trials 2] [--jobs 2]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import defaults
from anomaly_lab.tasks.question import Question
from experiments.bench.bench_tracking import Content, fluently
from experiments.bench.common import machine
from experiments.studies import open_studies
from experiments.tune import tune
from experiments.winners import FURTHER
from experiments.workbench import Job, Workbench
from tracking.plots import log_plots
from tracking.store import PREFIX, Store

DETECTORS = ("logistic-regression", "random-forest", "isolation-forest", "knn-distance", "mahalanobis")

Trials = Mapping[str, Sequence[FrozenTrial]]
"""What a tune asked of each detector, in order."""


@dataclass
class Spent:
    """Seconds of a piece of work on the clock, and of every process that had part in it."""

    wall: float
    cpu: float

    @classmethod
    def on(cls, work: Callable[[], object]) -> Spent:
        """Do the work and return what it took; workers are ended first, for only then their seconds are known."""
        wall, before = time.perf_counter(), sum(os.times()[:4])
        work()
        wall = time.perf_counter() - wall
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
        return cls(wall, sum(os.times()[:4]) - before)


def tuned_trials(store: Store) -> Trials:
    """Return what a tune asked, read from its studies."""
    storage = open_studies(store)
    names = sorted(optuna.get_all_study_names(storage))
    return {name.split(" ")[0]: optuna.load_study(study_name=name, storage=storage).trials for name in names}


class Loop:
    """The loop that a team writes by hand, in one process.

    Parameters
    ----------
    rounds : list of Round
        Labelled rounds, oldest first.
    folder : Path
        Where its SQLite stores come to lie.
    """

    def __init__(self, rounds: list[Round], folder: Path) -> None:
        import mlflow

        folder.mkdir()
        self.bench = Workbench(Question.of(rounds), FeatureStore(DEFAULT_FAMILIES))
        self.store = Store(folder, f"sqlite:///{folder / 'mlflow.db'}")
        self.studies = f"sqlite:///{folder / 'optuna.db'}"
        self.seconds: dict[str, float] = dict.fromkeys(("models", "tracking", "plots"), 0.0)
        mlflow.set_tracking_uri(self.store.tracking_uri)
        mlflow.create_experiment("tune", artifact_location=folder.as_uri())
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
        import mlflow

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


def check(found: Mapping[str, Sequence[float]], trials: Trials) -> None:
    """Raise an error unless the loop found the AUC of every trial that the tune finished."""
    for name, asked in trials.items():
        values = [trial.value for trial in asked]
        if list(found[name]) != values:
            raise RuntimeError(f"both ways must give {name} the same AUCs, found {found[name]} and {values}")


def measure(rounds: list[Round], detectors: list[str] | None, trials: int, jobs: int) -> str:
    """Run both ways, print what they took and return the line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        lab = Path(folder) / "lab"
        spent = Spent.on(lambda: tune(rounds, detectors=detectors, trials=trials, jobs=jobs, store=lab, kind_out=False))
        print(f"  the lab, {jobs} workers: {spent.wall:.1f} s on the clock, {spent.cpu:.1f} CPU seconds", flush=True)
        asked = tuned_trials(Store.open(lab))
        loop = Loop(rounds, Path(folder) / "loop")
        found: dict[str, list[float]] = {}
        by_hand = Spent.on(lambda: found.update(loop.run(asked)))
    check(found, asked)
    print(f"  {sum(map(len, asked.values()))} trials of {len(asked)} detectors, every AUC the same")
    print(f"  by hand, one process: {by_hand.wall:.1f} s on the clock, {by_hand.cpu:.1f} CPU seconds")
    print("    of these " + ", ".join(f"{part} {seconds / by_hand.cpu:.0%}" for part, seconds in loop.seconds.items()))
    name = f"a tune of {len(asked)} detectors: one process by hand / the lab's {jobs} workers, seconds on the clock"
    ratio = by_hand.wall / spent.wall
    print(f"  ratio on the clock {ratio:.2f}, of CPU seconds {by_hand.cpu / spent.cpu:.2f}")
    return json.dumps(
        {"name": name, "baseline": round(by_hand.wall, 1), "lab": round(spent.wall, 1), "ratio": round(ratio, 2)}
    )


def main(detectors: Sequence[str] | None = DETECTORS, trials: int = 2) -> None:
    """Measure a tune of some detectors, of all where none is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", nargs="+", metavar="FILE", help="labelled rounds; default: an embedded course's")
    parser.add_argument("--detectors", nargs="+", metavar="NAME", default=detectors and list(detectors))
    parser.add_argument("--trials", type=int, default=trials)
    parser.add_argument("--jobs", type=int, default=2)
    settings = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for module in ("mlflow", "sklearn.ensemble", "imblearn.pipeline"):
        importlib.import_module(module)  # that the first way would pay for both
    print(machine())
    rounds = read_rounds(settings.rounds, require_labels=True) if settings.rounds else make_course(n_rounds=2)
    print("\n" + measure(rounds, settings.detectors, settings.trials, settings.jobs))


if __name__ == "__main__":
    main()
