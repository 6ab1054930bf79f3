"""Dask: a real scheduler and workers on this machine, some of them killed; the same results as without."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from lab_helpers import FAMILIES, alive, command, facts, refused, round_options, trial_runs, tuned, until

from anomaly_lab.errors import ConfigError, LabError
from experiments.executors import make_executor
from experiments.tune import tune
from tracking.leaderboard import leaderboard

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
SHOWN = ["detector", "auc", "f1", "auc_in_round", "auc_forward", "runs", "rank", "band", "why"]


PROJECT = ["anomaly_lab", "experiments", "tracking"]


@pytest.fixture
def without(request):
    """What the scheduler has not installed."""
    return getattr(request, "param", [])


@pytest.fixture
def cluster(tmp_path, without):
    """A scheduler; workers are started and killed by the tests. None of them outlives the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Cluster(f"tcp://127.0.0.1:{port}", tmp_path)
    found.start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", without=without)
    yield found
    for process in found.processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Cluster:
    def __init__(self, address, folder):
        self.address, self.folder, self.processes = address, folder, []

    def start(self, *words, without=()):
        hidden = f"import sys; sys.modules.update(dict.fromkeys({list(without)!r}))"
        program = f"{hidden}; from distributed.cli.dask_{words[0]} import main; main()"
        line = [sys.executable, "-c", program, *words[1:]]
        log = (self.folder / f"dask{len(self.processes)}").open("w")
        self.processes.append(subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True, cwd=self.folder))
        return self.processes[-1]

    def worker(self, *more, without=()):
        words = self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"
        return self.start("worker", *words, *more, without=without)


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def tune_there(rounds, fresh_store):
    def run(scheduler=None, **settings):
        tuned(rounds, fresh_store, executor="dask", scheduler=scheduler, **settings)
        return fresh_store

    return run


def same(store, reference):
    assert facts(store) == facts(reference[0])
    assert leaderboard([store]).table[SHOWN].equals(reference[1].board.table[SHOWN])


def test_two_workers_give_what_one_process_gives(cluster, tune_there, reference):
    cluster.worker()
    cluster.worker()
    same(tune_there(cluster.address), reference)


def test_without_a_scheduler_workers_are_started_here(tune_there, reference):
    same(tune_there(jobs=2), reference)


def test_a_killed_worker_loses_nothing_and_a_late_one_takes_part(cluster, tune_there, reference, fresh_store):
    doomed = cluster.worker()

    def harm():
        until(lambda: n_finished(fresh_store) >= 2)
        cluster.worker()
        kill(doomed)

    thread = threading.Thread(target=harm)
    thread.start()
    store = tune_there(cluster.address)
    thread.join()
    same(store, reference)


def n_finished(store):
    if not (store / "mlflow.db").exists():
        return 0
    return sum(run.info.status == "FINISHED" for run in trial_runs(store))


def test_a_dead_scheduler_is_one_line_and_the_same_command_goes_on(cluster, files, fresh_store, reference, tmp_path):
    cluster.worker()
    names = [option for name in ("mahalanobis", "knn-distance") for option in ("--detector", name)]
    options = ["--trials", 6, "--families", ",".join(FAMILIES), "--store", fresh_store]
    line = command("tune", *round_options(files), *names, *options)
    log = tmp_path / "log"
    with log.open("w") as output:
        driver = subprocess.Popen([*line, "--scheduler", cluster.address], stdout=output, stderr=subprocess.STDOUT)
        until(lambda: n_finished(fresh_store) >= 2 or driver.poll() is not None)
        kill(cluster.processes[0])
        assert driver.wait(timeout=200) == 2, log.read_text()
    assert "what is finished is kept: the same command goes on from here" in log.read_text()
    assert "Traceback" not in log.read_text()
    kept = n_finished(fresh_store)
    assert kept >= 2
    subprocess.run([*line, "--executor", "serial"], check=True, capture_output=True)
    same(fresh_store, reference)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"executor": "threads"}, "--executor must be one of serial, processes, dask, found 'threads'"),
        ({"executor": "serial", "scheduler": "tcp://127.0.0.1:1"}, "--scheduler is Dask's"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "--scheduler must be the address of a running Dask scheduler"),
        ({"scheduler": "nowhere"}, "--scheduler must be the address of a running Dask scheduler"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(settings, words, rounds, fresh_store, monkeypatch):
    monkeypatch.setattr("experiments.dask_client.PATIENCE", 2)
    with pytest.raises(LabError, match=words) as told:
        tune(rounds, detectors=["mahalanobis"], store=fresh_store, **settings)
    assert "\n" not in str(told.value)


def test_a_scheduler_without_workers_is_said_in_a_line(cluster, rounds, fresh_store, monkeypatch):
    monkeypatch.setattr("experiments.dask_client.PATIENCE", 5)
    with pytest.raises(ConfigError, match="must have a worker, found none in 5 s; start one: dask worker tcp://"):
        tune(rounds, detectors=["mahalanobis"], store=fresh_store, scheduler=cluster.address)


@pytest.fixture
def another_numpy(tmp_path, monkeypatch):
    site = tmp_path / "site" / "numpy-0.1.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")

    def install():
        monkeypatch.setenv("PYTHONPATH", f"{site.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    return install


OTHER_NUMPY = rf"must have the versions of this process: numpy {version('numpy')}, found 0\.1"


def test_workers_of_other_versions_are_refused(cluster, rounds, fresh_store, another_numpy):
    another_numpy()
    cluster.worker()
    with pytest.raises(ConfigError, match=OTHER_NUMPY):
        tune(rounds, detectors=["mahalanobis"], store=fresh_store, scheduler=cluster.address)


@pytest.mark.parametrize("without", [PROJECT], indirect=True)
def test_a_scheduler_without_the_project_is_refused(cluster, rounds, fresh_store):
    cluster.worker()
    with pytest.raises(ConfigError, match=r"Dask.s scheduler must have anomaly-lab installed, .* found: .*tracking"):
        tune(rounds, detectors=["mahalanobis"], store=fresh_store, scheduler=cluster.address)


def test_a_worker_without_the_project_is_refused(cluster, rounds, fresh_store):
    cluster.worker(without=PROJECT)
    with pytest.raises(ConfigError, match=r"Dask.s worker tcp.* must have anomaly-lab installed as it is here"):
        tune(rounds, detectors=["mahalanobis"], store=fresh_store, scheduler=cluster.address)


@pytest.mark.parametrize(
    ("lacks", "looked_at"), [(PROJECT, True), ([], True), ([], False)], ids=["no project", "other", "given a task"]
)
def test_a_late_worker_of_other_versions_is_passed_over(
    cluster, rounds, tmp_path, another_numpy, capfd, lacks, looked_at
):
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.tasks.question import Question
    from experiments.workbench import Job, Workbench

    cluster.worker()
    bench = Workbench(Question.of(rounds), FeatureStore(("profile",), tmp_path / "lab" / "cache" / "features"))
    with make_executor(bench, 1, "dask", cluster.address) as executor:
        until(lambda: executor.capacity == 2)
        another_numpy()
        cluster.worker(without=lacks)
        until(lambda: len(executor.dask.client.nthreads()) == 2)
        if looked_at:
            until(lambda: len(executor.dask.workers) == 1)
        jobs = [executor.submit(Job("mahalanobis", {}, number % 2, "forward")) for number in range(12)]
        assert [job.result().error for job in jobs] == [None] * 12
        assert executor.capacity == 2
    assert capfd.readouterr().err.count("joined and is passed over: it must have") == 1


def test_without_any_other_a_late_worker_of_other_versions_is_named(cluster, rounds, tmp_path, another_numpy):
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.tasks.question import Question
    from experiments.workbench import Job, Workbench

    first = cluster.worker()
    bench = Workbench(Question.of(rounds), FeatureStore(("profile",), tmp_path / "lab" / "cache" / "features"))
    with make_executor(bench, 1, "dask", cluster.address) as executor:
        assert executor.submit(Job("mahalanobis", {}, 0, "forward")).result().error is None
        another_numpy()
        cluster.worker()
        until(lambda: len(executor.dask.client.nthreads()) == 2)
        kill(first)
        with pytest.raises(ConfigError, match=f"which joined later, {OTHER_NUMPY}; stop it"):
            executor.submit(Job("mahalanobis", {}, 1, "forward")).result()


def test_a_job_that_ends_every_worker_is_named_in_one_line(cluster, rounds, tmp_path, plugins):
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.tasks.question import Question
    from experiments.workbench import Job, Workbench

    for _ in range(4):
        cluster.worker()
    bench = Workbench(Question.of(rounds), FeatureStore(("profile",)))
    words = "4 workers died, one after the other, that had been given a trial of dies, .* goes on from here$"

    def run():
        with make_executor(bench, 1, "dask", cluster.address) as executor:
            until(lambda: executor.capacity == 8)
            executor.submit(Job("dies", {}, 0, "forward")).result()

    with pytest.raises(LabError, match=words):
        run()


def test_without_the_extra_the_command_that_installs_it_is_named(rounds, fresh_store, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'anomaly-lab\[dask\]'"):
        tune(rounds, detectors=["mahalanobis"], store=fresh_store, executor="dask")


def test_a_worker_has_one_thread_and_the_driver_alone_writes(cluster, rounds, tmp_path, plugins):
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.tasks.question import Question
    from experiments.workbench import Job, Workbench

    worker = cluster.worker()
    bench = Workbench(Question.of(rounds), FeatureStore(("profile",), tmp_path / "lab" / "cache" / "features"))
    with make_executor(bench, 1, "dask", cluster.address) as executor:
        error = executor.submit(Job("tells", {}, 0, "forward")).result().error
    assert f"pid {worker.pid}," in error
    assert "limits {1}" in error
    assert not (tmp_path / "lab").exists()  # a folder that a worker does not see is not made there


def test_more_is_handed_over_when_a_worker_joins_and_the_labs_own_errors_come_back(cluster, rounds, tmp_path):
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.tasks.question import Question
    from experiments.workbench import Workbench

    cluster.worker()
    bench = Workbench(Question.of(rounds), FeatureStore(("absent",), tmp_path / "lab" / "cache" / "features"))
    with make_executor(bench, 1, "dask", cluster.address) as executor:
        assert executor.capacity == 2
        cluster.worker()
        with pytest.raises(ConfigError, match="there is no feature family 'absent'"):
            executor.prepare(0).result()
        until(lambda: executor.capacity == 4)


def test_workers_that_a_command_starts_do_not_hear_ctrl_c_and_end_with_it(rounds, plugins):
    from anomaly_lab.features.extract import FeatureStore
    from anomaly_lab.tasks.question import Question
    from experiments.workbench import Job, Workbench

    bench = Workbench(Question.of(rounds), FeatureStore(("profile",)))
    with make_executor(bench, 1, "dask") as executor:
        told = executor.submit(Job("tells", {}, 0, "forward")).result().error
    assert "Ctrl-C blocked: True" in told
    assert not alive(int(told.split()[2].rstrip(",")))


@pytest.mark.parametrize("families", [(), ("popularity", "likelihood")])
@pytest.mark.parametrize("whole", [True, False], ids=["whole users", "users in several parts"])
def test_parts_of_a_log_are_described_as_here_though_a_worker_dies(cluster, tmp_path, families, whole):
    from anomaly_lab.ratings.scale import parse_scale
    from experiments.log_parts import PartFile, PartsHere, PartsOnDask
    from experiments.user_table import describe_log

    rng, files = np.random.default_rng(0), []
    pairs = rng.choice(200 * 40, 2400, replace=False)
    rows = pd.DataFrame({"user": pairs // 40, "item": pairs % 40, "rating": rng.integers(1, 6, 2400)})
    for number, part in rows.groupby(rows["user"] % 4 if whole else np.arange(2400) % 4):
        files.append(PartFile(str(tmp_path / f"part{number}.csv")))
        part.to_csv(files[-1].path, index=False)

    class WithDeath(PartsOnDask):
        def over(self, work, *common):
            found = super().over(work, *common)
            if not common and doomed.poll() is None:  # the items are counted; what the worker holds of them is lost
                kill(doomed)
            return found

    doomed = cluster.worker()
    cluster.worker()
    scale = parse_scale("1,2,3,4,5")
    with WithDeath(files, 1, cluster.address) as parts:
        until(lambda: len(parts.dask.client.nthreads()) == 2)
        found = describe_log(parts, scale, families)
    assert found.table.equals(describe_log(PartsHere(files), scale, families).table)
    assert len(found.table) == 200


def test_a_file_that_workers_do_not_see_is_one_line(cluster, cli, tmp_path):
    cluster.worker()
    out = tmp_path / "users.csv"
    refused(cli("statistics", "absent.csv", "--out", out, "--scheduler", cluster.address), "found no such file")
