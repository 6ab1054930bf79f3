"""Labels follow users into the order of a batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rating_helpers import (
    batch_of,
    rows_of,
)

from anomaly_lab.errors import DataError
from anomaly_lab.ratings import Labels

FOUR_USERS = batch_of([(user, user, user, 0) for user in range(4)])


def by_id(batch, values):
    return dict(zip(batch.user_ids.tolist(), values.tolist(), strict=True))


@given(order=st.permutations(range(4)))
def test_the_order_of_labels_cannot_be_seen(order):
    labels = Labels.for_batch(FOUR_USERS, order, [[0, 2, 0, 1][user] for user in order])
    assert by_id(FOUR_USERS, labels.fake) == {0: 0, 1: 1, 2: 0, 3: 1}
    assert by_id(FOUR_USERS, labels.kinds) == {0: 0, 1: 2, 2: 0, 3: 1}
    assert labels.n_fake == 2


def test_zero_and_one_alone_tell_no_kinds():
    assert Labels.for_batch(FOUR_USERS, range(4), [0, 1, 0, 1]).kinds is None


def test_kinds_may_stand_beside_labels():
    labels = Labels.for_batch(FOUR_USERS, [3, 2, 1, 0], [1, 0, 1, 0], [5, 0, 4, 0])
    assert by_id(FOUR_USERS, labels.kinds) == {0: 0, 1: 4, 2: 0, 3: 5}
    assert by_id(FOUR_USERS, labels.fake) == {0: 0, 1: 1, 2: 0, 3: 1}


@given(rows=rows_of.filter(lambda rows: len({row[0] for row in rows}) > 1), data=st.data())
def test_the_digest_of_labels_follows_profiles_and_not_ids(rows, data):
    users = sorted({row[0] for row in rows})
    kinds = [0, 1, *data.draw(st.lists(st.integers(0, 2), min_size=len(users) - 2, max_size=len(users) - 2))]
    rename = {user: 100 - user for user in range(6)}
    batch, renamed = batch_of(rows), batch_of(rows, rename=rename)
    labels = Labels.for_batch(batch, users, kinds)
    same = Labels.for_batch(renamed, [rename[user] for user in users], kinds)
    assert labels.digest(batch) == same.digest(renamed)


@pytest.mark.parametrize("other", [[1, 0, 0, 1], [0, 1, 1, 1], [0, 2, 0, 1]])
def test_other_labels_have_another_digest(other):
    labels = Labels.for_batch(FOUR_USERS, range(4), [0, 1, 0, 1])
    assert Labels.for_batch(FOUR_USERS, range(4), other).digest(FOUR_USERS) != labels.digest(FOUR_USERS)


@pytest.mark.parametrize(
    ("users", "labels", "kinds", "message"),
    [
        ([0, 1, 2, 9], [0, 1, 0, 1], None, r"row 3 \(counted from 0\): a labelled user must have ratings, found 9"),
        ([0, 1, 2, 2], [0, 1, 0, 1], None, r"row 3 \(counted from 0\): each user must be labelled once, found 2"),
        ([0, 1, 2], [0, 1, 0], None, "every user must be labelled, found no label for user 3"),
        ([0, 1, 2, 3], [0, 1, 0], None, "users and labels must have one length, found 4 and 3"),
        ([0, 1, 2, 3], [0, 1, -1, 1], None, "row 2 .*a label must be 0 .genuine., 1 .* found -1"),
        ([0, 1, 2, 3], [0, 1, 0.5, 1], None, "row 2 .*a label must be 0 .genuine., 1 .* found 0.5"),
        ([0, 1, 2, 3], [0, 1, np.nan, 1], None, "row 2 .* found nan"),
        ([0, 1, 2, 3], [0, 1, 128, 1], None, "row 2 .* a kind up to 127, found 128"),
        ([0, 1, 2, 3], ["0", "1", "0", "1"], None, "labels must be whole numbers, found dtype <U1"),
        ([0, 1, 2, 3], [0, 0, 0, 0], None, "both genuine and generated users must occur, found genuine users only"),
        ([0, 1, 2, 3], [1, 2, 1, 1], None, "both genuine and generated users must occur, found generated users only"),
        ([0, 1, 2, 3], [0, 1, 0, 1], [0, 2, 1, 1], "row 2 .* agree on who is genuine .0., found 2"),
    ],
)
def test_labels_refuse(users, labels, kinds, message):
    with pytest.raises(DataError, match=message):
        Labels.for_batch(FOUR_USERS, users, labels, kinds)
