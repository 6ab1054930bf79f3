"""Every family says what the plain loops of `plain_families` say, and says something finite about any user."""

import numpy as np
import plain_families
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import LIKES, LIKES_WATCHED, STARS
from anomaly_lab.registry import FEATURES

PLAIN = ("profile", "agreement", "popularity", "likelihood", "seed")
SCALES = (STARS, LIKES, LIKES_WATCHED)


@st.composite
def users_and_reference(draw):
    """Ratings by two to eight users on up to six items, duplicates among them, cut into users and reference users."""
    scale = draw(st.sampled_from(SCALES))
    row = st.tuples(st.integers(0, 7), st.integers(0, 5), st.sampled_from(scale.levels))
    rows = np.array(draw(st.lists(row, min_size=2, max_size=60)))
    rows = np.vstack([rows, [8, 0, scale.levels[0]], [9, 1, scale.levels[-1]]])
    batch = RatingBatch.from_rows(rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2], scale=scale)
    mine = np.array(draw(st.lists(st.booleans(), min_size=batch.n_users, max_size=batch.n_users)))
    mine[[0, -1]] = True, False  # neither side may be empty
    return batch.select(mine), batch.select(~mine)


@pytest.mark.parametrize("family", PLAIN)
@settings(max_examples=60)
@given(both=users_and_reference())
def test_a_family_equals_its_plain_loops(family, both):
    found = FEATURES.load(family)(*both)
    expected = getattr(plain_families, family)(*both)
    assert set(found) == set(expected)
    for name, column in found.items():
        np.testing.assert_allclose(column, expected[name], rtol=1e-6, atol=1e-7, err_msg=name)


def odd_users(scale):
    """A few ordinary users, and one each of: a single rating, one item again and again, one level only."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(12), 6)
    items = np.concatenate([rng.choice(10, 6, replace=False) for _ in range(12)])
    ratings = rng.choice(scale.levels, len(users))
    last = scale.levels[-1]
    odd = np.array([[20, 0, last], *[[21, 3, last]] * 4, *[[22, item, scale.levels[0]] for item in range(10)]])
    odd = np.vstack([odd, [[23, item, last] for item in range(10)]])
    rows = np.vstack([np.column_stack([users, items, ratings]), odd])
    return RatingBatch.from_rows(rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2], scale=scale)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
@pytest.mark.parametrize("family", FEATURES.built_in)
def test_odd_users_get_finite_features(family, scale):
    batch = odd_users(scale)
    odd = batch.user_ids >= 20
    for users, reference in ((odd, ~odd), (~odd, odd), (odd, odd)):
        columns = FEATURES.load(family)(batch.select(users), batch.select(reference))
        for name, column in columns.items():
            assert column.shape == (users.sum(),)
            assert np.isfinite(column).all(), name
