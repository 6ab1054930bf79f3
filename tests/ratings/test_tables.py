"""What goes into a table comes out of the readers, whatever the layout."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rating_helpers import (
    X,
    fake_by_id,
    kind_by_id,
    rows_by_id,
    save_npz,
    save_table,
    save_text,
)

from anomaly_lab.ratings.readers import read_round
from anomaly_lab.ratings.scale import HALF_STARS, STARS, TEN

HEADERS = [
    ("user", "item", "rating"),
    ("user_id", "item_id", "score"),
    ("userId", "movieId", "rating"),
    ("User_ID", "Anime_ID", "Feedback"),
    ("uid", "iid", "Rating"),
]


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
