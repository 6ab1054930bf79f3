"""What goes into a file comes out of the readers, whatever the format."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.readers import read_labels, read_round, read_rounds
from anomaly_lab.ratings.scale import HALF_STARS, LIKES, LIKES_WATCHED, STARS, TEN

X = np.array([[2, 7, 5], [1, 7, 0], [1, 8, 3], [1, 8, 3], [3, 9, 4]])
Y = np.array([[1, 0], [3, 0], [2, 1]])


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def save_text(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def rows_by_id(batch):
    """The rows as the outside sees them: user, item, level."""
    users, items = batch.user_ids[batch.users], batch.item_ids[batch.items]
    levels = np.array(batch.scale.levels)[batch.ratings]
    return sorted(zip(users.tolist(), items.tolist(), levels.tolist(), strict=True))


def fake_by_id(round_):
    return dict(zip(round_.ratings.user_ids.tolist(), round_.labels.fake.tolist(), strict=True))


def kind_by_id(round_):
    return dict(zip(round_.ratings.user_ids.tolist(), round_.labels.kinds.tolist(), strict=True))


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


# --- tables --------------------------------------------------------------------------------------------------------

HEADERS = [
    ("user", "item", "rating"),
    ("user_id", "item_id", "score"),
    ("userId", "movieId", "rating"),
    ("User_ID", "Anime_ID", "Feedback"),
    ("uid", "iid", "Rating"),
]


def save_table(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".CSV"])
@pytest.mark.parametrize("names", HEADERS, ids=" ".join)
def test_a_table_holds_the_same_as_an_archive(tmp_path, suffix, names):
    frame = pd.DataFrame(X, columns=list(names))
    frame.insert(1, "genre", "Action, Comedy")
    table = read_round(save_table(frame, tmp_path / f"r{suffix}"))
    archive = read_round(save_npz(tmp_path / "r.npz", X=X))
    assert table.ratings.digest == archive.ratings.digest
    np.testing.assert_array_equal(table.ratings.user_ids, archive.ratings.user_ids)
    assert table.name == "r"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_columns_may_be_named(tmp_path, suffix):
    frame = pd.DataFrame(X, columns=["who", "what", "mark"]).assign(user="nobody", rating="none", bad=[1, 0, 0, 0, 0])
    columns = {"user": "who", "item": "what", "rating": "mark", "label": "bad"}
    round_ = read_round(save_table(frame, tmp_path / f"r{suffix}"), columns=columns)
    assert rows_by_id(round_.ratings) == sorted(map(tuple, X.tolist()))
    assert fake_by_id(round_) == {1: 0, 2: 1, 3: 0}


def test_a_named_column_is_no_candidate_for_another_role(tmp_path):
    path = save_text(tmp_path / "r.csv", "user,item,rating,score\n1,1,5,1\n2,1,4,0\n")
    round_ = read_round(path, columns={"label": "score"})
    assert rows_by_id(round_.ratings) == [(1, 1, 5), (2, 1, 4)]
    assert fake_by_id(round_) == {1: 1, 2: 0}


def test_archives_have_no_columns_to_name(tmp_path):
    assert read_round(save_npz(tmp_path / "r.npz", X=X), columns={"user": "who"}).ratings.n_users == 3


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize(
    "ids",
    [
        ["007", "7", "8"],
        ["a", "b", "c"],
        ["1.0", "2", "3"],
        ["NA", "null", "nan"],
        [" 1", "1", "+1"],
        ["Zoë", "-0", "1e3"],
    ],
    ids=" ".join,
)
def test_text_ids_come_back_as_given(tmp_path, suffix, ids):
    frame = pd.DataFrame({"user": ids, "item": ids[::-1], "rating": [1, 2, 5]})
    batch = read_round(save_table(frame, tmp_path / f"r{suffix}")).ratings
    assert sorted(batch.user_ids) == sorted(batch.item_ids) == sorted(ids)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    ids=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1),
        min_size=3,
        max_size=3,
        unique=True,
    )
)
def test_any_text_is_an_id(tmp_path, ids):
    frame = pd.DataFrame({"user": ids, "item": ["i", "j", "k"], "rating": [1, 2, 5]})
    batch = read_round(save_table(frame, tmp_path / "r.csv")).ratings
    found = batch.user_ids[batch.users[np.argsort(batch.items)]]
    assert [str(user) for user in found] == ids


def test_ids_that_are_all_whole_numbers_are_numbers(tmp_path):
    batch = read_round(save_text(tmp_path / "r.csv", "user,item,rating\n10,-3,1\n9,0,5\n")).ratings
    assert batch.user_ids[batch.ascending].tolist() == [9, 10]
    assert batch.item_ids.tolist() == [-3, 0]


def test_labels_stand_in_a_column_of_the_ratings(tmp_path):
    text = "user,item,rating,label,kind\nb,1,5,1,3\na,1,4,0,0\nb,2,5,1,3\nc,2,2,1,1\n"
    round_ = read_round(save_text(tmp_path / "r.csv", text))
    assert fake_by_id(round_) == {"a": 0, "b": 1, "c": 1}
    assert kind_by_id(round_) == {"a": 0, "b": 3, "c": 1}


def test_a_column_of_kinds_alone_labels_too(tmp_path):
    round_ = read_round(save_text(tmp_path / "r.csv", "user,item,rating,kind\n1,1,5,2\n2,1,4,0\n3,1,1,1\n"))
    assert kind_by_id(round_) == {1: 2, 2: 0, 3: 1}


def test_timestamps_are_kept_with_their_rows(tmp_path):
    batch = read_round(
        save_text(tmp_path / "r.csv", "user,item,rating,timestamp\n1,5,3,30\n1,4,3,20\n1,5,3,10\n")
    ).ratings
    assert batch.item_ids[batch.items].tolist() == [4, 5, 5]
    assert batch.timestamps.tolist() == [20, 10, 30]


def test_parquet_may_hold_dates(tmp_path):
    frame = pd.DataFrame(
        {"user": [1], "item": [1], "rating": [3], "timestamp": pd.to_datetime(["1970-01-02T00:00:01Z"])}
    )
    assert read_round(save_table(frame, tmp_path / "r.parquet")).ratings.timestamps.tolist() == [86401]


def test_parquet_may_hold_categories_and_an_index(tmp_path):
    frame = pd.DataFrame({"user": ["b", "a", "b"], "item": [1, 2, 9], "rating": [3.5, 1.0, 2.0]}).astype(
        {"user": "category"}
    )
    batch = read_round(save_table(frame.set_index("item"), tmp_path / "r.parquet")).ratings
    assert rows_by_id(batch) == [("a", 2, 1.0), ("b", 1, 3.5), ("b", 9, 2.0)]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\n,,\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_text_files_may_begin_and_end_as_editors_write_them(tmp_path, newline, end, begin):
    text = f"{begin}user,item,rating\n1,1,5\n2,1,4{end}"
    path = tmp_path / "r.csv"
    path.write_bytes(text.replace("\n", newline).encode())
    assert rows_by_id(read_round(path).ratings) == [(1, 1, 5), (2, 1, 4)]


def test_fields_may_be_quoted(tmp_path):
    text = '"user","item","rating"\n"Doe, Jane","say ""hi""","5"\n'
    assert rows_by_id(read_round(save_text(tmp_path / "r.csv", text)).ratings) == [("Doe, Jane", 'say "hi"', 5)]


# --- MovieLens' layouts --------------------------------------------------------------------------------------------

ML_CSV = "userId,movieId,rating,timestamp\n1,10,4.5,964982703\n2,10,0.5,964981247\n"
ML_DAT = "1::10::5::978300760\n2::10::3::978302109\n"
ML_DATA = "1\t10\t5\t978300760\n2\t10\t3\t978302109\n"
ANIME = "User_ID\tAnime_ID\tFeedback\n1\t10\t8\n2\t10\t7\n"


@pytest.mark.parametrize(
    ("name", "text", "ratings", "scale"),
    [
        ("ratings.csv", ML_CSV, [4.5, 0.5], HALF_STARS),
        ("ratings.dat", ML_DAT, [5, 3], STARS),
        ("ratings.dat", "1::10::4.5\n2::10::1\n", [4.5, 1], HALF_STARS),
        ("u.data", ML_DATA, [5, 3], STARS),
        ("anime_ratings.dat", ANIME, [8, 7], TEN),
    ],
)
@pytest.mark.parametrize("by_folder", [True, False])
def test_movielens_layouts(tmp_path, name, text, ratings, scale, by_folder):
    file = save_text(tmp_path / name, text)
    path = tmp_path if by_folder else file
    round_ = read_round(path)
    assert rows_by_id(round_.ratings) == [(1, 10, ratings[0]), (2, 10, ratings[1])]
    assert round_.ratings.scale is scale
    assert round_.name == (tmp_path.name if by_folder else file.stem)
    assert round_.path == str(path)


@pytest.mark.parametrize(("name", "text"), [("ratings.dat", ML_DAT), ("u.data", ML_DATA)])
def test_movielens_files_without_header_hold_timestamps(tmp_path, name, text):
    batch = read_round(save_text(tmp_path / name, text)).ratings
    assert sorted(batch.timestamps.tolist()) == [978300760, 978302109]


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
