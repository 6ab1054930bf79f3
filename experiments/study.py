"""One detector's Optuna study: asked in fixed batches, so that its trials do not depend on the number of workers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from anomaly_lab.provenance import code_of
from anomaly_lab.space import defaults, search_space
from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers

BATCH = 4
STARTUP_TRIALS = 5
MAX_ASKED = 64
"""Proposals asked of the sampler per batch, at most: a space of a few choices runs out of new ones."""

ERROR = "error"
TIE_BREAKER = "tie_breaker"
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

    Trials are proposed in batches of `BATCH`. A batch is a function of the seed and of the values of all trials before
    it, and is asked only when each of these is told. So neither the order in which workers finish, nor a driver killed
    at any moment, nor more trials wanted later changes what is proposed. No two trials have the same parameters.

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
        How many trials are wanted in all; a model without a search space is run once.
    task : Task, optional
        Whose primary metric is sought and whose tie-breaker decides between equals; fake users by default.
    """

    def __init__(
        self, name: str, model: type, storage: BaseStorage, *, seed: int, n_trials: int, task: Task | None = None
    ) -> None:
        self.name = name
        self.task: Task = task or FakeUsers()
        self.seed = seed
        self.space: dict[str, BaseDistribution] = search_space(model)
        self.n_trials = n_trials if self.space else 1
        self.defaults = defaults(model)
        self.lost: set[int] = set()
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction=self.task.primary.direction,
            load_if_exists=True,
            sampler=TPESampler(seed=seed),
        )

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial asked so far."""
        return self.study.get_trials(deepcopy=False)

    @property
    def unfinished(self) -> list[Proposal]:
        """Wanted trials that were asked and not told: of the present batch, or left by a driver that died."""
        running = [t for t in self.trials if t.state == TrialState.RUNNING]
        return [self._proposal(t.number, t.params) for t in running if t.number < self.n_trials]

    @property
    def finished(self) -> list[FrozenTrial]:
        """Trials with a value whose run is still there."""
        return [t for t in self.trials if t.state == TrialState.COMPLETE and t.number not in self.lost]

    @property
    def n_done(self) -> int:
        """How many wanted trials are told, failed ones among them."""
        return sum(t.state.is_finished() and t.number < self.n_trials for t in self.trials) - len(self.lost)

    @property
    def best(self) -> Proposal | None:
        """The best finished trial; of equals the one with the better tie-breaker, of these the earliest."""
        best = max(self.finished, key=self._worth, default=None)
        return None if best is None else self._proposal(best.number, best.params)

    @property
    def last_error(self) -> str | None:
        """Why the last failed trial failed, None if none did."""
        errors = [str(t.user_attrs[ERROR]) for t in self.trials if ERROR in t.user_attrs]
        return errors[-1] if errors else None

    def _worth(self, trial: FrozenTrial) -> tuple[float, float, int]:
        assert trial.value is not None
        value, tie_breaker = trial.value, float(trial.user_attrs[TIE_BREAKER])
        return self.task.primary.gain(value), self.task.tie_breaker.gain(tie_breaker), -trial.number

    def next_batch(self) -> list[Proposal]:
        """Ask for what the present batch lacks, or for the next one if every trial is told; empty if none is left."""
        asked = self.trials
        if len(asked) >= self.n_trials:
            return []
        first = len(asked) - len(asked) % BATCH
        if not all(t.state.is_finished() for t in asked[:first]):
            return []
        fresh = self._batch(asked[:first])[len(asked) - first : self.n_trials - first]
        for params in fresh:
            self.study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=self.space))
        return [self._proposal(number, params) for number, params in enumerate(fresh, start=len(asked))]

    def tell(self, number: int, metrics: Mapping[str, float], run_id: str) -> None:
        """Tell the primary metric of a trial, the one that breaks its ties, and which run holds its results."""
        self._set_attribute(number, RUN_ID, run_id)
        self._set_attribute(number, TIE_BREAKER, metrics[self.task.tie_breaker.name])
        self.study.tell(number, metrics[self.task.primary.name])

    def report(self, number: int, validation: Mapping[int, float]) -> None:
        """Report the validation figure of a trial's epochs, the lower the better."""
        trial_id = self.trials[number]._trial_id
        for epoch, value in validation.items():
            self.study._storage.set_trial_intermediate_value(trial_id, epoch, self._turned(value))

    def tell_behind(self, number: int, validation: Mapping[int, float]) -> None:
        """Tell that a trial was ended early, and how far it had come."""
        self.report(number, validation)
        self.study.tell(number, state=TrialState.PRUNED)

    def bar(self, number: int) -> dict[int, float]:
        """Return what a trial must have reached by each epoch: the median of those told before its batch was asked.

        This is the median stopping rule (Golovin et al., 2017) as Optuna's MedianPruner has it, decided between batches
        so that it does not hang on which worker is faster. It is empty in the first batches, and for models without
        epochs.
        """
        before = [t for t in self.trials[: number - number % BATCH] if t.state == TrialState.COMPLETE]
        if len(before) < STARTUP_TRIALS:
            return {}
        reached: dict[int, list[float]] = {}
        for trial in before:
            for epoch, value in trial.intermediate_values.items():
                reached.setdefault(epoch, []).append(self._turned(value))
        return {epoch: float(np.median(values)) for epoch, values in reached.items() if len(values) >= STARTUP_TRIALS}

    def _turned(self, validation: float) -> float:
        """Return a validation figure, the lower the better, as the study's direction has it; and back."""
        return -validation if self.task.primary.direction == "maximize" else validation

    def tell_failed(self, number: int, error: str) -> None:
        """Tell that a trial's model failed, and why."""
        self._set_attribute(number, ERROR, error)
        self.study.tell(number, state=TrialState.FAIL)

    def leave_out(self, written: Collection[int]) -> set[int]:
        """Leave out, and return, finished trials that are not among those whose run is written."""
        self.lost = {t.number for t in self.finished if t.number not in written}
        return self.lost

    def run_id(self, number: int) -> str:
        """Return the run that holds a finished trial's results."""
        return str(self.trials[number].user_attrs[RUN_ID])

    def _batch(self, told: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
        """Return the parameters of the batch after some told trials, as a study in memory proposes them."""
        seed = _batch_seed(self.seed, self.space, len(told))
        sampler = TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        rehearsal = optuna.create_study(direction=self.task.primary.direction, sampler=sampler)
        rehearsal.add_trials(told)
        if not told:
            rehearsal.enqueue_trial({key: self.defaults[key] for key in self.space})
        known = {_fingerprint(t.params) for t in told}
        batch: list[dict[str, Any]] = []
        for _ in range(MAX_ASKED):
            params = rehearsal.ask(fixed_distributions=self.space).params
            if _fingerprint(params) not in known:
                known.add(_fingerprint(params))
                batch.append(params)
            if len(batch) == BATCH:
                break
        return batch

    def _proposal(self, number: int, params: Mapping[str, Any]) -> Proposal:
        return Proposal(number, {**self.defaults, **params})

    def _set_attribute(self, number: int, key: str, value: Any) -> None:
        self.study._storage.set_trial_user_attr(self.trials[number]._trial_id, key, value)


def study_name(
    detector: str, model: type, question: str, families: tuple[str, ...], seed: int, *, inductive: bool = False
) -> str:
    """Return the name under which a study is resumed: same detector and code, space, question, features and seed."""
    identity = (_sorted(search_space(model)), sorted(defaults(model).items()), families, code_of(model))
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()
    return f"{detector} {question[:12]} {digest[:8]} seed {seed}" + (" inductive" if inductive else "")


def _sorted(space: Mapping[str, BaseDistribution]) -> list[tuple[str, str]]:
    return sorted((key, distribution_to_json(one)) for key, one in space.items())


def _batch_seed(seed: int, space: Mapping[str, BaseDistribution], first: int) -> int:
    entropy = int.from_bytes(hashlib.sha256(repr(_sorted(space)).encode()).digest()[:8], "big")
    return int(np.random.SeedSequence([seed, entropy, first]).generate_state(1)[0])


def _fingerprint(params: Mapping[str, Any]) -> str:
    return repr(sorted(params.items()))
