"""What a file of ratings is said to hold."""

import json
import shutil

import numpy as np
import pytest

from anomaly_lab.ratings.readers import read_rounds
from experiments.describe import describe

ROWS = [
    (1, 10, 1), (1, 11, -1), (1, 11, -1),
    (2, 10, 1), (2, 11, -1), (2, 11, -1),
    (3, 10, 0),
    (4, 12, 0), (4, 13, 1),
]  # fmt: skip


@pytest.fixture
def described(tmp_path):
    labels = np.array([(1, 0), (2, 3), (3, 5), (4, 0)])
    np.savez(tmp_path / "first.npz", X=np.array(ROWS), y=labels)
    np.savez(tmp_path / "second.npz", X=np.array([*ROWS[6:], (9, 10, -1)]))
    return describe(read_rounds([tmp_path / "first.npz", tmp_path / "second.npz"]))


@pytest.mark.parametrize(
    ("fact", "first", "second"),
    [
        ("ratings", "9", "4"),
        ("users", "4", "3"),
        ("items", "4", "3"),
        ("scale", "likes (-1, 0, 1)", "likes (-1, 0, 1)"),
        ("share of levels", "-1: 44.4%, 0: 22.2%, 1: 33.3%", "-1: 25.0%, 0: 50.0%, 1: 25.0%"),
        ("ratings per user", "median 2.5, 1 to 3", "median 1, 1 to 2"),
        ("density", "56.2%", "44.4%"),
        ("repeated (user, item) rows", "2", "0"),
        ("users with the profile of another", "2", "0"),
        ("timestamps", "no", "no"),
        ("labels", "2 generated (50.0%), 2 kinds", "hidden"),
    ],
)
def test_facts(fact, first, second, described):
    assert described.loc[fact].tolist() == [first, second]


def test_later_files_are_compared_with_the_first(described):
    assert described.loc["user ids shared with first", "second"].startswith("2 ")
    assert described.loc["digest"].nunique() == 2


def test_a_batch_is_compared_with_training_rounds(cli, files):
    ran = cli("describe", files["next"], "--against", files["a"], "--against", files["b"])
    assert ran.code == 0
    assert "next against a + b" in ran.out
    assert "of this batch can" in ran.out
    assert "users with a training user's profile" in ran.out


def test_comparisons_are_printed_as_json_and_do_not_depend_on_labels(cli, files, tmp_path):
    with np.load(files["a"]) as arrays:
        np.savez(tmp_path / "a.npz", X=arrays["X"])
    labelled, hidden = (
        json.loads(cli("describe", files["next"], "--against", a, "--against", files["b"], "--json").out)
        for a in (files["a"], tmp_path / "a.npz")
    )
    assert labelled["against"] == hidden["against"]
    found = labelled["against"]["next"]
    assert 0 <= found["told_apart"]["batch"] <= 1
    assert {one["family"] for one in found["families"]} == {"profile", "agreement", "popularity", "likelihood"}
    assert sum(one["batch"] for one in found["shares"]) == pytest.approx(1)


def test_a_round_cannot_be_compared_with_itself(cli, files, tmp_path):
    ran = cli("describe", files["a"], "--against", shutil.copy(files["a"], tmp_path / "copy.npz"))
    assert ran.code == 2
    assert "must not be one of the rounds it is compared with" in ran.err
