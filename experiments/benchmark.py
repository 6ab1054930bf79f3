"""Benchmark: detectors against attacks of every size over a genuine log, each answer kept as soon as it is there."""

from __future__ import annotations

import json
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anomaly_lab.errors import ConfigError, StoreError
from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.evaluation.variants import WHOLE, Variant
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.labels import Round
from anomaly_lab.registry import DEFAULT_FAMILIES
from anomaly_lab.space import defaults
from anomaly_lab.tasks.names import FAKE_USERS
from anomaly_lab.tasks.question import Question
from anomaly_lab.tasks.shilling import DEFAULT_ATTACKS, DEFAULT_SIZES, SAME_ATTACK, Cell, ShillingBenchmark
from experiments.choose import choose_detectors
from experiments.driver import Report
from experiments.executors import make_executor
from experiments.fold_runs import FoldRuns
from experiments.interrupts import interrupts_deferred
from experiments.simulate import genuine_part
from experiments.workbench import Job, Outcome, Workbench
from tracking.benchmark import record_benchmark
from tracking.kept import KeptCells
from tracking.pages.page import write_text
from tracking.spec import versions
from tracking.store import DEFAULT_FOLDER, Store
from tracking.sweep import study_lock

DEFAULT_DETECTORS = (
    "degree-sad",
    "pca-varselect",
    "fap",
    "semi-sad",
    "gradient-boosting",
    "isolation-forest",
    "knn-distance",
    "mahalanobis",
)
"""The literature's, and of the lab's own those that answer a cell in a second or so."""


@dataclass(frozen=True, eq=False)
class Benchmarked:
    """What a benchmark leaves.

    Parameters
    ----------
    question : Question
        Log, protocol and task.
    cells : DataFrame
        One row a detector and cell that finished, as :func:`benchmark` says.
    labels : dict of str to str
        What each detector saw of the labels that the protocol shows.
    failures : dict of str to str
        Detectors that failed, and the last error of each.
    n_missing : int
        Answers that are wanted and not there.
    interrupted : bool
        Whether it was ended by Ctrl-C.
    run_id : str
        The run in MLflow.
    """

    question: Question
    cells: pd.DataFrame
    labels: dict[str, str]
    failures: dict[str, str]
    n_missing: int
    interrupted: bool
    run_id: str


def benchmark(
    log: Round,
    *,
    detectors: Sequence[str] | None = None,
    attacks: Sequence[str] | None = None,
    attack_sizes: Sequence[float] | None = None,
    filler_sizes: Sequence[float] | None = None,
    seeds: int = 2,
    protocol: str = SAME_ATTACK,
    n_users: int | None = None,
    n_items: int | None = None,
    jobs: int | None = None,
    store: str | Path = DEFAULT_FOLDER,
    out: str | Path | None = None,
    report: Report = lambda line, done, total: None,
) -> Benchmarked:
    """Return what detectors at their defaults reach on each attack and size.

    The same arguments go on where a benchmark was ended, and a larger one takes over what a smaller one has answered,
    unless the code of the detector, of its families or of the attacks has changed.

    Parameters
    ----------
    log : Round
        Ratings of genuine users; where it is labelled, only its genuine users are taken.
    detectors : sequence of str, optional
        Registered names; by default `DEFAULT_DETECTORS`.
    attacks, attack_sizes, filler_sizes, seeds
        As in :class:`~anomaly_lab.tasks.shilling.ShillingBenchmark`.
    protocol : {"same-attack", "other-attacks"}
        Whose labels are known.
    n_users, n_items : int, optional
        As in :func:`experiments.simulate.simulate`: a part of a large log.
    jobs : int, optional
        Processes; the number of cores by default. No figure depends on it.
    store : path-like
        Folder of the lab.
    out : path-like, optional
        A page to write, one HTML file.
    report : callable
        Called with a line, the number of answers there and the number wanted.

    Returns
    -------
    Benchmarked
        Its ``cells`` have ``detector``, ``attack``, ``attack_size``, ``filler_size``, ``seed``, ``auc`` and
        ``average_precision`` (means over the folds), and ``seconds`` of fit and score.

    Raises
    ------
    ConfigError
        If a name is unknown, stands twice, or a number lies outside its range.
    DataError
        If the log is too small or too large.
    StoreError
        If the store or the page cannot be written, another process runs a benchmark of this log in the store, or
        nothing finished.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, found {jobs}")
    task = ShillingBenchmark(
        tuple(attacks or DEFAULT_ATTACKS),
        tuple(attack_sizes or DEFAULT_SIZES),
        tuple(filler_sizes or DEFAULT_SIZES),
        seeds,
    )
    part = Round(genuine_part(log, n_users, n_items), name=log.name, path=log.path)
    question = Question((part,), protocol, task)
    models = choose_detectors(list(detectors or DEFAULT_DETECTORS), FAKE_USERS)[0]
    opened, n_jobs = Store.open(store, create=True), jobs or os.cpu_count() or 1
    name = f"benchmark-{part.ratings.digest[:16]}"
    with opened.lock(study_lock(name), timeout=0), _features(opened, n_jobs) as features:
        run = _Run(KeptCells(opened.folder / "benchmarks" / f"{name}.jsonl"), question, task, models, features, report)
        interrupted = run.all(Workbench(question, features), n_jobs)
        cells = run.table()
        if not len(cells):
            why = next(iter(run.failures.values()), "it was interrupted")
            raise StoreError(f"{opened.folder}: a benchmark must have an answer, found none: {why}")
        n_missing = len(run.wanted) - len(cells)
        labels, params = {one: labels_seen(models[one], protocol) for one in models}, _params(task, models, part)
        files = {}
        if out is not None:
            files["benchmark.html"] = _page(question, cells, labels, params, n_missing)
            write_text(out, files["benchmark.html"])
        run_id = record_benchmark(opened, question, cells, params=params, files=files, finished=not n_missing)
    return Benchmarked(question, cells, labels, run.failures, n_missing, interrupted, run_id)


def labels_seen(model: type, protocol: str) -> str:
    """Return what a detector sees of the labels that a protocol shows, in words."""
    where = "half of the users" if protocol == SAME_ATTACK else "the other attacks' batch"
    if getattr(model, "kind", None) != "unsupervised":
        return f"both classes of {where}"
    if defaults(model).get("fit_on") == "genuine":
        return f"genuine users of {where}; its features leave out known fakes"
    return "none"


def _params(task: ShillingBenchmark, models: dict[str, type], log: Round) -> dict[str, Any]:
    return {
        "detectors": ",".join(models),
        "attacks": ",".join(task.attacks),
        "attack_sizes": ",".join(map(str, task.attack_sizes)),
        "filler_sizes": ",".join(map(str, task.filler_sizes)),
        "seeds": task.n_seeds,
        "users": log.ratings.n_users,
        "items": log.ratings.n_items,
    }


def _page(
    question: Question, cells: pd.DataFrame, labels: dict[str, str], params: dict[str, Any], n_missing: int
) -> str:
    from tracking.pages.benchmark import benchmark_page  # imports what draws charts

    log = question.rounds[0]
    facts = {"log": f"{log.name} (SHA-256 of its ratings {log.ratings.digest[:16]}…)", "protocol": question.protocol}
    facts |= {name.replace("_", " "): str(value).replace(",", ", ") for name, value in params.items()}
    facts |= {
        "question": question.fingerprint,
        "versions": ", ".join(f"{k} {v}" for k, v in json.loads(versions()).items()),
    }
    note = f"{n_missing} answers are missing: means are of what is there." if n_missing else ""
    asked = question.task.protocols[question.protocol]
    return benchmark_page(question.title, asked, cells, labels=labels, facts=facts, note=note)


@contextmanager
def _features(store: Store, jobs: int) -> Iterator[FeatureStore]:
    """Give features that workers share through a folder as long as the benchmark lasts; a cell is asked about once."""
    if jobs == 1:
        yield FeatureStore(DEFAULT_FAMILIES)
        return
    store.feature_cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.feature_cache) as folder:
        yield FeatureStore(DEFAULT_FAMILIES, folder=Path(folder))


class _Run:
    """Asks what has not been answered, and keeps each answer."""

    def __init__(
        self,
        kept: KeptCells,
        question: Question,
        task: ShillingBenchmark,
        models: dict[str, type],
        features: FeatureStore,
        report: Report,
    ) -> None:
        self.kept, self.report = kept, report
        self.failures: dict[str, str] = {}
        keys = {name: _key(model, features) for name, model in models.items()}
        cells = [(cell, task.key(question.rounds[0], cell)) for cell in task.cells(question.protocol)]
        self.wanted = {(keys[name], key): (name, cell) for cell, key in cells for name in models}
        self.answers = {key: answer for key, answer in kept.read().items() if key in self.wanted}

    def all(self, bench: Workbench, jobs: int) -> bool:
        """Ask cell by cell, so that detectors share features; return whether Ctrl-C ended it."""
        missing = deque(key for key in self.wanted if key not in self.answers)
        done = len(self.answers)
        if not missing:
            return False
        try:
            with make_executor(bench, jobs) as executor:
                runs: FoldRuns[tuple[str, str]] = FoldRuns(executor, bench)
                while missing or runs:
                    while missing and runs.room:
                        name, cell = self.wanted[missing[0]]
                        runs.begin(missing.popleft(), Job(name, {}, cell.seed, cell.name, thresholds=False))
                    for key, outcome in runs.ended():
                        done += 1
                        with interrupts_deferred():
                            line = self._keep(key, outcome)
                        self.report(line, done, len(self.wanted))
        except KeyboardInterrupt:
            return True
        return False

    def table(self) -> pd.DataFrame:
        """Return the answers in the order in which they are wanted."""
        rows = [self.answers[key] for key in self.wanted if key in self.answers]
        return pd.DataFrame(rows).drop(columns=["detector_key", "cell_key"], errors="ignore")

    def _keep(self, key: tuple[str, str], outcome: Outcome) -> str:
        name, cell = self.wanted[key]
        if not isinstance(outcome.result, RunResult):
            error = self.failures[name] = outcome.error or "failed"
            return f"{name} on {cell.name}: failed: {error}"
        answer = {"detector_key": key[0], "cell_key": key[1], **_answer(name, cell, outcome.result)}
        self.kept.add(answer)
        self.answers[key] = answer
        return f"{name} on {cell.name}: AUC {answer['auc']:.3f}"


def _answer(name: str, cell: Cell, result: RunResult) -> dict[str, Any]:
    return {
        "detector": name,
        "attack": cell.attack,
        "attack_size": cell.attack_size,
        "filler_size": cell.filler_size,
        "seed": cell.seed,
        "auc": result.metrics["auc"],
        "average_precision": result.metrics["average_precision"],
        "seconds": round(result.seconds["fit"] + result.seconds["score"], 3),
    }


def _key(model: type, features: FeatureStore) -> str:
    families = features.seen(getattr(model, "families", None))
    return Variant(WHOLE, WHOLE, families, defaults(model)).key(model)
