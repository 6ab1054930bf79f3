"""Co-occurrence says what plain loops say: EASE as regressions, ranks by hand, the split by an exact eigenvector."""

import numpy as np
import plain_sets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_comparisons import columns, profiles
from test_comparing_families import batch_of, odd_users_and_reference
from test_families import users_and_reference

from anomaly_lab.features.cooccurrence import COMPONENTS, EASE_RIDGES, cooccurrence, ease_weights, fit_sets
from anomaly_lab.features.panel import panel, rated
from anomaly_lab.features.split import MINIMUM, split_columns

ANYONE = users_and_reference() | odd_users_and_reference()


def sets_of(batch):
    return [set(profile) for profile in profiles(batch)]


def shares(reference):
    theirs = sets_of(reference)
    return [(sum(item in one for one in theirs) + 1) / (len(theirs) + 2) for item in range(reference.n_items)]


def assert_alike(found, expected, rtol=1e-3):
    for name, column in expected.items():
        np.testing.assert_allclose(found[name], column, rtol=rtol, atol=2e-4, err_msg=name)


def random_sets(seed, n_users, n_items, *, popular=1.0):
    """Return a table of 0 and 1: items differ in popularity and otherwise fall together by chance."""
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(-popular * rng.normal(-0.5, 1, n_items)))
    known = (rng.random((n_users, n_items)) < chance).astype(np.float32)
    known[:, 0] = 1
    return known


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), n_users=st.integers(1, 30), n_items=st.integers(2, 12), ridge=st.floats(0.5, 50))
def test_ease_is_a_ridge_regression_of_each_item_on_the_others(seed, n_users, n_items, ridge):
    known = random_sets(seed, n_users, n_items)
    weights = ease_weights(known, ridge)
    np.testing.assert_allclose(weights, plain_sets.ease_weights(known, ridge), rtol=1e-3, atol=1e-5)


@settings(max_examples=30)
@given(both=ANYONE)
def test_ease_ranks_each_item_by_the_users_other_items(both):
    users, reference = both
    found = cooccurrence(users, reference)
    share = shares(reference)
    chosen = rated(panel(users, np.arange(users.n_items)))
    known = rated(panel(reference, np.arange(users.n_items)))
    for name, ridge in EASE_RIDGES.items():
        # a hair's breadth decides a rank: the library's own weights, which another test holds against regressions
        weights = ease_weights(known, ridge * reference.n_users)
        scores = chosen @ weights
        rows = []
        for mine, by_all in zip(sets_of(users), scores, strict=True):
            for item in mine:
                without = [weights[other, item] for other in mine - {item}]
                assert sum(without) == pytest.approx(by_all[item], abs=1e-4)
            expected = plain_sets.expected_choice(len(mine), share)
            rows.append(plain_sets.ease_columns(mine, by_all, share, expected))
        expected = {f"ease_{name}_{key}": column for key, column in columns(rows).items()}
        assert set(expected) == {key for key in found if key.startswith(f"ease_{name}_")}
        assert_alike(found, expected)


@settings(max_examples=30)
@given(both=ANYONE)
def test_common_items_are_compared_with_independent_choice(both):
    users, reference = both
    share = shares(reference)
    theirs = sets_of(reference)
    their_expected = [plain_sets.expected_choice(len(one), share) for one in theirs]
    rows = [plain_sets.neighbour_columns(mine, theirs, their_expected) for mine in sets_of(users)]
    found = cooccurrence(users, reference)
    assert {*rows[0]} == {name for name in found if name.startswith(("knn_", "jaccard_"))}
    assert_alike(found, columns(rows))


@settings(max_examples=30)
@given(both=ANYONE)
def test_unlikely_choices_are_told_by_popularity_by_fit_and_by_an_items_own_raters(both):
    users, reference = both
    found = cooccurrence(users, reference)
    share = fit_sets(reference).share  # a rounding error decides where a band ends
    assert share == pytest.approx(shares(reference))
    known = rated(panel(reference, np.arange(users.n_items)))
    weights = ease_weights(known, EASE_RIDGES["loose"] * reference.n_users)
    others = list(zip(sets_of(reference), known @ weights, strict=True))
    rows = []
    for mine, scores in zip(sets_of(users), rated(panel(users, np.arange(users.n_items))) @ weights, strict=True):
        expected = plain_sets.expected_choice(len(mine), share)
        by_rarity = plain_sets.rarity_columns(mine, share, expected, scores)
        rows.append({**by_rarity, **plain_sets.seat_columns(mine, scores, others)})
    assert {*rows[0]} == {name for name in found if name.startswith(("rarity_", "lift_", "seat_"))}
    assert_alike(found, columns(rows))


def test_components_hold_the_share_of_a_set_in_the_leading_directions_of_the_references_deviations():
    known = random_sets(0, 150, 70)
    batch = batch_of([dict.fromkeys(np.flatnonzero(row).tolist(), 0) for row in known])
    mine = batch.user_ids < 40
    users, reference = batch.select(mine), batch.select(~mine)
    share = shares(reference)
    theirs = sets_of(reference)
    deviations = [
        [(item in one) - chance for item, chance in enumerate(plain_sets.expected_choice(len(one), share))]
        for one in theirs
    ]
    vectors = np.linalg.svd(np.array(deviations))[2].T[:, : max(COMPONENTS)]
    rows = [
        plain_sets.component_columns(one, plain_sets.expected_choice(len(one), share), vectors)
        for one in sets_of(users)
    ]
    assert_alike(cooccurrence(users, reference), columns(rows))


def two_tastes(seed, n_each=12):
    """Return users who each have items of two worlds, and an affinity in which the worlds do not mix."""
    rng = np.random.default_rng(seed)
    world = np.repeat([0, 1], n_each)
    noise = rng.normal(0, 0.02, (2 * n_each, 2 * n_each))
    affinity = np.where(world[:, None] == world, 0.3, -0.1) + noise + noise.T
    np.fill_diagonal(affinity, 0)
    chosen = (rng.random((20, 2 * n_each)) < rng.uniform(0.4, 1, (20, 1))).astype(np.float32)
    chosen[:, :5] = chosen[:, -5:] = 1
    return chosen, affinity.astype(np.float32)


@given(seed=st.integers(0, 2**16))
def test_two_tastes_in_one_profile_come_apart_as_the_leading_eigenvector_says(seed):
    chosen, affinity = two_tastes(seed)
    rows = [plain_sets.split_columns(set(np.flatnonzero(one)), affinity) for one in chosen]
    assert_alike(split_columns(chosen, affinity), columns(rows), rtol=0.03)  # ten steps of the power iteration


@given(seed=st.integers(0, 2**16), n_items=st.integers(MINIMUM, 40))
def test_no_split_is_stronger_than_the_leading_eigenvector(seed, n_items):
    rng = np.random.default_rng(seed)
    half = rng.normal(0, 0.1, (n_items, n_items))
    affinity = (half + half.T).astype(np.float32)
    np.fill_diagonal(affinity, 0)
    chosen = (rng.random((8, n_items)) < 0.7).astype(np.float32)
    found = split_columns(chosen, affinity)
    for user, one in enumerate(chosen):
        if one.sum() < MINIMUM:
            assert all(column[user] == 0 for column in found.values())
            continue
        best = plain_sets.split_columns(set(np.flatnonzero(one)), affinity)
        for name in ("split_affinity", "split_lonely"):
            assert found[name][user] == pytest.approx(best[name], abs=1e-5)
        assert found["split_strength_raw"][user] <= best["split_strength_raw"] + 1e-5
        assert 0 <= found["split_balance"][user] <= 0.5


def test_a_hybrid_of_two_worlds_shows_in_ranks_holes_and_split():
    rng = np.random.default_rng(0)

    def fan(world):
        return {int(item) for item in 30 * world + rng.choice(30, 20, replace=False)}

    people = [fan(number % 2) for number in range(80)]
    hybrids = [set(list(fan(0))[::2]) | set(list(fan(1))[::2]) for _ in range(10)]
    batch = batch_of([dict.fromkeys(sorted(one), 0) for one in [*people, *hybrids]])
    mine = (batch.user_ids < 20) | (batch.user_ids >= 80)
    found = cooccurrence(batch.select(mine), batch.select(~mine))
    hybrid = batch.user_ids[mine] >= 80
    for name in ("ease_loose_auc", "ease_tight_precision_n", "ease_loose_rated_q10", "knn_1", "split_across"):
        assert found[name][hybrid].max() < found[name][~hybrid].min(), name
    assert found["split_strength"][hybrid].min() > found["split_strength"][~hybrid].max()
    assert found["split_balance"][hybrid].min() > 0.3
