"""Tune: one study a detector, every trial a tracked run, ending with a leaderboard."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomaly_lab.errors import ConfigError, StoreError
from anomaly_lab.evaluation.expect import Expectation
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.features.team import TeamFeatures
from anomaly_lab.ratings.labels import Round
from anomaly_lab.registry import DEFAULT_FAMILIES
from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers
from anomaly_lab.tasks.question import Question
from experiments.choose import check_families, choose_detectors, choose_seeing
from experiments.driver import Driver, Report
from experiments.executors import EXECUTORS
from experiments.workbench import Workbench
from tracking.expectation import expect_run, log_expectation
from tracking.leaderboard import Board, leaderboard
from tracking.rebuild import choose_run
from tracking.store import DEFAULT_FOLDER, Store
from tracking.sweep import sweep

__all__ = ["Report", "Tuned", "check_settings", "tune"]


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
    expected : Expectation or None
        What the run that `export` would take is to be expected to score in the coming round; None where nothing can be
        said.
    """

    board: Board
    failures: dict[str, str]
    interrupted: bool
    expected: Expectation | None = None


def tune(
    rounds: Sequence[Round],
    *,
    detectors: Sequence[str] | None = None,
    trials: int = 4,
    timeout: float | None = None,
    jobs: int | None = None,
    seed: int = 0,
    protocol: str | None = None,
    kind_out: bool | None = None,
    store: str | Path = DEFAULT_FOLDER,
    families: Sequence[str] | None = None,
    inductive: bool = False,
    features: str | Path | None = None,
    task: Task | None = None,
    executor: str | None = None,
    scheduler: str | None = None,
    report: Report = lambda line, done, total: None,
) -> Tuned:
    """Tune detectors on labelled rounds, or recommenders on a log of ratings, and return the leaderboard.

    The same arguments resume a tune: finished trials are kept, those a dead driver had begun run again, and no proposal
    is repeated. Under a trial budget the result does not depend on `jobs`. A script that asks for several jobs must
    guard its own code by ``if __name__ == "__main__"``, for the workers import it.

    Parameters
    ----------
    rounds : sequence of Round
        Labelled rounds, oldest first (see `anomaly_lab.ratings.readers.read_rounds`), or for recommenders one log.
    detectors : sequence of str, optional
        Registered names; all detectors of the task by default.
    trials : int
        Trials per detector, the first at its defaults.
    timeout : float, optional
        Seconds after which no further trial begins.
    jobs : int, optional
        Processes; the number of cores by default.
    seed : int
        Of proposals and fits, 0 or more.
    protocol : str, optional
        ``next-round`` (default with two rounds or more), ``in-round`` or ``forward``; for recommenders one of their
        task's.
    kind_out : bool, optional
        Whether each detector's best run is measured by leave-kind-out, too: on the kinds that labels name, else on
        simulated ones, which takes longer. By default only where some round's labels name two kinds or more.
    store : path-like
        Folder of the lab.
    families : sequence of str, optional
        The feature families that are switched on: a detector that names its own sees these of them, and is left out if
        there are none. By default all it names, else the default ones.
    inductive : bool
        Whether nothing of the users asked about is used but their own ratings: each is described and scored as if it
        were alone. The board ranks such runs with others.
    features : path-like, optional
        A team's own features (see `anomaly_lab.features.team`).
    task : Task, optional
        What is asked; fake users by default.
    executor : {"serial", "processes", "dask"}, optional
        Where jobs run: ``processes`` by default, ``serial`` for one job, ``dask`` where a scheduler is given.
    scheduler : str, optional
        Address of a running Dask scheduler, ``tcp://host:port``; without one ``dask`` runs `jobs` processes here.
    report : callable
        Called with a line, the number of trials done and the number wanted.

    Raises
    ------
    ConfigError
        If a name is unknown or a budget is not positive.
    DataError
        If the rounds cannot be asked.
    PluginError
        If a detector asked for by name cannot be loaded.
    StoreError
        If the store cannot be written, or no trial finished.
    """
    check_settings(
        detectors=detectors,
        trials=trials,
        timeout=timeout,
        jobs=jobs,
        seed=seed,
        protocol=protocol,
        families=families,
        task=task,
        executor=executor,
        scheduler=scheduler,
    )
    question = Question.of(list(rounds), protocol, task)
    recommending = question.task.name != FakeUsers.name
    if recommending and (kind_out or families or inductive or features):
        raise ConfigError("--kind-out, --families, --inductive and --features are of detectors; leave them out")
    models, broken = choose_detectors(detectors, question.task.name)
    team = TeamFeatures.read(features) if features is not None else None
    opened = Store.open(store, create=True)
    described = FeatureStore(
        families or DEFAULT_FAMILIES, opened.feature_cache, team, only=families, inductive=inductive
    )
    models, blind = (models, []) if recommending else choose_seeing(models, described, wanted=bool(detectors))
    bench = Workbench(question, described)
    if team is not None:
        team.columns(bench.folds(question.protocol)[0].pool)  # a user without a row is found before anything is written
    for line in [*broken, *blind]:
        report(line, 0, 0)
    sweep(opened)
    deadline = None if timeout is None else time.monotonic() + timeout
    kind_out = _kinds_to_leave_out(rounds) if kind_out is None else kind_out
    driver = Driver(
        bench, opened, models, trials=trials, seed=seed, report=report, deadline=deadline, kind_out=kind_out
    )
    complete = driver.run(jobs or os.cpu_count() or 1, executor, scheduler)
    if not any(one.study.finished for one in driver.contestants):
        raise StoreError(_nothing_finished(opened, driver))
    expected = None
    if not recommending:
        chosen, _ = choose_run(opened, None, question.fingerprint)
        expected = expect_run(opened, chosen)
        log_expectation(opened, chosen, expected)
    opened.analyze()
    board = leaderboard([store], question=question.fingerprint)
    return Tuned(board, driver.failures, interrupted=not complete, expected=expected)


def check_settings(
    *,
    detectors: Sequence[str] | None = None,
    trials: int = 4,
    timeout: float | None = None,
    jobs: int | None = None,
    seed: int = 0,
    protocol: str | None = None,
    families: Sequence[str] | None = None,
    task: Task | None = None,
    executor: str | None = None,
    scheduler: str | None = None,
    **others: object,
) -> None:
    """Raise `ConfigError` or `PluginError` for settings of `tune` that are wrong whatever the rounds are.

    Parameters
    ----------
    detectors, trials, timeout, jobs, seed, protocol, families, task, executor, scheduler
        As in `tune`.
    **others
        Settings that are checked with the rounds.
    """
    if trials < 1:
        raise ConfigError(f"--trials must be at least 1, found {trials}")
    if timeout is not None and not timeout > 0:
        raise ConfigError(f"--timeout must be a positive number of seconds, found {timeout:g}")
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, found {jobs}")
    if executor is not None and executor not in EXECUTORS:
        raise ConfigError(f"--executor must be one of {', '.join(EXECUTORS)}, found '{executor}'")
    if scheduler is not None and executor not in {None, "dask"}:
        raise ConfigError(f"--scheduler is Dask's; take --executor dask, found --executor {executor}")
    if seed < 0:
        raise ConfigError(f"--seed must be 0 or more, found {seed}")
    asked = task or FakeUsers()
    if protocol is not None and protocol not in asked.protocols:
        raise ConfigError(f"--protocol must be one of {', '.join(asked.protocols)}, found '{protocol}'")
    check_families(families)
    if detectors:
        choose_detectors(detectors, asked.name)


def _kinds_to_leave_out(rounds: Sequence[Round]) -> bool:
    """Return whether the labels of rounds name kinds enough to leave one out."""
    named = [one.labels.kinds for one in rounds if one.labels is not None and one.labels.kinds is not None]
    return len({kind for kinds in named for kind in kinds.tolist()} - {0}) > 1


def _nothing_finished(store: Store, driver: Driver) -> str:
    if not driver.failures:
        return f"{store.folder}: ended before any trial was finished; the same command goes on from here"
    errors = "; ".join(f"{detector}: {error}" for detector, error in driver.failures.items())
    return f"{store.folder}: at least one trial must finish, found that all failed: {errors}"
