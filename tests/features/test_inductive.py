"""Without the target: nobody's features change with what another user who is asked about rated."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.attacks.bank import BankSettings, make_bank
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.folds import Fold, query_view, train_view
from anomaly_lab.features.extract import FeatureStore, cross_fit
from anomaly_lab.features.extract import fold_of as fold_of_users
from anomaly_lab.features.known_items import known_items, on_items
from anomaly_lab.random_folds import fold_of, plain_fold
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.scale import LIKES, LIKES_WATCHED, STARS
from anomaly_lab.registry import ALL_FAMILIES, FEATURES

FAMILIES = list(FEATURES.built_in)
SCALES = st.sampled_from([STARS, LIKES, LIKES_WATCHED])
CHANGED = 17
"""The user who rates anew, of the round asked about."""


def rated_anew(one, rng):
    """Return a round in which one user rates other items, half of them such as nobody else rated, on any levels."""
    kept = one.users != CHANGED
    new = rng.choice(24, 10, replace=False)
    users, items = np.append(one.users[kept], np.full(10, CHANGED)), np.append(one.items[kept], new)
    ratings = np.append(one.ratings[kept], rng.choice(one.scale.levels, 10))
    order = np.argsort(users, kind="stable")
    return replace(one, users=users[order], items=items[order], ratings=ratings[order])


def by_user(fold, family, *, inductive):
    """Return a family's features of the users to learn from and of those to score, by (round, id)."""
    store = FeatureStore((family,), inductive=inductive)
    joint, train = fold.pool, train_view(fold, store)
    ids = [joint.batches[b].user_ids[r] for b, r in zip(joint.batch_of, joint.row_of, strict=True)]
    learnt, asked = train.features(), query_view(fold, store).features()
    rows = np.concatenate([train.users, fold.query])
    index = pd.MultiIndex.from_arrays([joint.batch_of[rows], np.asarray(ids)[rows]])
    return pd.DataFrame(
        np.vstack([learnt.matrix[train.users], asked.matrix]), index=index, columns=learnt.names
    ).sort_index()


def before_and_after(scale, seed, family, *, inductive):
    """Return everyone's features before and after one user who is asked about rates anew, without that user's."""
    first, second = (random_round(scale, seed=seed + k, n_users=30, n_items=12, n_fakes=6) for k in (0, 1))
    anew = rated_anew(second, np.random.default_rng(seed))
    found = [by_user(fold_of(first.read(), one.read()), family, inductive=inductive) for one in (second, anew)]
    return [one.drop(index=(1, CHANGED)) for one in found]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=6)
@given(scale=SCALES, seed=st.integers(0, 2**16))
def test_no_other_users_features_change_when_a_user_asked_about_rates_anew(family, scale, seed):
    before, after = before_and_after(scale, seed, family, inductive=True)
    assert len(before) == 59
    pd.testing.assert_frame_equal(before, after, rtol=1e-4, atol=1e-5)  # sums over rows in another order


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "profile"])
def test_with_the_target_they_do(family):
    before, after = before_and_after(STARS, 0, family, inductive=False)
    assert (np.abs(before - after) > 1e-3).to_numpy().any()


def test_it_holds_where_some_users_of_one_round_are_asked_about():
    one = random_round(seed=3)
    found = []
    for made in (one, rated_anew(one, np.random.default_rng(0))):
        joint = pool([made.read().ratings])
        ids = joint.batches[0].user_ids[joint.row_of]
        asked = (ids >= CHANGED) & (ids < CHANGED + 40)
        visible = np.where(asked, -1, made.fake[ids])
        fold = Fold("part", joint, visible, np.flatnonzero(asked), made.fake[ids[asked]])
        found.append(by_user(fold, "neighbours", inductive=True).drop(index=(0, CHANGED)))
    pd.testing.assert_frame_equal(*found, rtol=1e-4, atol=1e-5)


def test_the_bank_does_not_change_either():
    first, second = random_round(seed=0, n_items=20), random_round(seed=1, n_items=20)
    store, settings_ = FeatureStore(ALL_FAMILIES, inductive=True), BankSettings(n_per_kind=4, n_strays=10)
    found = []
    for one in (second, rated_anew(second, np.random.default_rng(0))):
        train = train_view(fold_of(first.read(), one.read()), store)
        bank = make_bank(train.pool, train.visible, settings_)
        found.append((bank, train.store.fakes(train.pool, train.visible, bank, ("popularity",)).matrix))
    (bank, rows), (other, other_rows) = found
    np.testing.assert_array_equal(bank.levels, other.levels)
    np.testing.assert_allclose(rows, other_rows, rtol=1e-4, atol=1e-5)


def fold_with_new_items():
    """Return a fold in whose second round items are rated that nobody rated in the first."""
    first, second = (random_round(seed=seed, n_users=30, n_items=12, n_fakes=6) for seed in (0, 1))
    return fold_of(first.read(), rated_anew(second, np.random.default_rng(0)).read())


def test_everyones_ratings_give_the_features_of_those_on_known_items():
    fold = fold_with_new_items()
    store = FeatureStore(("low-rank",), inductive=True)
    train = train_view(fold, store)
    assert train.pool.ratings.n_items < fold.pool.ratings.n_items
    expected = cross_fit(train.pool, fold.visible, "low-rank", inductive=True).matrix
    np.testing.assert_array_equal(store.matrix(fold.pool, fold.visible).matrix, expected)


def test_simulated_users_are_described_as_real_ones_with_their_ratings():
    asked = fold_with_new_items()

    class Doubles:
        fold = fold_of_users(asked.pool.ratings)
        digest = "doubles"

        def of_fold(self, number, like):
            return like.select(self.fold == number)

    for family in ("popularity", "low-rank"):
        expected = cross_fit(asked.pool, asked.visible, family, inductive=True).matrix
        found = cross_fit(asked.pool, asked.visible, family, Doubles(), inductive=True).matrix
        np.testing.assert_array_equal(found, expected)


def test_every_store_tells_the_two_apart(tmp_path):
    fold = plain_fold()
    for _ in range(2):  # computed, then remembered
        for inductive in (False, True):
            found = FeatureStore(("agreement",), tmp_path, inductive=inductive).matrix(fold.pool, fold.visible)
            expected = cross_fit(fold.pool, fold.visible, "agreement", inductive=inductive)
            np.testing.assert_array_equal(found.matrix, expected.matrix)
    assert len([*tmp_path.glob("*.npz")]) == 2


def test_somebody_must_be_known_to_be_genuine():
    fold = plain_fold()
    with pytest.raises(ConfigError, match="an inductive run must know some users to be genuine, found none"):
        FeatureStore(("profile",), inductive=True).matrix(fold.pool, np.full_like(fold.visible, -1))


def test_an_item_that_nobody_labelled_rated_is_one_like_any_other():
    fold = fold_with_new_items()
    ratings, known = fold.pool.ratings, known_items(fold.pool, fold.visible)
    seen = on_items(ratings, known)
    assert seen.n_items == known.sum() + 1
    names = np.where(known, ratings.item_ids, seen.item_ids[-1])[ratings.items]
    rows = zip(ratings.users.tolist(), names.tolist(), ratings.ratings.tolist(), strict=True)
    told = zip(seen.users.tolist(), seen.item_ids[seen.items].tolist(), seen.ratings.tolist(), strict=True)
    assert sorted(rows) == sorted(told)
    assert seen.item_ids[-1] not in ratings.item_ids
