"""Low rank, neighbours and copies say what plain loops say, and find what they are meant to find."""

import tracemalloc

import numpy as np
import plain_comparisons
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plain_comparisons import log_likelihood
from plain_families import by_user
from test_families import users_and_reference

from anomaly_lab.features import low_rank as factors
from anomaly_lab.features.low_rank import fit_factors
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.scale import HALF_STARS, LIKES, LIKES_WATCHED, STARS
from anomaly_lab.registry import FEATURES

SCALES = st.sampled_from([STARS, LIKES, LIKES_WATCHED])
BY_ONE_SOURCE = {"ratio_2", "ratio_sum", "common_share", "agreement", "source_covered", "source_length", "remainder"}


def batch_of(profiles, scale=STARS):
    """Return profiles, each {item: position among the scale's levels}, as a batch whose users are called 0, 1, …"""
    rows = [(user, item, scale.levels[level]) for user, one in enumerate(profiles) for item, level in one.items()]
    users, items, ratings = map(np.array, zip(*rows, strict=True))
    return RatingBatch.from_rows(users, items, ratings, scale=scale)


def tastes(rng, n_users, n_items, *, rank=2, noise=0.1, share=0.5):
    """Return users whose ratings follow a few factors: profiles of half stars, as `batch_of` takes them."""
    values = 0.5 + 0.25 * rng.normal(size=(n_users, rank)) @ rng.normal(size=(rank, n_items)) / np.sqrt(rank)
    levels = np.clip(np.round(9 * (values + noise * rng.normal(size=values.shape))), 0, 9).astype(int)
    chosen = rng.random(levels.shape) < share
    chosen[:, :3] = True
    return [{int(item): int(levels[user, item]) for item in np.flatnonzero(chosen[user])} for user in range(n_users)]


@st.composite
def odd_users_and_reference(draw):
    """Ordinary users cut in two, and users with one rating, all items, one level, or nobody in common."""
    scale, rng = draw(SCALES), np.random.default_rng(draw(st.integers(0, 2**16)))
    n_items, last = 14, scale.n_levels - 1

    def ordinary():
        items = rng.choice(n_items, rng.integers(2, n_items), replace=False)
        return {int(item): int(rng.integers(last + 1)) for item in items}

    people = [ordinary() for _ in range(draw(st.integers(4, 16)))]
    odd = [{0: last}, dict.fromkeys(range(n_items), 0), dict(enumerate(rng.integers(last + 1, size=n_items)))]
    alone = [{n_items: 0, n_items + 1: last}]
    batch = batch_of([*people, *odd, *alone], scale)
    mine = (batch.user_ids >= len(people)) | (batch.user_ids % 2 == 0)
    return batch.select(mine), batch.select(~mine)


@pytest.mark.parametrize("family", ["low-rank", "neighbours"])
@settings(max_examples=40)
@given(both=users_and_reference() | odd_users_and_reference())
def test_a_family_equals_its_plain_loops(family, both):
    found = FEATURES.load(family)(*both)
    expected = getattr(plain_comparisons, family.replace("-", "_"))(*both)
    assert set(found) == set(expected)
    for name, column in found.items():
        np.testing.assert_allclose(column, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


@settings(max_examples=60)
@given(both=users_and_reference() | odd_users_and_reference())
def test_copies_equal_their_plain_loops(both):
    found = FEATURES.load("copies")(*both)
    expected = plain_comparisons.copies(*both)
    clear = expected.pop("clear").astype(bool)
    assert set(found) == set(expected)
    for name, column in found.items():
        compared = clear if name in BY_ONE_SOURCE else np.ones(len(clear), dtype=bool)
        np.testing.assert_allclose(column[compared], expected[name][compared], rtol=1e-4, atol=1e-4, err_msg=name)


@given(scale=SCALES, seed=st.integers(0, 2**16))
def test_a_user_without_a_rating_of_known_value_gets_zeros(scale, seed):
    assume(scale.unknown is not None)
    rng = np.random.default_rng(seed)
    known = {item: int(rng.integers(scale.n_levels)) for item in range(6)}
    batch = batch_of([{0: scale.n_levels - 1, 1: scale.n_levels - 1}, known, known], scale)
    silent = batch.user_ids == 0
    found = FEATURES.load("low-rank")(batch.select(silent), batch.select(~silent))
    assert {name for name, column in found.items() if column[0] != 0} == set()


@pytest.mark.parametrize("rank", [1, 2])
def test_no_step_of_the_factor_model_makes_the_reference_less_likely(monkeypatch, rank):
    batch = batch_of(tastes(np.random.default_rng(0), 60, 25), HALF_STARS)
    ratings = [[(item, value) for item, _, value in one] for one in by_user(batch)]
    likelihoods = []
    for steps in range(8):
        monkeypatch.setattr(factors, "ITERATIONS", steps)
        model = fit_factors.__wrapped__(batch, rank)
        likelihoods.append(np.mean([log_likelihood(one, model) for one in ratings]))
    assert np.diff(likelihoods).min() > -0.01
    assert likelihoods[-1] > likelihoods[0] + 1


def test_the_factor_model_finds_the_noise_that_its_factors_leave():
    batch = batch_of(tastes(np.random.default_rng(1), 300, 40, rank=1, noise=0.1), HALF_STARS)
    fitted = {rank: fit_factors(batch, rank).noise ** 0.5 for rank in (1, 8)}
    assert fitted[1] == pytest.approx(0.1, abs=0.03)
    assert fitted[8] < np.std(batch.values)


def test_shuffled_ratings_follow_less_from_each_other_than_a_taste_does():
    rng = np.random.default_rng(2)
    people = tastes(rng, 120, 40)
    shuffled = [dict(zip(one, rng.permutation(list(one.values())).tolist(), strict=True)) for one in people[:20]]
    batch = batch_of([*people, *shuffled], HALF_STARS)
    fake, reference = batch.user_ids >= 120, (batch.user_ids >= 20) & (batch.user_ids < 120)
    found = FEATURES.load("low-rank")(batch.select(~reference), batch.select(reference))
    fake = fake[~reference]
    for name in ("k8_r2", "k8_surprise", "k8_gain"):
        assert np.median(found[name][fake]) < np.quantile(found[name][~fake], 0.1), name


def test_people_of_one_taste_are_neighbours_and_contrary_ones_are_not():
    rng = np.random.default_rng(3)
    taste = np.tile([0, 9], 20)
    alike = [{item: int(np.clip(taste[item] + rng.integers(-1, 2), 0, 9)) for item in range(40)} for _ in range(30)]
    mixed = [{item: int(rng.integers(10)) for item in range(40)} for _ in range(30)]
    contrary = [{item: int(9 - taste[item]) for item in range(40)}]
    batch = batch_of([*alike, *mixed, *contrary], HALF_STARS)
    mine = (batch.user_ids == 0) | (batch.user_ids == 60)
    found = FEATURES.load("neighbours")(batch.select(mine), batch.select(~mine))
    like, unlike = np.argsort(batch.user_ids[mine])
    assert found["correlation_10"][like] > 0.5 > found["correlation_10"][unlike]
    assert found["correlation_low"][unlike] < -0.5
    assert found["agreement_10"][like] > found["agreement_10"][unlike] + 0.2


@pytest.mark.parametrize("scale", [STARS, LIKES, LIKES_WATCHED], ids=lambda scale: scale.name)
def test_a_copy_and_a_hybrid_of_two_users_are_found(scale):
    rng = np.random.default_rng(4)
    n_items = 60

    def stranger():
        chosen = rng.choice(n_items, 30, replace=False)
        return {int(item): int(rng.integers(scale.n_levels)) for item in chosen}

    people = [stranger() for _ in range(40)]
    first, second = people[20], people[21]
    half = set(rng.permutation(n_items)[: n_items // 2].tolist())
    copy = dict(list(first.items())[:27])
    hybrid = {i: k for i, k in first.items() if i in half} | {i: k for i, k in second.items() if i not in half}
    batch = batch_of([*people, copy, hybrid], scale)
    mine = (batch.user_ids < 20) | (batch.user_ids >= 40)
    found = FEATURES.load("copies")(batch.select(mine), batch.select(~mine))
    ids = batch.user_ids[mine]
    alone = ids < 20
    by_name = {name: (column[alone], column[ids == 40][0], column[ids == 41][0]) for name, column in found.items()}
    strangers, copied, mixed = by_name["ratio_1"]
    assert copied > mixed > strangers.max()
    assert by_name["ratio_2"][2] > max(by_name["ratio_2"][0].max(), by_name["ratio_2"][1])
    assert (by_name["remainder"][1], by_name["agreement"][1], by_name["common_share"][1]) == (0, 1, 1)
    assert by_name["source_covered"][1] == pytest.approx(27 / 30)
    assert by_name["agreement_z_1"][1] > by_name["agreement_z_1"][0].max()


@pytest.mark.slow
def test_factors_need_memory_for_ratings_not_for_every_user_and_item():
    n_users = n_items = 4_000
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), 4)
    items = (7 * np.arange(4 * n_users)) % n_items
    batch = RatingBatch.from_rows(users, items, rng.integers(1, 6, len(users)), scale=STARS)
    tracemalloc.start()
    try:
        factors.low_rank(batch, batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_users * n_items * 8 / 2
