"""Every kind of bad input ends in one line that names file, key or column, and row."""

import pickle
import zipfile

import numpy as np
import pytest
from rating_helpers import message_of

from anomaly_lab.ratings.readers import read_labels, read_round, read_rounds

X = np.array([[1, 7, 5], [2, 7, 0], [2, 8, 3]])
Y = np.array([[1, 0], [2, 1]])


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
