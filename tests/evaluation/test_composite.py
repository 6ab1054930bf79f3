"""Composites of class scores: the editions' figures, checked against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.composite import class_aucs, class_metrics, composite, mean_ovr_auc


def drawn(seed, n_kinds, n_users=60):
    """Return kinds, each of which occurs, and scores with ties."""
    rng = np.random.default_rng(seed)
    kinds = np.concatenate([np.arange(n_kinds + 1), rng.integers(0, n_kinds + 1, n_users - n_kinds - 1)])
    scores = rng.integers(0, 8, (n_users, n_kinds + 1)) / 8 + 0.3 * (kinds[:, None] == np.arange(n_kinds + 1))
    return kinds, scores


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), n_kinds=st.integers(1, 7))
def test_each_class_is_scored_as_scikit_learn_scores_it_against_the_rest(seed, n_kinds):
    kinds, scores = drawn(seed, n_kinds)
    expected = {one: roc_auc_score(kinds == one, scores[:, one]) for one in range(n_kinds + 1)}
    assert class_aucs(kinds, scores) == pytest.approx(expected)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000))
def test_the_2025_composite_is_half_class_0_and_a_tenth_each_of_five_kinds(seed):
    kinds, scores = drawn(seed, 5)
    aucs = [roc_auc_score(kinds == one, scores[:, one]) for one in range(6)]
    assert composite(kinds, scores) == pytest.approx(0.5 * aucs[0] + 0.1 * sum(aucs[1:]))


@settings(max_examples=30)
@given(seed=st.integers(0, 1000))
def test_the_2024_figure_is_scikit_learns_macro_average(seed):
    kinds, scores = drawn(seed, 2)
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    expected = roc_auc_score(kinds, probabilities, multi_class="ovr", average="macro")
    assert mean_ovr_auc(kinds, probabilities) == pytest.approx(expected)


def test_a_kind_without_a_column_counts_as_chance_and_one_that_does_not_occur_is_left_out():
    kinds = np.array([0, 0, 0, 2, 2, 6])
    scores = np.eye(3)[[0, 0, 0, 2, 2, 1]]
    assert class_aucs(kinds, scores) == {0: 1.0, 2: 1.0, 6: 0.5}
    assert composite(kinds, scores) == pytest.approx(0.5 + 0.5 * 0.75)
    assert set(class_metrics(kinds, scores)) == {
        "composite",
        "mean_ovr_auc",
        "auc_class_0",
        "auc_class_2",
        "auc_class_6",
    }


@pytest.mark.parametrize(
    ("kinds", "shape", "message"),
    [
        ([0, 1], (2,), r"must have a row a user, \(2, n_classes\), found \(2,\)"),
        ([0, 1], (3, 2), r"found \(3, 2\)"),
        ([0, 0], (2, 2), r"genuine users \(0\) and at least one kind must occur, found classes \[0\]"),
        ([1, 2], (2, 3), r"found classes \[1, 2\]"),
    ],
)
def test_what_has_no_composite_is_refused(kinds, shape, message):
    with pytest.raises(DataError, match=message):
        composite(np.array(kinds), np.zeros(shape))
