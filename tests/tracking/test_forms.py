"""Forms of a hand-in: what is written is read again bit for bit, and what costs a round is refused by name."""

import io
import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.errors import ConfigError, DataError
from tracking.forms import FORMS, choose_form, read_scores, threshold_notes, write_scores

SCORES = st.lists(st.floats(0, 1).filter(lambda x: x not in {0.0, 1.0}), min_size=1, max_size=30).map(np.asarray)
INTEGERS = st.sets(st.integers(0, 2**62), min_size=30, max_size=30)
PLAIN = sorted(name for name, form in FORMS.items() if not form.per_class)
WORDS = st.sets(st.text("abc01 ,\"'é-", min_size=1, max_size=5), min_size=30, max_size=30)


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


@given(SCORES, st.one_of(INTEGERS, WORDS), st.sampled_from(PLAIN))
def test_every_form_gives_back_what_was_written(scores, users, name):
    ids = np.asarray(sorted(users)[: len(scores)], dtype=None if isinstance(min(users), int) else object)
    form = FORMS[name]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"scores{form.suffix}"
        write_scores(path, ids, scores, form)
        found = read_scores(path, form.key)
    assert found.scores.tobytes() == scores.tobytes()
    assert found.users is None or found.users.tolist() == ids.tolist()
    assert (found.users is not None) == (name == "csv")


@pytest.mark.parametrize("name", PLAIN)
def test_the_same_scores_give_the_same_bytes(tmp_path, name):
    form = FORMS[name]
    contents = []
    for number in range(2):
        path = tmp_path / f"scores{number}{form.suffix}"
        write_scores(path, np.arange(3), np.array([0.1, 0.2, 0.7]), form)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_each_edition_gets_what_its_notebook_reads(tmp_path):
    scores = np.array([0.1, 0.9])
    for name in PLAIN:
        write_scores(tmp_path / f"{name}{FORMS[name].suffix}", np.array([5, 6]), scores, FORMS[name])
    assert list(np.load(tmp_path / "arr_0.npz")) == ["arr_0"]
    assert list(np.load(tmp_path / "predictions.npz")) == ["predictions"]
    assert np.load(tmp_path / "npy.npy").tolist() == [0.1, 0.9]
    assert (tmp_path / "csv.csv").read_text() == "user,score\n5,0.1\n6,0.9\n"
    with zipfile.ZipFile(tmp_path / "codabench.zip") as bundle:
        assert bundle.namelist() == ["predictions.npz"]
        assert np.load(io.BytesIO(bundle.read("predictions.npz")))["predictions"].tolist() == [0.1, 0.9]


@pytest.mark.parametrize(
    ("path", "name", "key", "form"),
    [
        ("s.npz", None, None, "arr_0"),
        ("s.NPZ", None, None, "arr_0"),
        ("s.npz", "predictions", None, "predictions"),
        ("s.npz", None, "y_score", "y_score"),
        ("s.npy", None, None, "npy"),
        ("s.csv", None, None, "csv"),
        ("s.zip", None, None, "codabench"),
    ],
)
def test_the_suffix_says_the_form(path, name, key, form):
    assert choose_form(path, name, key).name == form


@pytest.mark.parametrize(
    ("path", "name", "key", "message"),
    [
        ("s.txt", None, None, r"s\.txt: .* one of \.npz, \.npy, \.csv, \.zip, found '\.txt'"),
        (
            "s.npz",
            "matlab",
            None,
            r"--form must be one of arr_0, predictions, npy, csv, codabench, probabilities, classes, found 'matlab'",
        ),
        ("s.npz", "csv", None, r"s\.npz: form csv must be written to a file ending in \.csv"),
        ("s.csv", None, "arr_0", r"s\.csv: --key names the array of an \.npz"),
    ],
)
def test_a_form_that_does_not_fit_is_refused(path, name, key, message):
    with pytest.raises(ConfigError, match=message):
        choose_form(path, name, key)


BAD_ARRAYS = {
    "two dimensions, users": (np.array([[10, 0.2], [11, 0.3]]), r"found \(2, 2\); an extra column of user ids"),
    "two dimensions, classes": (
        np.array([[0.7, 1], [0.2, 0]]),
        r"found \(2, 2\); an extra column of predicted classes",
    ),
    "class scores": (np.full((4, 3), 0.3), r"found \(4, 3\); scores of several classes"),
    "one column": (np.full((4, 1), 0.3), r"found \(4, 1\); one column; hand in scores\.ravel\(\)"),
    "a single number": (np.float64(0.3), r"found \(\); hand in one number a user"),
    "hard labels": (np.array([0, 1, 1, 0]), r"found only 0 and 1: hard labels\?"),
    "hard labels as floats": (np.array([0.0, 1.0]), "hard labels"),
    "hard labels as bools": (np.array([False, True]), "hard labels"),
    "hard labels of scikit-learn": (np.array([-1, 1, -1]), r"found only -1 and 1: hard labels"),
    "everyone flagged": (np.ones(3), r"found only 1: hard labels"),
    "not a number": (np.array([0.1, np.nan, np.nan]), r"found nan in row 1 \(counted from 0\) and 2 such in all"),
    "infinite": (np.array([0.1, np.inf]), r"found inf in row 1"),
    "text": (np.array(["0.1", "0.2"]), "scores must be numbers, found dtype <U3"),
}


@pytest.mark.parametrize("what", sorted(BAD_ARRAYS))
@pytest.mark.parametrize("suffix", [".npz", ".npy", ".zip"])
def test_anything_but_a_score_a_user_is_refused_by_name(tmp_path, what, suffix):
    array, message = BAD_ARRAYS[what]
    path = tmp_path / f"scores{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".npz":
        npz(path, predictions=array)
    else:
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("predictions.npz", npz(tmp_path / "inner.npz", predictions=array).read_bytes())
    with pytest.raises(DataError, match=message) as error:
        read_scores(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "key", "message"),
    [
        (
            {"scores": [0.1]},
            None,
            r"under key 'arr_0' or 'predictions' or 'probabilities', found 'scores'; say which with --key",
        ),
        ({"arr_0": [0.1], "users": [1]}, "y", r"under key 'y', found 'arr_0', 'users'"),
        ({}, None, "found none"),
    ],
)
def test_a_wrong_key_is_refused_with_the_keys_found(tmp_path, arrays, key, message):
    with pytest.raises(DataError, match=message):
        read_scores(npz(tmp_path / "s.npz", **arrays), key)


def test_another_key_can_be_named(tmp_path):
    assert read_scores(npz(tmp_path / "s.npz", mine=[0.1, 0.2]), "mine").scores.tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,score,predicted_class\n1,0.2,0\n", "found user, score, predicted_class; leave out predicted_class"),
        ("1,0.2\n2,0.3\n", "must have the columns user and score, found 1, 0.2"),
        ("user,score\n1,0.2,0\n2,0.3,1\n", "must be a table of scores, found: .* line 2, saw 3"),
        ("user,score\n1,0.2\n2,0.3,1\n", "must be a table of scores"),
        ("user,score\n1,0.2\n1,0.3\n", "each user must have one score, found user 1 twice"),
        ("user,score\n1,0.2\n,0.3\n", "line 3: must name a user"),
        ("user,score\n1,0.2\n2,\n", "found nan in row 1"),
        ("user,score\n1,0.2\n2,high\n", "line 3: a score must be a number, found 'high'"),
        ("", "must be a table of scores"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, text, message):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_scores(path)
    assert "\n" not in str(error.value)


def test_a_table_may_name_users_in_any_order(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("score,user\n0.3,10\n0.1,9\n")
    found = read_scores(path)
    assert (found.users.tolist(), found.scores.tolist()) == ([9, 10], [0.1, 0.3])


class Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_python_objects_are_never_unpickled(tmp_path, suffix):
    mark, path = tmp_path / "mark", tmp_path / f"s{suffix}"
    array = np.array([Trap(mark), None], dtype=object)
    np.save(path, array, allow_pickle=True) if suffix == ".npy" else npz(path, arr_0=array)
    with pytest.raises(DataError, match="Python objects, which are never unpickled"):
        read_scores(path)
    assert not mark.exists()


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "s.txt").write_text("0.1")
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as bundle:
        bundle.writestr("metadata", "command: run")
        bundle.writestr("predictions.npz", b"")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as bundle:
        bundle.writestr("scores.npz", b"")
    for name, message in {
        "missing.npz": "found no such file",
        "s.npz": "found a broken one",
        "s.txt": r"must end in \.npz, \.npy, \.csv or \.zip",
        "code.zip": "Codabench would run the hand-in as code",
        "other.zip": r"must hold predictions\.npz, found scores\.npz",
    }.items():
        with pytest.raises(DataError, match=message):
            read_scores(tmp_path / name)


def test_a_threshold_that_decides_nothing_is_warned_of():
    assert threshold_notes(np.array([0.2, 0.5])) == []
    assert "flags everyone" in threshold_notes(np.array([0.5, 0.9]))[0]
    assert "flags no one" in threshold_notes(np.array([0.1, 0.4]))[0]
