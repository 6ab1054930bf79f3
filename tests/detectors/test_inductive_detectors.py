"""Detectors without the target: each user asked about has the score it has alone."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly_lab.detectors.base import fit_rows
from anomaly_lab.detectors.stacked import normal_scores
from anomaly_lab.evaluation.folds import query_view, train_view
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_folds import fold_of, scores_of
from anomaly_lab.random_rounds import random_round
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS

SMALL_BANK = {"n_per_kind": 6, "n_strays": 20, "n_trees": 20}
CASES = {
    "next-round": ("next-round", SMALL_BANK),
    "stacked": ("stacked", {"members": ("gradient-boosting", "knn-distance")}),
    "everyone": ("mahalanobis", {"fit_on": "everyone"}),
    "hidden": ("mahalanobis", {"fit_on": "hidden"}),
    "labels only": ("logistic-regression", {}),
}


def store(*, inductive):
    return FeatureStore(("profile", "popularity", "agreement"), only=DEFAULT_FAMILIES, inductive=inductive)


def alone_and_among_others(name, params, *, inductive):
    """Return scores of some users of a round, asked about by themselves and with the whole round."""
    first, second = random_round(seed=0), random_round(seed=1)
    few = second.users < 30  # fakes and genuine ones
    some = replace(
        second, users=second.users[few], items=second.items[few], ratings=second.ratings[few], fake=second.fake[:30]
    )
    folds = [fold_of(first.read(), one.read()) for one in (some, second)]
    alone, among = (scores_of(name, fold, params, store=store(inductive=inductive)) for fold in folds)
    return alone.to_numpy(), among.loc[alone.index].to_numpy()


@pytest.mark.parametrize("case", CASES)
def test_a_score_does_not_depend_on_who_else_is_asked_about(case):
    alone, among = alone_and_among_others(*CASES[case], inductive=True)
    assert len(np.unique(alone)) > 10
    np.testing.assert_allclose(alone, among, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_with_the_target_it_does(case):
    alone, among = alone_and_among_others(*CASES[case], inductive=False)
    assert np.abs(alone - among).max() > 1e-2


def test_who_learns_from_users_as_they_come_learns_from_the_labelled_ones():
    visible = np.array([1, 0, -1, 0])
    for fit_on in ("everyone", "hidden"):
        assert fit_rows(fit_on, visible, inductive=True).tolist() == [True, True, False, True]
    assert fit_rows("genuine", visible, inductive=True).tolist() == [False, True, False, True]


def test_next_round_is_not_taught_by_those_it_is_asked_about():
    fold = fold_of(random_round(seed=0).read(), random_round(seed=1).read())
    view = store(inductive=True)
    taught, untaught = (
        scores_of("next-round", fold, SMALL_BANK | {"n_self_training": n}, store=view).to_numpy() for n in (2, 0)
    )
    np.testing.assert_array_equal(taught, untaught)


def test_a_stack_ranks_among_the_training_users():
    fold = fold_of(random_round(seed=0).read(), random_round(seed=1).read())
    view = store(inductive=True)
    train, query = train_view(fold, view), query_view(fold, view)
    stack = MODELS.load("stacked")(members=("gradient-boosting", "knn-distance"))
    stack.fit(train, rng=np.random.default_rng(0))
    for member in stack.members_:
        known = np.sort(member.detector.score(replace(query, users=train.users)))
        expected = normal_scores(member.detector.score(query), known)
        np.testing.assert_array_equal(member.normal_scores(query), expected)
