"""Workbench: what a worker holds to run trials: the rounds, their folds and the features."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from anomaly_lab.errors import LabError
from anomaly_lab.evaluation.engine import RunResult, run, run_fold
from anomaly_lab.evaluation.folds import Fold, inner_folds
from anomaly_lab.evaluation.importance import permutation_importance
from anomaly_lab.evaluation.recommending import Bar, EndedEarlyError, RecommenderResult, recommend_fold
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.question import Question

PROTOCOLS_KEPT = 8


@dataclass(frozen=True)
class Job:
    """One piece of work: a model with its hyperparameters under a protocol.

    Parameters
    ----------
    detector : str
        Registered name.
    params : mapping of str to Any
        Hyperparameters.
    seed : int
        Randomness of the run.
    protocol : str
        The question's own, or another one for a further metric.
    thresholds : bool
        Whether to choose thresholds (see `anomaly_lab.evaluation.engine.run`).
    fold : int, optional
        The number of the one fold to run; by default all of them, one after the other.
    importance : bool
        Whether to ask instead what the model rests on where it is asked last: the newest round.
    families : tuple of str, optional
        The feature families to switch on in place of the workbench's; users are then described anew, so that the
        seconds are what this job costs by itself.
    bar : mapping of int to float, optional
        What the validation figure of the first fold must have reached by an epoch, for the job to be gone on with.
    """

    detector: str
    params: Mapping[str, Any]
    seed: int
    protocol: str
    thresholds: bool = True
    fold: int | None = None
    importance: bool = False
    families: tuple[str, ...] | None = None
    bar: Bar | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a result or importances, or why there are none.

    Parameters
    ----------
    result : Result or None
        What the model did.
    error : str or None
        Why it failed, in one line.
    started : float
        Seconds since 1970.
    importance : DataFrame or None
        See `anomaly_lab.evaluation.importance.permutation_importance`.
    behind : dict of int to float or None
        Its validation figure by epoch, if the job was ended for falling short of its bar.
    """

    result: RunResult | RecommenderResult | None
    error: str | None
    started: float
    importance: pd.DataFrame | None = None
    behind: dict[int, float] | None = None

    @classmethod
    def of_pieces(cls, pieces: Sequence[Outcome]) -> Outcome:
        """Return what came of a job from what came of its folds, in their order: of failures, the first one's error."""
        if len(pieces) == 1:
            return pieces[0]
        started = min(one.started for one in pieces)
        failed = next((one for one in pieces if one.error is not None), None)
        if failed is not None:
            return cls(None, failed.error, started, behind=failed.behind)
        results: list[Any] = [one.result for one in pieces]
        return cls(type(results[0]).together(results), None, started)


@dataclass
class Workbench:
    """Runs jobs on one set of rounds; pickled once to every worker.

    Parameters
    ----------
    question : Question
        The study's question.
    features : FeatureStore
        With a folder, workers share what one of them has computed.
    """

    question: Question
    features: FeatureStore
    _folds: dict[str, list[Any]] = field(default_factory=dict, repr=False)

    def folds(self, protocol: str) -> list[Any]:
        """Return the folds of the rounds under a protocol; those of the last few protocols are kept."""
        if protocol not in self._folds:
            for oldest in list(self._folds)[: 1 - PROTOCOLS_KEPT]:
                del self._folds[oldest]
            self._folds[protocol] = list(self.question.under(protocol).folds())
        return self._folds[protocol]

    def pieces(self, job: Job) -> list[Job]:
        """Return the jobs of one fold each that a job can be cut into, itself if it cannot."""
        if job.importance:
            return [job]
        try:
            return [replace(job, fold=number) for number in range(len(self.folds(job.protocol)))]
        except LabError:  # the protocol cannot be asked of the rounds: running the job says why
            return [job]

    @cached_property
    def n_feature_sets(self) -> int:
        """How many feature matrices the question's own folds need, inner ones included; recommenders need none."""
        if not isinstance(self.folds(self.question.protocol)[0], Fold):
            return 0
        return 4 * len(self.folds(self.question.protocol))

    def prepare(self, number: int) -> None:
        """Compute one of the feature matrices of the question's own folds into the shared folder."""
        fold = self.folds(self.question.protocol)[number // 4]
        every = [fold, *inner_folds(fold)]
        chosen = every[number % 4]
        self.features.matrix(chosen.pool, chosen.visible)
        if self.features.only is None:
            self.features.matrix(chosen.pool, chosen.visible, ("seed",))

    def run(self, job: Job) -> Outcome:
        """Run a job; a model's failure is an outcome, not an end."""
        started = time.time()
        bench = self if job.families is None else self._anew(job.families)
        try:
            if job.importance:
                return Outcome(None, None, started, bench._importance(job))
            return Outcome(bench._result(job), None, started)
        except EndedEarlyError as error:
            return Outcome(None, str(error), started, behind=error.validation)
        except LabError as error:
            return Outcome(None, str(error), started)
        except (Exception, SystemExit) as error:  # a model may fail in any way; the study goes on, the run says why
            return Outcome(None, _one_line(error), started)

    def _result(self, job: Job) -> RunResult | RecommenderResult:
        model, folds = MODELS.load(job.detector), self.folds(job.protocol)
        about = job.detector, model, job.params
        if not isinstance(folds[0], Fold):
            numbers = range(len(folds)) if job.fold is None else [job.fold]
            bars = {0: job.bar}
            parts = [recommend_fold(*about, folds[k], number=k, seed=job.seed, bar=bars.get(k)) for k in numbers]
            return RecommenderResult.together(parts)
        if job.fold is None:
            return run(*about, folds, self.features, seed=job.seed, thresholds=job.thresholds)
        fold, number = folds[job.fold], job.fold
        return run_fold(*about, fold, self.features, number=number, seed=job.seed, thresholds=job.thresholds)

    def _importance(self, job: Job) -> pd.DataFrame:
        folds = self.folds(job.protocol)
        number = len(folds) - 1
        model = MODELS.load(job.detector)
        seed = [job.seed, number, 0]  # of the run's own fit on this fold
        return permutation_importance(job.detector, model, job.params, folds[number], self.features, seed=seed)

    def _anew(self, families: tuple[str, ...]) -> Workbench:
        """Return a workbench on which nothing is described yet; what was learnt of a pool is kept with its folds."""
        store = FeatureStore(families, team=self.features.team, only=families, inductive=self.features.inductive)
        return Workbench(self.question, store)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
