"""What goes into a file comes out of the readers, whatever the format."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rating_helpers import (
    X,
    Y,
    fake_by_id,
    kind_by_id,
    rows_by_id,
    save_npz,
    save_table,
    save_text,
)

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.readers import read_labels, read_round, read_rounds
from anomaly_lab.ratings.scale import HALF_STARS, LIKES, LIKES_WATCHED, STARS, TEN

# --- the course's archives -----------------------------------------------------------------------------------------


def test_an_archive_holds_ratings_and_labels(tmp_path):
    path = save_npz(tmp_path / "r2.npz", X=X, y=Y)
    round_ = read_round(path)
    assert rows_by_id(round_.ratings) == sorted(map(tuple, X.tolist()))
    assert fake_by_id(round_) == {1: 0, 2: 1, 3: 0}
    assert round_.labels.kinds is None
    assert round_.ratings.scale is STARS
    assert (round_.name, round_.path) == ("r2", str(path))


def test_an_archive_without_labels_is_a_round_to_be_scored(tmp_path):
    assert read_round(save_npz(tmp_path / "r4.npz", X=X)).labels is None


def test_y_may_hold_kinds(tmp_path):
    round_ = read_round(save_npz(tmp_path / "r.npz", X=X, y=[[1, 0], [2, 4], [3, 1]]))
    assert fake_by_id(round_) == {1: 0, 2: 1, 3: 1}
    assert kind_by_id(round_) == {1: 0, 2: 4, 3: 1}


def test_yy_holds_kinds_beside_y_in_any_order(tmp_path):
    round_ = read_round(save_npz(tmp_path / "r.npz", X=X, y=[[1, 0], [2, 1], [3, 1]], yy=[[3, 1], [1, 0], [2, 2]]))
    assert fake_by_id(round_) == {1: 0, 2: 1, 3: 1}
    assert kind_by_id(round_) == {1: 0, 2: 2, 3: 1}


def test_yy_alone_holds_labels_too(tmp_path):
    round_ = read_round(save_npz(tmp_path / "r.npz", X=X, yy=[[3, 2], [1, 0], [2, 1]]))
    assert fake_by_id(round_) == {1: 0, 2: 1, 3: 1}
    assert kind_by_id(round_) == {1: 0, 2: 1, 3: 2}


def test_whole_floats_are_read_exactly(tmp_path):
    one = read_round(save_npz(tmp_path / "a.npz", X=X, y=Y))
    other = read_round(save_npz(tmp_path / "b.npz", X=X.astype(float), y=Y.astype(float)))
    assert one.ratings.digest == other.ratings.digest
    assert fake_by_id(one) == fake_by_id(other)
    assert other.ratings.user_ids.dtype == np.int64


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data())
def test_the_order_of_rows_in_an_archive_cannot_be_seen(tmp_path, data):
    rows, labels = data.draw(st.permutations(X.tolist())), data.draw(st.permutations(Y.tolist()))
    one = read_round(save_npz(tmp_path / "one.npz", X=X, y=Y))
    other = read_round(save_npz(tmp_path / "other.npz", X=rows, y=labels))
    assert one.ratings.digest == other.ratings.digest
    assert one.labels.digest(one.ratings) == other.labels.digest(other.ratings)
    for name in ("users", "items", "ratings", "user_ids"):
        np.testing.assert_array_equal(getattr(one.ratings, name), getattr(other.ratings, name))


# --- several rounds ------------------------------------------------------------------------------------------------


def test_the_scale_is_inferred_over_all_files_together(tmp_path):
    likes = save_npz(tmp_path / "likes.npz", X=[[1, 1, -1], [1, 2, 0], [2, 1, 1]])
    few = save_npz(tmp_path / "few.npz", X=[[3, 1, 0], [4, 1, 1]])
    assert [round_.ratings.scale for round_ in read_rounds([few, likes])] == [LIKES, LIKES]
    with pytest.raises(DataError, match=r"few\.npz: the ratings 0, 1 fit .* alike; say which with --scale"):
        read_round(few)


def test_a_given_scale_is_kept(tmp_path):
    path = save_npz(tmp_path / "few.npz", X=[[3, 1, 0], [4, 1, 1]])
    assert read_round(path, scale=LIKES_WATCHED).ratings.scale is LIKES_WATCHED


def test_rounds_come_in_the_order_given_under_names_of_their_own(tmp_path):
    (tmp_path / "b").mkdir()
    paths = [save_npz(tmp_path / "r3.npz", X=X), save_npz(tmp_path / "r2.npz", X=X)]
    assert [round_.name for round_ in read_rounds(paths)] == ["r3", "r2"]
    twice = [paths[0], save_npz(tmp_path / "b" / "r3.npz", X=X)]
    assert [round_.name for round_ in read_rounds(twice)] == [str(path)[: -len(".npz")] for path in twice]


def test_labels_may_be_required(tmp_path):
    labelled, bare = save_npz(tmp_path / "r2.npz", X=X, y=Y), save_npz(tmp_path / "r4.npz", X=X)
    assert len(read_rounds([labelled], require_labels=True)) == 1
    with pytest.raises(DataError, match=r"r4\.npz: must hold labels .*, found none"):
        read_rounds([labelled, bare], require_labels=True)


# --- labels alone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "labels", "kinds"),
    [
        ({"y": [[5, 1], [4, 0]]}, [1, 0], None),
        ({"y": [[5, 3], [4, 0]]}, [1, 0], [3, 0]),
        ({"y": [[5, 1], [4, 0]], "yy": [[4, 0], [5, 2]]}, [1, 0], [2, 0]),
        ({"yy": [[5, 2], [4, 0]], "other": [1]}, [1, 0], [2, 0]),
    ],
)
def test_labels_of_an_archive(tmp_path, arrays, labels, kinds):
    users, found, found_kinds = read_labels(save_npz(tmp_path / "truth.npz", **arrays))
    assert (users.tolist(), found.tolist()) == ([5, 4], labels)
    assert (None if found_kinds is None else found_kinds.tolist()) == kinds


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_labels_of_a_table(tmp_path, suffix):
    path = save_table(pd.DataFrame({"user": ["b", "a"], "label": [1, 0]}), tmp_path / f"truth{suffix}")
    users, labels, kinds = read_labels(path)
    assert (users.tolist(), labels.tolist(), kinds) == (["b", "a"], [1, 0], None)


def test_labels_of_a_table_of_ratings(tmp_path):
    text = "user,item,rating,is_fake\nb,1,5,1\na,1,4,0\nb,2,5,1\n"
    users, labels, _ = read_labels(save_text(tmp_path / "r.csv", text))
    assert (users.tolist(), labels.tolist()) == (["b", "a"], [1, 0])


def test_columns_of_labels_may_be_named(tmp_path):
    path = save_text(tmp_path / "truth.csv", "who,bad\n1,0\n2,1\n")
    users, labels, _ = read_labels(path, columns={"user": "who", "label": "bad"})
    assert (users.tolist(), labels.tolist()) == ([1, 2], [0, 1])


def test_a_role_that_does_not_exist_is_refused(tmp_path):
    path = save_text(tmp_path / "r.csv", "user,item,rating\n1,1,5\n")
    with pytest.raises(ConfigError, match=r"--columns must name one of user, item, rating, .* found 'usr'"):
        read_round(path, columns={"usr": "user"})


# --- real files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "scale", "users", "rows"),
    [
        (
            ["course/stars/round2_labelled.npz", "course/stars/round3_labelled.npz"],
            STARS,
            [1300, 1300],
            [190_203, 195_413],
        ),
        (["course/likes/round2_labelled.npz"], LIKES_WATCHED, [1100], [173_268]),
        (["ml-latest-small"], HALF_STARS, [610], [100_836]),
        (["anime"], TEN, [4714], [419_943]),
    ],
)
def test_real_rounds(data_dir, files, scale, users, rows):
    rounds = read_rounds([data_dir / file for file in files])
    assert [round_.ratings.scale for round_ in rounds] == [scale] * len(files)
    assert [round_.ratings.n_users for round_ in rounds] == users
    assert [round_.ratings.n_rows for round_ in rounds] == rows


def test_real_labels(data_dir):
    stars = read_round(data_dir / "course/stars/round2_labelled.npz")
    assert (stars.labels.n_fake, stars.labels.kinds) == (300, None)
    likes = read_round(data_dir / "course/likes/round2_labelled.npz")
    assert np.bincount(likes.labels.kinds).tolist() == [1000, 20, 20, 20, 20, 20]
    users, labels, kinds = read_labels(data_dir / "course/likes/round2_labelled.npz")
    assert fake_by_id(likes) == dict(zip(users.tolist(), labels.tolist(), strict=True))
    assert kind_by_id(likes) == dict(zip(users.tolist(), kinds.tolist(), strict=True))
