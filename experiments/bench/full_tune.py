"""What does a whole `tune` cost beside a loop written with care? The same detectors, trials and scores, on two cores.

The loop is one process: Optuna with the same parameters enqueued, the detectors' scikit-learn pipelines, scikit-learn's
folds and metrics, features computed once, and fluent MLflow with one ROC plot a trial. The lab runs as a user runs it:
two workers, its folder and its leaderboard, and it measures winners by further protocols, which the loop does not. Both
must give every trial the same AUC. Clock and CPU seconds are of whole runs, workers included, in turns.

    python experiments/bench/full_tune.py [--rounds A.npz B.npz] [--trials 4] [--turns 3] [--seed 0] [--detectors …]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from anomaly_lab.evaluation.folds import Fold, inner_folds, query_view, train_view
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import search_space
from anomaly_lab.tasks.question import Question
from experiments.bench.common import machine

DETECTORS = ("logistic-regression", "random-forest", "isolation-forest", "one-class-svm", "knn-distance", "mahalanobis")
Trials = dict[tuple[str, int], tuple[dict[str, Any], float]]
"""By detector and number of the trial: its parameters and its AUC."""


def by_the_lab(rounds: Sequence[Round], settings: argparse.Namespace, folder: Path, given: Trials | None) -> Trials:
    """Tune as a user does, and read what was tried from the studies."""
    import optuna

    from experiments.journal import open_journal
    from experiments.tune import tune
    from tracking.store import Store

    tune(rounds, detectors=settings.detectors, trials=settings.trials, seed=settings.seed, jobs=2, store=folder)
    storage = open_journal(Store.open(folder).journal)
    found: Trials = {}
    for study in optuna.get_all_study_summaries(storage):
        name = study.study_name.split()[0]
        for trial in optuna.load_study(study_name=study.study_name, storage=storage).get_trials(deepcopy=False):
            if trial.value is not None:
                found[name, trial.number] = dict(trial.params), trial.value
    return found


def fit_and_score(detector: str, params: dict[str, Any], fold: Fold, features: FeatureStore, seed: list[int]) -> Any:
    model = MODELS.load(detector)(**params)
    model.fit(train_view(fold, features), rng=np.random.default_rng(seed))
    return model.score(query_view(fold, features))


def by_a_loop(rounds: Sequence[Round], settings: argparse.Namespace, folder: Path, given: Trials | None) -> Trials:
    """Try the same parameters in a loop."""
    import matplotlib as mpl

    mpl.use("Agg")
    import mlflow
    import optuna
    from matplotlib import pyplot as plt
    from sklearn.metrics import RocCurveDisplay, f1_score, precision_recall_curve, roc_auc_score

    assert given is not None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("loop")
    features = FeatureStore(DEFAULT_FAMILIES)
    folds = [(fold, list(inner_folds(fold))) for fold in Question.of(list(rounds)).folds()]
    found: Trials = {}

    def objective(trial: optuna.Trial, detector: str, params: dict[str, Any]) -> float:
        for name, distribution in spaces[detector].items():
            trial._suggest(name, distribution)
        seed = settings.seed * 100_003 + trial.number
        aucs, f1s = [], []
        with mlflow.start_run(run_name=f"{detector} {trial.number}"), threadpool_limits(1):
            for number, (fold, inner) in enumerate(folds):
                scores = fit_and_score(detector, params, fold, features, [seed, number, 0])
                held = [
                    fit_and_score(detector, params, one, features, [seed, number, k])
                    for k, one in enumerate(inner, start=1)
                ]
                truth = np.concatenate([one.truth for one in inner])
                precision, recall, cuts = precision_recall_curve(truth, np.concatenate(held))
                cut = cuts[np.argmax(2 * precision[:-1] * recall[:-1] / (precision[:-1] + recall[:-1] + 1e-12))]
                aucs.append(float(roc_auc_score(fold.truth, scores)))
                f1s.append(float(f1_score(fold.truth, scores >= cut)))
                mlflow.log_metric(f"auc_{number}", aucs[-1])
            mlflow.set_tag("detector", detector)
            for name, value in params.items():
                mlflow.log_param(name, value)
            mlflow.log_metric("auc", float(np.mean(aucs)))
            mlflow.log_metric("f1", float(np.mean(f1s)))
            figure = RocCurveDisplay.from_predictions(fold.truth, scores).figure_
            mlflow.log_figure(figure, "roc.png")
            plt.close(figure)
        return float(np.mean(aucs))

    spaces = {detector: search_space(MODELS.load(detector)) for detector in settings.detectors}
    for detector in settings.detectors:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=settings.seed))
        mine = [params for (name, _), (params, _) in sorted(given.items()) if name == detector]
        for params in mine:
            study.enqueue_trial(params)
        for params in mine:
            trial = study.ask()
            study.tell(trial, objective(trial, detector, params))
        for told in study.trials:
            assert told.value is not None
            found[detector, told.number] = dict(told.params), told.value
    return found


Way = Callable[[Sequence[Round], argparse.Namespace, Path, Trials | None], Trials]


def measured(way: Way, *about: Any) -> tuple[float, float, Trials]:
    """Run a way in a process of its own, as a command would be; return clock and CPU seconds of it and its workers."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_in_child, args=(there, way, *about))
    process.start()
    there.close()
    try:
        found: tuple[float, float, Trials] = here.recv()
    finally:
        process.join()
    return found


def _in_child(pipe: Any, way: Way, *about: Any) -> None:
    start = time.perf_counter()
    trials = way(*about)
    wall = time.perf_counter() - start
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    pipe.send((wall, sum(one.ru_utime + one.ru_stime for one in spent), trials))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", nargs="+", metavar="FILE", help="labelled rounds; a generated course by default")
    parser.add_argument("--detectors", nargs="+", default=DETECTORS)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    rounds = read_rounds(settings.rounds, require_labels=True) if settings.rounds else make_course(n_rounds=3)[:2]
    print(machine())
    ratios: list[float] = []
    seconds: dict[str, list[float]] = {"loop": [], "lab": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(settings.turns):
            lab = measured(by_the_lab, rounds, settings, Path(folder) / f"lab{turn}", None)
            loop = measured(by_a_loop, rounds, settings, Path(folder) / f"loop{turn}", lab[2])
            assert lab[2].keys() == loop[2].keys()
            for key, (_, auc) in lab[2].items():
                assert abs(auc - loop[2][key][1]) < 1e-9, (key, auc, loop[2][key][1])
            print(f"  turn {turn}: {len(lab[2])} trials, the same AUCs")
            for name, (wall, cpu, _) in {"loop": loop, "lab": lab}.items():
                print(f"    {name}: {wall:.1f} s on the clock, {cpu:.1f} CPU seconds without pool workers")
                seconds[name].append(wall)
            ratios.append(loop[0] / lab[0])
    figures = {"baseline": np.median(seconds["loop"]), "lab": np.median(seconds["lab"]), "ratio": np.median(ratios)}
    rounded = {key: round(float(value), 2) for key, value in figures.items()}
    print(json.dumps({"name": "a whole tune: careful loop / lab with two workers, seconds", **rounded}))


if __name__ == "__main__":
    main()
