"""Metrics of recommenders agree with plain definitions and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, ndcg_score, roc_auc_score, root_mean_squared_error

from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.ranking_metrics import hide, list_metrics, place
from anomaly_lab.evaluation.rating_metrics import rating_metrics, sides_of_mean
from anomaly_lab.evaluation.recommending import EndedEarlyError, History, recommend_fold
from anomaly_lab.ratings.labels import Round
from anomaly_lab.recommender_checks import random_log
from anomaly_lab.recommenders.base import Pairs, Recommender
from anomaly_lab.tasks.implicit_ranking import ImplicitRanking
from anomaly_lab.tasks.rating_prediction import RatingPrediction

SEEDS = st.integers(0, 10_000)


@settings(max_examples=25)
@given(SEEDS, st.booleans())
def test_auc_of_a_list_is_scikit_learns(seed, tied):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, size=(5, 12)).astype(float) if tied else rng.normal(size=(5, 12))
    held_out = np.array([rng.choice(12, 3, replace=False) for _ in range(5)])
    placed = place(scores, held_out)
    for user in range(5):
        truth = np.isin(np.arange(12), held_out[user])
        assert placed.auc[user] == pytest.approx(roc_auc_score(truth, scores[user]))


@settings(max_examples=25)
@given(SEEDS)
def test_ndcg_hit_rate_and_recall_are_those_of_the_list(seed):
    rng = np.random.default_rng(seed)
    scores, held_out = rng.normal(size=(4, 20)), np.array([rng.choice(20, 3, replace=False) for _ in range(4)])
    found = list_metrics(place(scores, held_out), 5)
    for user in range(4):
        truth = np.isin(np.arange(20), held_out[user])
        shown = np.argsort(-scores[user])[:5]
        assert found["recall"][user] == pytest.approx(truth[shown].mean() * 5 / 3)
        assert found["hit_rate"][user] == truth[shown].any()
        assert found["ndcg"][user] == pytest.approx(ndcg_score([truth.astype(float)], [scores[user]], k=5))


def test_hidden_items_are_not_ranked():
    scores = hide(np.array([[9.0, 3.0, 2.0, 1.0]]), np.array([0]), np.array([0]))
    placed = place(scores, np.array([[1]]))
    assert placed.ranks.tolist() == [[1.0]]
    assert placed.auc.tolist() == [1.0]


@settings(max_examples=25)
@given(SEEDS)
def test_a_constant_scorer_has_an_auc_of_a_half(seed):
    held_out = np.array([np.random.default_rng(seed).choice(9, 2, replace=False)])
    assert place(np.zeros((1, 9)), held_out).auc.tolist() == [0.5]


def test_rating_metrics_are_scikit_learns_and_sides_are_those_of_the_seed():
    truth, said = np.array([1, 2, 4, 5, 5], dtype=np.float32), np.array([1.5, 4.0, 3.0, 4.5, 5.0])
    found = rating_metrics(truth, said, middle=3.4)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(truth, said))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, said))
    assert sides_of_mean(truth, said, 3.4).tolist() == [[1, 1], [1, 2]]  # rows true low, high; columns said low, high
    assert (found["accuracy"], found["high_precision"], found["high_recall"]) == pytest.approx((3 / 5, 2 / 3, 2 / 3))


class Constant(Recommender):
    """Says one number."""

    def __init__(self, said=3.0, shape=()):
        self.said, self.shape = said, shape

    def fit(self, train, *, rng):
        self.n_items_ = train.known.n_items
        return self

    def score(self, query):
        size = (len(query.users),) if isinstance(query, Pairs) else (len(query.users), self.n_items_)
        return np.full(self.shape or size, self.said)


def rating_fold():
    return next(RatingPrediction().folds([Round(random_log())], "random"))


def test_predictions_are_cut_to_the_scale():
    fold = rating_fold()
    high, low = (recommend_fold("x", Constant, {"said": one}, fold, number=0, seed=0).metrics for one in (99.0, 5.0))
    assert high["rmse"] == low["rmse"]


def test_the_interval_of_the_rmse_is_about_it_and_may_pass_one():
    found = recommend_fold("x", Constant, {"said": 0.0}, rating_fold(), number=0, seed=0).metrics
    assert 1 < found["rmse_low"] < found["rmse"] < found["rmse_high"]


@pytest.mark.parametrize(
    ("params", "message"),
    [({"said": np.nan}, "finite numbers, found 96 not"), ({"shape": (2,)}, r"of shape \(96,\), found")],
)
def test_a_wrong_answer_is_told(params, message):
    with pytest.raises(ContractError, match=message):
        recommend_fold("x", Constant, params, rating_fold(), number=0, seed=0)


def test_ranking_asks_for_lists():
    task = ImplicitRanking(min_positives=4, held_out=2, positive=3.0)
    fold = next(task.folds([Round(random_log())], "held-out"))
    result = recommend_fold("x", Constant, {}, fold, number=0, seed=0)
    assert result.metrics["auc"] == 0.5
    assert list(result.folds[0].users.columns) == ["user", "known", "auc", "ndcg", "hit_rate", "recall"]


def test_a_loss_that_is_not_finite_ends_the_run_and_says_what_to_do():
    history = History()
    history.report(1, {"loss": 0.5})
    with pytest.raises(ContractError, match=r"loss must stay finite, found nan in epoch 2; lower the learning rate"):
        history.report(2, {"loss": np.nan})


def test_a_trial_behind_the_bar_is_ended_and_one_that_has_passed_it_is_not():
    history = History({2: 0.9, 3: 0.8})
    history.report(1, {"loss": 1.0, "validation": 1.0})
    history.report(2, {"loss": 1.0, "validation": 0.75})
    history.report(3, {"loss": 1.0, "validation": 0.85})  # it was better before
    late = History({2: 0.9})
    late.report(1, {"loss": 1.0, "validation": 1.0})
    with pytest.raises(EndedEarlyError) as ended:
        late.report(2, {"loss": 1.0, "validation": 0.95})
    assert ended.value.validation == {1: 1.0, 2: 0.95}
