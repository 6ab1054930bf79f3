"""Neither row order nor user ids can be seen in a batch or a pool."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_helpers import (
    ARRAYS,
    assert_same_bits,
    batch_of,
    profiles_by_id,
    rows_of,
    six_names,
)

from anomaly_lab.errors import DataError
from anomaly_lab.ratings import RatingBatch, RatingScale
from anomaly_lab.ratings.scale import STARS


@given(rows=rows_of, timestamps=st.booleans(), data=st.data())
def test_row_order_cannot_be_seen(rows, timestamps, data):
    shuffled = data.draw(st.permutations(rows))
    one, other = batch_of(rows, timestamps=timestamps), batch_of(shuffled, timestamps=timestamps)
    assert_same_bits(one, other)
    np.testing.assert_array_equal(one.user_ids, other.user_ids)


@given(rows=rows_of, timestamps=st.booleans(), names=six_names)
@pytest.mark.parametrize("renaming", ["shifted", "reversed", "text"])
def test_user_ids_cannot_be_seen(rows, timestamps, names, renaming):
    rename = {
        "shifted": {user: user + 5200 for user in range(6)},
        "reversed": {user: -user for user in range(6)},
        "text": dict(enumerate(names)),
    }[renaming]
    one, other = batch_of(rows, timestamps=timestamps), batch_of(rows, rename=rename, timestamps=timestamps)
    assert_same_bits(one, other)
    # users with one profile are exchangeable: their ids may swap places, nobody else's
    for start in np.unique(one.profiles, axis=0):
        same = (one.profiles == start).all(axis=1)
        assert {rename[user] for user in one.user_ids[same].tolist()} == set(other.user_ids[same].tolist())


@given(rows=rows_of)
def test_every_row_is_kept_under_its_user(rows):
    batch = batch_of(rows)
    expected = {}
    for user, item, rating, time in rows:
        expected.setdefault(user, []).append((item, rating, time))
    assert profiles_by_id(batch) == {user: sorted(profile) for user, profile in expected.items()}


@given(rows=rows_of)
def test_one_more_copy_of_a_rating_changes_the_digest(rows):
    assert batch_of(rows).digest != batch_of([*rows, rows[0]]).digest


def test_equal_scales_give_equal_digests():
    whole, floats = RatingScale("x", (1, 2, 3)), RatingScale("x", (1.0, 2.0, 3.0))
    assert batch_of([(1, 1, 2, 0)], scale=whole).digest == batch_of([(1, 1, 2, 0)], scale=floats).digest


def test_scales_of_another_meaning_give_other_digests():
    known, unknown = RatingScale("x", (1, 2, 3)), RatingScale("x", (1, 2, 3), unknown=3)
    assert batch_of([(1, 1, 2, 0)], scale=known).digest != batch_of([(1, 1, 2, 0)], scale=unknown).digest


def test_users_with_different_profiles_have_different_digests():
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.arange(50_000), 5)
    batch = RatingBatch.from_rows(users, items, rng.integers(0, 6, 50_000), scale=STARS)
    ratings = batch.ratings.reshape(-1, 5)
    assert len(np.unique(batch.profiles, axis=0)) == len(np.unique(ratings, axis=0))


def test_the_digest_is_the_same_on_every_machine_and_in_every_version():
    batch = batch_of([(1, 10, 5, 0), (1, 11, 0, 0), (2, 10, 3, 0)], timestamps=False)
    assert batch.digest == "d6fd6315c6d8d433b5839db97cc61e3045c9409e9ed6a483a6b14531178dc88f"


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint16, np.int64])
def test_the_width_of_the_integers_cannot_be_seen(dtype):
    ids, items = np.array([3, 1, 3], dtype=dtype), np.array([7, 7, 9], dtype=dtype)
    one = RatingBatch.from_rows(ids, items, np.array([1, 2, 3]), scale=STARS)
    other = RatingBatch.from_rows(ids.tolist(), items.tolist(), [1.0, 2.0, 3.0], scale=STARS)
    assert_same_bits(one, other)
    assert one.user_ids.dtype == one.item_ids.dtype == np.int64


@pytest.mark.parametrize("as_array", [np.array, lambda ids: np.array(ids, dtype=object), list])
def test_text_ids_come_back_as_given(as_array):
    ids = ["007", "7", "Zoë", "NA"]
    batch = RatingBatch.from_rows(as_array(ids), as_array(ids[::-1]), [1, 2, 3, 4], scale=STARS)
    assert sorted(batch.user_ids) == sorted(batch.item_ids) == sorted(ids)
    assert batch.user_ids[batch.ascending].tolist() == sorted(ids)


def test_users_stand_by_profile_and_are_handed_out_by_ascending_id():
    batch = batch_of([(user, user % 3, 5, 0) for user in range(60)])
    assert batch.user_ids.tolist() != list(range(60))
    assert batch.user_ids[batch.ascending].tolist() == list(range(60))


def test_a_user_with_one_rating_is_a_user():
    batch = batch_of([(1, 1, 5, 0)])
    assert (batch.n_users, batch.n_items, batch.n_rows, batch.indptr.tolist()) == (1, 1, 1, [0, 1])


def test_duplicate_rows_are_ratings_of_their_own():
    assert batch_of([(1, 1, 5, 0), (1, 1, 5, 0), (1, 1, 2, 0)]).n_rows == 3


def test_arrays_are_read_only():
    batch = batch_of([(1, 1, 5, 0)])
    for name in (*ARRAYS, "user_ids"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(batch, name)[0] = 0


@given(rows=rows_of, data=st.data())
def test_select_keeps_the_rows_of_the_selected(rows, data):
    batch = batch_of(rows)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=batch.n_users, max_size=batch.n_users)))
    part = batch.select(keep)
    kept = set(batch.user_ids[keep].tolist())
    assert profiles_by_id(part) == {user: rows for user, rows in profiles_by_id(batch).items() if user in kept}
    np.testing.assert_array_equal(part.item_ids, batch.item_ids)


@pytest.mark.parametrize(
    ("users", "items", "ratings", "message"),
    [
        ([], [], [], "ratings: must hold at least one rating, found none"),
        ([1], [1, 2], [1, 2], "users, items and ratings must have one length, found 1, 2 and 2"),
        ([1, 1], [1, 2], [1, 7], r"row 1 \(counted from 0\): a rating on scale stars must be one of 0, 1.*found 7"),
        ([1, 1], [1, 2], [1, np.nan], r"row 1 \(counted from 0\): a rating on scale stars .* found nan"),
        ([1.5, 1], [1, 2], [1, 2], "every user id must be an integer or a string, all of one kind, found floating"),
        ([1, 1], [1, None], [1, 2], r"row 1 \(counted from 0\): every item id .* found an empty cell"),
        (np.array([1, "a"], dtype=object), [1, 2], [1, 2], "every user id .* all of one kind, found mixed-integer"),
        (np.array([1, 2**64 - 1], dtype=np.uint64), [1, 2], [1, 2], "row 1 .*of 64 bits, found 18446744073709551615"),
    ],
)
def test_a_batch_refuses(users, items, ratings, message):
    with pytest.raises(DataError, match=message):
        RatingBatch.from_rows(users, items, ratings, scale=STARS)
