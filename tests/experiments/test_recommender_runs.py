"""Recommenders are tuned, recorded, ranked and ended early by the same engine as detectors."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from installing import install

from anomaly_lab.errors import ConfigError, StoreError
from anomaly_lab.ratings.items import ItemTable
from anomaly_lab.ratings.labels import Round
from anomaly_lab.recommender_checks import random_log
from anomaly_lab.tasks.implicit_ranking import ImplicitRanking
from anomaly_lab.tasks.rating_prediction import RatingPrediction
from experiments.journal import open_journal
from experiments.tune import tune
from tracking.leaderboard import leaderboard
from tracking.rebuild import choose_run
from tracking.recommender_board import best_recommender
from tracking.store import PREFIX, Store

pytestmark = pytest.mark.slow
LOG = Round(random_log(), name="log")
RATINGS = RatingPrediction(folds_wanted=2)
LIKINGS = ImplicitRanking(min_positives=4, held_out=2, positive=3.0, folds_wanted=2)
EPOCHS = '''
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
import numpy as np
from optuna.distributions import FloatDistribution
from anomaly_lab.recommenders.base import Recommender

@dataclass
class Model(Recommender):
    """Says a number that is far from the mean, and tells how far after each of five epochs."""
    task: ClassVar[str] = "rating-prediction"
    off: Annotated[float, FloatDistribution(0.0, 2.0)] = 1.0
    mean_: float = field(init=False, repr=False, default=0.0)
    def fit(self, train, *, rng):
        self.n_items_, self.mean_ = train.known.n_items, train.known.mean
        for epoch in range(1, 6):
            train.report(epoch, {"loss": LOSS, "validation": self.off + 1 / epoch})
        return self
    def predict(self, users, items):
        return np.full(len(users), self.mean_ + self.off)
'''


def tuned(store, task, models, trials=2, jobs=1):
    return tune([LOG], detectors=models, trials=trials, jobs=jobs, task=task, store=store)


def runs_of(store, role):
    client = Store.open(store).client
    found = client.search_runs(
        [one.experiment_id for one in client.search_experiments()], f"tags.`{PREFIX}role` = '{role}'"
    )
    return sorted(found, key=lambda run: int(run.data.tags.get(PREFIX + "trial", 0)))


def test_a_board_of_ratings_is_ranked_by_rmse_with_the_baseline_marked(fresh_store):
    table = tuned(fresh_store, RATINGS, ["biases", "als"]).board.table
    assert table["rmse"].is_monotonic_increasing
    assert table.set_index("model")["baseline"].to_dict() == {"biases": True, "als": False}
    assert table["why"][0] == "lowest RMSE"
    assert table["why"][1].startswith("RMSE 0.")
    assert ((table["rmse_low"] < table["rmse"]) & (table["rmse"] < table["rmse_high"])).all()


def test_a_board_of_likings_is_ranked_by_auc(fresh_store):
    table = tuned(fresh_store, LIKINGS, ["popularity", "ease"]).board.table
    assert table["auc"].is_monotonic_decreasing
    assert {"ndcg", "hit_rate", "recall"} <= set(table.columns)


def test_the_best_trial_is_the_one_with_the_lowest_error(fresh_store):
    tuned(fresh_store, RATINGS, ["biases"], trials=4)
    (study,) = runs_of(fresh_store, "study")
    errors = {run.info.run_id: run.data.metrics["rmse"] for run in runs_of(fresh_store, "trial")}
    assert len(errors) == 4
    assert study.data.tags[PREFIX + "best_run"] == min(errors, key=errors.get)


def test_the_result_does_not_depend_on_the_number_of_workers(new_store):
    boards = [tuned(new_store(f"lab{jobs}"), RATINGS, ["biases", "als"], jobs=jobs).board.table for jobs in (1, 2)]
    kept = ["model", "rmse", "mae", "accuracy"]
    pd.testing.assert_frame_equal(boards[0][kept], boards[1][kept], check_exact=True)


def test_a_tune_is_resumed(fresh_store):
    tuned(fresh_store, RATINGS, ["biases"], trials=2)
    first = [run.info.run_id for run in runs_of(fresh_store, "trial")]
    tuned(fresh_store, RATINGS, ["biases"], trials=4)
    assert [run.info.run_id for run in runs_of(fresh_store, "trial")][:2] == first
    assert len(runs_of(fresh_store, "trial")) == 4


def test_a_study_is_not_resumed_on_other_genres(fresh_store):
    ids = LOG.ratings.item_ids
    for genres in (("a", "b"), ("a",), ("a", "b")):
        content = ItemTable(ids, np.full(len(ids), ""), genres, np.ones((len(ids), len(genres)), dtype=bool))
        tune([replace(LOG, content=content)], detectors=["biases"], trials=1, jobs=1, task=RATINGS, store=fresh_store)
    assert len({run.data.params["families"] for run in runs_of(fresh_store, "trial")}) == 2
    assert len(runs_of(fresh_store, "trial")) == 2


def test_a_run_carries_users_sides_and_epochs(fresh_store, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "has_epochs", EPOCHS.replace("LOSS", "1 / epoch"), epochs="Model")
    tuned(fresh_store, RATINGS, ["epochs"], trials=1)
    (run,) = runs_of(fresh_store, "trial")
    client = Store.open(fresh_store).client
    folder = mlflow.artifacts.download_artifacts(run.info.artifact_uri)
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"users.csv", "epochs.csv", "sides_of_mean.json", "result.json"} <= names
    users = pd.read_csv(f"{folder}/users.csv")
    assert set(users["user"]) == set(LOG.ratings.user_ids.tolist())
    sides = json.loads(Path(folder, "sides_of_mean.json").read_text())
    assert sum(np.sum(one) for one in sides.values()) == LOG.ratings.n_rows
    curve = client.get_metric_history(run.info.run_id, "epoch_loss")
    assert [(one.step, one.value) for one in curve] == [(epoch, 1 / epoch) for epoch in range(1, 6)]


def offs(store, role):
    return [(run.data.tags[PREFIX + "trial"], run.data.params["off"]) for run in runs_of(store, role)]


def test_trials_behind_the_median_are_ended_and_neither_ranked_nor_best(new_store, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "is_behind", EPOCHS.replace("LOSS", "1.0"), behind="Model")
    stores = [new_store(f"lab{jobs}") for jobs in (1, 2)]
    for jobs, store in enumerate(stores, start=1):
        tuned(store, RATINGS, ["behind"], trials=16, jobs=jobs)
    ended, finished = offs(stores[0], "pruned"), offs(stores[0], "trial")
    assert ended
    assert len(ended) + len(finished) == 16
    assert all(int(trial) >= 8 for trial, _ in ended)  # five told trials, and between batches of four
    middle = np.median([float(off) for trial, off in finished if int(trial) < 8])
    assert all(float(off) > middle for _, off in ended)
    assert offs(stores[1], "pruned") == ended
    assert leaderboard([stores[0]]).table["runs"][0] == len(finished)


def told(store):
    """Return what Optuna knows of every trial of the only study."""
    storage = open_journal(store / "optuna.journal")
    trials = storage.get_all_trials(storage.get_all_studies()[0]._study_id)
    return [(one.state, one.params, one.value, one.intermediate_values, one.user_attrs) for one in trials]


def test_what_a_dead_driver_had_written_is_told_whole_and_not_run_again(fresh_store, tmp_path, monkeypatch):
    """Killed between writing a run and telling Optuna, of a trial that finished, failed, or was ended early."""
    code = EPOCHS.replace("LOSS", "float('nan') if 0.5 < self.off < 0.9 else 1.0")
    install(tmp_path, monkeypatch, "is_cut", code, cut="Model")
    tuned(fresh_store, RATINGS, ["cut"], trials=12)
    roles = ("trial", "failed", "pruned")
    before = [[run.info.run_id for run in runs_of(fresh_store, role)] for role in roles]
    known, journal = told(fresh_store), fresh_store / "optuna.journal"
    assert all(before)
    for share in (0.0, 0.95):
        written = journal.read_bytes()
        journal.write_bytes(written[: int(share * len(written))])
        tuned(fresh_store, RATINGS, ["cut"], trials=12)
        assert [[run.info.run_id for run in runs_of(fresh_store, role)] for role in roles] == before
        assert told(fresh_store) == known


def test_a_loss_that_is_not_finite_fails_the_trial_and_says_why(fresh_store, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "explodes", EPOCHS.replace("LOSS", "float('nan')"), explodes="Model")
    tuned_ = tuned(fresh_store, RATINGS, ["biases", "explodes"], trials=1)
    assert "loss must stay finite, found nan in epoch 1" in tuned_.failures["explodes"]
    assert tuned_.board.table["model"].tolist() == ["biases"]


def test_boards_of_all_tasks_live_in_one_lab_and_export_takes_detectors_only(copied):
    board = tuned(copied, RATINGS, ["biases"], trials=1).board
    assert leaderboard([copied]).question == board.question  # the newest
    assert leaderboard([copied], task="fake-users").protocol == "next-round"
    store = Store.open(copied)
    assert choose_run(store, None)[0].data.tags[PREFIX + "task"] == "fake-users"
    with pytest.raises(StoreError, match="is of a recommender, and must be of a detector"):
        choose_run(store, str(board.table["run_id"][0]))


def test_the_best_recommender_on_a_log_is_found_likings_first(fresh_store):
    tuned(fresh_store, LIKINGS, ["ease"], trials=1)
    tuned(fresh_store, RATINGS, ["biases"], trials=1)
    store = Store.open(fresh_store)
    assert best_recommender(store, LOG.ratings.digest).name == "ease"
    assert best_recommender(store, "another log") is None


def test_settings_of_detectors_are_refused(fresh_store):
    with pytest.raises(ConfigError, match="are of detectors"):
        tune([LOG], detectors=["biases"], task=RATINGS, inductive=True, store=fresh_store)
    with pytest.raises(ConfigError, match="'ease' must answer task rating-prediction"):
        tune([LOG], detectors=["ease"], task=RATINGS, store=fresh_store)
    with pytest.raises(ConfigError, match="--protocol must be one of random"):
        tune([LOG], protocol="next-round", task=RATINGS, store=fresh_store)
