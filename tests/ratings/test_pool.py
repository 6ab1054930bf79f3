"""The order of batches cannot be seen in a pool, and everyone in it keeps where they came from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rating_helpers import (
    assert_same_bits,
    batch_of,
    rows_of,
)

from anomaly_lab.errors import DataError
from anomaly_lab.ratings import RatingBatch, pool
from anomaly_lab.ratings.pool import restore_ids
from anomaly_lab.ratings.scale import LIKES, STARS


@given(one=rows_of, two=rows_of, three=rows_of, data=st.data())
@settings(max_examples=50)
def test_the_order_of_batches_cannot_be_seen_in_a_pool(one, two, three, data):
    batches = [batch_of(rows) for rows in (one, two, three)]
    order = data.draw(st.permutations(range(3)))
    pooled, shuffled = pool(batches), pool([batches[number] for number in order])
    assert_same_bits(pooled.ratings, shuffled.ratings)
    assert pooled.digest == shuffled.digest


@given(one=rows_of, two=rows_of)
def test_a_pool_remembers_who_came_from_where(one, two):
    batches = [batch_of(one), batch_of(two)]
    pooled = pool(batches)
    assert pooled.n_users == batches[0].n_users + batches[1].n_users
    for number, batch in enumerate(batches):
        places = pooled.positions(number)
        np.testing.assert_array_equal(np.sort(places), np.flatnonzero(pooled.of(number)))
        np.testing.assert_array_equal(pooled.ratings.profiles[places], batch.profiles)
        np.testing.assert_array_equal(restore_ids(pooled, places), batch.user_ids)


def test_one_id_in_two_rounds_is_two_users():
    pooled = pool([batch_of([(7, 1, 5, 0)]), batch_of([(7, 2, 3, 0)])])
    assert pooled.n_users == 2
    assert restore_ids(pooled, np.arange(2)).tolist() == [7, 7]


def test_identical_profiles_in_two_rounds_are_two_users_with_one_digest():
    pooled = pool([batch_of([(7, 1, 5, 0)]), batch_of([(8, 1, 5, 0)])])
    assert pooled.n_users == 2
    np.testing.assert_array_equal(pooled.ratings.profiles[0], pooled.ratings.profiles[1])


def test_a_pool_joins_items_by_their_ids():
    pooled = pool([batch_of([(1, 5, 0, 0), (1, 9, 0, 0)]), batch_of([(1, 2, 0, 0), (1, 9, 0, 0)])])
    assert pooled.ratings.item_ids.tolist() == [2, 5, 9]


def test_a_pool_drops_timestamps_unless_every_batch_has_them():
    timed, untimed = batch_of([(1, 1, 1, 1)]), batch_of([(1, 1, 1, 1)], timestamps=False)
    assert pool([timed, timed]).ratings.timestamps is not None
    assert pool([timed, untimed]).ratings.timestamps is None


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least one batch must be given"),
        (
            [batch_of([(1, 1, 1, 0)], source="a"), batch_of([(1, 1, 1, 0)], scale=LIKES, source="b")],
            "one rating scale, found stars in a and likes in b; give --scale",
        ),
        (
            [batch_of([(1, 1, 1, 0)], source="a"), RatingBatch.from_rows([1], ["x"], [1], scale=STARS, source="b")],
            "item ids must be all numbers or all text, found both in a and b",
        ),
    ],
)
def test_a_pool_refuses(batches, message):
    with pytest.raises(DataError, match=message):
        pool(batches)
