"""The bank: seeded fakes on any scale, made from users who may be known, each described away from its first source."""

import numpy as np
import pytest
from attack_helpers import SCALES, source_of, sources
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.attacks import bank as banking
from anomaly_lab.attacks.bank import HYBRID, MINIMUM, STRAYS, BankSettings, Simulated, make_bank, simulate
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.features import panel as panels
from anomaly_lab.features.extract import cross_fit, fold_of
from anomaly_lab.features.panel import panel
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.scale import LIKES_WATCHED, STARS

N_OWN = 20
"""Items of each user in `apart`; nobody else rates them, so an item tells whom it was taken from."""


def small(**changes):
    return BankSettings(**{"n_hybrids": 30, "n_per_kind": 6, "n_strays": 10} | changes)


def apart(n_users=24, scale=STARS, seed=0):
    """Return users without a common item, as a pool, and the position of each item's only rater."""
    ratings = np.random.default_rng(seed).choice(scale.levels, n_users * N_OWN)
    users = np.repeat(np.arange(n_users), N_OWN)
    joint = pool([RatingBatch.from_rows(users, np.arange(n_users * N_OWN), ratings, scale=scale)])
    return joint, (panel(joint.ratings, np.arange(joint.ratings.n_items)) >= 0).argmax(axis=0)


def taken_from(bank, owner):
    """Return the set of users that each fake has items of."""
    items = np.arange(bank.levels.shape[1]) if bank.items is None else bank.items
    return [set(owner[items[row >= 0]].tolist()) for row in bank.levels]


def labels(joint, seed=0, values=(-1, 0, 0, 1)):
    return np.random.default_rng(seed).permutation(np.resize(values, joint.n_users))


def same(a, b):
    return a.levels.shape == b.levels.shape and (a.levels == b.levels).all() and (a.fold == b.fold).all()


@settings(max_examples=40)
@given(source=sources, seed=st.integers(0, 99), n_folds=st.integers(1, 4))
def test_fakes_have_the_sources_items_levels_of_the_scale_and_enough_ratings(source, seed, n_folds):
    folds = np.arange(len(source.levels)) % n_folds
    made = simulate(source, folds, np.maximum(source.lengths, 1), BankSettings(5, 2, seed=seed))
    assert made.levels.dtype == np.int8
    assert made.levels.shape == (len(made.fold), source.levels.shape[1])
    assert made.levels.min() >= -1
    assert made.levels.max() < source.scale.n_levels
    assert ((made.levels >= 0).sum(axis=1) >= MINIMUM).all()
    assert set(made.fold) <= set(folds)
    assert len(made.kinds) == len(made.fold)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(scale):
    source = source_of(scale)
    folds = np.arange(40) % 4
    first, again, other = (simulate(source, folds, source.lengths, small(seed=seed)) for seed in (1, 1, 2))
    assert same(first, again)
    assert first.digest == again.digest
    assert not same(first, other)
    assert first.digest != other.digest


def test_the_digest_follows_ratings_and_folds():
    levels, fold, kinds = np.zeros((4, 3), dtype=np.int8), np.array([0, 1, 2, 3]), np.full(4, HYBRID)
    changed = levels.copy()
    changed[2, 1] = 1
    made = [Simulated(levels, fold, kinds), Simulated(changed, fold, kinds), Simulated(levels, fold[::-1], kinds)]
    assert len({one.digest for one in made}) == 3


@given(without=st.sets(st.sampled_from(list(RATING_KINDS))))
@settings(max_examples=15)
def test_a_kind_left_out_is_not_made_and_all_others_are(without):
    source = source_of(LIKES_WATCHED)
    made = simulate(source, np.arange(40) % 4, source.lengths, small(without=tuple(without)))
    rating_kinds = {kind.partition("/")[2] for kind in made.kinds if "/" in kind}
    assert rating_kinds == set(RATING_KINDS) - without
    assert (made.kinds == HYBRID).any()


def test_a_kind_that_does_not_exist_cannot_be_left_out():
    with pytest.raises(ConfigError, match=r"there is no rating kind 'unifrom'; known: uniform, .*perturbed"):
        BankSettings(without=("unifrom",))


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        (source_of(STARS), {"n_hybrids": 0, "n_strays": 0, "without": tuple(RATING_KINDS)}),
        (Source(np.eye(5, 9, dtype=np.int8) - 1, STARS), {"n_per_kind": 0}),
    ],
    ids=["all kinds left out", "users of one rating"],
)
def test_a_bank_without_a_fake_is_refused(source, changes):
    with pytest.raises(DataError, match="must hold at least one simulated fake, found none; ask for more of them"):
        simulate(source, np.arange(len(source.levels)) % 4, [N_OWN], small(**changes))


def test_the_numbers_of_hybrids_and_of_each_kind_are_as_set():
    source = source_of(STARS)
    made = simulate(source, np.arange(40) % 4, source.lengths, small())
    assert (made.kinds == HYBRID).sum() == 30
    for kind in RATING_KINDS:
        assert sum(one.endswith(f"/{kind}") for one in made.kinds) == 6, kind


@pytest.mark.parametrize("covered", [0.0, 0.3, 1.0])
def test_a_hybrid_has_the_ratings_of_two_users_the_first_of_its_own_fold(covered):
    joint, owner = apart()
    levels = panel(joint.ratings, np.arange(joint.ratings.n_items))
    folds = np.arange(joint.n_users) % 4
    lengths = [N_OWN]
    made = simulate(Source(levels, STARS), folds, lengths, BankSettings(200, 0, n_strays=0, covered=covered))
    hybrids = made.levels[made.kinds == HYBRID]
    original = levels.max(axis=0)
    assert ((hybrids == original) | (hybrids == -1)).all()
    own = [folds[list(users)] == fold for users, fold in zip(taken_from(made, owner), made.fold, strict=True)]
    own = [one for one, hybrid in zip(own, made.kinds == HYBRID, strict=True) if hybrid]
    assert {len(one) for one in own} == {2}
    assert all(one.any() for one in own)
    assert all(one.all() for one in own) == (covered == 0)


def test_strays_replace_some_of_a_users_items_and_keep_the_number_and_the_levels():
    joint, owner = apart()
    levels = panel(joint.ratings, np.arange(joint.ratings.n_items))
    folds = np.arange(joint.n_users) % 4
    made = simulate(Source(levels, STARS), folds, [N_OWN], BankSettings(0, 0, n_strays=100))
    assert set(made.kinds) == {STRAYS}
    for row, fold in zip(made.levels, made.fold, strict=True):
        counts = np.bincount(owner[row >= 0])
        source = int(counts.argmax())
        own = levels[source]
        kept = (row >= 0) & (own >= 0)
        assert folds[source] == fold
        assert (row[kept] == own[kept]).all()
        assert (row >= 0).sum() == (own >= 0).sum()
        assert 0.6 <= kept.sum() / (own >= 0).sum() < 1
        assert set(row[row >= 0]) <= set(own[own >= 0])


def test_a_hybrid_takes_about_half_of_either():
    joint, owner = apart()
    levels = panel(joint.ratings, np.arange(joint.ratings.n_items))
    made = simulate(Source(levels, STARS), np.arange(joint.n_users) % 4, [N_OWN], BankSettings(200, 0, n_strays=0))
    shares = [np.bincount(owner[row >= 0]).max() / (row >= 0).sum() for row in made.levels[made.kinds == HYBRID]]
    assert 0.5 <= np.mean(shares) < 0.65
    assert np.mean((made.levels[made.kinds == HYBRID] >= 0).sum(axis=1)) == pytest.approx(N_OWN, rel=0.1)


def test_a_copy_is_described_in_the_fold_of_the_user_it_was_taken_from():
    joint, owner = apart()
    bank = make_bank(joint, np.zeros(joint.n_users), small(n_per_kind=30))
    copies = [number for number, kind in enumerate(bank.kinds) if kind.startswith("copy/")]
    for number in copies:
        main = np.bincount(owner[bank.items[bank.levels[number] >= 0]]).argmax()
        assert fold_of(joint.ratings)[main] == bank.fold[number]
    assert len(copies) > 20


@pytest.mark.parametrize("scale", [STARS, LIKES_WATCHED], ids=lambda scale: scale.name)
def test_a_bank_is_made_from_known_genuine_users_only(scale):
    joint, owner = apart(scale=scale)
    visible = labels(joint)
    bank = make_bank(joint, visible, small(n_hybrids=200))
    hybrids = [one for one, hybrid in zip(taken_from(bank, owner), (bank.kinds == HYBRID), strict=True) if hybrid]
    assert set.union(*hybrids) == set(np.flatnonzero(visible == 0).tolist())


@pytest.mark.parametrize("values", [(-1,), (-1, 1)], ids=["no label", "fakes only"])
def test_without_known_genuine_users_a_bank_is_made_from_everyone_not_known_to_be_generated(values):
    joint, owner = apart()
    visible = labels(joint, values=values)
    bank = make_bank(joint, visible, small(n_hybrids=200))
    hybrids = [one for one, hybrid in zip(taken_from(bank, owner), (bank.kinds == HYBRID), strict=True) if hybrid]
    assert set.union(*hybrids) == set(np.flatnonzero(visible == -1).tolist())


@pytest.mark.parametrize("known", [10, 40])
def test_hybrids_are_about_as_long_as_known_fakes(known):
    rng, sizes = np.random.default_rng(0), np.resize([10, 40], 60)
    items = np.concatenate([rng.choice(80, size, replace=False) for size in sizes])
    joint = pool([RatingBatch.from_rows(np.repeat(np.arange(60), sizes), items, np.zeros(len(items)), scale=STARS)])
    visible = np.zeros(joint.n_users)
    visible[np.flatnonzero(np.diff(joint.ratings.indptr) == known)[:6]] = 1
    bank = make_bank(joint, visible, small(n_hybrids=200))
    assert np.median((bank.levels[(bank.kinds == HYBRID)] >= 0).sum(axis=1)) == pytest.approx(known, rel=0.3)


def test_hidden_labels_do_not_reach_the_bank():
    joint = pool([random_round(seed=seed).read().ratings for seed in (0, 1)])
    visible = labels(joint)
    assert same(make_bank(joint, visible, small()), make_bank(pool(joint.batches), visible.copy(), small()))
    fewer = visible.copy()
    fewer[np.flatnonzero(visible == 0)[::2]] = -1
    assert not same(make_bank(joint, visible, small()), make_bank(joint, fewer, small()))


def test_beyond_a_bound_fakes_are_made_from_the_first_users_only(monkeypatch):
    monkeypatch.setattr(banking, "MAX_SOURCES", 5)
    joint, owner = apart()
    visible = labels(joint)
    bank = make_bank(joint, visible, small(n_hybrids=200))
    hybrids = [one for one, hybrid in zip(taken_from(bank, owner), (bank.kinds == HYBRID), strict=True) if hybrid]
    assert set.union(*hybrids) == set(np.flatnonzero(visible == 0)[:5].tolist())


def test_beyond_a_bound_fakes_have_the_most_rated_items_only(monkeypatch):
    monkeypatch.setattr(panels, "MAX_ITEMS", 20)
    joint = pool([random_round(seed=seed).read().ratings for seed in (0, 1)])
    visible = np.zeros(joint.n_users)
    bank = make_bank(joint, visible, small())
    raters = (panel(joint.ratings, np.arange(joint.ratings.n_items)) >= 0).sum(axis=0)
    assert bank.levels.shape[1] == len(bank.items) == 20
    assert raters[bank.items].min() >= np.sort(raters)[-20]
    assert np.isfinite(cross_fit(joint, visible, "copies", bank).matrix).all()


def test_a_fold_of_the_bank_is_a_batch_on_the_populations_items():
    joint = pool([random_round(seed=seed).read().ratings for seed in (0, 1)])
    bank = make_bank(joint, labels(joint), small())
    for number in np.unique(bank.fold):
        batch = bank.of_fold(int(number), joint.ratings)
        assert batch.scale == joint.ratings.scale
        np.testing.assert_array_equal(batch.item_ids, joint.ratings.item_ids)
        np.testing.assert_array_equal(panel(batch, bank.items), bank.levels[bank.fold == number])
