"""Kinds: which kind a generated user is of, from the features of known fakes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.detectors.kinds import KindClassifier, join_classes


def clouds(kinds, seed=0):
    """Return features in which each kind lies about a point of its own."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(len(kinds), 3)) + 6 * np.eye(9, 3)[np.asarray(kinds) - 1]).astype(np.float32)


def test_each_kind_has_the_column_of_its_number_and_unnamed_ones_stay_empty():
    kinds = np.repeat([1, 3], 20)
    found = KindClassifier().fit(clouds(kinds), kinds).probabilities(clouds(kinds, seed=1), 3)
    assert found.shape == (40, 3)
    assert (found[:, 1] == 0).all()
    np.testing.assert_array_equal(1 + found.argmax(axis=1), kinds)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_rare_kind_is_not_drowned():
    kinds = np.repeat([1, 2], [150, 6])
    rng = np.random.default_rng(0)
    found = KindClassifier().fit(rng.normal(size=(156, 3)).astype(np.float32), kinds)
    mean = found.probabilities(rng.normal(size=(400, 3)).astype(np.float32), 2).mean(axis=0)
    assert mean[1] > 2 * 6 / 156


def test_a_single_kind_is_certain():
    found = KindClassifier().fit(clouds([2, 2]), np.array([2, 2])).probabilities(clouds([1, 2, 3]), 2)
    np.testing.assert_array_equal(found, [[0, 1]] * 3)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    kinds = np.repeat([1, 2, 3], 15)
    first, again, other = (
        KindClassifier(seed=seed).fit(clouds(kinds), kinds).probabilities(clouds(kinds, 1), 3) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(genuine=arrays(float, 8, elements=st.floats(0, 1)), n_kinds=st.integers(1, 6))
def test_classes_share_what_the_genuine_one_leaves(genuine, n_kinds):
    kinds = np.random.default_rng(0).dirichlet(np.ones(n_kinds), len(genuine))
    classes = join_classes(genuine, kinds)
    assert classes.shape == (8, n_kinds + 1)
    np.testing.assert_array_equal(classes[:, 0], genuine)
    assert classes.sum(axis=1) == pytest.approx(1)
    assert classes.min() >= 0
