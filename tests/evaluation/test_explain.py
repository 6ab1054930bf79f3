"""Explanations: parts add up to the score, a part without influence is nothing, equals get equal parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from anomaly_lab.evaluation.explain import BACKGROUND, contributions, percentiles
from anomaly_lab.evaluation.phrases import COLUMNS, column_phrase, family_phrase

NAMES = ("one:a", "one:b", "two:c", "two:d", "two:e", "three:f")


def users(seed, n_users=30):
    return np.random.default_rng(seed).normal(size=(n_users, len(NAMES))).astype(np.float32)


def tangled(matrix):
    """Score rows by products and steps, across and within families."""
    a, b, c, d, _, f = matrix.T.astype(float)
    return expit(a * c + np.abs(b) * (d > 0) - f**2 + a * b)


@given(st.integers(0, 10**6), st.integers(1, 80))
def test_parts_add_up_to_the_distance_from_genuine_users(seed, n_genuine):
    matrix = users(seed, n_genuine + 1)
    found = contributions(tangled, matrix[0], matrix[1:], NAMES, seed=seed)
    assert found.score == pytest.approx(float(logit(tangled(matrix[:1]))[0]))
    assert found.families["contribution"].sum() == pytest.approx(found.score - found.base, abs=1e-6)
    of_family = found.features.groupby("family")["contribution"].sum()
    for row in found.families.itertuples():
        assert row.contribution == pytest.approx(of_family[row.family], abs=1e-9)
    if n_genuine <= BACKGROUND:
        assert found.base == pytest.approx(float(logit(tangled(matrix[1:])).mean()), abs=1e-6)


def test_a_linear_score_is_taken_apart_exactly():
    matrix, weights = users(0), np.array([1.0, -2.0, 0.5, 0.0, 3.0, -0.1])
    found = contributions(lambda rows: expit(rows.astype(float) @ weights), matrix[0], matrix[1:], NAMES)
    expected = weights * (matrix[0].astype(float) - matrix[1:].astype(float).mean(axis=0))
    got = found.features.set_index("feature").loc[[*NAMES], "contribution"]
    assert np.allclose(got, expected, atol=1e-5)
    sizes = found.features["contribution"].abs()
    assert sizes.is_monotonic_decreasing


def test_what_is_not_looked_at_contributes_nothing():
    matrix = users(1)
    found = contributions(tangled, matrix[0], matrix[1:], NAMES).features.set_index("feature")
    assert found.loc["two:e", "contribution"] == 0
    assert (found.drop("two:e")["contribution"] != 0).all()


def test_columns_that_do_the_same_share_evenly():
    matrix = users(2)
    matrix[:, 1] = matrix[:, 0]
    found = contributions(lambda rows: expit(rows[:, 0] * rows[:, 1]), matrix[0], matrix[1:], NAMES)
    features = found.features.set_index("feature")["contribution"]
    assert features["one:a"] == pytest.approx(features["one:b"])
    assert features["one:a"] != 0


def test_a_family_replaced_alone_is_what_the_family_adds():
    matrix = users(3)
    found = contributions(lambda rows: expit(rows[:, 2] * rows[:, 3]), matrix[0], matrix[1:], NAMES)
    families = found.families.set_index("family")["contribution"]
    assert families["one"] == families["three"] == 0
    assert families["two"] == pytest.approx(found.score - found.base, abs=1e-6)


def test_percentiles_count_ties_half():
    genuine = np.array([[0.0], [1.0], [1.0], [2.0]])
    assert percentiles(np.array([1.0]), genuine) == [50]
    assert percentiles(np.array([-1.0]), genuine) == [0]
    assert percentiles(np.array([5.0]), genuine) == [100]


def test_phrases_say_more_than_names_and_fall_back_on_them():
    assert column_phrase("profile:share_-1") == "share of ratings -1"
    assert column_phrase("profile:std") == COLUMNS["profile:std"]
    assert column_phrase("mine:weekday") == "mine:weekday"
    assert family_phrase("popularity") != "popularity"
    assert family_phrase("mine") == "mine"
