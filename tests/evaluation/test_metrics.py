"""Metrics against scikit-learn, against plain definitions, and against what resampling says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from anomaly_lab.evaluation.metrics import (
    best_f1_threshold,
    mean_interval,
    roc_auc,
    roc_auc_difference_variance,
    roc_auc_variance,
    score_metrics,
)


@st.composite
def scored_users(draw, min_each=1):
    """Labels of both classes with scores, ties likely."""
    n_fake, n_genuine = (draw(st.integers(min_each, 25)) for _ in range(2))
    levels = draw(st.sampled_from([2, 5, 1000]))
    scores = draw(st.lists(st.integers(0, levels), min_size=n_fake + n_genuine, max_size=n_fake + n_genuine))
    order = draw(st.permutations(range(n_fake + n_genuine)))
    truth = (np.arange(n_fake + n_genuine) < n_fake).astype(np.int64)[list(order)]
    return truth, np.array(scores) / 7


def f1_score(truth, flagged):
    """Twice the hits over the flagged and the generated, as everyone defines it."""
    return 2 * np.sum(flagged & (truth == 1)) / (np.sum(flagged) + np.sum(truth))


@given(scored_users())
def test_auc_is_scikit_learns(users):
    truth, scores = users
    assert roc_auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)


@given(scored_users(min_each=2))
def test_the_variance_of_the_auc_is_that_of_delongs_placements(users):
    truth, scores = users
    fake, genuine = scores[truth == 1], scores[truth == 0]
    wins = np.array([[(f > g) + 0.5 * (f == g) for g in genuine] for f in fake])
    expected = wins.mean(axis=1).var(ddof=1) / len(fake) + wins.mean(axis=0).var(ddof=1) / len(genuine)
    assert roc_auc_variance(truth, scores) == pytest.approx(expected, abs=1e-12)


def test_the_variance_of_the_auc_is_that_of_a_bootstrap():
    rng = np.random.default_rng(0)
    fake, genuine = rng.normal(1, 1, 80), rng.normal(0, 1, 300)
    truth = np.repeat([1, 0], [80, 300])
    resampled = [roc_auc(truth, np.concatenate([rng.choice(fake, 80), rng.choice(genuine, 300)])) for _ in range(1500)]
    expected = np.sqrt(roc_auc_variance(truth, np.concatenate([fake, genuine])))
    assert np.std(resampled) == pytest.approx(expected, rel=0.08)


def test_the_variance_of_a_difference_is_that_of_a_bootstrap_of_users():
    rng = np.random.default_rng(0)
    truth = np.repeat([1, 0], [60, 240])
    shared = rng.normal(size=300) + truth
    first, second = (shared + 0.5 * rng.normal(size=300) for _ in range(2))
    drawn = [np.concatenate([rng.integers(0, 60, 60), rng.integers(60, 300, 240)]) for _ in range(2000)]
    differences = [roc_auc(truth, first[one]) - roc_auc(truth, second[one]) for one in drawn]
    expected = np.sqrt(roc_auc_difference_variance(truth, first, second))
    assert np.std(differences) == pytest.approx(expected, rel=0.1)
    assert expected**2 < 0.6 * (roc_auc_variance(truth, first) + roc_auc_variance(truth, second))


@given(scored_users(min_each=2))
def test_the_variance_of_a_difference_to_chance_is_that_of_the_auc(users):
    truth, scores = users
    assert roc_auc_difference_variance(truth, scores, np.zeros(len(truth))) == pytest.approx(
        roc_auc_variance(truth, scores), abs=1e-12
    )
    assert roc_auc_difference_variance(truth, scores, scores) == 0


def test_the_variance_is_unknown_with_one_user_of_a_class():
    assert roc_auc_variance(np.array([1, 0, 0]), np.array([3.0, 1.0, 2.0])) == float("inf")


def test_the_interval_of_a_mean_of_aucs_is_normal_and_stays_within_0_and_1():
    low, high = mean_interval(np.array([0.7, 0.8]), np.array([0.01, 0.03]))
    half = norm.ppf(0.975) * np.sqrt(0.01 + 0.03) / 2
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half))
    assert mean_interval(np.array([0.99]), np.array([0.04])) == (pytest.approx(0.99 - norm.ppf(0.975) * 0.2), 1.0)


@given(scored_users())
def test_no_threshold_has_a_higher_f1_than_the_best(users):
    truth, scores = users
    thresholds = [*np.unique(scores), scores.max() + 1]
    best = max(f1_score(truth, scores >= threshold) for threshold in thresholds)
    assert f1_score(truth, scores >= best_f1_threshold(truth, scores)) == pytest.approx(best, abs=1e-9)


@given(scored_users())
def test_with_slack_the_lowest_threshold_as_good_as_the_best_within_its_error_is_taken(users):
    truth, scores = users
    best, slack = best_f1_threshold(truth, scores), best_f1_threshold(truth, scores, slack=1.0)
    assert slack <= best
    highest = f1_score(truth, scores >= best)
    share = highest / (2 - highest)
    either = ((scores >= best) | (truth == 1)).sum()
    error = 2 / (1 + share) ** 2 * np.sqrt(share * (1 - share) / either)
    good = [one for one in np.unique(scores) if f1_score(truth, scores >= one) >= highest - error - 1e-12]
    assert (scores >= slack).sum() == (scores >= min(good)).sum()


@given(scored_users())
def test_the_best_threshold_lies_between_users_rather_than_on_one(users):
    truth, scores = users
    threshold = best_f1_threshold(truth, scores)
    flagged = scores >= threshold
    if not flagged.all():
        assert scores[~flagged].max() < threshold < scores[flagged].min()


@given(scored_users(min_each=2), st.integers(0, 3))
def test_metrics_at_a_threshold_are_counts(users, cut):
    truth, scores = users
    kinds = truth * (1 + np.arange(len(truth)) % 2)
    flagged = scores >= cut
    metrics = score_metrics(truth, scores, cut, kinds)
    hits = int((flagged & (truth == 1)).sum())
    assert metrics["precision"] == pytest.approx(hits / flagged.sum() if flagged.any() else 0)
    assert metrics["recall"] == pytest.approx(hits / truth.sum())
    assert metrics["f1"] == pytest.approx(f1_score(truth, flagged))
    assert metrics["flagged"] == pytest.approx(flagged.mean())
    assert metrics["f1"] <= metrics["f1_hindsight"] + 1e-9
    for kind in np.unique(kinds[kinds > 0]):
        either = (kinds == kind) | (kinds == 0)
        assert metrics[f"auc_kind_{kind}"] == pytest.approx(roc_auc(truth[either], scores[either]))


def test_without_kinds_there_is_no_metric_of_a_kind():
    metrics = score_metrics(np.array([1, 0, 0]), np.array([0.9, 0.1, 0.2]), 0.5)
    assert set(metrics) == {"auc", "average_precision", "precision", "recall", "f1", "f1_hindsight", "flagged"}
    assert metrics["auc"] == metrics["average_precision"] == metrics["f1"] == 1.0
