"""Without the target: a study of its own that answers the same question, and is fitted again as it was."""

import json

import numpy as np
import pytest
from lab_helpers import round_options, study_runs, trial_runs, tuned

from anomaly_lab.evaluation.refit import refit
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import MODELS
from anomaly_lab.space import parse_params
from experiments.ablate import ablate
from experiments.evaluate import evaluate
from tracking.export import export
from tracking.leaderboard import leaderboard
from tracking.read import COMMON_PARAMS
from tracking.rebuild import recipe
from tracking.store import Store

FAMILIES = ["agreement", "popularity"]
SETTINGS = {"detectors": ["mahalanobis"], "families": FAMILIES, "trials": 1, "jobs": 1}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def both(rounds, template, copy_lab, tmp_path_factory):
    """A lab in which one detector was tuned with the target and without."""
    store = copy_lab(template, tmp_path_factory.mktemp("both"))
    return store, [tuned(rounds, store, **SETTINGS, inductive=inductive) for inductive in (False, True)]


def test_they_are_two_studies_of_one_question_ranked_together(both):
    store, boards = both
    assert boards[0].board.question == boards[1].board.question
    assert len({run.data.tags["lab.study"] for run in study_runs(store)}) == 2
    assert sorted(run.data.tags["lab.inductive"] for run in trial_runs(store)) == ["false", "true"]
    table = leaderboard([store], all_runs=True).table
    assert len(table) == 2
    assert table["auc"].nunique() == 2
    tags = {run.info.run_id: run.data.tags["lab.inductive"] for run in trial_runs(store)}
    assert ["inductive" in why for why in table["why"]] == [tags[one] == "true" for one in table["run_id"]]


def test_evaluate_finds_what_the_board_says_of_each(both, rounds):
    for run in trial_runs(both[0]):
        inductive = run.data.tags["lab.inductive"] == "true"
        seed = int(run.data.tags["lab.seed"])
        table = evaluate(
            "mahalanobis", rounds, protocol="next-round", families=FAMILIES, inductive=inductive, seeds=[seed]
        )
        assert table["auc"].mean() == pytest.approx(run.data.metrics["auc"], abs=1e-12)


def test_the_same_command_goes_on_with_its_own_study(both, rounds):
    before = {run.info.run_id for run in trial_runs(both[0])}
    tuned(rounds, both[0], **SETTINGS, inductive=True)
    assert {run.info.run_id for run in trial_runs(both[0])} == before


def test_a_run_is_exported_as_it_was_ranked(both, rounds, files, tmp_path):
    store = Store.open(both[0])
    (target,) = read_rounds([files["next"]])
    handed_in = []
    for run in sorted(trial_runs(both[0]), key=lambda run: run.data.tags["lab.inductive"]):
        inductive = run.data.tags["lab.inductive"] == "true"
        assert recipe(store, run)[0].features.inductive == inductive
        seen = FeatureStore(FAMILIES, only=FAMILIES, inductive=inductive)
        params = {key: run.data.params[key] for key in run.data.params if key not in COMMON_PARAMS}
        model = MODELS.load("mahalanobis")
        settings = parse_params(model, params, "mahalanobis")
        seed = int(run.data.tags["lab.seed"])
        expected = refit("mahalanobis", model, settings, rounds, target.ratings, seen, seed=seed)
        found = export(files["next"], tmp_path / f"{inductive}.npz", store=both[0], run=run.info.run_id)
        np.testing.assert_array_equal(found.table["score"], expected.scores)
        assert json.loads(found.manifest.read_text())["inductive"] == inductive
        version = store.client.get_model_version("champion", found.champion)
        assert version.tags["inductive"] == str(inductive).lower()
        handed_in.append(found.table["score"].to_numpy())
    assert (handed_in[0] != handed_in[1]).any()


def test_a_run_of_before_there_was_a_choice_used_the_target(both):
    run = next(run for run in trial_runs(both[0]) if run.data.tags.pop("lab.inductive") == "true")
    assert not recipe(Store.open(both[0]), run)[0].features.inductive


def test_an_ablation_of_either_is_another(rounds, fresh_store):
    usual, alone = (
        ablate("mahalanobis", rounds, families=FAMILIES, inductive=inductive, jobs=1, store=fresh_store).table
        for inductive in (False, True)
    )
    assert usual["variant"].tolist() == alone["variant"].tolist()
    assert (usual["auc"] != alone["auc"]).any()
    expected = evaluate("mahalanobis", rounds, protocol="next-round", families=FAMILIES, inductive=True)["auc"].mean()
    assert alone["auc"].iloc[0] == pytest.approx(expected, abs=1e-12)
    alone_again = ablate("mahalanobis", rounds, families=FAMILIES, inductive=True, jobs=1, store=fresh_store).table
    assert alone_again["auc"].tolist() == alone["auc"].tolist()


@pytest.mark.parametrize(
    "command", ["evaluate", *(pytest.param(one, marks=pytest.mark.slow) for one in ("ablate", "tune"))]
)
def test_every_command_has_the_option(command, cli, files, rounds, fresh_store):
    rounds_and_lab = [*round_options(files), "--jobs", 1, "--store", fresh_store]
    options = {
        "evaluate": ["mahalanobis", "--train", files["a"], "--test", files["b"]],
        "ablate": ["mahalanobis", *rounds_and_lab],
        "tune": [
            "--detector",
            "mahalanobis",
            *round_options(files),
            "--trials",
            1,
            "--jobs",
            1,
            "--store",
            fresh_store,
        ],
    }[command]
    ran = cli(command, *options, "--families", "popularity", "--inductive", "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    rows = found["runs"] if command == "evaluate" else found["rows"]
    test = {"test": rounds[1:]} if command == "evaluate" else {"protocol": "next-round"}
    train = rounds[:1] if command == "evaluate" else rounds
    by_hand = [
        evaluate("mahalanobis", train, **test, families=["popularity"], inductive=inductive)["auc"].mean()
        for inductive in (True, False)
    ]
    assert rows[0]["auc"] == pytest.approx(by_hand[0], abs=1e-9)
    assert by_hand[0] != pytest.approx(by_hand[1], abs=1e-9)


def test_a_config_may_say_so_and_an_option_wins(cli, files, fresh_store, tmp_path):
    config = tmp_path / "study.toml"
    config.write_text(
        'detectors = ["mahalanobis"]\nfamilies = ["popularity"]\ntrials = 1\njobs = 1\ninductive = true\n'
    )
    for option in ([], ["--transductive"]):
        assert cli("tune", "--config", config, *round_options(files), "--store", fresh_store, *option).code == 0
    assert sorted(run.data.tags["lab.inductive"] for run in trial_runs(fresh_store)) == ["false", "true"]
