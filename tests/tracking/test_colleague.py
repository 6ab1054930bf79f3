"""Colleague: scores made elsewhere stand on the board by the same rule, or below it where they answer a part."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anomaly_lab.errors import ConfigError, DataError, StoreError
from anomaly_lab.ratings.readers import read_round
from tracking.colleague import record
from tracking.leaderboard import leaderboard
from tracking.store import Store


@pytest.fixture
def notebook(tiny_rounds, tmp_path):
    """A colleague's notebook: returns a file of good scores of a round."""

    def run(name, noise=0.5, seed=0):
        one = read_round(tiny_rounds[name])
        fake = one.labels.fake[one.ratings.ascending]
        raw = fake - 0.5 + np.random.default_rng(seed).normal(scale=noise, size=len(fake))
        path = tmp_path / f"{name}-{noise}-{seed}.npy"
        np.save(path, 1 / (1 + np.exp(-raw)))
        return path

    return run


def auc_of(scores, labelled):
    one = read_round(labelled)
    return roc_auc_score(one.labels.fake[one.ratings.ascending], np.load(scores))


def test_scores_of_every_round_are_ranked_with_the_labs_runs(lab, tiny_rounds, notebook):
    before = leaderboard([lab])
    files, rounds = [notebook("r1"), notebook("r2")], [tiny_rounds["r1"], tiny_rounds["r2"]]
    run_id = record(files, rounds, "ana's notebook", store=lab)
    board = leaderboard([lab])
    mine = board.table.set_index("run_id").loc[run_id]
    assert board.question == before.question
    assert mine["detector"] == "ana's notebook"
    assert mine["rank"] == 1
    assert mine["auc"] == pytest.approx(np.mean([auc_of(*pair) for pair in zip(files, rounds, strict=True)]))
    assert 0 < mine["auc_low"] < mine["auc"] < mine["auc_high"] <= 1
    assert mine["f1"] > 0
    assert len(board.table) == len(before.table) + 1


def test_the_order_of_the_rounds_does_not_make_another_question(lab, tiny_rounds, notebook):
    rounds = [tiny_rounds["r2"], tiny_rounds["r1"]]
    record([notebook("r2"), notebook("r1")], rounds, "ana", store=lab)
    assert "ana" in leaderboard([lab]).table["detector"].tolist()
    assert leaderboard([lab]).others.empty


def test_scores_of_some_rounds_stand_below_the_ranking_and_say_so(lab, tiny_rounds, notebook):
    ranked = leaderboard([lab]).table
    file = notebook("r2")
    run_id = record([file], [tiny_rounds["r2"]], "ben", store=lab)
    board = leaderboard([lab])
    last = board.table.iloc[-1]
    leader = Store.open(lab).client.get_metric_history(ranked["run_id"].iloc[0], "fold_auc")
    (own,) = Store.open(lab).client.get_metric_history(run_id, "fold_auc")
    assert (own.step, own.value) == (1, pytest.approx(last["auc"]))  # MLflow's charts set like beside like
    there = next(one.value for one in leader if one.step == 1)
    assert last["detector"] == "ben"
    assert pd.isna(last["rank"])
    assert pd.isna(last["band"])
    assert last["why"] == (
        f"answered 1 of 2 query rounds (round2_labelled: AUC {auc_of(file, tiny_rounds['r2']):.3f}; "
        f"leader there {there:.3f})"
    )
    pd.testing.assert_frame_equal(board.table.iloc[:-1], ranked)
    assert board.others.empty


def test_the_same_name_again_is_another_try(lab, tiny_rounds, notebook):
    rounds = [tiny_rounds["r1"], tiny_rounds["r2"]]
    record([notebook("r1", 2.0), notebook("r2", 2.0)], rounds, "ana", store=lab)
    best = record([notebook("r1", 0.3), notebook("r2", 0.3)], rounds, "ana", store=lab)
    for noise in (0.4, 0.6):
        record([notebook("r1", noise)], rounds[:1], "ana", store=lab)
    table = leaderboard([lab]).table
    mine = table[table["detector"] == "ana"]
    assert mine["runs"].tolist() == [2, 2]
    assert mine["run_id"].iloc[0] == best
    assert mine["rank"].isna().tolist() == [False, True]
    every = leaderboard([lab], all_runs=True).table
    assert (every["detector"] == "ana").sum() == 4


@pytest.mark.slow
def test_a_round_of_its_own_is_a_question_of_its_own(tmp_path, tiny_rounds, notebook):
    run_id = record([notebook("r1")], [tiny_rounds["r1"]], "ana", store=tmp_path / "new lab")
    board = leaderboard([tmp_path / "new lab"])
    assert board.protocol == "in-round"
    assert (board.table["run_id"].iloc[0], board.table["rank"].iloc[0]) == (run_id, 1)
    record([notebook("r1", 0.3)], [tiny_rounds["r1"]], "ben", store=tmp_path / "new lab")
    assert leaderboard([tmp_path / "new lab"]).table["rank"].tolist() == [1, 2]


def test_scores_that_are_no_probabilities_are_cut_at_a_half_and_said_so(lab, tiny_rounds, notebook, tmp_path):
    for name in ("r1", "r2"):
        np.save(tmp_path / f"{name}.npy", 20 * np.load(notebook(name)) - 10)
    record([tmp_path / "r1.npy", tmp_path / "r2.npy"], [tiny_rounds["r1"], tiny_rounds["r2"]], "distances", store=lab)
    table = leaderboard([lab]).table.set_index("detector")
    assert "; cut at 0.5, though scores run from -" in table.loc["distances", "why"]


def test_what_cannot_be_recorded_is_refused_and_leaves_no_run(lab, tiny_rounds, notebook, tmp_path):
    r1, r2 = tiny_rounds["r1"], tiny_rounds["r2"]
    good = notebook("r1")
    one = read_round(r1).ratings
    np.save(tmp_path / "rows.npy", np.linspace(0.1, 0.9, one.n_rows))
    np.save(tmp_path / "hard.npy", np.arange(one.n_users) % 2)
    (tmp_path / "others.csv").write_text("user,score\n" + "".join(f"{n + 1000},0.{n + 1}\n" for n in range(120)))
    refused = [
        (ConfigError, "one --scores must be given for each --round, found 1 for 2", [good], [r1, r2], "ana"),
        (ConfigError, "--name must not be that of a detector, found 'mahalanobis'", [good], [r1], "mahalanobis"),
        (ConfigError, "--name must say how the board calls", [good], [r1], "  "),
        (DataError, "one score per rating row", [tmp_path / "rows.npy"], [r1], "ana"),
        (DataError, "hard labels", [tmp_path / "hard.npy"], [r1], "ana"),
        (DataError, "found others: user 0 of", [tmp_path / "others.csv"], [r1], "ana"),
        (DataError, "must hold labels", [good], [tiny_rounds["next"]], "ana"),
        (DataError, "given once", [good, good], [r1, r1], "ana"),
    ]
    before = leaderboard([lab], all_runs=True).table
    for error, message, files, rounds, name in refused:
        with pytest.raises(error, match=message):
            record(files, rounds, name, store=lab)
    pd.testing.assert_frame_equal(leaderboard([lab], all_runs=True).table, before)


def test_a_name_taken_by_a_detector_no_longer_installed_is_refused(lab, tiny_rounds, notebook):
    client = Store.open(lab).client
    run_id = leaderboard([lab]).table["run_id"].iloc[0]
    client.set_tag(run_id, "lab.detector", "gone-plugin")
    with pytest.raises(ConfigError, match="found 'gone-plugin'"):
        record([notebook("r1")], [tiny_rounds["r1"]], "gone-plugin", store=lab)


def test_a_recorded_run_asked_of_moved_rounds_names_the_file(lab, tiny_rounds, notebook, tmp_path):
    for run_id in leaderboard([lab], all_runs=True).table["run_id"]:
        run = Store.open(lab).client.get_run(run_id)
        moved = run.data.tags["lab.rounds"].replace("round1_labelled.npz", "gone.npz")
        Store.open(lab).client.set_tag(run_id, "lab.rounds", moved)
    with pytest.raises(StoreError, match=r"gone\.npz: run \w+ learnt from this round, found no such file"):
        record([notebook("r2")], [tiny_rounds["r2"]], "ben", store=lab)
