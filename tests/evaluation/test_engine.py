"""The engine runs a model on folds, chooses thresholds without sight of the truth, and refuses what is no score."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.engine import RunResult, checked_scores, run, run_fold
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_folds import plain_fold
from anomaly_lab.random_rounds import random_round
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.question import Question

STORE = FeatureStore(("profile", "agreement"))


def run_at_defaults(name, folds, seed=0, **settings):
    return run(name, MODELS.load(name), {}, folds, STORE, seed=seed, **settings)


@pytest.fixture(scope="module")
def question():
    rounds = [random_round(seed=k, n_users=80, n_fakes=16).read(f"round{k}") for k in range(2)]
    return Question.of(rounds)


def test_a_run_holds_a_result_for_every_fold_in_the_files_own_ids(question):
    result = run_at_defaults("logistic-regression", question.folds())
    assert [fold.name for fold in result.folds] == ["round0", "round1"]
    for fold in result.folds:
        assert sorted(fold.users) == list(range(80))
        np.testing.assert_array_equal(fold.truth, fold.users < 16)
        assert fold.metrics["auc"] == roc_auc(fold.truth, fold.scores)
    assert result.metrics["auc"] == pytest.approx(np.mean([fold.metrics["auc"] for fold in result.folds]))
    assert result.metrics["auc_low"] < result.metrics["auc"] <= result.metrics["auc_high"]
    assert set(result.seconds) == {"features", "fit", "score", "threshold"}


def test_the_same_seed_gives_the_same_run_and_another_seed_another(question):
    first, again, other = (run_at_defaults("mlp", question.folds(), seed) for seed in (3, 3, 4))
    for one, two, three in zip(first.folds, again.folds, other.folds, strict=True):
        np.testing.assert_array_equal(one.scores, two.scores)
        assert one.threshold == two.threshold
        assert not np.array_equal(one.scores, three.scores)


def test_folds_run_one_by_one_in_any_order_are_the_run(question):
    folds, model = [*question.folds()], MODELS.load("mlp")
    one_by_one = {number: run_fold("mlp", model, {}, folds[number], STORE, number=number, seed=3) for number in (1, 0)}
    whole, joined = run_at_defaults("mlp", folds, seed=3), RunResult.together([one_by_one[0], one_by_one[1]])
    assert (joined.model, joined.params, joined.seed) == (whole.model, whole.params, whole.seed)
    for one, two in zip(whole.folds, joined.folds, strict=True):
        assert (one.name, one.threshold, one.scale, one.metrics) == (two.name, two.threshold, two.scale, two.metrics)
        np.testing.assert_array_equal(one.scores, two.scores)
        np.testing.assert_array_equal(one.users, two.users)
    assert {**joined.metrics, "seconds": 0.0} == {**whole.metrics, "seconds": 0.0}
    for stage in whole.seconds:
        assert joined.seconds[stage] == sum(one_by_one[number].seconds[stage] for number in (0, 1))


def test_neither_scores_nor_thresholds_know_the_truth():
    fold = plain_fold()
    lie = replace(fold, truth=1 - fold.truth, kinds=None)
    honest, lied_to = (run_at_defaults("logistic-regression", [one]).folds[0] for one in (fold, lie))
    np.testing.assert_array_equal(honest.scores, lied_to.scores)
    assert honest.threshold == lied_to.threshold
    assert honest.metrics["auc"] == pytest.approx(1 - lied_to.metrics["auc"])


def test_a_threshold_flags_about_the_share_of_fakes_where_training_and_query_are_alike(question):
    for fold in run_at_defaults("logistic-regression", question.folds()).folds:
        assert 0.1 < fold.metrics["flagged"] < 0.4
        assert fold.metrics["f1"] > 0.6


def test_without_thresholds_no_inner_fold_is_fitted(question):
    result = run_at_defaults("mahalanobis", question.folds(), thresholds=False)
    assert "threshold" not in result.seconds
    with_thresholds = run_at_defaults("mahalanobis", question.folds())
    assert result.metrics["auc"] == with_thresholds.metrics["auc"]


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        (np.zeros(4), r"float64 of shape \(4,\)"),
        (np.zeros((5, 2)), r"float64 of shape \(5, 2\)"),
        (np.zeros(5, dtype=bool), r"bool of shape \(5,\)"),
        (np.array(["a"] * 5), r"<U1 of shape \(5,\)"),
        (None, r"object of shape \(\)"),
    ],
)
def test_what_is_not_a_number_a_user_is_refused_by_the_models_name(scores, found):
    with pytest.raises(
        ContractError, match=rf"mine.score must return one number a query user, shape \(5,\), found {found}"
    ):
        checked_scores("mine", scores, 5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused(bad):
    with pytest.raises(ContractError, match=r"mine.score must return finite numbers, found 1 that are not"):
        checked_scores("mine", [0.0, bad, 1.0], 3)


def test_integers_and_lists_are_scores():
    found = checked_scores("mine", [3, 1, 2], 3)
    assert found.dtype == np.float64
    assert found.tolist() == [3.0, 1.0, 2.0]
