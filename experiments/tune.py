"""Tune: one study a detector, every trial a tracked run, ending with a leaderboard."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_lab.errors import ConfigError, PluginError, StoreError
from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.features.team import TeamFeatures
from anomaly_lab.ratings.labels import Round
from anomaly_lab.registry import DEFAULT_FAMILIES, FEATURES, MODELS
from anomaly_lab.tasks.question import Question
from experiments.executors import Executor, make_executor
from experiments.journal import open_journal
from experiments.study import DetectorStudy, Proposal, study_name
from experiments.workbench import Job, Outcome, Workbench
from tracking.leaderboard import Board, leaderboard
from tracking.record import Recorder, RunSpec
from tracking.store import DEFAULT_FOLDER, Store
from tracking.sweep import study_lock, sweep

Report = Callable[[str, int, int], None]
"""Called with a line about what happened, and how many trials are done of how many."""


@dataclass
class Contestant:
    """A detector in a tune: its study and its parent run.

    Parameters
    ----------
    spec : RunSpec
        What its runs have in common.
    study : DetectorStudy
        Where its proposals come from.
    run_id : str
        Its parent run.
    """

    spec: RunSpec
    study: DetectorStudy
    run_id: str
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a tune leaves.

    Parameters
    ----------
    board : Board
        The leaderboard of its question.
    failures : dict of str to str
        Detectors with failed trials, and the last error of each.
    interrupted : bool
        Whether it was ended early by the user or by its time budget.
    """

    board: Board
    failures: dict[str, str]
    interrupted: bool


def tune(
    rounds: Sequence[Round],
    *,
    detectors: Sequence[str] | None = None,
    trials: int = 6,
    timeout: float | None = None,
    jobs: int | None = None,
    seed: int = 0,
    protocol: str | None = None,
    store: str | Path = DEFAULT_FOLDER,
    families: Sequence[str] = DEFAULT_FAMILIES,
    features: str | Path | None = None,
    report: Report = lambda line, done, total: None,
) -> Tuned:
    """Tune detectors on labelled rounds and return the leaderboard.

    The same arguments resume a tune: finished trials are kept, those a dead driver had begun run again, and no proposal
    is repeated. Under a trial budget the result does not depend on `jobs`.

    Parameters
    ----------
    rounds : sequence of Round
        Labelled rounds, oldest first; see `anomaly_lab.ratings.readers.read_rounds`.
    detectors : sequence of str, optional
        Registered names; all detectors of the task by default.
    trials : int
        Trials per detector, the first at its defaults.
    timeout : float, optional
        Seconds after which no further trial begins.
    jobs : int, optional
        Processes; the number of cores by default.
    seed : int
        Of proposals and fits.
    protocol : str, optional
        ``next-round`` (default with two rounds or more), ``in-round`` or ``forward``.
    store : path-like
        Folder of the lab.
    families : sequence of str
        Feature families detectors see unless they name their own.
    features : path-like, optional
        A team's own features (see `anomaly_lab.features.team`).
    report : callable
        Called with a line, the number of trials done and the number wanted.

    Raises
    ------
    ConfigError
        If a name is unknown or a budget is not positive.
    DataError
        If the rounds cannot be asked.
    """
    if trials < 1:
        raise ConfigError(f"--trials must be at least 1, found {trials}")
    if timeout is not None and timeout <= 0:
        raise ConfigError(f"--timeout must be a positive number of seconds, found {timeout:g}")
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, found {jobs}")
    question = Question.of(list(rounds), protocol)
    for family in families:
        FEATURES.load(family)
    opened = Store.open(store, create=True)
    team = TeamFeatures.read(features) if features is not None else None
    bench = Workbench(question, FeatureStore(tuple(families), opened.feature_cache, team))
    if team is not None:
        team.columns(bench.folds(question.protocol)[0].pool)  # a user without a row is found before anything is written
    names, broken = choose_detectors(detectors, question.task.name)
    for line in broken:
        report(line, 0, 0)
    sweep(opened)
    deadline = None if timeout is None else time.monotonic() + timeout
    with ExitStack() as stack:
        tuner = Tuner(bench, opened, names, trials=trials, seed=seed, report=report, deadline=deadline, stack=stack)
        interrupted = tuner.run(jobs or os.cpu_count() or 1)
        failures = {one.spec.detector: one.errors[-1] for one in tuner.contestants if one.errors}
    return Tuned(leaderboard([store], question=question.fingerprint), failures, interrupted)


def choose_detectors(wanted: Sequence[str] | None, task: str) -> tuple[dict[str, type], list[str]]:
    """Return the detectors to tune by name, and a line for each installed one that cannot be loaded.

    A detector that was asked for by name must load; among "all of them" a broken plugin is reported and left out.
    """
    if wanted:
        chosen = {name: MODELS.load(name) for name in dict.fromkeys(wanted)}
        for name, model in chosen.items():
            if getattr(model, "task", None) != task:
                raise ConfigError(f"'{name}' must answer task {task} to be tuned here, found {model.task}")
        return chosen, []
    chosen, broken = {}, []
    for name, entry in MODELS.entries().items():
        try:
            model = entry.load()
        except PluginError as error:
            broken.append(f"left out: {error}")
            continue
        if getattr(model, "task", None) == task:
            chosen[name] = model
    return chosen, broken


class Tuner:
    """The driver: the one process that asks Optuna and writes to MLflow."""

    def __init__(
        self,
        bench: Workbench,
        store: Store,
        models: dict[str, type],
        *,
        trials: int,
        seed: int,
        report: Report,
        deadline: float | None,
        stack: ExitStack,
    ) -> None:
        self.bench, self.store, self.seed = bench, store, seed
        self.report, self.deadline, self.trials = report, deadline, trials
        self.recorder = Recorder(store, bench.question)
        storage = open_journal(store.journal)
        specs = {name: self._spec(name, model) for name, model in models.items()}
        for name in sorted(specs, key=lambda name: specs[name].study):  # in one order everywhere: no deadlock
            self._hold(stack, specs[name].study)
        self.contestants = [
            Contestant(
                specs[name],
                DetectorStudy(specs[name].study, model, storage, seed=seed, n_trials=trials),
                self.recorder.start_study(specs[name]),
            )
            for name, model in models.items()
        ]

    def run(self, jobs: int) -> bool:
        """Run every study and its winner's further metrics; return whether it ended early."""
        status = "KILLED"
        try:
            with make_executor(self.bench, jobs) as executor:
                self._reconcile()
                self._prepare(executor)
                complete = self._trials(executor)
                self._winners(executor)
            status = "FINISHED"
        except KeyboardInterrupt:
            complete = False
        finally:
            for one in self.contestants:
                self._close(one, status)
        return not complete

    @property
    def done(self) -> int:
        """How many trials are finished, over all detectors."""
        return sum(one.study.n_finished for one in self.contestants)

    def _spec(self, name: str, model: type) -> RunSpec:
        own = getattr(model, "families", None)
        team = self.bench.features.team
        families = tuple(own or self.bench.features.families) + (
            () if own or team is None else (f"team {team.digest[:8]}",)
        )
        question = self.bench.question
        return RunSpec(
            question,
            name,
            kind=getattr(model, "kind", "other"),
            families=families,
            origin=MODELS.get(name).origin,
            baseline=getattr(model, "baseline", False),
            study=study_name(name, model, question.fingerprint, families, self.seed),
            home=self.store.home,
            extra={} if team is None else {"team_features": team.source},
        )

    def _hold(self, stack: ExitStack, study: str) -> None:
        try:
            stack.enter_context(self.store.lock(study_lock(study), timeout=0))
        except StoreError:
            self.report(f"waiting for another tune of '{study}' in {self.store.folder}", 0, 0)
            stack.enter_context(self.store.lock(study_lock(study)))

    def _reconcile(self) -> None:
        """Tell Optuna of trials whose run was written before their driver died."""
        for one in self.contestants:
            written = self.recorder.finished_trials(one.spec.study)
            for proposal in one.study.unfinished:
                if proposal.number in written:
                    run_id = written[proposal.number]
                    one.study.tell(proposal.number, self.store.client.get_run(run_id).data.metrics["auc"], run_id)

    def _prepare(self, executor: Executor) -> None:
        self.report("describing users by " + ", ".join(self.bench.features.families), self.done, self._wanted())
        for future in [executor.prepare(number) for number in range(self.bench.n_feature_sets)]:
            future.result()

    def _wanted(self) -> int:
        return self.trials * len(self.contestants)

    def _trials(self, executor: Executor) -> bool:
        """Run trials, defaults of every detector first; return whether all of them ran."""
        queue: list[tuple[int, int, Proposal]] = []

        def refill(number: int) -> None:
            study = self.contestants[number].study
            for proposal in study.unfinished or study.next_batch():
                heapq.heappush(queue, (proposal.number, number, proposal))

        for number in range(len(self.contestants)):
            refill(number)
        running: dict[Future[Outcome], tuple[int, Proposal]] = {}
        while queue or running:
            while queue and len(running) <= executor.workers and not self._late():
                _, number, proposal = heapq.heappop(queue)
                one = self.contestants[number]
                job = Job(one.spec.detector, proposal.params, self._trial_seed(proposal), self.bench.question.protocol)
                running[executor.submit(job)] = number, proposal
            if not running:
                return False
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, proposal = running.pop(future)
                self._finish(self.contestants[number], proposal, future.result())
                if not self.contestants[number].study.unfinished:
                    refill(number)
        return True

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _trial_seed(self, proposal: Proposal) -> int:
        return self.seed * 100_003 + proposal.number

    def _finish(self, one: Contestant, proposal: Proposal, outcome: Outcome) -> None:
        if outcome.result is None:
            error = outcome.error or "failed"
            one.errors.append(error)
            self.recorder.record_failure(
                one.spec,
                error,
                parent=one.run_id,
                trial=proposal.number,
                params=proposal.params,
                started=outcome.started,
            )
            one.study.tell_failed(proposal.number)
            self.report(f"{one.spec.detector} {proposal.number}: failed: {error}", self.done, self._wanted())
            return
        run_id = self.recorder.record(
            one.spec,
            outcome.result,
            parent=one.run_id,
            trial=proposal.number,
            params=proposal.params,
            started=outcome.started,
        )
        auc = outcome.result.metrics["auc"]
        one.study.tell(proposal.number, auc, run_id)
        self.report(f"{one.spec.detector} {proposal.number}: AUC {auc:.3f}", self.done, self._wanted())

    def _winners(self, executor: Executor) -> None:
        """Compute the further protocols of each detector's best trial."""
        pending = [(job, run_id) for one in self.contestants for job, run_id in self._further(one)]
        if pending:
            self.report("measuring every detector's best run under the other protocols", self.done, self._wanted())
        futures = [(executor.submit(job), job, run_id) for job, run_id in pending]
        for future, job, run_id in futures:
            result = future.result().result
            if result is not None:
                self._add(run_id, job.protocol, result)

    def _further(self, one: Contestant) -> Iterator[tuple[Job, str]]:
        best = one.study.best
        if best is None or self.bench.question.protocol == "in-round":
            return
        run_id = one.study.run_id(best.number)
        known = self.store.client.get_run(run_id).data.metrics
        wanted = {"in-round": "auc_in_round"}
        if self.bench.question.protocol == "next-round":
            wanted["forward"] = "auc_forward"
        for protocol, metric in wanted.items():
            if metric not in known:
                yield Job(one.spec.detector, best.params, self._trial_seed(best), protocol, thresholds=False), run_id

    def _add(self, run_id: str, protocol: str, result: RunResult) -> None:
        auc = result.metrics["auc"]
        if protocol == "forward":
            self.recorder.add_metrics(run_id, {"auc_forward": auc})
            return
        own = self.store.client.get_run(run_id).data.metrics["auc"]
        self.recorder.add_metrics(run_id, {"auc_in_round": auc, "optimism": auc - own})

    def _close(self, one: Contestant, status: str) -> None:
        best = one.study.best
        metrics: dict[str, float] = {"trials": float(one.study.n_finished)}
        params: dict[str, Any] = {}
        if best is not None:
            run = self.store.client.get_run(one.study.run_id(best.number))
            metrics |= run.data.metrics
            params = best.params
            selected = {"best_of_study": "true", "selected": f"best of {one.study.n_finished} trials"}
            self.recorder.add_metrics(run.info.run_id, {}, selected)
        self.recorder.finish_study(one.run_id, metrics, params, status)
