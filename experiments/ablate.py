"""Ablate: a model whole, without each of its parts and with each alone, every variant and seed a tracked run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anomaly_lab.errors import ConfigError, StoreError
from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.variants import WHOLE, Variant, variants
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.labels import Round
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import parse_params
from anomaly_lab.tasks.question import Question
from experiments.choose import check_families, check_seen, choose_detectors
from experiments.driver import Report
from experiments.executors import make_executor
from experiments.fold_runs import FoldRuns
from experiments.interrupts import interrupts_deferred
from experiments.workbench import Job, Outcome, Workbench
from tracking.ablation import Ablation
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import DEFAULT_FOLDER, Store
from tracking.sweep import study_lock, sweep


@dataclass(frozen=True, eq=False)
class Ablated:
    """What an ablation leaves.

    Parameters
    ----------
    question : Question
        What every variant answered.
    table : DataFrame
        See `tracking.ablation.Ablation.table`.
    failures : dict of str to str
        Variants with failed runs, and the last error of each.
    """

    question: Question
    table: pd.DataFrame
    failures: dict[str, str]


def ablate(
    model: str,
    rounds: Sequence[Round],
    *,
    seeds: int = 1,
    params: Mapping[str, str] | None = None,
    families: Sequence[str] | None = None,
    inductive: bool = False,
    jobs: int | None = None,
    store: str | Path = DEFAULT_FOLDER,
    report: Report = lambda line, done, total: None,
) -> Ablated:
    """Return what a model is without each of its parts, and what each part is alone.

    The same arguments resume an ablation: variants and seeds that finished are not run again, unless the code of the
    model's class or of a family has changed. Each run describes users anew, so that its seconds are its own.

    Parameters
    ----------
    model : str
        Registered name of a detector.
    rounds : sequence of Round
        Labelled rounds, oldest first: next-round with two or more, in-round with one.
    seeds : int
        Runs of each variant, seeded from 0.
    params : mapping of str to str, optional
        Hyperparameters of every variant as text; others stand at their defaults.
    families : sequence of str, optional
        The feature families that are switched on in the whole model; see `experiments.evaluate.evaluate`.
    inductive : bool
        Whether nothing of the users asked about is used but their own ratings: each is described and scored as if it
        were alone.
    jobs : int, optional
        Processes; the number of cores by default.
    store : path-like
        Folder of the lab.
    report : callable
        Called with a line, the number of runs done and the number wanted.

    Raises
    ------
    ConfigError
        If a name or parameter is unknown, or a number is not positive.
    DataError
        If the rounds cannot be asked.
    StoreError
        If the store cannot be written, another process ablates the same model in it, or the whole model fails.
    """
    for option, number in (("--seeds", seeds), ("--jobs", jobs)):
        if number is not None and number < 1:
            raise ConfigError(f"{option} must be at least 1, found {number}")
    check_families(families)
    question = Question.of(list(rounds))
    cls = choose_detectors([model], question.task.name)[0][model]
    features = FeatureStore(families or DEFAULT_FAMILIES, only=families, inductive=inductive)
    seen = check_seen(model, cls, features)
    keyed = [(one.key(cls), one) for one in variants(model, cls, parse_params(cls, params or {}, model), seen)]
    opened = Store.open(store, create=True)
    ablation = Ablation(Recorder(opened, question), _spec(model, cls, question, seen, opened, inductive))
    sweep(opened)
    with opened.lock(study_lock(ablation.spec.study), timeout=0):
        run = _Run(ablation, keyed, range(seeds), report)
        run.all(Workbench(question, features), jobs or os.cpu_count() or 1)
    table = ablation.table(keyed, range(seeds))
    if WHOLE not in set(table["variant"]):
        raise StoreError(
            f"{opened.folder}: {model} must finish as a whole, found that it failed: {run.failures[WHOLE]}"
        )
    return Ablated(question, table, run.failures)


def _spec(
    name: str, model: type, question: Question, families: tuple[str, ...], store: Store, inductive: bool
) -> RunSpec:
    return RunSpec(
        question,
        name,
        kind=getattr(model, "kind", "other"),
        families=families,
        origin=MODELS.get(name).origin,
        study=f"{name} ablation {question.fingerprint[:12]}" + (" inductive" if inductive else ""),
        home=store.home,
        inductive=inductive,
    )


class _Run:
    """Runs what has not finished, and writes it."""

    def __init__(
        self, ablation: Ablation, keyed: Sequence[tuple[str, Variant]], seeds: Sequence[int], report: Report
    ) -> None:
        self.ablation, self.report = ablation, report
        self.variants = dict(reversed(keyed))  # of equal ones the first
        self.wanted = [(key, seed) for seed in seeds for key in dict(keyed)]
        self.failures: dict[str, str] = {}

    def all(self, bench: Workbench, jobs: int) -> None:
        """Run every variant and seed that has not finished, seed by seed."""
        finished = self.ablation.finished()
        missing = deque(one for one in self.wanted if one not in finished)
        if not missing:
            return
        done = len(self.wanted) - len(missing)
        with make_executor(bench, jobs) as executor:
            runs: FoldRuns[tuple[str, int]] = FoldRuns(executor, bench)
            while missing or runs:
                while missing and runs.room:
                    key, seed = missing.popleft()
                    runs.begin((key, seed), self._job(key, seed, bench.question.protocol))
                for (key, seed), outcome in runs.ended():
                    done += 1
                    with interrupts_deferred():
                        line = self._record(key, seed, outcome)
                    self.report(line, done, len(self.wanted))

    def _job(self, key: str, seed: int, protocol: str) -> Job:
        variant = self.variants[key]
        return Job(self.ablation.spec.detector, variant.params, seed, protocol, families=variant.families)

    def _record(self, key: str, seed: int, outcome: Outcome) -> str:
        """Write what came of a run and return a line about it."""
        variant, started = self.variants[key], outcome.started
        if isinstance(outcome.result, RunResult):
            self.ablation.record(variant, key, outcome.result, started=started)
            return f"{variant.name}, seed {seed}: AUC {outcome.result.metrics['auc']:.3f}"
        error = self.failures[variant.name] = outcome.error or "failed"
        self.ablation.record_failure(variant, key, error, seed=seed, started=started)
        return f"{variant.name}, seed {seed}: failed: {error}"
