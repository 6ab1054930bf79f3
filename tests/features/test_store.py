"""Stored features are the features that would be computed: the key holds ratings, family, code and visible labels."""

import numpy as np
import pytest

from anomaly_lab.errors import ConfigError
from anomaly_lab.features.extract import FeatureStore, cross_fit
from anomaly_lab.random_folds import plain_fold
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.pool import pool


@pytest.fixture(params=["memory", "disk"])
def open_store(request, tmp_path):
    """Open a store; on disk, a new process's: what is remembered stands in files only."""
    if request.param == "memory":
        store = FeatureStore(("agreement",))
        return lambda: store
    return lambda: FeatureStore(("agreement",), folder=tmp_path)


def masks(fold):
    """Four masks of visible labels that a careless key might take for one another."""
    one_more = fold.visible.copy()
    one_more[np.flatnonzero(fold.visible == 1)[0]] = -1
    return [fold.visible, one_more, np.full_like(fold.visible, -1), np.where(fold.visible == 0, 1, -1)]


def test_every_mask_of_visible_labels_has_a_matrix_of_its_own(open_store):
    fold = plain_fold()
    for _ in range(2):  # computed, then remembered
        for visible in masks(fold):
            found = open_store().matrix(fold.pool, visible)
            expected = cross_fit(fold.pool, visible, "agreement")
            np.testing.assert_array_equal(found.matrix, expected.matrix)
            assert found.names == expected.names
    assert not np.array_equal(*(cross_fit(fold.pool, visible, "agreement").matrix for visible in masks(fold)[:2]))


def test_other_ratings_and_other_families_have_a_matrix_of_their_own(open_store):
    for seed in (0, 1, 0):
        joint = pool([random_round(seed=seed).read().ratings])
        hidden = np.full(joint.n_users, -1)
        for family in ("agreement", "profile"):
            found = open_store().matrix(joint, hidden, [family])
            np.testing.assert_array_equal(found.matrix, cross_fit(joint, hidden, family).matrix)


def test_what_is_remembered_is_not_computed_again(tmp_path):
    fold = plain_fold()
    first = FeatureStore(("profile",), folder=tmp_path)
    assert first.matrix(fold.pool, fold.visible) is first.matrix(fold.pool, fold.visible)
    (file,) = tmp_path.glob("*.npz")
    with np.load(file) as stored:
        names, matrix = stored["names"], stored["matrix"] + 1
    np.savez(file, names=names, matrix=matrix)  # seen again only if read
    np.testing.assert_array_equal(
        FeatureStore(("profile",), folder=tmp_path).matrix(fold.pool, fold.visible).matrix, matrix
    )


def test_families_stand_side_by_side_in_the_order_asked_for():
    fold, store = plain_fold(), FeatureStore(("profile", "seed"))
    both = store.matrix(fold.pool, fold.visible)
    turned = store.matrix(fold.pool, fold.visible, ("seed", "profile"))
    assert sorted(both.names) == sorted(turned.names)
    assert both.names[0].startswith("profile:")
    assert turned.names[0].startswith("seed:")
    at = [turned.names.index(name) for name in both.names]
    np.testing.assert_array_equal(both.matrix, turned.matrix[:, at])


def test_a_model_that_names_families_sees_those_of_them_that_are_switched_on():
    fold = plain_fold()
    store = FeatureStore(("profile", "popularity"), only=("profile", "popularity"))
    seen = store.matrix(fold.pool, fold.visible, ("seed", "popularity"))
    np.testing.assert_array_equal(seen.matrix, cross_fit(fold.pool, fold.visible, "popularity").matrix)
    assert store.seen(("likelihood", "popularity", "profile")) == ("popularity", "profile")
    assert store.seen(None) == ("profile", "popularity")
    assert FeatureStore(("profile",)).seen(("seed",)) == ("seed",)


def test_a_model_must_see_something():
    fold, store = plain_fold(), FeatureStore(("profile",), only=("profile",))
    with pytest.raises(ConfigError, match=r"one of the detector's own families \(seed\), found profile"):
        store.matrix(fold.pool, fold.visible, ("seed",))


def test_a_matrix_cannot_be_written_to():
    fold = plain_fold()
    with pytest.raises(ValueError, match="read-only"):
        FeatureStore(("profile",)).matrix(fold.pool, fold.visible).matrix[0, 0] = 1
