"""Where jobs run: the same outcomes in this process and in workers, which neither outlive it nor hear Ctrl-C."""

import os

import pytest
from lab_helpers import alive, until

from anomaly_lab.errors import ConfigError
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.tasks.question import Question
from experiments.executors import ProcessExecutor, SerialExecutor, make_executor
from experiments.workbench import Job, Workbench

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture
def bench(rounds, tmp_path):
    return Workbench(Question.of(rounds), FeatureStore(("profile", "likelihood"), tmp_path / "cache"))


def job(detector, protocol="forward", **params):
    return Job(detector, params, seed=5, protocol=protocol)


@pytest.mark.slow
def test_workers_and_this_process_give_the_same_outcomes(bench):
    jobs = [job("logistic-regression", sampler="smote"), job("gives-nan"), job("mahalanobis", protocol="in-round")]
    with SerialExecutor(bench) as serial, ProcessExecutor(bench, 2) as pool:
        here = [serial.submit(one).result() for one in jobs]
        there = [future.result() for future in [pool.submit(one) for one in jobs]]
    assert [one.error for one in here] == [one.error for one in there]
    assert [one.result is None for one in here] == [False, True, False]
    for left, right in zip(here, there, strict=True):
        if left.result is not None:
            metrics = {**left.result.metrics, "seconds": 0.0}
            assert metrics == {**right.result.metrics, "seconds": 0.0}
            assert [fold.scores.tolist() for fold in left.result.folds] == [
                fold.scores.tolist() for fold in right.result.folds
            ]


def test_a_worker_has_one_thread_and_does_not_hear_ctrl_c(bench):
    with ProcessExecutor(bench, 1) as pool:
        error = pool.submit(job("tells")).result().error
    assert f"pid {os.getpid()}," not in error
    assert "Ctrl-C blocked: True" in error
    assert "threads {'1'}, limits {1}" in error


def test_workers_end_at_once_when_something_goes_wrong(bench):
    def interrupted():
        with ProcessExecutor(bench, 1) as pool:
            pids.append(int(pool.submit(job("tells")).result().error.split()[2].rstrip(",")))
            pool.submit(job("sleeps"))
            raise KeyboardInterrupt

    pids = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    until(lambda: not alive(pids[0]))


def test_what_cannot_be_prepared_is_the_futures_error(rounds, tmp_path):
    bench = Workbench(Question.of(rounds), FeatureStore(("absent",), tmp_path / "cache"))
    for executor in (SerialExecutor(bench), ProcessExecutor(bench, 1)):
        with executor, pytest.raises(ConfigError, match="there is no feature family 'absent'"):
            executor.prepare(0).result()


def test_features_are_shared_between_workers_by_their_folder(bench, tmp_path):
    with ProcessExecutor(bench, 2) as pool:
        for future in [pool.prepare(number) for number in range(bench.n_feature_sets)]:
            future.result()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npz")}
    assert kept
    with SerialExecutor(bench) as serial:
        for number in range(bench.n_feature_sets):
            serial.prepare(number).result()
        assert serial.submit(job("mahalanobis", protocol="next-round")).result().error is None
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("*.npz")} == kept
    assert not list((tmp_path / "cache").glob("*.tmp"))


def test_one_job_needs_no_other_process(bench):
    with make_executor(bench, 1) as alone:
        assert isinstance(alone, SerialExecutor)
    with make_executor(bench, 2) as pool:
        assert isinstance(pool, ProcessExecutor)
