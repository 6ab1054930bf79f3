"""Whole logs: ratings and what is known of their items, from folders as they are published."""

import numpy as np
import pandas as pd
import pytest
from rating_helpers import message_of, rows_by_id, save_table, save_text

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.interactions import interactions
from anomaly_lab.ratings.logs import read_log
from anomaly_lab.ratings.readers import read_round
from anomaly_lab.ratings.scale import HALF_STARS, TEN, parse_scale

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.5,5\n2,10,1,6\n2,7,3,7\n"
SCORES = (
    "user_id,Username,anime_id,Anime Title,rating\n"
    "1,Xinil,21,One Piece,9\n1,Xinil,48,.hack//Sign,UNKNOWN\n4,Aokaado,21,One Piece,UNKNOWN\n4,Aokaado,320,A Kite,5\n"
)


def titles_of(log):
    return dict(zip(log.ratings.item_ids.tolist(), log.content.titles.tolist(), strict=True))


@pytest.fixture
def movielens(tmp_path):
    folder = tmp_path / "ml"
    folder.mkdir()
    save_text(folder / "ratings.csv", RATINGS)
    save_text(folder / "movies.csv", "movieId,title,genres\n1,A,Drama\n10,J,War|Drama\n")
    return folder


def test_a_folder_gives_its_ratings_and_its_items(movielens):
    log = read_log(movielens)
    assert rows_by_id(log.ratings) == [(1, 10, 4.5), (2, 7, 3.0), (2, 10, 1.0)]
    assert log.ratings.scale is HALF_STARS
    assert (log.name, log.path, log.n_unrated) == ("ml", str(movielens), 0)
    assert titles_of(log) == {7: "", 10: "J"}
    assert log.notes == (f"{movielens / 'movies.csv'}: says nothing of 1 of 2 items",)
    assert interactions(log.ratings, log.content).content is log.content


def test_a_file_takes_the_items_beside_it_and_its_own_name(movielens):
    log = read_log(movielens / "ratings.csv")
    assert (log.name, titles_of(log)) == ("ratings", {7: "", 10: "J"})


def test_a_folder_is_named_however_it_is_reached(movielens, monkeypatch):
    monkeypatch.chdir(movielens)
    assert read_log(".").name == "ml"


def test_another_table_of_items_goes_first(movielens, tmp_path):
    other = save_text(tmp_path / "mine.tsv", "movieId\tname\n7\tSeven\n10\tTen\n")
    log = read_log(movielens, items=other)
    assert titles_of(log) == {7: "Seven", 10: "Ten"}
    assert log.notes == ()


def test_ratings_without_items_have_no_content(tmp_path):
    log = read_log(save_text(tmp_path / "r.csv", RATINGS))
    assert log.content is None
    assert log.notes == ()


@pytest.mark.parametrize(
    ("ratings", "text", "items", "item_text"),
    [
        ("ratings.dat", "1::10::4::5\n2::7::3::6\n", "movies.dat", "10::J::War\n7::G::Drama\n"),
        ("u.data", "1\t10\t4\t5\n2\t7\t3\t6\n", "u.item", f"10|J|||{'|0' * 19}\n7|G|||{'|0' * 19}\n"),
        (
            "anime_ratings.dat",
            "User_ID\tAnime_ID\tFeedback\n1\t10\t4\n2\t7\t3\n",
            "anime_info.dat",
            "anime_ids\tname\n10\tJ\n7\tG\n",
        ),
        (
            "users-score-2023.csv",
            "user_id,anime_id,rating\n1,10,4\n2,7,3\n",
            "anime-dataset-2023.csv",
            "anime_id,Name\n10,J\n7,G\n",
        ),
    ],
)
def test_every_published_folder_is_known(tmp_path, ratings, text, items, item_text):
    save_text(tmp_path / ratings, text)
    save_text(tmp_path / items, item_text)
    log = read_log(tmp_path)
    assert [(user, item) for user, item, _ in rows_by_id(log.ratings)] == [(1, 10), (2, 7)]
    assert titles_of(log) == {7: "G", 10: "J"}


def test_rows_whose_rating_is_unknown_are_left_out_and_counted(tmp_path):
    path = save_text(tmp_path / "users-score-2023.csv", SCORES)
    log = read_log(tmp_path, scale=TEN)
    assert rows_by_id(log.ratings) == [(1, 21, 9.0), (4, 320, 5.0)]
    assert log.n_unrated == 2
    assert log.notes == (f"{tmp_path}: 2 rows left out, their rating is UNKNOWN",)
    assert "line 3: a rating must be a number, found 'UNKNOWN'" in message_of(read_round, path)


def test_lines_are_counted_with_those_left_out(tmp_path):
    path = save_text(tmp_path / "users-score-2023.csv", f"{SCORES}5,B,21,x,good\n")
    assert message_of(read_log, path) == f"{path}: line 6: a rating must be a number, found 'good'"
    path = save_text(tmp_path / "off.csv", f"{SCORES}5,B,21,x,11\n")
    assert message_of(read_log, path, scale=TEN).startswith(f"{path}: line 6: a rating on scale ten must be one of")


def test_a_log_without_any_rating_is_refused(tmp_path):
    path = save_text(tmp_path / "r.csv", "user,item,rating\n1,2,UNKNOWN\n")
    assert message_of(read_log, path) == f"{path}: must hold at least one rating, found UNKNOWN in every row"


def test_columns_of_ratings_and_items_are_named_together(tmp_path):
    path = save_table(pd.DataFrame({"who": [1, 2], "vid": [3, 4], "mark": [2, 9]}), tmp_path / "r.parquet")
    items = save_table(
        pd.DataFrame({"vid": [4, 3], "tag": ["a", "b|c"], "called": ["Four", "Three"]}), tmp_path / "i.csv"
    )
    columns = {"user": "who", "item": "vid", "rating": "mark", "title": "called", "genres": "tag"}
    log = read_log(path, items=items, columns=columns)
    assert titles_of(log) == {3: "Three", 4: "Four"}
    assert log.content.genres == ("a", "b", "c")
    other = save_table(pd.DataFrame({"item_id": [4], "called": ["Four"]}), tmp_path / "other.csv")
    assert titles_of(read_log(path, items=other, columns=columns | {"genres": "called"})) == {3: "", 4: "Four"}
    with pytest.raises(ConfigError, match="must name one of user, item, rating"):
        read_log(path, columns=columns | {"colour": "red"})


def test_a_given_scale_is_kept(tmp_path):
    path = save_text(tmp_path / "r.csv", "user,item,rating\n1,2,0\n1,3,7\n")
    assert read_log(path, scale=parse_scale("0,7")).ratings.scale.levels == (0, 7)
    assert "fit no named scale" in message_of(read_log, path)


def test_broken_items_are_told_by_their_own_file(movielens):
    save_text(movielens / "movies.csv", "movieId,title,genres\n1,A,Drama\n1,B,War\n")
    assert message_of(read_log, movielens).startswith(
        f"{movielens / 'movies.csv'}: line 3: item 1 must stand in one row"
    )
    assert "no such file" in message_of(read_log, movielens, items=movielens / "absent.csv")


@pytest.mark.parametrize(
    ("folder", "rows", "users", "rated", "scale", "named"),
    [("ml-latest-small", 100_836, 610, 9_724, HALF_STARS, 9_724), ("anime", 419_943, 4_714, 7_157, TEN, 7_157)],
)
def test_real_logs(data_dir, folder, rows, users, rated, scale, named):
    log = read_log(data_dir / folder)
    assert (log.ratings.n_rows, log.ratings.n_users, log.ratings.n_items) == (rows, users, rated)
    assert log.ratings.scale is scale
    np.testing.assert_array_equal(log.content.item_ids, log.ratings.item_ids)
    assert (log.content.titles != "").sum() == named
