"""Leaderboard: runs of one question in the course's order, from one lab or several."""

import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.errors import StoreError
from anomaly_lab.ranking import Contender, rank
from anomaly_lab.ratings.readers import read_round, read_rounds
from experiments.tune import tune
from tracking.colleague import record
from tracking.leaderboard import COLUMNS, leaderboard
from tracking.read import open_runs
from tracking.store import Store


def test_the_board_is_the_rule_applied_to_every_run(tiny_lab):
    board = leaderboard([tiny_lab], all_runs=True)
    table = board.table
    with open_runs([Store.open(tiny_lab)]) as read:
        runs = read.add(read.table(board.question), ["auc", "f1"])
    contenders = [
        Contender(one["run_id"], one["auc"], one["f1"], one["submitted"]) for one in runs.to_dict(orient="records")
    ]
    placings = rank(contenders)
    assert table["run_id"].tolist() == [one.contender.key for one in placings]
    assert table["rank"].tolist() == [one.rank for one in placings]
    assert table["band"].tolist() == [one.band for one in placings]
    assert table["why"].tolist() == [one.why for one in placings]
    assert tuple(table.columns) == COLUMNS


def test_by_default_each_detector_shows_its_best_of_how_many(tiny_lab):
    every = leaderboard([tiny_lab], all_runs=True).table
    table = leaderboard([tiny_lab]).table
    assert sorted(table["detector"]) == ["logistic-regression", "mahalanobis"]
    assert table["runs"].tolist() == [2, 2]
    for row in table.itertuples():
        assert row.auc == every.loc[every["detector"] == row.detector, "auc"].max()


def test_the_best_runs_carry_the_other_protocols_figures(tiny_lab):
    table = leaderboard([tiny_lab]).table
    assert np.allclose(table["optimism"], table["auc_in_round"] - table["auc"])
    assert table["auc_forward"].between(0, 1).all()


def test_a_reader_is_told_that_a_figure_was_selected(tiny_lab):
    assert any(note.startswith("each row is selected") for note in leaderboard([tiny_lab]).notes)


@pytest.mark.slow
def test_a_reader_is_told_what_in_round_is_worth(lab, tiny_rounds):
    rounds = read_rounds([tiny_rounds["r1"]], require_labels=True)
    board = tune(rounds, detectors=["mahalanobis"], trials=1, jobs=1, store=lab, families=["profile"]).board
    assert any("does not predict the next round" in note for note in board.notes)
    assert not any(note.startswith("each row is selected") for note in board.notes)


def test_questions_are_never_mixed_and_the_newest_is_shown(lab, tiny_rounds, tmp_path):
    first = leaderboard([lab])
    one = read_round(tiny_rounds["r1"])
    np.save(tmp_path / "s.npy", np.linspace(0.1, 0.9, one.ratings.n_users))
    with np.load(tiny_rounds["r1"]) as arrays:  # the same round with one rating less is another question
        np.savez(tmp_path / "other.npz", X=arrays["X"][1:], y=arrays["y"])
    record([tmp_path / "s.npy"], [tmp_path / "other.npz"], "ana", store=lab)
    second = leaderboard([lab])
    assert second.question != first.question
    assert second.table["detector"].tolist() == ["ana"]
    assert second.others["question"].tolist() == [first.question]
    pd.testing.assert_frame_equal(leaderboard([lab], question=first.question[:8]).table, first.table)
    with pytest.raises(StoreError, match="--question must name one question, found 0 beginning 'zz'; known: "):
        leaderboard([lab], question="zz")
    with pytest.raises(StoreError, match="found 2 beginning ''"):
        leaderboard([lab], question="")


def test_runs_of_several_labs_are_ranked_together_and_copies_counted_once(
    lab, tiny_lab, tiny_rounds, new_store, tmp_path
):
    files, second = [], new_store("second")
    for name in ("r1", "r2"):
        one = read_round(tiny_rounds[name])
        files.append(tmp_path / f"{name}.npy")
        np.save(files[-1], np.linspace(0.1, 0.9, one.ratings.n_users))
    record(files, [tiny_rounds["r1"], tiny_rounds["r2"]], "another laptop", store=second)
    alone = leaderboard([tiny_lab]).table
    together = leaderboard([tiny_lab, lab, second]).table
    assert sorted(together["detector"]) == sorted([*alone["detector"], "another laptop"])
    assert together["runs"].max() == alone["runs"].max()
    assert set(together["store"]) == {str(tiny_lab), str(second)}


def test_a_lab_without_runs_says_what_to_do(new_store, tmp_path):
    with pytest.raises(StoreError, match="there must be a lab with runs, found none; run `anomaly-lab tune` first"):
        leaderboard([tmp_path / "nowhere"])
    with pytest.raises(StoreError, match="there must be finished runs, found none"):
        leaderboard([new_store("empty")])


def test_unfinished_and_failed_runs_are_not_shown(lab):
    before = leaderboard([lab], all_runs=True).table
    with closing(sqlite3.connect(lab / "mlflow.db")) as database:
        database.execute("update runs set status = 'FAILED' where run_uuid = ?", (before["run_id"].iloc[0],))
        database.commit()
    after = leaderboard([lab], all_runs=True).table
    assert after["run_id"].tolist() == before["run_id"].tolist()[1:]
    assert after["rank"].tolist() == list(range(1, len(before)))
