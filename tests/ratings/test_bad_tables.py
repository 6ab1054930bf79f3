"""Every broken table ends in one line that names file, column and line."""

import numpy as np
import pandas as pd
import pytest
from rating_helpers import (
    message_of,
)

from anomaly_lab.ratings import parse_scale
from anomaly_lab.ratings.readers import read_labels, read_round

HEADER = "user,item,rating,timestamp,label\n1,1,5,10,0\n"

BAD_TABLES = {
    "empty file": ("r.csv", "", "line 1: must name the columns or hold a rating, found an empty line"),
    "header only": ("r.csv", "user,item,rating\n", "must have at least one row, found none"),
    "header without newline": ("r.csv", "user,item,rating", "must have at least one row, found none"),
    "only empty rows": ("r.csv", "user,item,rating\n\n,,\n", "must have at least one row, found none"),
    "no column for the item": (
        "r.csv",
        "user,thing,rating\n1,1,5\n",
        "must have a column for the item (item, itemid, iid, …), found columns 'user', 'thing', 'rating'; "
        "say which with --columns item=NAME",
    ),
    "no header": (
        "r.csv",
        "1,2,5\n",
        "must have a column for the user (user, userid, uid, …), found columns '1', '2', '5'",
    ),
    "other separator": ("r.csv", "user;item;rating\n1;2;5\n", "found columns 'user;item;rating'"),
    "two columns for the user": (
        "r.csv",
        "user,user_id,item,rating\n1,1,1,5\n",
        "one column must hold the user, found columns 'user', 'user_id'; say which with --columns user=NAME",
    ),
    "one column twice": (
        "r.csv",
        "user,item,rating,rating\n1,1,5,4\n",
        "one column must hold the rating, found columns 'rating', 'rating'",
    ),
    "too few fields": ("r.csv", f"{HEADER}2,1,5\n", "line 3: must have 5 fields as the first line has, found 3"),
    "too many fields": (
        "r.csv",
        f"{HEADER}2,1,5,10,1,1\n",
        "line 3: must have 5 fields as the first line has, found 6",
    ),
    "too many fields in every row": (
        "r.csv",
        "user,item,rating\n1,2,5,0\n1,3,5,0\n",
        "line 2: must have 3 fields as the first line has, found 4",
    ),
    "empty rating": ("r.csv", f"{HEADER}2,1,,10,1\n", "line 3: a rating must be a number, found an empty cell"),
    "empty user": (
        "r.csv",
        f"{HEADER},1,5,10,1\n",
        "line 3: a user must be a whole number or text, found an empty cell",
    ),
    "empty item": (
        "r.csv",
        f"{HEADER}2,,5,10,1\n",
        "line 3: an item must be a whole number or text, found an empty cell",
    ),
    "empty line between rows": (
        "r.csv",
        f"{HEADER}\n2,1,5,10,1\n",
        "line 3: a user must be a whole number or text, found an empty cell",
    ),
    "rating in words": ("r.csv", f"{HEADER}2,1,good,10,1\n", "line 3: a rating must be a number, found 'good'"),
    "rating not available": ("r.csv", f"{HEADER}2,1,NA,10,1\n", "line 3: a rating must be a number, found 'NA'"),
    "rating nan": ("r.csv", f"{HEADER}2,1,nan,10,1\n", "line 3: a rating must be a number, found 'nan'"),
    "rating infinite": ("r.csv", f"{HEADER}2,1,inf,10,1\n", "line 3: a rating must be a number, found 'inf'"),
    "rating with a comma": ("r.csv", f'{HEADER}2,1,"3,5",10,1\n', "line 3: a rating must be a number, found '3,5'"),
    "rating off the scale": ("r.csv", f"{HEADER}2,1,-3,10,1\n", "the ratings -3, 5 fit no named scale"),
    "unclosed quote": (
        "r.csv",
        f'{HEADER}2,1,"5,10,1\n3,1,5,10,1\n',
        "line 3: must have 5 fields as the first line has, found 3",
    ),
    "timestamp in words": (
        "r.csv",
        f"{HEADER}2,1,5,noon,1\n",
        "line 3: a timestamp must be whole seconds since 1970, found 'noon'",
    ),
    "timestamp broken": (
        "r.csv",
        f"{HEADER}2,1,5,1.5,1\n",
        "line 3: a timestamp must be whole seconds since 1970, found 1.5",
    ),
    "label empty": ("r.csv", f"{HEADER}2,1,5,10,\n", "line 3: a label must be a whole number, found an empty cell"),
    "label in words": ("r.csv", f"{HEADER}2,1,5,10,fake\n", "line 3: a label must be a whole number, found 'fake'"),
    "label outside the set": (
        "r.csv",
        f"{HEADER}2,1,5,10,-1\n",
        "line 3: a label must be 0 (genuine), 1 (generated) or a kind",
    ),
    "two labels": (
        "r.csv",
        f"{HEADER}2,1,5,10,1\n1,2,5,10,1\n",
        "line 4: every row of a user must have the same label, found 1",
    ),
    "two kinds": (
        "r.csv",
        "user,item,rating,label,kind\n1,1,5,1,2\n2,1,5,0,0\n1,2,5,1,3\n",
        "line 4: every row of a user must have the same kind, found 3",
    ),
    "one class": ("r.csv", HEADER, "both genuine and generated users must occur, found genuine users only"),
    "tabs": (
        "r.tsv",
        "user\titem\trating\n1\t1\t5\n1\t2\n",
        "line 3: must have 3 fields as the first line has, found 2",
    ),
    "u.data, broken row": (
        "u.data",
        "1\t1\t5\t10\n1\t2\t5\n",
        "line 2: must have 4 fields as the first line has, found 3",
    ),
    "u.data, rating": ("u.data", "1\t1\t5\t10\n1\t2\t\t10\n", "line 2: a rating must be a number, found an empty cell"),
    "ratings.dat, broken row": (
        "ratings.dat",
        "1::1::5::10\n1::2::5\n",
        "line 2: must have 4 fields as the first line has, found 3",
    ),
    "ratings.dat, single colon": (
        "ratings.dat",
        "1::1::5::10\n1::2:5::10\n",
        "line 2: must have 4 fields as the first line has, found 3",
    ),
    "ratings.dat, rating": (
        "ratings.dat",
        "1::1::5::10\n1::2::x::10\n",
        "line 2: a rating must be a number, found 'x'",
    ),
    "ratings.dat, other text": ("ratings.dat", "Toy Story (1995)\n", "must have a column for the user"),
    "not UTF-8 in the header": ("r.csv", "üser,item,rating\n1,1,5\n".encode("latin-1"), "must be text in UTF-8"),
    "not UTF-8 further down": ("r.csv", "user,item,rating\nJos\xe9,1,5\n".encode("latin-1"), "must be text in UTF-8"),
    "not UTF-8 far down": (
        "r.csv",
        b"user,item,rating\n" + b"1,1,5\n" * 9999 + b"\xe9,1,5\n",
        "must be a table of text in UTF-8",
    ),
    "not Parquet": (
        "r.parquet",
        "user,item,rating\n1,1,5\n",
        "must be a Parquet file, found another or a truncated one",
    ),
    "Parquet empty": ("r.parquet", "", "must be a Parquet file, found another or a truncated one"),
}


@pytest.mark.parametrize(("name", "content", "expected"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_bad_tables(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = message_of(read_round, path)
    assert message.startswith(f"{path}: ")
    assert expected in message


GOOD_FRAME = {"user": [1, 2], "item": [1, 2], "rating": [5.0, 2.0]}

BAD_PARQUET = {
    "missing rating": ({"rating": [5.0, None]}, "row 1 (counted from 0): a rating must be a number, found nan"),
    "missing text rating": ({"rating": ["5", None]}, "row 1 (counted from 0): a rating must be a number, found"),
    "rating of lists": ({"rating": [[5], [2]]}, "row 0 (counted from 0): a rating must be a number, found [5]"),
    "missing user": ({"user": [1, None]}, "row 1 (counted from 0): a user must be a whole number or text, found nan"),
    "missing text user": (
        {"user": ["a", None]},
        "row 1 (counted from 0): a user must be a whole number or text, found",
    ),
    "broken item": ({"item": [1, 1.5]}, "row 1 (counted from 0): an item must be a whole number or text, found 1.5"),
    "user of booleans": ({"user": [True, False]}, "a user must be a whole number or text, found a column of bool"),
    "user of dates": (
        {"user": pd.to_datetime(["2020-01-01"] * 2)},
        "a user must be a whole number or text, found a column of datetime64",
    ),
    "user of bytes": ({"user": [b"a", b"b"]}, "a user must be a whole number or text, found a column of object"),
    "user of lists": ({"user": [[1], [2]]}, "a user must be a whole number or text, found a column of object"),
    "missing date": (
        {"timestamp": [pd.Timestamp(0), None]},
        "row 1 (counted from 0): a timestamp must be whole seconds since 1970, found NaT",
    ),
    "no row": ({"user": [], "item": [], "rating": []}, "must have at least one row, found none"),
    "two labels": (
        {"user": [1, 1], "label": [0, 1]},
        "row 1 (counted from 0): every row of a user must have the same label, found 1",
    ),
}


@pytest.mark.parametrize(("changed", "expected"), BAD_PARQUET.values(), ids=BAD_PARQUET.keys())
def test_bad_parquet(tmp_path, changed, expected):
    path = tmp_path / "r.parquet"
    pd.DataFrame(GOOD_FRAME | changed).to_parquet(path)
    message = message_of(read_round, path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_truncated_parquet(tmp_path):
    path = tmp_path / "r.parquet"
    pd.DataFrame(GOOD_FRAME).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path}: must be a Parquet file" in message_of(read_round, path)


def test_a_given_column_must_be_there(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n1,1,5\n")
    message = message_of(read_round, path, columns={"user": "who"})
    assert message == f"{path}: must have column 'who' for the user, found columns 'user', 'item', 'rating'"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "r.npz",
            None,
            "key 'X', row 2 (counted from 0): a rating on scale 1,2,3,4 must be one of 1, 2, 3, 4, found 5",
        ),
        ("r.csv", "user,item,rating\n1,1,1\n1,2,2\n1,3,5\n", "line 4: a rating on scale 1,2,3,4 must be one of"),
        ("u.data", "1\t1\t1\n1\t2\t2\n1\t3\t5\n", "line 3: a rating on scale 1,2,3,4 must be one of"),
    ],
)
def test_a_rating_off_the_given_scale(tmp_path, name, content, expected):
    path = tmp_path / name
    if content is None:
        np.savez(path, X=[[1, 1, 1], [1, 2, 2], [1, 3, 5]])
    else:
        path.write_text(content)
    message = message_of(read_round, path, scale=parse_scale("1,2,3,4"))
    assert message.startswith(f"{path}: {expected}")


BAD_LABELS = {
    "no label": (
        "t.csv",
        "user,mark\n1,1\n",
        "must have a column for the label (label, fake, …) or the kind, found columns 'user', 'mark'",
    ),
    "no user": ("t.csv", "who,label\n1,1\n", "must have a column for the user"),
    "twice": ("t.csv", "user,label\n1,1\n2,0\n1,1\n", "line 4: each user must be labelled once, found 1"),
    "outside the set": ("t.csv", "user,label\n1,1\n2,0.5\n", "line 3: a label must be a whole number, found 0.5"),
    "kinds against labels": (
        "t.csv",
        "user,label,kind\n1,1,2\n2,0,1\n",
        "line 3: kinds and labels must agree on who is genuine (0), found 2",
    ),
    "one class": (
        "t.csv",
        "user,label\n1,1\n2,1\n",
        "both genuine and generated users must occur, found generated users only",
    ),
}


@pytest.mark.parametrize(("name", "content", "expected"), BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_bad_tables_of_labels(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content)
    message = message_of(read_labels, path)
    assert message.startswith(f"{path}: ")
    assert expected in message
