"""Drivers killed at any moment, interrupted, or two at once: real processes on real stores."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from lab_helpers import FAMILIES, alive, command, facts, round_options, run_ids, study_runs, trial_runs, until

from tracking.leaderboard import leaderboard

pytestmark = pytest.mark.slow

DETECTORS = ("mahalanobis", "knn-distance")
TRIALS = 6


@pytest.fixture
def start(files, tmp_path):
    """Start tunes as processes, each the leader of a group as in a terminal."""
    started = []

    def begin(store, detectors=DETECTORS, jobs=2, files=files):
        names = [option for name in detectors for option in ("--detector", name)]
        options = ["--trials", TRIALS, "--jobs", jobs, "--families", ",".join(FAMILIES), "--store", store]
        log = (tmp_path / f"log{len(started)}").open("w+")
        process = subprocess.Popen(
            command("tune", *round_options(files), *names, *options),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append((process, log))
        process.said = lambda: Path(log.name).read_text()
        return process

    yield begin
    for process, log in started:
        for pid in family(process):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        log.close()


def family(process):
    """Return the living processes of a driver's session: itself, its workers and what starts them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if session == process.pid:
                found.append(int(entry.name))
    return found


def n_finished(store):
    return sum(run.info.status == "FINISHED" for run in trial_runs(store))


def statuses(runs):
    return {run.info.status for run in runs}


def complete(process, store, reference):
    """Assert that a tune ends as one that nobody disturbed."""
    assert process.wait(timeout=300) == 0, process.said()
    assert facts(store) == facts(reference[0])
    assert statuses(study_runs(store)) == {"FINISHED"}
    table, known = leaderboard([store]).table, reference[1].board.table
    columns = ["detector", "auc", "f1", "auc_in_round", "auc_forward", "runs", "rank"]
    assert table[columns].equals(known[columns])


MOMENTS = {
    "studies begun": lambda store: len(study_runs(store)) == len(DETECTORS),
    "half of the trials finished": lambda store: n_finished(store) >= TRIALS,
    "all trials finished, winners measured": lambda store: n_finished(store) == TRIALS * len(DETECTORS),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_driver_loses_nothing_that_was_finished(moment, start, fresh_store, reference):
    driver = start(fresh_store)
    until(lambda: MOMENTS[moment](fresh_store) or driver.poll() is not None)
    driver.kill()
    driver.wait()
    until(lambda: not family(driver))  # no orphan computes on
    finished = {run.info.run_id for run in trial_runs(fresh_store) if run.info.status == "FINISHED"}
    if finished:
        assert set(leaderboard([fresh_store]).table["detector"]) <= set(DETECTORS)
        assert statuses(trial_runs(fresh_store)) == {"FINISHED"}
        assert statuses(study_runs(fresh_store)) <= {"FINISHED", "KILLED"}
    with (fresh_store / "optuna.journal").open("ab") as journal:
        journal.write(b'{"op_code": 5, "worker_id": "torn')
    complete(start(fresh_store, jobs=1), fresh_store, reference)
    assert finished <= run_ids(fresh_store)


def test_a_driver_killed_again_and_again_comes_to_its_end(start, fresh_store, reference):
    for target in (2, 7):
        driver = start(fresh_store)
        until(lambda driver=driver, target=target: n_finished(fresh_store) >= target or driver.poll() is not None)
        driver.kill()
        driver.wait()
        until(lambda driver=driver: not family(driver))
    complete(start(fresh_store), fresh_store, reference)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_with_the_board_so_far_and_how_to_go_on(jobs, start, fresh_store, reference):
    driver = start(fresh_store, jobs=jobs)
    until(lambda: n_finished(fresh_store) >= 3 or driver.poll() is not None)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(timeout=120) in (0, 130), driver.said()
    assert "Ended early; every finished trial is kept. The same command goes on from here." in driver.said()
    assert "why this rank" in driver.said()
    assert "Traceback" not in driver.said()
    until(lambda: not family(driver))
    assert statuses(study_runs(fresh_store)) == {"KILLED"}
    assert statuses(trial_runs(fresh_store)) == {"FINISHED"}
    kept = run_ids(fresh_store)
    complete(start(fresh_store, jobs=jobs), fresh_store, reference)
    assert kept <= run_ids(fresh_store)


def test_ctrl_c_while_workers_start_leaves_no_traceback(start, fresh_store, reference):
    driver = start(fresh_store)
    until(lambda: MOMENTS["studies begun"](fresh_store) or driver.poll() is not None)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(timeout=120) in (0, 2, 130), driver.said()
    until(lambda: not family(driver))  # what a worker says that nobody ended comes last
    assert "the same command goes on from here" in driver.said().lower()
    assert "Traceback" not in driver.said()
    assert statuses(study_runs(fresh_store)) == {"KILLED"}
    complete(start(fresh_store), fresh_store, reference)


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3])
def test_ctrl_c_while_a_worker_is_given_its_rounds_leaves_no_traceback(seconds, start, fresh_store, tmp_path):
    rng, large = np.random.default_rng(0), {}
    user, item = np.divmod(np.arange(300 * 500), 500)
    for name in ("a", "b"):
        labels = np.column_stack([np.arange(300), np.arange(300) < 30])
        large[name] = tmp_path / f"{name}.npz"
        np.savez(large[name], X=np.column_stack([user, item, rng.integers(-1, 2, len(user))]), y=labels)
    driver = start(fresh_store, files=large)
    until(lambda: "describing users" in driver.said() or driver.poll() is not None)
    time.sleep(seconds)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(timeout=120) in (0, 2, 130), driver.said()
    until(lambda: not family(driver))
    assert "the same command goes on from here" in driver.said().lower()
    assert "Traceback" not in driver.said()


@pytest.mark.parametrize(
    ("one", "other"),
    [(DETECTORS[:1], DETECTORS[1:]), (DETECTORS, DETECTORS[::-1])],
    ids=["different detectors", "the same detectors in another order"],
)
def test_two_tunes_at_once_on_a_new_lab_lose_nothing(one, other, start, tmp_path, reference):
    store = tmp_path / "new"
    drivers = [start(store, one, jobs=1), start(store, other, jobs=1)]
    for driver in drivers:
        assert driver.wait(timeout=300) == 0, driver.said()
        assert "error" not in driver.said()
        assert "Traceback" not in driver.said()
    complete(start(store, jobs=1), store, reference)


def test_a_tune_beside_a_killed_one_puts_it_right(start, fresh_store, reference):
    first = start(fresh_store, DETECTORS[:1])
    until(lambda: n_finished(fresh_store) >= 2 or first.poll() is not None)
    first.kill()
    first.wait()
    second = start(fresh_store, DETECTORS[1:])
    assert second.wait(timeout=300) == 0, second.said()
    assert statuses(study_runs(fresh_store)) <= {"KILLED", "FINISHED"}
    assert statuses(trial_runs(fresh_store)) == {"FINISHED"}
    complete(start(fresh_store), fresh_store, reference)
