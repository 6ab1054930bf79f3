"""Evidence: odd ratings, odd items and shared lists are found where they were put."""

import numpy as np
import pytest

from anomaly_lab.evaluation.evidence import neighbours, strangers, unlikely_ratings
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import pool, restore_ids
from anomaly_lab.ratings.scale import STARS

N_USERS, N_ITEMS = 60, 40
ODD, COPY, SOURCE = 0, 1, 2


@pytest.fixture
def joint():
    """Two batches whose users rate one half of the items, each item much alike; and three who do not.

    User 0 rates an item of the other half, and one as nobody does; user 1 has the items of user 2, once twice.
    """
    rng = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        half = np.arange(20) + 20 * (user % 2)
        rows += [(user, item, 2 + item % 3) for item in rng.permutation(half)[:12]]
    rows = [row for row in rows if row[0] != COPY]
    first = next(item for user, item, _ in rows if user == ODD)
    rows = [(user, item, 0 if (user, item) == (ODD, first) else rating) for user, item, rating in rows]
    rows.append((ODD, 33, 2))
    rows += [(COPY, item, 5 if number < 4 else rating) for number, (_, item, rating) in enumerate(of(rows, SOURCE))]
    rows.append(rows[-1])
    batches = []
    for number in (0, 1):
        users, items, ratings = np.array([row for row in rows if (row[0] < 30) == (number == 0)]).T
        batches.append(RatingBatch.from_rows(users, items, ratings.astype(float), scale=STARS, source=f"r{number}.npz"))
    return pool(batches), first


def of(rows, user):
    return [row for row in rows if row[0] == user]


def position(joint, user):
    (found,) = np.flatnonzero(restore_ids(joint, np.arange(joint.n_users)) == user)
    return int(found)


def hidden(joint):
    return np.full(joint.n_users, -1)


def test_the_rating_nobody_gives_stands_first(joint):
    joint, odd = joint
    table = unlikely_ratings(joint, hidden(joint), position(joint, ODD))
    top = table.iloc[0]
    assert (top["item"], top["rating"], top["commonest"]) == (odd, 0, 2 + odd % 3)
    assert top["probability"] < 0.1 < table["probability"].iloc[1]
    assert top["commonest_share"] > 0.9


def test_the_item_of_another_world_stands_first(joint):
    joint, _ = joint
    table = strangers(joint, hidden(joint), position(joint, ODD))
    assert table.iloc[0]["item"] == 33
    assert table.iloc[0]["z"] < 0 < table["z"].iloc[1:].min()


def test_the_source_of_a_copied_list_stands_first(joint):
    joint, _ = joint
    visible = hidden(joint)
    visible[position(joint, SOURCE)] = 1
    table = neighbours(joint, visible, position(joint, COPY))
    top = table.iloc[0]
    assert (top["user"], top["round"], top["label"]) == (SOURCE, "r0", "generated")
    assert top["common"] == 12
    assert top["equal"] == 8
    assert 0 < top["expected"] < 8
    assert table["z"].is_monotonic_decreasing
    assert COPY not in table["user"].tolist()
    assert set(table["label"].iloc[1:]) == {"hidden"}


def test_an_item_rated_twice_is_shared_once(joint):
    joint, _ = joint
    top = neighbours(joint, hidden(joint), position(joint, SOURCE)).iloc[0]
    assert (top["user"], top["common"]) == (COPY, 12)


def test_looking_at_a_user_changes_no_rating(joint):
    joint, _ = joint
    batch = joint.ratings
    before = [array.copy() for array in (batch.users, batch.items, batch.ratings, batch.indptr)]
    for find in (unlikely_ratings, neighbours, strangers):
        find(joint, hidden(joint), position(joint, COPY))
    after = (batch.users, batch.items, batch.ratings, batch.indptr)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_known_fakes_do_not_say_what_is_usual(joint):
    joint, odd = joint
    visible, user = hidden(joint), position(joint, ODD)
    likely = unlikely_ratings(joint, visible, user).set_index("item").loc[odd, "raters"]
    raters = np.unique(joint.ratings.users[joint.ratings.items == odd])
    visible[raters[raters != user][:5]] = 1
    assert unlikely_ratings(joint, visible, user).set_index("item").loc[odd, "raters"] == likely - 5


def test_users_with_few_items_have_no_strangers_among_them():
    users, items = np.repeat(np.arange(30), 2), np.tile([1, 2], 30)
    joint = pool([RatingBatch.from_rows(users, items, np.full(60, 3.0), scale=STARS)])
    assert strangers(joint, hidden(joint), 0).empty
    assert len(neighbours(joint, hidden(joint), 0)) == 10
