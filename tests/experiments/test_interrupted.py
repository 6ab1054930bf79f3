"""What an interrupted tune leaves, and that the same command goes on from it as if nothing had happened."""

import signal

import pytest
from lab_helpers import board, facts, run_ids, study_runs, trial_runs, tuned

from anomaly_lab.errors import StoreError
from experiments.interrupts import interrupts_deferred
from tracking.leaderboard import leaderboard
from tracking.record import Recorder
from tracking.store import Store
from tracking.sweep import study_lock, sweep


@pytest.fixture(autouse=True)
def interruptible():
    """Take interrupts as a terminal's program does: started in the background, Python ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupter:
    """A report that interrupts its own process after some trials, as Ctrl-C would."""

    def __init__(self, after):
        self.after = after

    def __call__(self, line, done, total):
        if (total and self.after == 0) or ("AUC" in line and done == self.after):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "jobs"), [(1, 1), pytest.param(2, 1, marks=pytest.mark.slow), pytest.param(2, 2, marks=pytest.mark.slow)]
)
def test_an_interrupt_keeps_what_is_finished_and_the_rest_runs_later(after, jobs, rounds, fresh_store, reference):
    settings = {
        "detectors": ["mahalanobis", "knn-distance"][:after],
        "trials": 3 * after,
        "jobs": jobs,
    }
    result = tuned(rounds, fresh_store, report=Interrupter(after), **settings)
    assert result.interrupted
    assert len(facts(fresh_store)) >= after
    assert {run.info.status for run in study_runs(fresh_store)} == {"KILLED"}
    assert {run.info.status for run in trial_runs(fresh_store)} == {"FINISHED"}
    kept = run_ids(fresh_store)
    result = tuned(rounds, fresh_store, **settings)
    assert not result.interrupted
    assert kept <= run_ids(fresh_store)
    assert {run.info.status for run in study_runs(fresh_store)} == {"FINISHED"}
    known = facts(reference[0])
    assert facts(fresh_store) == {
        key: known[key] for key in known if key[0] in settings["detectors"] and key[1] < 3 * after
    }


def test_an_interrupt_before_the_first_trial_says_how_to_go_on(rounds, fresh_store):
    with pytest.raises(StoreError, match="ended before any trial was finished; the same command goes on from here"):
        tuned(rounds, fresh_store, detectors=["mahalanobis"], trials=1, report=Interrupter(0))
    assert {run.info.status for run in study_runs(fresh_store)} == {"KILLED"}


def test_an_interrupt_the_moment_a_parent_run_is_opened_leaves_none_running(rounds, fresh_store, monkeypatch):
    opened = Recorder.start_study

    def open_and_interrupt(self, spec):
        run_id = opened(self, spec)
        signal.raise_signal(signal.SIGINT)
        return run_id

    monkeypatch.setattr(Recorder, "start_study", open_and_interrupt)
    with pytest.raises(StoreError, match="ended before any trial was finished"):
        tuned(rounds, fresh_store, detectors=["mahalanobis", "knn-distance"], trials=1)
    assert [run.info.status for run in study_runs(fresh_store)] == ["KILLED"]


def test_an_interrupt_waits_until_what_is_being_written_is_written():
    steps = []

    def write(interrupts):
        with interrupts_deferred():
            for number in range(interrupts):
                signal.raise_signal(signal.SIGINT)
                steps.append(number)

    with pytest.raises(KeyboardInterrupt):
        write(1)
    assert steps == [0]
    with pytest.raises(KeyboardInterrupt):
        write(2)  # whoever interrupts twice means it
    assert steps == [0, 0]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("share", [0.4, *(pytest.param(one, marks=pytest.mark.slow) for one in (0.0, 0.97))])
def test_runs_that_optuna_was_not_told_of_are_told_and_not_run_again(share, rounds, copied, reference):
    journal = copied / "optuna.journal"
    written = journal.read_bytes()
    journal.write_bytes(written[: int(share * len(written))])
    result = tuned(rounds, copied)
    assert run_ids(copied) == run_ids(reference[0])
    assert board(result) == board(reference[1])


@pytest.mark.slow
def test_a_run_that_optuna_would_not_propose_again_is_not_told(rounds, copied, reference):
    """The journal is lost and what MLflow holds was proposed by another release of Optuna."""
    (copied / "optuna.journal").unlink()
    client = Store.open(copied).client
    other = next(run for run in trial_runs(copied) if run.data.tags["lab.trial"] == "1")
    twin = next(run for run in trial_runs(copied) if run.data.tags["lab.trial"] == "2" and same_study(run, other))
    client.set_tag(other.info.run_id, "lab.trial", "2")
    client.set_tag(twin.info.run_id, "lab.trial", "1")
    tuned(rounds, copied)
    assert len(run_ids(copied)) == len(run_ids(reference[0])) + 2


def same_study(one, other):
    return one.data.tags["lab.study"] == other.data.tags["lab.study"]


@pytest.fixture
def half_written(copied):
    """A lab whose driver died while it wrote trial 5, and that run."""
    client = Store.open(copied).client
    lost = next(run for run in trial_runs(copied) if run.data.tags["lab.trial"] == "5")
    client.delete_run(lost.info.run_id)
    tags = dict(lost.data.tags) | {"lab.home": Store.open(copied).home}
    parent = client.get_run(tags["mlflow.parentRunId"]).info.run_id
    client.set_tag(parent, "lab.home", tags["lab.home"])
    client.update_run(parent, status="RUNNING")
    lines = (copied / "optuna.journal").read_bytes().splitlines(keepends=True)
    (copied / "optuna.journal").write_bytes(b"".join(lines[: len(lines) // 2]))
    return copied, client.create_run(lost.info.experiment_id, tags=tags)


def test_a_half_written_run_is_run_again(half_written, rounds, reference):
    store, half = half_written
    tuned(rounds, store)
    assert half.info.run_id not in run_ids(store)
    assert facts(store) == facts(reference[0])
    assert {run.info.status for run in study_runs(store)} == {"FINISHED"}


def test_whoever_reads_the_board_puts_right_what_a_dead_driver_left(half_written, reference):
    store, half = half_written
    assert len(leaderboard([store]).table) == len(reference[1].board.table)
    assert half.info.run_id not in run_ids(store)
    assert sorted(run.info.status for run in study_runs(store)) == ["FINISHED", "KILLED"]
    assert sweep(Store.open(store)) == 0


def test_what_a_living_driver_is_writing_is_let_alone(half_written):
    store, half = half_written
    opened = Store.open(store)
    with opened.lock(study_lock(half.data.tags["lab.study"])):
        assert sweep(Store.open(store)) == 0
    assert half.info.run_id in run_ids(store)
    assert sweep(Store.open(store)) == 2


def test_what_another_machine_is_writing_is_let_alone(half_written):
    store, half = half_written
    client = Store.open(store).client
    for run_id in (half.info.run_id, half.data.tags["mlflow.parentRunId"]):
        client.set_tag(run_id, "lab.home", "elsewhere:/lab")
    assert sweep(Store.open(store)) == 0
    assert half.info.run_id in run_ids(store)


@pytest.mark.slow
def test_a_run_deleted_in_the_ui_is_left_out_with_a_word(rounds, copied, reference):
    best = reference[1].board.table["run_id"].iloc[0]
    Store.open(copied).client.delete_run(best)
    lines = []
    result = tuned(rounds, copied, report=lambda line, done, total: lines.append(line))
    assert any("1 finished trials have no run in MLflow any more" in line for line in lines)
    assert best not in set(result.board.table["run_id"])
    assert len(facts(copied)) == len(facts(reference[0])) - 1


@pytest.mark.slow
def test_a_question_deleted_in_the_ui_comes_back(rounds, copied, reference):
    client = Store.open(copied).client
    for one in client.search_experiments():
        if reference[1].board.question.startswith(one.name.rpartition(" ")[2]):
            client.delete_experiment(one.experiment_id)
    assert board(tuned(rounds, copied)) == board(reference[1])
    assert run_ids(copied) == run_ids(reference[0])
