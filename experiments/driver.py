"""The driver of a tune: the one process that asks Optuna and writes to MLflow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from anomaly_lab.errors import StoreError
from anomaly_lab.evaluation.recommending import RecommenderResult
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.names import FAKE_USERS
from experiments.executors import Executor, make_executor
from experiments.fold_runs import FoldRuns
from experiments.interrupts import interrupts_deferred
from experiments.studies import database_errors, heartbeats, one_driver, open_studies
from experiments.study import DetectorStudy, Proposal, study_name
from experiments.telling import tell_written
from experiments.winners import Winner, measure_winners
from experiments.workbench import Job, Outcome, Workbench
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import Store
from tracking.sweep import study_lock

Report = Callable[[str, int, int], None]
"""Called with a line about what happened, and how many trials are done of how many."""


@dataclass(frozen=True)
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
    written : dict of int to str
        Runs of trials that ended before this tune, by number.
    """

    spec: RunSpec
    study: DetectorStudy
    run_id: str
    written: dict[int, str]


class Driver:
    """Runs a study for each of some detectors, and measures its winner further.

    Parameters
    ----------
    bench : Workbench
        What trials run on.
    store : Store
        Where they are written.
    models : mapping of str to type
        Detectors by registered name.
    trials : int
        Trials per detector.
    seed : int
        Of proposals and fits.
    report : callable
        Called with a line, the number of trials done and the number wanted.
    deadline : float, optional
        On the monotonic clock; no trial begins later.
    kind_out : bool
        Whether winners are measured by leave-kind-out, too.
    """

    def __init__(
        self,
        bench: Workbench,
        store: Store,
        models: Mapping[str, type],
        *,
        trials: int,
        seed: int,
        report: Report,
        deadline: float | None = None,
        kind_out: bool = False,
    ) -> None:
        self.bench, self.store, self.models = bench, store, models
        self.trials, self.seed, self.deadline, self.kind_out = trials, seed, deadline, kind_out
        self.recorder = Recorder(store, bench.question)
        self.contestants: list[Contestant] = []
        self._seconds: dict[str, float] = {}
        self._report = report

    def run(self, jobs: int, executor: str | None = None, scheduler: str | None = None) -> bool:
        """Run every study and its winner's further metrics on an executor; return whether all trials ran.

        Raises
        ------
        LabError
            If a worker process dies.
        StoreError
            If a database goes away.
        """
        status, complete = "KILLED", False
        with database_errors(), ExitStack() as locks:
            try:
                self._open(locks)
                studies = [one.study.study for one in self.contestants]
                where = make_executor(self.bench, jobs, executor, scheduler)
                with where as workers, heartbeats(self._storage, studies):
                    complete = self._trials(workers)
                    self._winners(workers)
                status = "FINISHED"
            except KeyboardInterrupt:
                complete = False
            finally:
                for one in self.contestants:
                    self._close(one, status)
        return complete

    @property
    def failures(self) -> dict[str, str]:
        """Detectors with failed trials, and the last error of each."""
        errors = {one.spec.detector: one.study.last_error for one in self.contestants}
        return {detector: error for detector, error in errors.items() if error is not None}

    def _open(self, locks: ExitStack) -> None:
        specs = {name: self._spec(name, model) for name, model in self.models.items()}
        self._storage = storage = open_studies(self.store)
        for name in sorted(specs, key=lambda name: specs[name].study):  # in one order everywhere: no deadlock
            self._hold(locks, specs[name].study)
            locks.enter_context(one_driver(storage, specs[name].study, partial(self.report, counted=False)))
        for name, model in self.models.items():
            spec = specs[name]
            task = self.bench.question.task
            study = DetectorStudy(spec.study, model, storage, seed=self.seed, n_trials=self.trials, task=task)
            with interrupts_deferred():  # a parent run that was opened is among those that are closed
                parent, written = self.recorder.start_study(spec), self.recorder.written_trials(spec.study)
                self.contestants.append(Contestant(spec, study, parent, written))
            self._check_runs(self.contestants[-1])

    def _spec(self, name: str, model: type) -> RunSpec:
        if self.bench.question.task.name != FAKE_USERS:
            return self._recommender_spec(name, model)
        own = getattr(model, "families", None)
        team, inductive = self.bench.features.team, self.bench.features.inductive
        families = self.bench.features.seen(own) + (() if own or team is None else (f"team {team.digest[:8]}",))
        question = self.bench.question
        return RunSpec(
            question,
            name,
            kind=getattr(model, "kind", "other"),
            families=families,
            origin=MODELS.get(name).origin,
            baseline=getattr(model, "baseline", False),
            study=study_name(name, model, question.fingerprint, families, self.seed, inductive=inductive),
            home=self.store.home,
            inductive=inductive,
            extra={} if team is None else {"team_features": team.source},
        )

    def _recommender_spec(self, name: str, model: type) -> RunSpec:
        question = self.bench.question
        content = question.rounds[0].content
        sees = () if content is None else (f"genres {content.digest[:8]}",)
        return RunSpec(
            question,
            name,
            kind=getattr(model, "kind", "other"),
            families=sees,
            origin=MODELS.get(name).origin,
            baseline=getattr(model, "baseline", False),
            study=study_name(name, model, question.fingerprint, sees, self.seed),
            home=self.store.home,
        )

    def _hold(self, locks: ExitStack, study: str) -> None:
        try:
            locks.enter_context(self.store.lock(study_lock(study), timeout=0))
        except StoreError:
            self.report(f"waiting for another tune of '{study}' in {self.store.folder}", counted=False)
            locks.enter_context(self.store.lock(study_lock(study)))

    def _check_runs(self, one: Contestant) -> None:
        """Leave out finished trials whose run is gone."""
        if lost := one.study.leave_out(one.written):
            self.report(
                f"{one.spec.detector}: {len(lost)} finished trials have no run in MLflow any more and are left out; "
                f"to run them again, restore them in the UI or take another --seed",
                counted=False,
            )

    def report(self, line: str, *, counted: bool = True) -> None:
        """Report a line, with how far the tune is if `counted`."""
        done = sum(one.study.n_done for one in self.contestants)
        wanted = sum(one.study.n_trials for one in self.contestants)
        self._report(line, *((done, wanted) if counted else (0, 0)))

    def _trials(self, executor: Executor) -> bool:
        """Run trials; return whether all of them ran."""
        queue: list[tuple[int, Proposal]] = []
        for number in range(len(self.contestants)):
            self._refill(queue, number)
        if queue:
            self._prepare(executor)
        runs: FoldRuns[tuple[int, Proposal]] = FoldRuns(executor, self.bench)
        while queue or runs:
            while queue and runs.room and not self._late():
                number, proposal = min(queue, key=self._turn)
                queue.remove((number, proposal))
                runs.begin((number, proposal), self._job(self.contestants[number], proposal))
            if not runs:
                return False
            for (number, proposal), outcome in runs.ended():
                with interrupts_deferred():
                    self._finish(self.contestants[number], proposal, outcome)
                if not self.contestants[number].study.unfinished:
                    self._refill(queue, number)
        return True

    def _turn(self, waiting: tuple[int, Proposal]) -> tuple[int, float, int]:
        """Order trials: defaults of every detector first, then the costliest first, so that workers end together.

        What a detector costs is unknown until its first trial ends; whatever is still at that is costly.
        """
        number, proposal = waiting
        return proposal.number, -self._seconds.get(self.contestants[number].spec.detector, math.inf), number

    def _refill(self, queue: list[tuple[int, Proposal]], number: int) -> None:
        """Queue the next proposals of a study; those whose run is written, before their driver died, are only told."""
        one = self.contestants[number]
        while asked := [*one.study.unfinished, *one.study.next_batch()]:
            fresh = [
                proposal
                for proposal in asked
                if proposal.number not in one.written
                or not tell_written(one.study, proposal, self.recorder, one.written[proposal.number])
            ]
            queue += [(number, proposal) for proposal in fresh]
            if fresh:
                return

    def _prepare(self, executor: Executor) -> None:
        if n_sets := self.bench.n_feature_sets:
            self.report("describing users by " + ", ".join(self.bench.features.families))
            for future in [executor.prepare(number) for number in range(n_sets)]:
                future.result()

    def _late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _job(self, one: Contestant, proposal: Proposal) -> Job:
        seed = self.seed * 100_003 + proposal.number
        bar = one.study.bar(proposal.number) or None
        return Job(one.spec.detector, proposal.params, seed, self.bench.question.protocol, bar=bar)

    def _finish(self, one: Contestant, proposal: Proposal, outcome: Outcome) -> None:
        about: dict[str, Any] = {
            "parent": one.run_id,
            "trial": proposal.number,
            "params": proposal.params,
            "started": outcome.started,
        }
        if outcome.behind is not None:
            self.recorder.record_behind(one.spec, outcome.error or "", outcome.behind, **about)
            one.study.tell_behind(proposal.number, outcome.behind)
            self.report(f"{one.spec.detector} {proposal.number}: {outcome.error}")
            return
        if outcome.result is None:
            error = outcome.error or "failed"
            self.recorder.record_failure(one.spec, error, **about)
            one.study.tell_failed(proposal.number, error)
            self.report(f"{one.spec.detector} {proposal.number}: failed: {error}")
            return
        self._seconds[one.spec.detector] = outcome.result.metrics["seconds"]
        run_id = self.recorder.record(one.spec, outcome.result, **about)
        if isinstance(outcome.result, RecommenderResult):
            one.study.report(proposal.number, outcome.result.validation)
        one.study.tell(proposal.number, outcome.result.metrics, run_id)
        primary = one.study.task.primary.name
        self.report(f"{one.spec.detector} {proposal.number}: {primary.upper()} {outcome.result.metrics[primary]:.3f}")

    def _winners(self, executor: Executor) -> None:
        if self.bench.question.task.name != FAKE_USERS:  # recommenders have no further protocols
            return
        best = [(one, one.study.best) for one in self.contestants]
        winners = [Winner(one.study.run_id(trial.number), self._job(one, trial)) for one, trial in best if trial]
        runs: FoldRuns[tuple[Winner, Job]] = FoldRuns(executor, self.bench, ahead=True)
        measure_winners(winners, runs, self.recorder, self.report, kind_out=self.kind_out)

    def _close(self, one: Contestant, status: str) -> None:
        best = one.study.best
        run_id = None if best is None else one.study.run_id(best.number)
        self.recorder.finish_study(one.spec, one.run_id, status, n_trials=len(one.study.finished), best=run_id)
