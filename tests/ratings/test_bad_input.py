"""Every kind of bad input ends in one line that names file, key or column, and row."""

import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.errors import DataError, LabError
from anomaly_lab.ratings import parse_scale
from anomaly_lab.ratings.readers import read_labels, read_round, read_rounds

X = np.array([[1, 7, 5], [2, 7, 0], [2, 8, 3]])
Y = np.array([[1, 0], [2, 1]])


def message_of(read, *args, **kwargs):
    with pytest.raises(DataError) as caught:
        read(*args, **kwargs)
    message = str(caught.value)
    assert isinstance(caught.value, LabError)
    assert "\n" not in message
    return message


def with_value(array, row, column, value, dtype=float):
    changed = array.astype(dtype)
    changed[row, column] = value
    return changed


class Exploit:
    """Python code that would run if an array were unpickled."""

    def __reduce__(self):
        return pytest.fail, ("an array was unpickled",)


OBJECTS = np.array([[Exploit(), 1, 2]], dtype=object)

BAD_ARCHIVES = {
    "no X": ({"x": X, "y": Y}, "must hold key 'X', found keys x, y"),
    "nothing": ({}, "must hold key 'X', found no key"),
    "X flat": ({"X": X.ravel()}, "key 'X' must have shape (n, 3), found (9,)"),
    "X of two columns": ({"X": X[:, :2]}, "key 'X' must have shape (n, 3), found (3, 2)"),
    "X of four columns": ({"X": np.hstack([X, X[:, :1]])}, "key 'X' must have shape (n, 3), found (3, 4)"),
    "X of a single number": ({"X": 3}, "key 'X' must have shape (n, 3), found ()"),
    "X empty": ({"X": X[:0]}, "key 'X' must have at least one row, found none"),
    "X of text": ({"X": X.astype(str)}, "key 'X' must hold integers, found dtype <U21"),
    "X of booleans": ({"X": X.astype(bool)}, "key 'X' must hold integers, found dtype bool"),
    "X of complex numbers": ({"X": X.astype(complex)}, "key 'X' must hold integers, found dtype complex128"),
    "X of objects": ({"X": OBJECTS}, "key 'X' must hold numbers, found Python objects, which are never unpickled"),
    "y of objects": ({"X": X, "y": OBJECTS}, "key 'y' must hold numbers, found Python objects"),
    "NaN rating": (
        {"X": with_value(X, 1, 2, np.nan)},
        "key 'X', row 1 (counted from 0): a rating must be a finite number, found nan",
    ),
    "infinite rating": (
        {"X": with_value(X, 2, 2, -np.inf)},
        "key 'X', row 2 (counted from 0): a rating must be a finite",
    ),
    "NaN user": (
        {"X": with_value(X, 1, 0, np.nan)},
        "key 'X', row 1 (counted from 0): a user must be a whole number, found nan",
    ),
    "broken item": (
        {"X": with_value(X, 1, 1, 7.5)},
        "key 'X', row 1 (counted from 0): an item must be a whole number, found 7.5",
    ),
    "user too large for a float": (
        {"X": with_value(X, 2, 0, 2.0**60)},
        "key 'X', row 2 (counted from 0): a user must be a whole number, found 1.15",
    ),
    "user too large": (
        {"X": with_value(X, 2, 0, 2**64 - 1, np.uint64)},
        "key 'X', row 2 (counted from 0): a user must be a whole number, found 18446744073709551615",
    ),
    "ambiguous scale": ({"X": with_value(X, slice(None), 2, 1)}, "the ratings 1 fit stars, half-stars, ten, likes and"),
    "no scale": ({"X": with_value(X, 0, 2, 99)}, "the ratings 0, 3, 99 fit no named scale"),
    "y flat": ({"X": X, "y": Y[:, 1]}, "key 'y' must have shape (n, 2), found (2,)"),
    "y empty": ({"X": X, "y": Y[:0]}, "key 'y' must have at least one row, found none"),
    "y of text": ({"X": X, "y": Y.astype(str)}, "key 'y' must hold integers, found dtype <U21"),
    "label of half": (
        {"X": X, "y": with_value(Y, 1, 1, 0.5)},
        "key 'y': row 1 (counted from 0): a label must be a whole number, found 0.5",
    ),
    "label NaN": (
        {"X": X, "y": with_value(Y, 1, 1, np.nan)},
        "key 'y': row 1 (counted from 0): a label must be a whole",
    ),
    "label outside the set": (
        {"X": X, "y": with_value(Y, 1, 1, -1, int)},
        "key 'y': row 1 (counted from 0): a label must be 0 (genuine), 1 (generated) or a kind up to 127, found -1",
    ),
    "columns of y swapped": ({"X": X, "y": [[0, 5200], [1, 5201]]}, "a kind up to 127, found 5200"),
    "labels for an unknown user": (
        {"X": X, "y": [[1, 0], [2, 1], [3, 1]]},
        "key 'y': row 2 (counted from 0): a labelled user must have ratings, found 3",
    ),
    "labels twice": (
        {"X": X, "y": [[1, 0], [2, 1], [1, 0]]},
        "key 'y': row 2 (counted from 0): each user must be labelled once, found 1",
    ),
    "a label missing": (
        {"X": np.vstack([X, [[3, 1, 1]]]), "y": Y},
        "key 'y': every user must be labelled, found no label for user 3",
    ),
    "one class": (
        {"X": X, "y": [[1, 0], [2, 0]]},
        "key 'y': both genuine and generated users must occur, found genuine",
    ),
    "yy flat": ({"X": X, "y": Y, "yy": [0, 1]}, "key 'yy' must have shape (n, 2), found (2,)"),
    "kind twice": (
        {"X": X, "y": Y, "yy": [[1, 0], [1, 0]]},
        "key 'yy': row 1 (counted from 0): each user must have one kind, found 1",
    ),
    "kind for an unknown user": (
        {"X": X, "y": Y, "yy": [[1, 0], [2, 1], [9, 1]]},
        "key 'yy': row 2 (counted from 0): a user with a kind must stand in 'y' too, found 9",
    ),
    "kind missing": (
        {"X": X, "y": Y, "yy": [[1, 0]]},
        "key 'yy': every user of 'y' must have a kind, found none for user 2",
    ),
    "kinds against labels": (
        {"X": X, "y": Y, "yy": [[1, 2], [2, 0]]},
        "key 'y': row 0 (counted from 0): kinds and labels must agree on who is genuine (0), found 1",
    ),
    "noise edition, levels": ({"X": X, "yy": [[1, 0.25], [2, 1.0]]}, "the noise edition ('yy' = noise level"),
    "noise edition, flat": ({"X": X, "yy": [0.25, 1.0]}, "the noise edition ('yy' = noise level"),
    "noise edition, kinds": ({"X": X, "yy": Y, "yy_cat": Y}, "the noise edition ('yy' = noise level"),
}


@pytest.mark.parametrize(("arrays", "expected"), BAD_ARCHIVES.values(), ids=BAD_ARCHIVES.keys())
def test_bad_archives(tmp_path, arrays, expected):
    path = tmp_path / "r2.npz"
    np.savez(path, **arrays)
    message = message_of(read_round, path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def truncated(path):
    np.savez(path, X=np.arange(30_000).reshape(-1, 3))
    path.write_bytes(path.read_bytes()[:5000])


def flipped(path):
    np.savez_compressed(path, X=np.arange(30_000).reshape(-1, 3))
    content = bytearray(path.read_bytes())
    content[1000:1010] = bytes(10)
    path.write_bytes(bytes(content))


def short_member(path):
    np.savez(path, X=X)
    with zipfile.ZipFile(path) as archive:
        member = archive.read("X.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", member[:-8])


def other_member(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X", "1,2,3")


BAD_BYTES = {
    "truncated": (truncated, "must be a NumPy archive (.npz), found a truncated or other file"),
    "empty": (lambda path: path.write_bytes(b""), "found a truncated or other file"),
    "text": (lambda path: path.write_text("user,item,rating\n1,1,1\n"), "found a truncated or other file"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"X": X})), "found a truncated or other file"),
    "flipped bytes": (flipped, "key 'X' must be a NumPy array, found a broken one"),
    "short member": (short_member, "key 'X' must be a NumPy array, found a broken one"),
    "other member": (other_member, "key 'X' must be a NumPy array, found other bytes"),
}


@pytest.mark.parametrize("read", [read_round, read_labels])
@pytest.mark.parametrize(("write", "expected"), BAD_BYTES.values(), ids=BAD_BYTES.keys())
def test_broken_archives(tmp_path, write, expected, read):
    path = tmp_path / "r2.npz"
    write(path)
    if read is read_labels and "key 'X'" in expected:
        expected = "must hold key 'y' (user, label), found keys X"  # labels are read without touching X
    message = message_of(read, path)
    assert message.startswith(f"{path}: ")
    assert expected in message


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


# --- paths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [read_round, read_labels])
def test_a_file_that_is_not_there(tmp_path, read):
    path = tmp_path / "gone.npz"
    assert message_of(read, path) == f"{path}: must be a file of ratings or labels, found no such file"


@pytest.mark.parametrize("name", ["r.xlsx", "r", "r.npy"])
def test_an_unknown_suffix(tmp_path, name):
    path = tmp_path / name
    path.touch()
    message = message_of(read_round, path)
    assert message.startswith(f"{path}: must end in one of .npz, .csv, .tsv, .dat, .data, .parquet, found ")


def test_a_folder_without_a_known_file(tmp_path):
    message = message_of(read_round, tmp_path)
    assert message.startswith(
        f"{tmp_path}: a folder must hold one of ratings.csv, ratings.dat, u.data, anime_ratings.dat"
    )
    assert message.endswith("found none of them; give the file")


def test_a_folder_with_two_known_files(tmp_path):
    (tmp_path / "ratings.csv").touch()
    (tmp_path / "u.data").touch()
    assert message_of(read_round, tmp_path).endswith("found ratings.csv and u.data; give the file")


def test_no_file_at_all():
    assert message_of(read_rounds, []) == "at least one file of ratings must be given, found none"


def test_one_file_twice(tmp_path):
    path = tmp_path / "r.npz"
    np.savez(path, X=X)
    again = tmp_path / "." / "x" / ".." / "r.npz"
    (tmp_path / "x").mkdir()
    assert message_of(read_rounds, [path, again]) == f"{again}: each file must be given once, found it twice"


def test_files_on_two_scales_are_all_named(tmp_path):
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    np.savez(paths[0], X=[[1, 1, 4], [1, 2, 3]])
    np.savez(paths[1], X=[[1, 1, -1], [1, 2, 0]])
    assert message_of(read_rounds, paths).startswith(
        f"{paths[0]}, {paths[1]}: the ratings -1, 0, 3, 4 fit no named scale"
    )


# --- labels alone --------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"X": X}, "must hold key 'y' (user, label), found keys X"),
        ({"y": [[1, 0], [1, 1]]}, "key 'y': row 1 (counted from 0): each user must be labelled once, found 1"),
        ({"y": [[1, 0], [2, 0]]}, "key 'y': both genuine and generated users must occur"),
        ({"yy": [[1, 0.3], [2, 0.1]]}, "the noise edition"),
    ],
)
def test_bad_archives_of_labels(tmp_path, arrays, expected):
    path = tmp_path / "truth.npz"
    np.savez(path, **arrays)
    assert f"{path}: {expected}" in message_of(read_labels, path)
