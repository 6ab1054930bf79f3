"""Scales are inferred, named or spelled out, and never guessed."""

import numpy as np
import pytest

from anomaly_lab.errors import DataError
from anomaly_lab.ratings import RatingScale, infer_scale, parse_scale
from anomaly_lab.ratings.scale import HALF_STARS, LIKES, LIKES_WATCHED, NAMED_SCALES, STARS, TEN


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
