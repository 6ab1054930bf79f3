"""What do two workers give? The lab's executors beside two plain forked processes, and what asking in batches costs.

Jobs are fits of a random forest on the embedded course, about 200 ms each, with one numeric thread. *Plain* are two
processes that were forked with the data in memory and take the next job from a shared counter: nothing is faster on
this machine. ``processes`` and ``dask`` run the same jobs through `FoldRuns`, as a tune does; every way has its workers
running and their data opened before anything is timed. One process alone is the base of each speed-up.

The second part runs jobs of uneven length (by their number of trees) on two processes: in batches of four that are told
together, as a tune asks so that its result does not depend on the number of workers, and asked freely, the next job as
soon as a worker has nothing to do. Three studies at a time are what a tune of three detectors is: while a batch of one
waits for its last job, workers run those of the others. What more workers would do follows from the seconds of each job
by the same rules, without running it.

    python experiments/bench/bench_workers.py [--workers 2] [--turns 2]
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.tasks.question import Question
from anomaly_lab.types import FloatArray
from experiments.bench.common import in_turns, machine
from experiments.executors import Executor, make_executor
from experiments.fold_runs import FoldRuns
from experiments.workbench import Job, Outcome, Workbench

N_JOBS = 16
TREES = (25, 50, 100, 200)
BATCH = 4
STUDIES, TRIALS = 3, 8
MORE_WORKERS = (2, 4, 8)

Run = Callable[[Sequence[Job]], list[Outcome]]
Studies = list[list[Job]]


def job(seed: int, trees: int = 100) -> Job:
    """Return the fit of a forest; the protocol has one fold, so a job is one piece of work."""
    return Job("random-forest", {"n_estimators": trees}, seed, "forward", thresholds=False)


@contextmanager
def plain(bench: Workbench, workers: int) -> Iterator[Run]:
    """Give what runs jobs in forked processes without a framework."""
    context = multiprocessing.get_context("fork")
    taken, pipes = context.Value("i"), [context.Pipe() for _ in range(workers)]
    processes = [context.Process(target=_serve, args=(bench, taken, there), daemon=True) for _, there in pipes]
    for process in processes:
        process.start()

    def run(jobs: Sequence[Job]) -> list[Outcome]:
        taken.value = 0
        for here, _ in pipes:
            here.send(jobs)
        found = [outcome for here, _ in pipes for outcome in here.recv()]
        return [outcome for _, outcome in sorted(found, key=lambda one: one[0])]

    try:
        yield run
    finally:
        for process in processes:
            process.terminate()


def _serve(bench: Workbench, taken: Any, pipe: Connection) -> None:
    while True:
        jobs, found = pipe.recv(), []
        while (number := _next(taken)) < len(jobs):
            found.append((number, bench.run(jobs[number])))
        pipe.send(found)


def _next(taken: Any) -> int:
    with taken.get_lock():
        taken.value += 1
        return int(taken.value) - 1


def through(executor: Executor, bench: Workbench, jobs: Sequence[Job]) -> list[Outcome]:
    """Return the outcomes of jobs that an executor runs."""
    studies = in_batches(executor, bench, [list(jobs)], len(jobs))
    return studies[0]


def in_batches(executor: Executor, bench: Workbench, studies: Studies, batch: int) -> list[list[Outcome]]:
    """Run some studies at a time, each of which hands over its next jobs once those of its last batch have ended."""
    runs: FoldRuns[tuple[int, int]] = FoldRuns(executor, bench, ahead=True)
    found: list[dict[int, Outcome]] = [{} for _ in studies]

    def begin(study: int) -> None:
        first = len(found[study])
        for number, one in enumerate(studies[study][first : first + batch], first):
            runs.begin((study, number), one)

    for study in range(len(studies)):
        begin(study)
    while runs:
        for (study, number), outcome in runs.ended():
            found[study][number] = outcome
            if len(found[study]) % batch == 0:
                begin(study)
    return [[outcomes[number] for number in sorted(outcomes)] for outcomes in found]


def makespan(seconds: Sequence[FloatArray], workers: int, batch: int) -> float:
    """Return when the last of some studies ends if each job takes some seconds, by the rules of `in_batches`."""
    free, ready = [0.0] * workers, [(0.0, study, 0) for study in range(len(seconds))]
    end = 0.0
    while ready:
        asked, study, first = heapq.heappop(ready)
        told = []
        for length in seconds[study][first : first + batch]:
            told.append(max(asked, heapq.heappop(free)) + float(length))
            heapq.heappush(free, told[-1])
        end = max([end, *told])
        if first + batch < len(seconds[study]):
            heapq.heappush(ready, (max(told), study, first + batch))
    return end


def scores(outcomes: Sequence[Outcome]) -> list[bytes]:
    """Return what was computed, bit by bit."""
    found = []
    for outcome in outcomes:
        assert isinstance(outcome.result, RunResult), outcome.error
        found += [fold.scores.tobytes() for fold in outcome.result.folds]
    return found


def compare_executors(ways: dict[str, Run], turns: int, workers: int) -> list[str]:
    """Print each way's speed-up over one process, and return a line of JSON for each of the lab's."""
    jobs = [job(seed) for seed in range(N_JOBS)]
    known = scores(ways["one process"](jobs))
    for name, way in ways.items():
        assert scores(way(jobs)) == known, f"{name} must compute what one process computes"
    timings = in_turns({name: (partial(way, jobs), float(N_JOBS)) for name, way in ways.items()}, turns)
    wall = {name: timing.wall for name, timing in timings.items()}
    print(
        f"  {N_JOBS} jobs of {1000 * np.median(wall['one process']) / N_JOBS:.0f} ms, {workers} workers, {turns} turns"
    )
    speed_up = {name: float(np.median(wall["one process"] / one)) for name, one in wall.items()}
    lines = []
    for name in list(ways)[1:]:
        ratios = wall["plain"] / wall[name]
        print(
            f"  {name}: {speed_up[name]:.2f} times as fast as one process, "
            f"{np.median(ratios):.3f} of the plain ones' ({ratios.min():.3f} to {ratios.max():.3f}); "
            f"{1000 * np.median(timings[name].cpu - timings['plain'].cpu) / N_JOBS:.1f} CPU ms of the driver a job more"
        )
        if name != "plain":
            about = f"{workers} workers, {name}: speed-up over one process, beside plain forked processes"
            figures = {"baseline": round(speed_up["plain"], 3), "lab": round(speed_up[name], 3)}
            lines.append(json.dumps({"name": about, **figures, "ratio": round(float(np.median(ratios)), 3)}))
    return lines


def compare_asking(executor: Executor, bench: Workbench, turns: int, workers: int) -> list[str]:
    """Print what batches cost with one study and with several, and return a line of JSON for each."""
    rng = np.random.default_rng(0)
    trees = rng.permutation(np.resize(TREES, STUDIES * TRIALS))
    jobs = [job(seed, int(number)) for seed, number in enumerate(trees)]
    asked = {"one study": [jobs], f"{STUDIES} studies": [jobs[k::STUDIES] for k in range(STUDIES)]}
    lines = []
    for name, studies in asked.items():
        ways = {
            how: (partial(in_batches, executor, bench, studies, batch), 1.0)
            for how, batch in [("freely", TRIALS * STUDIES), ("batches", BATCH)]
        }
        timings = in_turns(ways, turns)
        wall = {how: timing.wall for how, timing in timings.items()}
        ratios = wall["freely"] / wall["batches"]
        print(
            f"  {name}, {len(jobs)} uneven jobs on {workers} workers: {np.median(wall['freely']):.2f} s asked freely, "
            f"{np.median(wall['batches']):.2f} s in batches of {BATCH}; {np.median(1 / ratios):.2f} times as long"
        )
        about = f"{name} on {workers} workers, uneven jobs, seconds: asked freely / in batches of {BATCH}"
        figures = {
            how: round(float(np.median(wall[way])), 2) for how, way in [("baseline", "freely"), ("lab", "batches")]
        }
        lines.append(json.dumps({"name": about, **figures, "ratio": round(float(np.median(ratios)), 3)}))
        _expect_more_workers(name, [_seconds(bench, study) for study in studies])
    return lines


def _seconds(bench: Workbench, jobs: Sequence[Job]) -> FloatArray:
    return np.array(
        [outcome.result.metrics["seconds"] for outcome in map(bench.run, jobs) if outcome.result is not None]
    )


def _expect_more_workers(name: str, seconds: Sequence[FloatArray]) -> None:
    longest = max(len(one) for one in seconds)
    costs = [f"{makespan(seconds, n, BATCH) / makespan(seconds, n, longest):.2f} on {n}" for n in MORE_WORKERS]
    print(f"  {name}: by the seconds of each job, batches take {', '.join(costs)} workers times as long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2)
    settings = parser.parse_args()
    print(machine())
    bench = Workbench(Question.of(make_course(n_rounds=2)), FeatureStore(("profile", "likelihood")))
    bench.run(job(0))  # what is forked has described the users
    with ExitStack() as stack:
        ways: dict[str, Run] = {"one process": lambda jobs: [bench.run(one) for one in jobs]}
        ways["plain"] = stack.enter_context(plain(bench, settings.workers))  # forked before there are any threads
        executors = ["processes", "dask"] if find_spec("distributed") else ["processes"]
        for name in executors:
            executor = stack.enter_context(make_executor(bench, settings.workers, name))
            ways[name] = partial(through, executor, bench)
            if name == "processes":
                processes = executor
        lines = compare_executors(ways, settings.turns, settings.workers)
        lines += compare_asking(processes, bench, settings.turns, settings.workers)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
