"""One detector at given parameters: what tuning would find at the same ones."""

import numpy as np
import pandas as pd
import pytest
from lab_helpers import FAMILIES

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.readers import read_rounds
from experiments.evaluate import evaluate, summary
from tracking.read import COMMON_PARAMS
from tracking.store import Store


def test_a_forward_figure_is_that_of_the_board(rounds, reference):
    store, result = reference
    for row in result.board.table.itertuples():
        run = Store.open(store).client.get_run(row.run_id).data
        params = {key: value for key, value in run.params.items() if key not in COMMON_PARAMS}
        settings = {"params": params, "seeds": [int(run.tags["lab.seed"])], "families": FAMILIES}
        table = evaluate(row.detector, rounds[:1], rounds[1:], **settings)
        assert table["auc"].tolist() == [row.auc_forward]


def test_one_row_a_seed_and_queried_round(rounds):
    table = evaluate("logistic-regression", rounds[:1], rounds[1:], params={"sampler": "random-over"}, seeds=(0, 3))
    assert list(zip(table["seed"], table["query"], strict=True)) == [(0, "b"), (3, "b")]
    assert table["auc"].nunique() == 2
    assert {"f1", "precision", "recall", "average_precision", "threshold", "auc_se"} <= set(table.columns)


def test_without_a_test_round_the_training_rounds_are_cut_up(rounds):
    table = evaluate("mahalanobis", rounds, families=FAMILIES)
    assert table["query"].tolist() == [f"{name}/{part}" for name in "ab" for part in range(3)]


def test_parameters_and_families_matter(rounds):
    usual = evaluate("mahalanobis", rounds[:1], rounds[1:])["auc"].item()
    assert evaluate("mahalanobis", rounds[:1], rounds[1:], params={"fit_on": "everyone"})["auc"].item() != usual
    assert evaluate("mahalanobis", rounds[:1], rounds[1:], families=["popularity"])["auc"].item() != usual
    assert evaluate("mahalanobis", rounds[:1], rounds[1:])["auc"].item() == usual


def test_a_summary_is_over_seeds_of_means_over_rounds():
    table = pd.DataFrame({"seed": [0, 0, 1, 1], "query": [*"abab"], "auc": [0.5, 0.7, 0.7, 0.9], "f1": 0.5})
    line = summary(table).loc["auc"]
    assert line["mean"] == pytest.approx(0.7)
    assert line["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert line["seeds"] == 2
    assert summary(table).loc["f1", "sd"] == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "mahalanobi"}, "there is no model 'mahalanobi'; did you mean mahalanobis"),
        ({"params": {"depth": "3"}}, "mahalanobis has no parameter 'depth'; it has "),
        (
            {"params": {"fit_on": "nobody"}},
            "mahalanobis: fit_on must be one of genuine, everyone, hidden, found nobody",
        ),
        ({"families": ["profil"]}, "there is no feature family 'profil'; did you mean profile"),
        (
            {"model": "seed-notebook", "families": ["profile"]},
            "seed-notebook: --families must name at least one of the",
        ),
        ({"families": []}, "--families must name at least one feature family"),
        ({"train": []}, "--train must name at least one labelled round"),
    ],
)
def test_a_wrong_setting_is_told(settings, message, rounds):
    arguments = {"model": "mahalanobis", "train": rounds[:1], "test": rounds[1:]} | settings
    with pytest.raises(ConfigError) as error:
        evaluate(**arguments)
    assert message in str(error.value)


def test_rounds_must_be_labelled_and_different(rounds, files):
    with pytest.raises(DataError, match="each round must be given once"):
        evaluate("mahalanobis", rounds[:1], rounds[:1])
    hidden = read_rounds([files["next"]])
    with pytest.raises(DataError, match=r"next\.npz: a round to learn from must have labels"):
        evaluate("mahalanobis", rounds[:1], hidden)
