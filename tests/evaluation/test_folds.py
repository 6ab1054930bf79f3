"""Folds hide labels and never ratings, keep identical profiles together, and follow nothing but profiles."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.folds import HIDDEN, inner_folds, profile_groups, query_view, train_view
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_folds import plain_fold
from anomaly_lab.random_rounds import RandomRound, random_round
from anomaly_lab.ratings.scale import STARS
from anomaly_lab.tasks.fake_users import PROTOCOLS
from anomaly_lab.tasks.question import Question

STORE = FeatureStore(("profile",))
SEEDS = st.integers(0, 2**16)


def small_round(seed, **size):
    return random_round(seed=seed, **({"n_users": 50, "n_items": 12, "n_fakes": 12} | size))


def question(protocol, seed=0, n_rounds=3):
    return Question(tuple(small_round(seed + k).read(f"round{k}") for k in range(n_rounds)), protocol)


def names(fold, positions):
    """Return (round, id) of some users of a fold."""
    joint = fold.pool
    rounds, rows = joint.batch_of[positions], joint.row_of[positions]
    return [(joint.batches[b].source, joint.batches[b].user_ids[r]) for b, r in zip(rounds, rows, strict=True)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=5)
@given(seed=SEEDS)
def test_no_fold_shows_the_label_of_a_user_it_asks_for(protocol, seed):
    for fold in question(protocol, seed).folds():
        train, query = train_view(fold, STORE), query_view(fold, STORE)
        assert (fold.visible[fold.query] == HIDDEN).all()
        assert (fold.known_kinds[fold.query] == HIDDEN).all()
        assert not set(train.users) & set(fold.query)
        assert set(train.labels) == {0, 1}
        np.testing.assert_array_equal(train.labels, fold.visible[train.users])
        assert (query.visible[query.users] == HIDDEN).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_fold_holds_the_ratings_of_everyone_it_asks_for_and_learns_from(protocol):
    asked = question(protocol)
    for fold in asked.folds():
        rounds = [one for one in asked.rounds if one.name in {batch.source for batch in fold.pool.batches}]
        assert fold.pool.ratings.n_rows == sum(one.ratings.n_rows for one in rounds)
        assert len(query_view(fold, STORE).features().matrix) == len(fold.query)
        assert len(train_view(fold, STORE).features().matrix) == fold.pool.n_users


@pytest.mark.parametrize(("protocol", "asked_for"), [("next-round", 3), ("in-round", 3), ("forward", 2)])
def test_every_user_is_asked_for_once(protocol, asked_for):
    folds = list(question(protocol).folds())
    asked = [name for fold in folds for name in names(fold, fold.query)]
    assert len(asked) == len(set(asked)) == 50 * asked_for


def test_truth_is_the_label_of_the_user_asked_for():
    for protocol in PROTOCOLS:
        for fold in question(protocol).folds():
            # random rounds call their generated users 0 to 11
            assert fold.truth.tolist() == [int(name < 12) for _, name in names(fold, fold.query)]


def test_forward_learns_from_earlier_rounds_only():
    folds = list(question("forward").folds())
    assert [{batch.source for batch in fold.pool.batches} for fold in folds] == [
        {"round0", "round1"},
        {"round0", "round1", "round2"},
    ]
    for fold, queried in zip(folds, (1, 2), strict=True):
        assert (fold.pool.batch_of[fold.query] == queried).all()
        assert (fold.pool.batch_of[fold.visible != HIDDEN] < queried).all()


def twins(seed):
    """Return a round in which users come in threes with one profile, the labels within a three mixed."""
    one = small_round(seed, n_users=30)
    n = len(one.fake)
    users = np.concatenate([one.users + k * n for k in range(3)])
    fake = np.random.default_rng(seed).integers(0, 2, 3 * n)
    return RandomRound(users, np.tile(one.items, 3), np.tile(one.ratings, 3), fake, STARS)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_users_with_one_profile_are_hidden_together(seed):
    for fold in Question((twins(seed).read(),), "in-round").folds():
        groups = profile_groups(fold.pool)
        assert len(np.unique(groups)) == 30
        for one in (fold, *inner_folds(fold)):
            asked = groups[one.query]
            assert not set(asked) & set(groups[one.visible != HIDDEN])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=5)
@given(seed=SEEDS)
def test_neither_row_order_nor_names_of_users_move_anyone_to_another_fold(protocol, seed):
    rng = np.random.default_rng(seed)
    rounds = [small_round(seed + k) for k in range(2)]
    ids = rng.permutation(500)[:50]
    plain = Question(tuple(one.read(f"{k}") for k, one in enumerate(rounds)), protocol)
    renamed = Question(
        tuple(one.read(f"{k}", order=rng.permutation(len(one.users)), ids=ids) for k, one in enumerate(rounds)),
        protocol,
    )
    for one, other in zip(plain.folds(), renamed.folds(), strict=True):
        called = [(source, ids[name]) for source, name in names(one, one.query)]
        assert called == names(other, other.query)
        np.testing.assert_array_equal(one.truth, other.truth)


def test_inner_folds_ask_for_every_training_user_once_and_keep_the_query_hidden():
    fold = plain_fold()
    inner = list(inner_folds(fold))
    assert sorted(np.concatenate([one.query for one in inner])) == sorted(np.flatnonzero(fold.visible != HIDDEN))
    for one in inner:
        assert (one.visible[fold.query] == HIDDEN).all()
        assert (one.visible[one.query] == HIDDEN).all()
        assert (one.known_kinds[one.query] == HIDDEN).all()
        np.testing.assert_array_equal(one.truth, fold.visible[one.query])
        assert set(train_view(one, STORE).labels) == {0, 1}


@pytest.mark.parametrize("known", [2, 3])
def test_with_few_known_fakes_every_inner_fold_still_learns_from_one(known):
    fold = plain_fold()
    visible = fold.visible.copy()
    visible[np.flatnonzero(visible == 1)[known:]] = HIDDEN
    inner = list(inner_folds(replace(fold, visible=visible)))
    assert len(inner) == known
    assert all((one.visible == 1).sum() == known - 1 for one in inner)


def test_a_single_known_fake_is_too_few_for_a_threshold():
    fold = plain_fold()
    visible = fold.visible.copy()
    visible[np.flatnonzero(visible == 1)[1:]] = HIDDEN
    with pytest.raises(DataError, match=r"at least two different generated users must be known .* found 1"):
        list(inner_folds(replace(fold, visible=visible)))


def test_inner_folds_asked_for_again_are_the_same_and_cannot_be_spoilt():
    fold = plain_fold()
    first, again = list(inner_folds(fold)), list(inner_folds(fold))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.query, other.query)
        with pytest.raises(ValueError, match="read-only"):
            one.query[0] = 0
    hidden = fold.visible.copy()
    hidden[first[0].query] = HIDDEN
    fewer = list(inner_folds(replace(fold, visible=hidden)))
    assert not set(first[0].query) & {user for one in fewer for user in one.query}
