"""An ablation: every variant a run that is not ranked, none run twice, the table as the runs say."""

import json

import pandas as pd
import pytest
from lab_helpers import all_runs, round_options

from anomaly_lab.detectors.next_round import NextRoundDetector
from anomaly_lab.errors import ConfigError, StoreError
from experiments.ablate import ablate
from experiments.evaluate import evaluate
from tracking.leaderboard import leaderboard
from tracking.store import Store
from tracking.sweep import study_lock

FAMILIES = ["profile", "popularity"]
VARIANTS = ["whole", "without profile", "without popularity", "profile alone", "popularity alone"]
pytestmark = pytest.mark.slow


def ablated(rounds, store, **settings):
    return ablate("mahalanobis", rounds, **({"families": FAMILIES, "jobs": 1} | settings), store=store)


@pytest.fixture(scope="session")
def quick(rounds, template, copy_lab, tmp_path_factory):
    """An ablation that nobody disturbed, and its lab."""
    store = copy_lab(template, tmp_path_factory.mktemp("ablated"))
    return store, ablated(rounds, store, seeds=2)


def test_the_table_is_what_evaluate_finds(quick, rounds):
    table = quick[1].table.set_index("variant")
    assert [*table.index] == VARIANTS
    both = {"profile alone": ["profile"], "popularity alone": ["popularity"], "whole": FAMILIES}
    for name, families in both.items():
        found = evaluate("mahalanobis", rounds, protocol="next-round", families=families, seeds=(0, 1))
        by_seed = found.groupby("seed").mean(numeric_only=True)
        assert table.loc[name, "auc"] == pytest.approx(by_seed["auc"].mean(), abs=1e-12)
        assert table.loc[name, "auc_sd"] == pytest.approx(by_seed["auc"].std(), abs=1e-12)
        assert table.loc[name, "f1"] == pytest.approx(by_seed["f1"].mean(), abs=1e-12)
        assert table.loc[name, "auc_se"] > 0
    pd.testing.assert_series_equal(table["difference"], table["auc"] - table.loc["whole", "auc"], check_names=False)
    assert table.loc["whole", "difference_se"] == 0
    assert table.drop(index="whole")["difference_se"].between(1e-4, 0.2).all()
    assert (table["seeds"] == 2).all()
    assert (table[[f"seconds_{stage}" for stage in ("features", "fit", "score", "threshold")]] > 0).all(axis=None)


def test_every_variant_and_seed_is_a_run_that_is_not_ranked(quick):
    runs = all_runs(quick[0])
    told = {(run.data.tags["lab.variant"], run.data.tags["lab.seed"]) for run in runs}
    assert told == {(name, seed) for name in VARIANTS[:3] for seed in "01"}, "of two families, 'without' is 'alone'"
    assert {run.data.tags["lab.role"] for run in runs} == {"ablation"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.params["families"] for run in runs} == {"profile,popularity", "profile", "popularity"}
    with pytest.raises(StoreError, match="there must be finished runs"):
        leaderboard([quick[0]])


def test_what_finished_is_not_run_again(rounds, fresh_store):
    first = ablated(rounds, fresh_store)
    before = {run.info.run_id for run in all_runs(fresh_store)}
    again = ablated(rounds, fresh_store)
    assert {run.info.run_id for run in all_runs(fresh_store)} == before
    pd.testing.assert_frame_equal(again.table, first.table)
    Store.open(fresh_store).client.delete_run(min(before))
    more = ablated(rounds, fresh_store, seeds=2)
    assert {run.data.tags["lab.seed"] for run in all_runs(fresh_store)} == {"0", "1"}
    assert len(all_runs(fresh_store)) == 6
    assert (more.table["seeds"] == 2).all()


def test_other_settings_are_other_runs(rounds, fresh_store):
    usual = ablated(rounds, fresh_store, families=["profile"]).table
    everyone = ablated(rounds, fresh_store, families=["profile"], params={"fit_on": "everyone"}).table
    assert usual["variant"].tolist() == everyone["variant"].tolist() == ["whole"]
    assert usual["auc"].item() != everyone["auc"].item()
    assert len(all_runs(fresh_store)) == 2


def test_the_number_of_workers_changes_no_figure(quick, rounds, fresh_store):
    table = ablated(rounds, fresh_store, seeds=2, jobs=2).table
    measured = ["variant", "seeds", "auc", "auc_sd", "auc_se", "difference", "difference_se", "f1"]
    pd.testing.assert_frame_equal(table[measured], quick[1].table[measured])


def test_next_round_does_without_families_and_experts(rounds, fresh_store):
    quick = {"n_trees": "4", "n_networks": "1", "n_per_kind": "5", "n_strays": "20", "n_hybrids": "20"}
    found = ablate("next-round", rounds, jobs=1, params=quick, families=FAMILIES, store=fresh_store)
    experts = [*NextRoundDetector.components]
    assert {"without bank", "bank alone", "with hybrids"} <= set(experts)
    assert found.table["variant"].tolist() == [*VARIANTS, *experts]
    assert found.table.drop_duplicates(["auc", "f1", "auc_se"]).shape[0] == 11, "all but the two families named twice"
    settings = {run.data.tags["lab.variant"]: run.data.params for run in all_runs(fresh_store)}
    assert settings["bank alone"]["experts"] == "('bank',)"
    assert settings["without profile"]["families"] == "popularity"


def test_a_variant_that_fails_is_told_and_run_again(plugins, rounds, fresh_store):
    found = ablate("raises-sometimes", rounds, jobs=1, families=["profile"], store=fresh_store)
    assert found.table["variant"].tolist() == ["whole"]
    assert found.failures == {"without luck": "ValueError: only 1.0 will do"}
    ablate("raises-sometimes", rounds, jobs=1, families=["profile"], store=fresh_store)
    assert sorted(run.info.status for run in all_runs(fresh_store)) == ["FAILED", "FAILED", "FINISHED"]


def test_a_model_that_fails_as_a_whole_is_told(plugins, rounds, fresh_store):
    with pytest.raises(StoreError, match=r"raises must finish as a whole, found that it failed: ValueError: no luck"):
        ablate("raises", rounds, jobs=1, families=["profile"], store=fresh_store)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": 0}, "--seeds must be at least 1, found 0"),
        ({"jobs": 0}, "--jobs must be at least 1, found 0"),
        ({"families": ["profil"]}, "there is no feature family 'profil'"),
        ({"params": {"depth": "3"}}, "mahalanobis has no parameter 'depth'"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_written(settings, message, rounds, tmp_path):
    with pytest.raises(ConfigError, match=message):
        ablated(rounds, tmp_path / "lab", **settings)
    assert not (tmp_path / "lab").exists()


def test_two_at_once_are_told(rounds, fresh_store):
    ablated(rounds, fresh_store, families=["profile"])
    (study,) = {run.data.tags["lab.study"] for run in all_runs(fresh_store)}
    with (
        Store.open(fresh_store).lock(study_lock(study)),
        pytest.raises(StoreError, match="is being written by another process"),
    ):
        ablated(rounds, fresh_store, families=["profile"])


def test_the_command_prints_the_table_in_every_form(cli, files, quick):
    asked = ["ablate", "mahalanobis", *round_options(files), "--families", "profile,popularity", "--seeds", 2]
    asked += ["--store", quick[0], "--jobs", 1]
    shown = cli(*asked)
    assert shown.code == 0, shown.err
    assert all(name in shown.out for name in [*VARIANTS, "next-round on a + b", "difference", "threshold s"])
    found = json.loads(cli(*asked, "--json").out)
    assert [row["variant"] for row in found["rows"]] == VARIANTS
    assert found["failures"] == {}
    assert (
        cli(*asked, "--csv")
        .out.splitlines()[0]
        .startswith("part,variant,seeds,auc,auc_sd,auc_se,difference,difference_se,f1")
    )
    assert cli(*asked, "--markdown").out.startswith("| part | variant | seeds | AUC | sd | se |")
    assert cli("ablate", "mahalanobi", *round_options(files)).code == 2
