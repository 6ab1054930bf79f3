"""One detector's Optuna study: asked in fixed batches, so that its trials do not depend on the number of workers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from anomaly_lab.space import defaults, search_space

BATCH = 4
STARTUP_TRIALS = 5
MAX_ASKED = 4
"""Asked trials per wanted one, at most: a space of a few choices runs out of new proposals."""

DUPLICATE = "duplicate_of"
RUN_ID = "mlflow_run_id"


@dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Parameters
    ----------
    number : int
        Its number in the study; trial 0 is the model's defaults.
    params : dict of str to Any
        Every hyperparameter.
    """

    number: int
    params: dict[str, Any]


class DetectorStudy:
    """Proposes hyperparameters for one detector on one question and learns from their results.

    Batches of `BATCH` proposals are asked at once, the sampler seeded anew for each from (seed, number of its first
    trial): a sampler that went on after a restart would repeat its own proposals. The next batch is asked only when
    every trial of the last one is told, whatever the order in which workers finish.

    Parameters
    ----------
    name : str
        The study's name in the journal.
    model : type
        The detector's class.
    storage : BaseStorage
        Optuna's.
    seed : int
        Of the proposals.
    n_trials : int
        How many different trials are wanted in all.
    """

    def __init__(self, name: str, model: type, storage: BaseStorage, *, seed: int, n_trials: int) -> None:
        self.name = name
        self.seed = seed
        self.n_trials = n_trials
        self.space: dict[str, BaseDistribution] = search_space(model)
        self.defaults = defaults(model)
        self.study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True, sampler=TPESampler(seed=seed)
        )
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial({key: self.defaults[key] for key in self.space})

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial asked so far, duplicates left out."""
        return [t for t in self.study.get_trials(deepcopy=False) if DUPLICATE not in t.user_attrs]

    @property
    def unfinished(self) -> list[Proposal]:
        """Trials that were asked and not told: of the present batch, or left by a driver that died."""
        return [self._proposal(t.number, t.params) for t in self.trials if t.state == TrialState.RUNNING]

    @property
    def best(self) -> Proposal | None:
        """The best finished trial; of equals the earliest."""
        finished = [t for t in self.trials if t.state == TrialState.COMPLETE]
        if not finished:
            return None
        best = max(finished, key=lambda t: (t.value, -t.number))
        return self._proposal(best.number, best.params)

    @property
    def n_finished(self) -> int:
        """How many trials have a value."""
        return sum(t.state == TrialState.COMPLETE for t in self.trials)

    def next_batch(self) -> list[Proposal]:
        """Ask for the next batch, empty when the study has all its trials or nothing new is proposed."""
        asked = len(self.study.get_trials(deepcopy=False, states=(*_ASKED,)))
        known = {_fingerprint(t.params): t.number for t in self.trials if t.state != TrialState.WAITING}
        batch: list[Proposal] = []
        while not batch and len(known) < self.n_trials and asked < MAX_ASKED * self.n_trials:
            self.study.sampler = TPESampler(
                seed=_batch_seed(self.seed, self.name, asked), n_startup_trials=STARTUP_TRIALS
            )
            fresh = [self._ask() for _ in range(min(BATCH, self.n_trials - len(known)))]
            asked += len(fresh)
            for trial in fresh:
                mark = _fingerprint(trial.params)
                if mark in known:
                    trial.set_user_attr(DUPLICATE, known[mark])
                    self.study.tell(trial, state=TrialState.FAIL)
                else:
                    known[mark] = trial.number
                    batch.append(self._proposal(trial.number, trial.params))
        return batch

    def tell(self, number: int, value: float, run_id: str) -> None:
        """Tell the value of a trial, and which run holds its results."""
        self._set_attribute(number, RUN_ID, run_id)
        self.study.tell(number, value)

    def tell_failed(self, number: int) -> None:
        """Tell that a trial's model failed."""
        self.study.tell(number, state=TrialState.FAIL)

    def run_id(self, number: int) -> str:
        """Return the run that holds a finished trial's results."""
        return str(self.study.get_trials(deepcopy=False)[number].user_attrs[RUN_ID])

    def _ask(self) -> optuna.Trial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return self.study.ask(fixed_distributions=self.space)

    def _proposal(self, number: int, params: Mapping[str, Any]) -> Proposal:
        return Proposal(number, {**self.defaults, **params})

    def _set_attribute(self, number: int, key: str, value: Any) -> None:
        trial = self.study.get_trials(deepcopy=False)[number]
        self.study._storage.set_trial_user_attr(trial._trial_id, key, value)


_ASKED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


def study_name(detector: str, model: type, question: str, families: tuple[str, ...], seed: int) -> str:
    """Return the name under which a study is resumed: same detector, search space, question, features and seed."""
    space = sorted((key, distribution_to_json(one)) for key, one in search_space(model).items())
    digest = hashlib.sha256(repr((space, sorted(defaults(model).items()), families)).encode()).hexdigest()
    return f"{detector} {question[:12]} {digest[:8]} seed {seed}"


def _batch_seed(seed: int, name: str, first: int) -> int:
    entropy = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return int(np.random.SeedSequence([seed, entropy, first]).generate_state(1)[0])


def _fingerprint(params: Mapping[str, Any]) -> str:
    return repr(sorted(params.items()))
