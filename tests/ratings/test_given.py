"""Published splits: what the publisher held out becomes a fold of the whole log."""

import numpy as np
import pytest
from rating_helpers import message_of, save_text

from anomaly_lab.ratings.given import read_given_split
from anomaly_lab.ratings.interactions import interactions
from anomaly_lab.ratings.logs import read_log
from anomaly_lab.ratings.tables import read_table

LOG = ["3\t20\t4\t9", "1\t20\t5\t9", "1\t10\t3\t9", "2\t10\t1\t9", "2\t30\t2\t9"]


def lines(rows):
    return "".join(f"{row}\n" for row in rows)


@pytest.fixture
def folder(tmp_path):
    """A log as ml-100k lays it out."""
    save_text(tmp_path / "u.data", lines(LOG))
    for name, held_out in {"ub": [3], "u2": [1, 4], "u1": [0, 2]}.items():
        save_text(tmp_path / f"{name}.test", lines(LOG[row] for row in held_out))
        save_text(tmp_path / f"{name}.base", lines(row for n, row in enumerate(LOG) if n not in held_out))
    return tmp_path


def held_out(folder, pairs):
    """The held-out ratings as the outside sees them."""
    batch = read_log(folder).ratings
    data = interactions(batch)
    test = data.take(pairs.held_out(data, batch.user_ids, batch.item_ids))
    return sorted(
        zip(batch.user_ids[test.users].tolist(), batch.item_ids[test.items].tolist(), test.values.tolist(), strict=True)
    )


def test_each_test_part_is_a_fold_of_the_whole_log(folder):
    splits = dict(read_given_split(folder))
    assert list(splits) == ["u1", "u2", "ub"]
    assert held_out(folder, splits["u1"]) == [(1, 10, 3.0), (3, 20, 4.0)]
    assert held_out(folder, splits["u2"]) == [(1, 20, 5.0), (2, 30, 2.0)]
    assert held_out(folder, splits["ub"]) == [(2, 10, 1.0)]


def test_the_rest_is_what_was_published_for_training(folder):
    batch = read_log(folder).ratings
    data = interactions(batch)
    (_, pairs), *_ = read_given_split(folder)
    rest = data.take(~pairs.held_out(data, batch.user_ids, batch.item_ids))
    base = read_table(folder / "u1.base")
    assert sorted(batch.user_ids[rest.users].tolist()) == sorted(base.users.tolist())
    assert sorted(batch.item_ids[rest.items].tolist()) == sorted(base.items.tolist())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1\t30\t2\t9", "line 3: every pair must be rated in the log, found no rating of user 1 for item 30"),
        ("7\t30\t2\t9", "line 3: every user must occur in the log, found 7"),
        ("1\t40\t2\t9", "line 3: every item must occur in the log, found 40"),
    ],
)
def test_a_pair_that_is_not_in_the_log_is_told(folder, row, words):
    path = save_text(folder / "u1.test", lines([LOG[0], LOG[2], row]))
    batch = read_log(folder).ratings
    (_, pairs), *_ = read_given_split(folder)
    assert len(pairs) == 3
    message = message_of(pairs.held_out, interactions(batch), batch.user_ids, batch.item_ids)
    assert message == f"{path}: {words}"


def test_a_pair_held_out_twice_is_told(folder):
    path = save_text(folder / "ub.test", lines([LOG[0], LOG[1], LOG[0]]))
    words = "line 3: a pair must be held out once, found user 3 and item 20 again"
    assert message_of(read_given_split, folder) == f"{path}: {words}"


def test_a_folder_without_splits_is_told(tmp_path):
    assert message_of(read_given_split, tmp_path) == f"{tmp_path}: must hold published splits (u1.test, …), found none"


def test_the_layout_of_ml_10m_is_read_too(tmp_path):
    save_text(tmp_path / "ratings.dat", "1::10::5::9\n2::10::3.5::9\n")
    save_text(tmp_path / "r1.train", "1::10::5::9\n")
    save_text(tmp_path / "r1.test", "2::10::3.5::9\n")
    ((name, pairs),) = read_given_split(tmp_path)
    assert (name, pairs.users.tolist(), pairs.items.tolist()) == ("r1", [2], [10])
    assert np.sum(held_out(tmp_path, pairs)) == 2 + 10 + 3.5
