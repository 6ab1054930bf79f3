"""A lab's own database read without MLflow gives what MLflow gives, bit for bit."""

import math
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from tracking import lab_database
from tracking.expectation import expect_run
from tracking.leaderboard import leaderboard
from tracking.read import find_run
from tracking.store import Store
from tracking.sweep import sweep

ASKS = [{"all_runs": True}, {"all_runs": True, "top": 3}, {}, {"top": 1}]


def add_runs(folder, seed):
    """Add runs that tie, lack figures, failed, are deleted or answered a part, like those of the lab."""
    from mlflow.entities import Metric, RunTag

    rng, client = np.random.default_rng(seed), Store.open(folder).client
    like = client.get_run(leaderboard([folder]).table["run_id"].iloc[0])
    names = ("ranked", "question", "question_title", "protocol", "task", "rounds", "fake_share", "baseline", "detector")
    tags = {f"lab.{name}": like.data.tags[f"lab.{name}"] for name in names}
    answered = '[{"ratings": "abc", "name": "r2", "auc": 0.8}]'
    for number in range(16):
        own = tags | {"lab.trial": str(number), "lab.detector": f"d{number % 3}"}
        own |= {"lab.ranked": "partial", "lab.answered": answered} if number % 8 == 3 else {}
        own |= {"lab.question": "f" * 64, "lab.question_title": "another"} if number % 8 == 5 else {}
        own |= {"lab.ranked": "false"} if number == 6 else {}
        run_id = client.create_run(like.info.experiment_id, start_time=1000 + number // 4).info.run_id
        figures = {
            "auc": rng.choice([0.9, 0.901, 0.75]),
            "f1": rng.choice([0.5, math.nan]),
            "seconds": rng.random(),
            "auc_se": 0.01,
        }
        figures |= {"auc": math.nan} if number == 9 else {}
        figures |= {"real_auc": math.inf} if number == 10 else {}
        metrics = [Metric(name, float(value), 5, 0) for name, value in figures.items() if number != 11 or name == "f1"]
        metrics += [Metric("fold_auc", float(rng.random()), 5, step) for step in (1, 0)]
        client.log_batch(run_id, metrics, tags=[RunTag(*one) for one in own.items()])
        client.set_terminated(run_id, "FAILED" if number == 12 else "FINISHED", end_time=2000)
        if number == 13:
            client.delete_run(run_id)


@pytest.fixture
def by_mlflow(monkeypatch):
    """Read by MLflow's client, as where the schema of a lab's database is not known."""

    def read(of):
        with monkeypatch.context() as patch:
            patch.setattr(lab_database, "SCHEMAS", frozenset())
            return of()

    return read


@pytest.fixture(scope="module")
def two_labs(tiny_lab, copy_lab, tmp_path_factory):
    folders = [copy_lab(tiny_lab, tmp_path_factory.mktemp("labs") / name) for name in ("one", "two")]
    for seed, folder in enumerate(folders):
        add_runs(folder, seed)
    return folders


def test_the_schema_of_the_installed_mlflow_is_known(template):
    with lab_database.open_database(Store.open(template)) as database:
        assert database is not None


@pytest.mark.parametrize("number", [1, 2])
def test_boards_are_the_same_by_both_ways(number, two_labs, by_mlflow):
    labs = two_labs[:number]
    boards = [leaderboard(labs, **settings) for settings in ASKS]
    for board, other in zip(
        boards, by_mlflow(lambda: [leaderboard(labs, **settings) for settings in ASKS]), strict=True
    ):
        pd.testing.assert_frame_equal(board.table, other.table, check_exact=True)
        pd.testing.assert_frame_equal(board.others, other.others)
        assert (board.title, board.protocol, board.fake_share) == (other.title, other.protocol, other.fake_share)


@pytest.mark.parametrize("all_runs", [True, False])
def test_the_first_rows_are_those_of_the_whole_board(all_runs, two_labs):
    whole = leaderboard(two_labs, all_runs=all_runs).table
    for top in range(1, len(whole) + 2):
        first = leaderboard(two_labs, all_runs=all_runs, top=top).table
        pd.testing.assert_frame_equal(first, whole.head(top), check_dtype=False)


def test_other_questions_are_told_with_the_number_of_their_runs(two_labs):
    assert leaderboard(two_labs).others["runs"].tolist() == [2]


def test_an_expectation_is_the_same_by_both_ways(two_labs, by_mlflow):
    store = Store.open(two_labs[0])
    run = find_run(store, leaderboard([store.folder]).table["run_id"].iloc[0])
    assert expect_run(store, run) == by_mlflow(lambda: expect_run(store, run))


def test_what_a_dead_driver_left_is_found_by_both_ways(lab, copy_lab, tmp_path, by_mlflow):
    client = Store.open(lab).client
    experiment = client.search_experiments()[0].experiment_id
    client.create_run(experiment, tags={"lab.home": Store.open(lab).home, "lab.study": "s"})
    client.create_run(experiment, tags={"lab.home": "elsewhere"})
    found = by_mlflow(lambda: sweep(Store.open(lab)))
    client.create_run(experiment, tags={"lab.home": Store.open(lab).home})
    assert found == sweep(Store.open(lab)) == 1


def test_a_board_of_a_lab_needs_no_mlflow(tiny_lab):
    code = f"""
import sys
from tracking.leaderboard import leaderboard
print(len(leaderboard([{str(tiny_lab)!r}]).table), "mlflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["2", "False"]


def test_the_sort_of_the_ui_knows_how_tables_are_filled_once_they_are_analyzed(lab):
    Store.open(lab).analyze()
    with closing(sqlite3.connect(lab / "mlflow.db")) as database:
        indexes = {name for (name,) in database.execute("select idx from sqlite_stat1 where tbl = 'latest_metrics'")}
    assert "sqlite_autoindex_latest_metrics_1" in indexes
