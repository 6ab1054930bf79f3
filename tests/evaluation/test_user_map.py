"""User map: who is described alike stands together, whichever units the columns have."""

import numpy as np
import pytest

from anomaly_lab.evaluation.user_map import ENOUGH, user_map


def groups(n_users, n_features=12):
    rng = np.random.default_rng(0)
    group = np.arange(n_users) % 3
    centres = 6 * rng.normal(size=(3, n_features))
    return group, (centres[group] + rng.normal(size=(n_users, n_features))).astype(np.float32)


def share_of_own_group(places, group):
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return np.mean(group[distance.argmin(axis=1)] == group)


@pytest.mark.parametrize("n_users", [30, ENOUGH + 60])
def test_groups_stand_together(n_users):
    group, matrix = groups(n_users)
    places = user_map(matrix)
    assert places.shape == (n_users, 2)
    assert share_of_own_group(places, group) > 0.95


def test_units_do_not_matter():
    _, matrix = groups(60)
    stretched = matrix.copy()
    stretched[:, 0] *= 1e6
    assert user_map(stretched) == pytest.approx(user_map(matrix), abs=1e-3)


def test_the_same_users_get_the_same_map():
    _, matrix = groups(ENOUGH + 10)
    assert (user_map(matrix) == user_map(matrix)).all()


@pytest.mark.parametrize("matrix", [np.zeros((5, 3)), np.arange(40.0).reshape(40, 1), np.zeros((2, 1))])
def test_little_to_tell_users_apart_by_is_drawn_too(matrix):
    places = user_map(matrix.astype(np.float32))
    assert places.shape == (len(matrix), 2)
    assert np.isfinite(places).all()
