"""Fold runs: jobs under way, each cut into its folds, so that workers share a long job and none idles beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Set
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from experiments.executors import Executor
from experiments.workbench import Job, Outcome, Workbench

Key = TypeVar("Key")


@dataclass(eq=False)
class _Run(Generic[Key]):
    """A job under way: the folds that wait for a worker, and the outcomes of those handed over, in order."""

    key: Key
    left: deque[Job]
    outcomes: list[Future[Outcome]] = field(default_factory=list)

    def drop_after_failure(self, running: Set[Future[Outcome]]) -> None:
        """Drop the folds after one that failed; those that workers have begun are not waited for."""
        ended = [number for number, one in enumerate(self.outcomes) if one not in running]
        failed = next((number for number in ended if self.outcomes[number].result().error is not None), None)
        if failed is not None:
            self.left.clear()
            del self.outcomes[failed + 1 :]

    def through(self, running: Set[Future[Outcome]]) -> bool:
        """Whether nothing of it is left to run."""
        return not self.left and running.isdisjoint(self.outcomes)


class FoldRuns(Generic[Key]):
    """Runs jobs by their folds, in order, as many at a time as an executor takes; a job ends at its first failure.

    Parameters
    ----------
    executor : Executor
        Where folds are run.
    bench : Workbench
        Which knows the folds of a job.
    ahead : bool
        Whether to hand over all there is, because no result changes what is run.
    """

    def __init__(self, executor: Executor, bench: Workbench, *, ahead: bool = False) -> None:
        self.executor, self.bench, self.ahead = executor, bench, ahead
        self._runs: list[_Run[Key]] = []
        self._running: set[Future[Outcome]] = set()

    def __len__(self) -> int:
        """How many jobs are under way."""
        return len(self._runs)

    @property
    def capacity(self) -> int:
        """How many folds the executor takes now."""
        return self.executor.queue if self.ahead else self.executor.capacity

    @property
    def room(self) -> bool:
        """Whether the executor takes more folds than are left of the jobs under way."""
        return len(self._running) < self.capacity and not any(run.left for run in self._runs)

    def begin(self, key: Key, job: Job) -> None:
        """Queue the folds of a job, known by a key, behind those of the jobs under way."""
        self._runs.append(_Run(key, deque(self.bench.pieces(job))))
        self._hand_over()

    def ended(self) -> list[tuple[Key, Outcome]]:
        """Wait until a fold has ended, and return the jobs that have ended with it; there may be none.

        Raises
        ------
        BrokenExecutor
            If a worker process died.
        """
        self._running -= wait(self._running, return_when=FIRST_COMPLETED).done
        for run in self._runs:
            run.drop_after_failure(self._running)
        through = [run for run in self._runs if run.through(self._running)]
        self._runs = [run for run in self._runs if not run.through(self._running)]
        self._hand_over()
        return [(run.key, Outcome.of_pieces([one.result() for one in run.outcomes])) for run in through]

    def _hand_over(self) -> None:
        for run in self._runs:
            while run.left and len(self._running) < self.capacity:
                run.outcomes.append(self.executor.submit(run.left.popleft()))
                self._running.add(run.outcomes[-1])
