"""Jobs run fold by fold: the outcome of the whole, whatever worker runs a fold, and an end at the first failure."""

import pytest

from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.tasks.question import Question
from experiments.executors import ProcessExecutor, SerialExecutor
from experiments.fold_runs import FoldRuns
from experiments.workbench import Job, Outcome, Workbench

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture
def bench(rounds, tmp_path):
    return Workbench(Question.of(rounds), FeatureStore(("profile",), tmp_path / "cache"))


def job(detector, protocol="next-round", **settings):
    return Job(detector, {}, seed=5, protocol=protocol, **settings)


def every_outcome(runs, jobs):
    """Begin all jobs and return what came of each, by its place."""
    for place, one in enumerate(jobs):
        runs.begin(place, one)
    found = {}
    while runs:
        found |= dict(runs.ended())
    return [found[place] for place in range(len(jobs))]


def told(outcome):
    """Return an outcome without times."""
    if outcome.result is None:
        return outcome.error, None if outcome.importance is None else outcome.importance.to_dict()
    folds = [(one.name, one.metrics, one.threshold, one.scale, one.scores.tolist()) for one in outcome.result.folds]
    return folds, {**outcome.result.metrics, "seconds": 0.0}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_fold_by_fold_a_job_comes_to_what_it_comes_to_whole(workers, bench):
    jobs = [
        job("mlp"),
        job("mahalanobis", protocol="in-round", thresholds=False),
        job("logistic-regression", importance=True),
        job("gives-nan"),
        job("mahalanobis", protocol="leave-kind-nowhere"),
    ]
    whole = [told(bench.run(one)) for one in jobs]
    with SerialExecutor(bench) if workers == 1 else ProcessExecutor(bench, workers) as executor:
        pieces = every_outcome(FoldRuns(executor, bench), jobs)
    assert [told(one) for one in pieces] == whole
    assert "leave-kind-nowhere" in pieces[-1].error


def test_what_came_of_a_job_began_with_the_first_of_its_folds_and_fails_as_its_first_failure():
    outcomes = [Outcome(None, "first", 7.0), Outcome(None, "second", 5.0)]
    assert Outcome.of_pieces(outcomes) == Outcome(None, "first", 5.0)


def test_in_this_process_no_fold_begins_after_one_that_failed(bench):
    class Remembering(SerialExecutor):
        def submit(self, job):
            begun.append((job.detector, job.fold))
            return super().submit(job)

    begun = []
    (failed, _) = every_outcome(FoldRuns(Remembering(bench), bench), [job("raises"), job("counts")])
    assert failed.error == "ValueError: no luck today [/bold]"
    assert begun == [("raises", 0), ("counts", 0), ("counts", 1)]


def test_folds_after_one_that_failed_are_dropped_and_those_begun_are_not_waited_for(bench):
    class Remembering(ProcessExecutor):
        def submit(self, job):
            begun.append(job.fold)
            return super().submit(job)

    def run():
        with Remembering(bench, 1) as executor:
            outcomes.extend(every_outcome(FoldRuns(executor, bench), [job("raises-then-sleeps", protocol="in-round")]))
            raise KeyboardInterrupt  # ends the worker, which sleeps

    begun, outcomes = [], []
    with pytest.raises(KeyboardInterrupt):
        run()
    assert [one.error for one in outcomes] == ["ValueError: the first will not do"]
    assert begun == [0, 1], "of ten"


def test_a_job_should_begin_where_workers_may_run_out_of_folds(bench):
    with ProcessExecutor(bench, 1) as executor:
        runs = FoldRuns(executor, bench)
        assert runs.room
        runs.begin("two folds", job("counts"))
        assert not runs.room
        assert len(runs) == 1
        while runs:
            runs.ended()
        assert runs.room
