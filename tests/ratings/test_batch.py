"""Neither row order nor user ids can be seen in a batch or a pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import DataError
from anomaly_lab.ratings import Labels, RatingBatch, RatingScale, infer_scale, parse_scale, pool
from anomaly_lab.ratings.pool import restore_ids
from anomaly_lab.ratings.scale import HALF_STARS, LIKES, LIKES_WATCHED, NAMED_SCALES, STARS, TEN

ARRAYS = ("users", "items", "ratings", "item_ids", "profiles", "timestamps")

# few users, items and levels, so that duplicate rows and identical profiles are common
rows_of = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=40
)

# NumPy's own strings lose a NUL at their end
six_names = st.lists(st.text(st.characters(exclude_characters="\x00"), min_size=1), min_size=6, max_size=6, unique=True)


def batch_of(rows, *, rename=None, scale=STARS, timestamps=True, source="ratings"):
    users, items, ratings, times = map(np.array, zip(*rows, strict=True))
    if rename is not None:
        users = np.array([rename[user] for user in users])
    return RatingBatch.from_rows(
        users, items, ratings, scale=scale, timestamps=times if timestamps else None, source=source
    )


def assert_same_bits(one, other):
    for name in ARRAYS:
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert one.digest == other.digest


def profiles_by_id(batch):
    """Each user's rows as the outside sees them."""
    return {
        batch.user_ids[user]: sorted(
            (batch.item_ids[batch.items[row]], batch.ratings[row], batch.timestamps[row])
            for row in range(batch.indptr[user], batch.indptr[user + 1])
        )
        for user in range(batch.n_users)
    }


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


# --- pools ---------------------------------------------------------------------------------------------------------


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


# --- labels --------------------------------------------------------------------------------------------------------

FOUR_USERS = batch_of([(user, user, user, 0) for user in range(4)])


def by_id(batch, values):
    return dict(zip(batch.user_ids.tolist(), values.tolist(), strict=True))


@given(order=st.permutations(range(4)))
def test_the_order_of_labels_cannot_be_seen(order):
    labels = Labels.for_batch(FOUR_USERS, order, [[0, 2, 0, 1][user] for user in order])
    assert by_id(FOUR_USERS, labels.fake) == {0: 0, 1: 1, 2: 0, 3: 1}
    assert by_id(FOUR_USERS, labels.kinds) == {0: 0, 1: 2, 2: 0, 3: 1}
    assert labels.n_fake == 2


def test_zero_and_one_alone_tell_no_kinds():
    assert Labels.for_batch(FOUR_USERS, range(4), [0, 1, 0, 1]).kinds is None


def test_kinds_may_stand_beside_labels():
    labels = Labels.for_batch(FOUR_USERS, [3, 2, 1, 0], [1, 0, 1, 0], [5, 0, 4, 0])
    assert by_id(FOUR_USERS, labels.kinds) == {0: 0, 1: 4, 2: 0, 3: 5}
    assert by_id(FOUR_USERS, labels.fake) == {0: 0, 1: 1, 2: 0, 3: 1}


@given(rows=rows_of.filter(lambda rows: len({row[0] for row in rows}) > 1), data=st.data())
def test_the_digest_of_labels_follows_profiles_and_not_ids(rows, data):
    users = sorted({row[0] for row in rows})
    kinds = [0, 1, *data.draw(st.lists(st.integers(0, 2), min_size=len(users) - 2, max_size=len(users) - 2))]
    rename = {user: 100 - user for user in range(6)}
    batch, renamed = batch_of(rows), batch_of(rows, rename=rename)
    labels = Labels.for_batch(batch, users, kinds)
    same = Labels.for_batch(renamed, [rename[user] for user in users], kinds)
    assert labels.digest(batch) == same.digest(renamed)


@pytest.mark.parametrize("other", [[1, 0, 0, 1], [0, 1, 1, 1], [0, 2, 0, 1]])
def test_other_labels_have_another_digest(other):
    labels = Labels.for_batch(FOUR_USERS, range(4), [0, 1, 0, 1])
    assert Labels.for_batch(FOUR_USERS, range(4), other).digest(FOUR_USERS) != labels.digest(FOUR_USERS)


@pytest.mark.parametrize(
    ("users", "labels", "kinds", "message"),
    [
        ([0, 1, 2, 9], [0, 1, 0, 1], None, r"row 3 \(counted from 0\): a labelled user must have ratings, found 9"),
        ([0, 1, 2, 2], [0, 1, 0, 1], None, r"row 3 \(counted from 0\): each user must be labelled once, found 2"),
        ([0, 1, 2], [0, 1, 0], None, "every user must be labelled, found no label for user 3"),
        ([0, 1, 2, 3], [0, 1, 0], None, "users and labels must have one length, found 4 and 3"),
        ([0, 1, 2, 3], [0, 1, -1, 1], None, "row 2 .*a label must be 0 .genuine., 1 .* found -1"),
        ([0, 1, 2, 3], [0, 1, 0.5, 1], None, "row 2 .*a label must be 0 .genuine., 1 .* found 0.5"),
        ([0, 1, 2, 3], [0, 1, np.nan, 1], None, "row 2 .* found nan"),
        ([0, 1, 2, 3], [0, 1, 128, 1], None, "row 2 .* a kind up to 127, found 128"),
        ([0, 1, 2, 3], ["0", "1", "0", "1"], None, "labels must be whole numbers, found dtype <U1"),
        ([0, 1, 2, 3], [0, 0, 0, 0], None, "both genuine and generated users must occur, found genuine users only"),
        ([0, 1, 2, 3], [1, 2, 1, 1], None, "both genuine and generated users must occur, found generated users only"),
        ([0, 1, 2, 3], [0, 1, 0, 1], [0, 2, 1, 1], "row 2 .* agree on who is genuine .0., found 2"),
    ],
)
def test_labels_refuse(users, labels, kinds, message):
    with pytest.raises(DataError, match=message):
        Labels.for_batch(FOUR_USERS, users, labels, kinds)


# --- scales --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([0, 1, 2, 3, 4, 5], STARS),
        ([1, 2, 3], STARS),
        ([5], STARS),
        ([0, 3], STARS),
        ([0.5, 1, 5], HALF_STARS),
        ([2.5], HALF_STARS),
        ([1, 7, 10], TEN),
        ([6], TEN),
        ([-1, 0, 1], LIKES),
        ([-1], LIKES),
        ([-1, 1], LIKES),
        ([-10, 0, 1, 10], LIKES_WATCHED),
        ([-10, 1], LIKES_WATCHED),
        ([0, 10], LIKES_WATCHED),
    ],
)
def test_the_scale_that_fits_is_inferred(ratings, scale):
    assert infer_scale(ratings) is scale


@pytest.mark.parametrize(
    ("ratings", "fitting"),
    [
        ([0, 1], "stars, likes and likes-watched"),
        ([0], "stars, likes and likes-watched"),
        ([1], "stars, half-stars, ten, likes and likes-watched"),
        ([1, 10], "ten and likes-watched"),
    ],
)
def test_an_ambiguous_set_is_refused_naming_the_flag(ratings, fitting):
    with pytest.raises(DataError, match=f"fit {fitting} alike; say which with --scale"):
        infer_scale(ratings)


@pytest.mark.parametrize("ratings", [[0, 0.5], [0, 6], [-1, 2], [-10, -1, 0], [1.25], [0, 10, 5]])
def test_ratings_that_fit_no_scale_are_refused(ratings):
    with pytest.raises(DataError, match=r"fit no named scale .*give the levels in order with --scale"):
        infer_scale(ratings)


@pytest.mark.parametrize("scale", NAMED_SCALES.values(), ids=NAMED_SCALES.keys())
def test_a_scale_encodes_its_levels_and_nothing_else(scale):
    levels = np.array(scale.levels)
    assert scale.encode(levels).tolist() == list(range(scale.n_levels))
    assert (scale.encode(np.concatenate([levels + 0.25, [np.nan, np.inf]])) == -1).all()


def test_the_unknown_level_is_no_number_between_dislike_and_like():
    np.testing.assert_array_equal(LIKES_WATCHED.values, [0, 0.5, 1, np.nan])


def test_levels_are_spread_by_their_numbers_where_these_ascend():
    np.testing.assert_allclose(RatingScale("x", (1, 2, 5)).values, [0, 0.25, 1])
    np.testing.assert_allclose(RatingScale("x", (5, 2, 1)).values, [0, 0.5, 1])


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        *[(name, scale) for name, scale in NAMED_SCALES.items()],
        ("-1,0,1", LIKES),
        ("-10, 0, 10, 1?", LIKES_WATCHED),
        ("-10,0,10,1", RatingScale("-10,0,10,1", (-10, 0, 10, 1))),
        ("1,2,3", RatingScale("1,2,3", (1, 2, 3))),
        ("0,1,9?", RatingScale("0,1,9?", (0, 1, 9), unknown=9)),
    ],
)
def test_a_scale_is_named_or_spelled_out(text, scale):
    assert parse_scale(text) == scale


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("star", "--scale must be one of stars, .* found 'star'"),
        ("", "--scale must be one of"),
        ("1?,2,3", "--scale must be one of"),
        ("1,1,2", "levels of scale '1,1,2' must differ"),
        ("1", "must have 2 to 127 levels"),
        ("1,2?", "must have 2 to 127 levels"),
        ("nan,1", "levels of scale 'nan,1' must be finite"),
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse_scale(text)
