"""Drift: parts of one population are alike, another population is not, and labels and names say nothing."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.adversarial import adversarial_auc
from anomaly_lab.evaluation.drift import Difference, drift, unusual
from anomaly_lab.evaluation.drift_words import levels_words, told_apart_words, warnings
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import STARS

N_PARTS, N_USERS = 4, 480


def batches(seed=0, change=None, ids=lambda users: users):
    """Return one population cut into batches by user; `change` alters the rows of the last."""
    whole = random_round(seed=seed, n_users=N_USERS, n_fakes=60)
    part = np.random.default_rng(seed).permutation(N_USERS) % N_PARTS
    found = []
    for number in range(N_PARTS):
        mine = part[whole.users] == number
        items, ratings = whole.items[mine], np.asarray(whole.ratings[mine], dtype=float)
        if change is not None and number == N_PARTS - 1:
            items, ratings = change(items, ratings)
        batch = RatingBatch.from_rows(ids(whole.users[mine]), items, ratings, scale=STARS, source=f"part{number}")
        found.append(batch)
    return found[:-1], found[-1]


def milder(items, ratings):
    return items, np.clip(ratings, 2, 4)


@cache
def alike():
    """What parts of one population say of each other."""
    rounds, batch = batches()
    return unusual(batch, rounds)


def test_parts_of_one_population_are_alike():
    told_apart, levels = alike()
    assert 0.4 < told_apart.batch < 0.6
    assert len(told_apart.rounds) == len(levels.rounds) == 3
    assert not told_apart.far_more
    assert not levels.far_more
    assert warnings(told_apart, levels) == []


def test_another_population_is_told_apart_and_warned_of():
    rounds, batch = batches(change=milder)
    found = drift(batch, rounds)
    assert found.told_apart.batch > 0.95
    assert found.told_apart.far_more
    assert found.levels.far_more
    told, moved = warnings(found.told_apart, found.levels)
    assert "far more than training rounds from each other" in told
    assert "of ratings would have to change their level" in moved
    assert found.shares.set_index("level").loc[0, "batch"] == 0 < found.shares.set_index("level").loc[0, "training"]


def test_shift_is_found_where_it_is():
    rounds, batch = batches(change=lambda items, ratings: (items, np.where(ratings == 1, 0, ratings)))
    found = drift(batch, rounds)
    top = found.columns.set_index("column")
    assert found.columns["column"].iloc[0].startswith("profile:")
    assert top.loc["profile:share_1", "ks"] > 2 * top.loc["profile:share_1", "rounds"]
    assert top.loc["popularity:mean", "ks"] < 0.25
    families = found.families.set_index("family")["auc"]
    assert families.index[0] == "profile"
    assert families["profile"] > 0.9
    assert families["popularity"] < 0.65


def test_one_round_says_nothing_of_what_is_usual():
    rounds, batch = batches(change=milder)
    told_apart, levels = unusual(batch, rounds[:1])
    assert told_apart.rounds == levels.rounds == ()
    assert warnings(told_apart, levels) == []
    assert "with one training round nobody can say" in told_apart_words(told_apart)


def test_two_rounds_are_compared_once():
    rounds, batch = batches()
    assert len(unusual(batch, rounds[:2])[0].rounds) == 1


@pytest.mark.slow
def test_overlaps_are_counted():
    rounds, batch = batches()
    first = rounds[0]
    rows = first.users < 5
    copied = RatingBatch.from_rows(
        np.concatenate([batch.user_ids[batch.users], first.users[rows] + 10_000, np.full(2, 20_000)]),
        np.concatenate([batch.item_ids[batch.items], first.item_ids[first.items[rows]], [998, 999]]),
        np.concatenate([batch.ratings, first.ratings[rows], [3, 3]]).astype(float),
        scale=STARS,
    )
    overlap = drift(copied, rounds).overlap
    known = {item for one in rounds for item in one.item_ids.tolist()}
    assert overlap["same_profile"] == 5
    assert overlap["same_id"] == 0
    assert overlap["new_items"] == overlap["new_item_ratings"] == 2
    assert overlap["items"] == len(known & set(copied.item_ids.tolist()))


@settings(max_examples=3)
@given(st.integers(0, 1000))
@pytest.mark.slow
def test_names_of_users_change_nothing(seed):
    names = np.random.default_rng(seed).permutation(N_USERS)
    rounds, batch = batches(ids=lambda users: names[users])
    assert unusual(batch, rounds) == alike()


def test_profiles_that_occur_twice_do_not_give_themselves_away():
    rng = np.random.default_rng(0)
    matrix = np.repeat(rng.normal(size=(60, 3)), 4, axis=0).astype(np.float32)
    batch = np.repeat(rng.permutation(60) < 30, 4)
    together = adversarial_auc(matrix, batch, np.repeat(np.arange(60), 4))
    alone = adversarial_auc(matrix, batch, np.arange(240))
    assert together < 0.7 < 0.9 < alone


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Difference(0.51, (0.5,), 0.52, False), "cannot be told"),
        (Difference(0.55, (0.6,), 0.52, False), "AUC 0.55: no more than"),
        (Difference(0.62, (0.6,), 0.52, False), "AUC 0.62: a little more than"),
        (Difference(0.9, (0.6, 0.55), 0.52, True), "far more than training rounds from each other (0.600 at most)"),
    ],
)
def test_words_follow_the_figures(found, words):
    assert words in told_apart_words(found)


def test_equal_shares_of_levels_are_called_equal():
    assert levels_words(Difference(0.01, (), 0.02, False)) == "levels have the shares they have in training rounds"


def test_what_cannot_be_compared_is_named():
    rounds, batch = batches()
    small = batch.select(batch.user_ids >= np.sort(batch.user_ids)[-3])
    with pytest.raises(DataError, match="at least one training round"):
        drift(batch, [])
    with pytest.raises(DataError, match="must not be one of the rounds it is compared with, found in part1"):
        drift(rounds[1], rounds)
    with pytest.raises(DataError, match="must have 20 users to be compared, found 3"):
        drift(small, rounds)
