"""What to expect of the coming round: less the more runs were tried, wider the more rounds differ, in [0, 1]."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.expect import PRIORS, expect, selection_bias

AUCS = st.integers(1, 12).flatmap(
    lambda runs: st.integers(1, 5).flatmap(lambda folds: arrays(float, (runs, folds), elements=st.floats(0, 1)))
)
PROTOCOLS = st.sampled_from(sorted(PRIORS))


def errors_of(aucs, size=0.02):
    return np.full(len(aucs), size)


def best(aucs):
    return int(np.argmax(aucs.mean(axis=1)))


def bounds(expected):
    return expected.low, expected.auc, expected.high


@given(AUCS, PROTOCOLS, st.floats(0, 1) | st.just(np.inf), st.floats(0.01, 0.99))
def test_an_interval_lies_in_the_unit_interval_about_its_middle(aucs, protocol, size, level):
    found = expect(aucs, errors_of(aucs, size), best(aucs), protocol, level=level)
    assert 0 <= found.low <= found.auc <= found.high <= 1
    assert found.selection_bias >= 0
    assert found.seen == pytest.approx(aucs[best(aucs)].mean())


@given(AUCS, PROTOCOLS, st.randoms(use_true_random=False))
def test_neither_the_order_of_runs_nor_that_of_rounds_matters(aucs, protocol, random):
    runs, folds = list(range(len(aucs))), list(range(aucs.shape[1]))
    random.shuffle(runs)
    random.shuffle(folds)
    errors = np.linspace(0.01, 0.05, len(aucs))
    chosen = best(aucs)
    found = expect(aucs, errors, chosen, protocol)
    again = expect(aucs[runs][:, folds], errors[runs], runs.index(chosen), protocol)
    assert bounds(again) == pytest.approx(bounds(found), abs=1e-6)


@pytest.mark.parametrize("protocol", sorted(PRIORS))
def test_the_more_runs_were_tried_the_less_is_expected(protocol):
    found = [expect(np.full((n, 2), 0.9), errors_of(range(n)), 0, protocol).auc for n in (1, 2, 5, 20, 100)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5


def test_a_run_far_ahead_of_all_others_owes_nothing_to_luck():
    aucs = np.array([[0.95, 0.93], *[[0.6, 0.62]] * 50])
    assert expect(aucs, errors_of(aucs), 0, "next-round").selection_bias < 1e-6


@given(st.floats(0.001, 0.06), st.floats(1.1, 3))
def test_the_more_rounds_differ_the_wider(apart, factor):
    narrow, wide = (
        expect(np.array([[0.8 - width, 0.8 + width]]), np.array([0.02]), 0, "next-round")
        for width in (apart, apart * factor)
    )
    assert wide.low < narrow.low
    assert wide.high > narrow.high


def test_a_higher_level_is_wider():
    runs = np.full((3, 2), 0.9)
    found = [expect(runs, errors_of(runs), 0, "next-round", level=level) for level in (0.5, 0.8, 0.9, 0.99)]
    widths = [one.high - one.low for one in found]
    assert widths == sorted(widths)
    assert len(set(widths)) == 4


def test_few_users_make_it_wide():
    small, large = (expect(np.array([[0.8, 0.8]]), np.array([error]), 0, "next-round") for error in (0.1, 0.01))
    assert small.high - small.low > large.high - large.low + 0.05


def test_one_round_promises_less_than_several():
    aucs = np.full((10, 5), 0.95)
    alone = expect(aucs, errors_of(aucs), 0, "in-round")
    several = expect(aucs, errors_of(aucs), 0, "next-round")
    assert (alone.n_rounds, several.n_rounds) == (1, 5)
    assert alone.auc < several.auc
    assert alone.low < several.low


def test_the_bias_of_selection_is_that_of_drawing_every_score_again():
    scores, noise = np.array([0.8, 0.79, 0.75, 0.6]), 0.02
    drawn = scores + noise * np.random.default_rng(0).normal(size=(200_000, 4))
    chosen = drawn.argmax(axis=1)
    simulated = (drawn.max(axis=1) - scores[chosen]).mean()
    assert selection_bias(scores, noise) == pytest.approx(simulated, abs=1e-4)


def test_the_bias_of_equal_runs_is_that_of_the_highest_of_normals():
    assert selection_bias(np.zeros(2), 1.0) == pytest.approx(1 / np.sqrt(np.pi), abs=1e-4)
    assert selection_bias(np.zeros(1), 1.0) == 0
    assert selection_bias(np.zeros(5), 0.0) == 0


@pytest.mark.parametrize("wrong", [np.array([[np.nan, 0.5]]), np.array([[1.2]]), np.array([0.5])])
def test_what_is_no_auc_is_refused(wrong):
    with pytest.raises(DataError, match=r"numbers in \[0, 1\]"):
        expect(wrong, np.array([0.1]), 0, "next-round")


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="leave-kind-out"):
        expect(np.array([[0.5]]), np.array([0.1]), 0, "leave-kind-out")
    with pytest.raises(ConfigError, match=r"1\.5"):
        expect(np.array([[0.5]]), np.array([0.1]), 0, "in-round", level=1.5)
