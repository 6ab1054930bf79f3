"""What does Optuna's storage cost a trial? The lab's journal beside Optuna's SQLite storage, samplers left out.

Each way takes trials through a study as the lab's driver does: added as running, told which run holds its results and
its tie-breaker, then its value, the trials before it read once. Both storages could be resumed after any write. A trial
has 10 parameters.

    python experiments/bench/bench_storage.py
"""

from __future__ import annotations

import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState, create_trial

from experiments.bench.common import Timing, compare, in_turns, machine
from experiments.journal import open_journal
from experiments.study import DetectorStudy

N_TRIALS, ROUNDS = 200, 3
PER_TURN = 20
RANGE = FloatDistribution(0.0, 1.0)


@dataclass
class TenParameters:
    """A model with ten hyperparameters."""

    a: Annotated[float, RANGE] = 0.5
    b: Annotated[float, RANGE] = 0.5
    c: Annotated[float, RANGE] = 0.5
    d: Annotated[float, RANGE] = 0.5
    e: Annotated[float, RANGE] = 0.5
    f: Annotated[float, RANGE] = 0.5
    g: Annotated[float, RANGE] = 0.5
    h: Annotated[float, RANGE] = 0.5
    i: Annotated[float, RANGE] = 0.5
    j: Annotated[float, RANGE] = 0.5


class Trials:
    """A study that trials are put into; what a sampler would propose is drawn at random.

    Parameters
    ----------
    storage : BaseStorage
        Where they are kept.
    n_before : int
        Trials that the study has before any is timed.
    """

    def __init__(self, storage: BaseStorage, n_before: int) -> None:
        self.study = DetectorStudy("bench", TenParameters, storage, seed=0, n_trials=10**9)
        self._rng = np.random.default_rng(0)
        before = [self._drawn(TrialState.COMPLETE, value=0.5) for _ in range(n_before)]
        self.study.study.add_trials(before)

    def _drawn(self, state: TrialState, value: float | None = None) -> optuna.trial.FrozenTrial:
        params = {name: float(self._rng.random()) for name in self.study.space}
        told = {"mlflow_run_id": "0" * 32, "tie_breaker": 0.5} if value is not None else {}
        return create_trial(state=state, value=value, params=params, distributions=self.study.space, user_attrs=told)

    def run(self) -> None:
        """Take some trials from their proposal to their end."""
        for _ in range(PER_TURN):
            number = len(self.study.trials)
            self.study.study.add_trial(self._drawn(TrialState.RUNNING))
            self.study.tell(number, {"auc": float(self._rng.random()), "f1": 0.5}, f"{number:032x}")


def by_sqlite(folder: Path) -> BaseStorage:
    """Return Optuna's SQLite storage."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return RDBStorage(f"sqlite:///{folder / 'optuna.db'}")


def check(one: Trials, other: Trials) -> None:
    """Raise an error unless both studies hold the same."""
    facts = [[(t.state, t.value, t.params, t.user_attrs) for t in trials.study.trials] for trials in (one, other)]
    if facts[0] != facts[1]:
        raise RuntimeError("both storages must hold the same trials, found others")


def measure(folder: Path, n_trials: int) -> dict[str, Timing]:
    """Return the time of each storage for some trials, of studies that have a number of them before."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal = Trials(open_journal(folder / "optuna.journal"), n_trials)
    database = Trials(by_sqlite(folder), n_trials)
    journal.run()
    database.run()
    timed = in_turns({"journal": (journal.run, PER_TURN), "SQLite": (database.run, PER_TURN)}, ROUNDS)
    check(journal, database)
    return timed


def cpu_ms(timing: Timing) -> float:
    """Return the milliseconds of this process's own work a trial."""
    return 1000 * float(np.median(timing.cpu)) / timing.amount


def main(n_trials: int = N_TRIALS) -> None:
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        timed = measure(Path(folder), n_trials)
    for name, timing in timed.items():
        wall = 1000 * float(np.median(timing.wall)) / timing.amount
        print(f"  {name:10} {cpu_ms(timing):6.1f} ms CPU {wall:6.1f} ms wall a trial, after {n_trials} trials")
    name = f"Optuna's SQLite storage / the lab's journal, a trial after {n_trials} (CPU ms)"
    print("\n" + compare(name, timed["SQLite"], timed["journal"], cpu_ms))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
