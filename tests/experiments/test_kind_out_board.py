"""Kinds from the command line to the board: composites, leave-kind-out, and the worst kind of every winner."""

import json
from pathlib import Path

import numpy as np
import pytest
from lab_helpers import trial_runs

from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.errors import ConfigError
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.readers import read_rounds
from experiments.config import read_config
from experiments.evaluate import evaluate, in_words, summary
from experiments.show import board_view
from experiments.tune import tune

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_trees")]
FAMILIES = ("profile",)
LEFT_OUT = {"protocol": "leave-kind-out", "families": FAMILIES}


@pytest.fixture(scope="module")
def named(tmp_path_factory) -> list[Path]:
    """Files of two rounds whose labels name three kinds."""
    folder, paths = tmp_path_factory.mktemp("named"), []
    for seed in (0, 1):
        one = random_round(seed=seed, n_users=60, n_items=30, n_fakes=15, n_kinds=3)
        rows = np.column_stack([one.users, one.items, one.ratings]).astype(int)
        paths.append(folder / f"named{seed}.npz")
        np.savez(paths[-1], X=rows, y=np.column_stack([np.arange(60), one.fake]))
    return paths


@pytest.fixture(scope="module")
def rounds_named(named):
    return read_rounds(named, require_labels=True)


def test_leave_kind_out_gives_a_row_a_kind_and_is_summed_up_in_words(rounds_named):
    table = evaluate("mahalanobis", rounds_named, seeds=(0, 1), **LEFT_OUT)
    assert table["query"].tolist() == ["kind 1", "kind 2", "kind 3"] * 2
    by_kind = table.groupby("query")["auc"].mean()
    means = summary(table, "leave-kind-out")
    assert means.loc["auc_kind_out", "mean"] == pytest.approx(by_kind.mean())
    lowest = table.groupby("seed")["auc"].min()
    assert means.loc["auc_worst_kind", ["mean", "sd"]].tolist() == pytest.approx([lowest.mean(), lowest.std()])
    words = in_words(table, "leave-kind-out")
    assert f"mean AUC {by_kind.mean():.3f} over 3 kinds" in words
    assert f"worst {by_kind.min():.3f} ({by_kind.idxmin()})" in words


def test_where_no_kinds_are_named_the_kinds_are_simulated(rounds):
    assert evaluate("mahalanobis", rounds, **LEFT_OUT)["query"].tolist() == list(RATING_KINDS)


@pytest.mark.parametrize("queried", ["another round", "in-round"])
def test_composites_are_shown_where_the_queried_round_names_kinds(queried, rounds_named):
    train, test = (rounds_named[:1], rounds_named[1:] if queried == "another round" else [])
    table = evaluate("mahalanobis", train, test, families=FAMILIES)
    kinds = table[[f"auc_class_{kind}" for kind in (1, 2, 3)]].mean(axis=1)
    np.testing.assert_allclose(table["composite"], (table["auc_class_0"] + kinds) / 2)
    np.testing.assert_allclose(table["auc_class_0"], table["auc"], atol=1e-12)


def test_no_composite_without_kinds(rounds):
    assert "composite" not in evaluate("mahalanobis", rounds[:1], rounds[1:], families=FAMILIES)


def test_rounds_to_score_and_a_protocol_exclude_each_other(rounds_named):
    with pytest.raises(ConfigError, match="give either --test or --protocol"):
        evaluate("mahalanobis", rounds_named[:1], rounds_named[1:], protocol="in-round")


def test_the_command_prints_every_kind(cli, named):
    asked = ["evaluate", "mahalanobis", "--train", named[0], "--families", "profile"]
    left_out = cli(*asked, "--protocol", "leave-kind-out")
    assert left_out.code == 0
    assert all(f"kind {kind}" in left_out.out for kind in (1, 2, 3))
    assert "worst 0." in left_out.out
    as_json = json.loads(cli(*asked, "--protocol", "leave-kind-out", "--json").out)
    assert {"auc", "auc_kind_out", "auc_worst_kind"} <= set(as_json["summary"])
    usual = cli(*asked)
    assert "composite" in usual.out
    assert "auc_class_3" in usual.out
    wrong = cli(*asked, "--protocol", "leave-one-out")
    assert wrong.code == 2
    assert "found 'leave-one-out'" in wrong.err


def test_a_winners_worst_kind_is_that_of_an_evaluation_and_old_rows_stay_blank(rounds_named, fresh_store):
    settings = {"trials": 1, "jobs": 1, "store": fresh_store, "families": FAMILIES}
    before = tune(rounds_named, detectors=["mahalanobis"], kind_out=False, **settings).board
    assert before.table["auc_worst_kind"].isna().all()
    assert "worst kind" not in board_view(before)
    board = tune(rounds_named, detectors=["lof"], **settings).board
    row = board.table.set_index("detector").loc["lof"]
    run = next(run for run in trial_runs(fresh_store) if run.info.run_id == row["run_id"])
    by_kind = evaluate("lof", rounds_named, seeds=[int(run.data.tags["lab.seed"])], **LEFT_OUT)["auc"]
    assert row["auc_worst_kind"] == by_kind.min()
    assert row["auc_kind_out"] == pytest.approx(by_kind.mean())
    view = board_view(board).set_index("detector")["worst kind"]
    assert view["lof"] == by_kind.min()
    assert np.isnan(view["mahalanobis"])
    resumed = tune(rounds_named, detectors=["mahalanobis"], **settings).board
    assert resumed.table["auc_worst_kind"].notna().all()
    assert len(trial_runs(fresh_store)) == 2


def test_simulated_kinds_are_left_out_when_switched_on(rounds, fresh_store):
    settings = {"detectors": ["mahalanobis"], "trials": 1, "jobs": 1, "store": fresh_store, "families": FAMILIES}
    assert tune(rounds, **settings).board.table["auc_worst_kind"].isna().all()
    board = tune(rounds, kind_out=True, **settings).board.table
    assert 0 <= board["auc_worst_kind"].item() < board["auc_kind_out"].item() <= 1


def test_the_switch_may_stand_in_a_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("kind_out = true\n")
    assert read_config(path)["kind_out"] is True
    path.write_text("kind_out = 1\n")
    with pytest.raises(ConfigError, match="'kind_out' must be of type bool, found 1"):
        read_config(path)
    path.write_text("seed = true\n")
    with pytest.raises(ConfigError, match="'seed' must be of type int, found True"):
        read_config(path)
