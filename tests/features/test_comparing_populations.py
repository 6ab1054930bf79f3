"""The comparing families beside a population: doubled, described in two passes, in threads, beside simulated users."""

import re

import numpy as np
import pytest
from test_extract import TOLERANCE, change_when_doubled

from anomaly_lab.attacks.bank import Simulated
from anomaly_lab.features.extract import cross_fit, fold_of
from anomaly_lab.features.panel import panel
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import LIKES, LIKES_WATCHED, STARS
from anomaly_lab.registry import FEATURES

FAMILIES = ("low-rank", "neighbours", "co-occurrence", "copies")
SCALES = pytest.mark.parametrize("scale", [STARS, LIKES, LIKES_WATCHED], ids=lambda scale: scale.name)

NOT_PER_CAPITA = re.compile(
    r"(neighbours|copies|co-occurrence:(knn|jaccard)).*(_10|_50|_low|_relative)$|co-occurrence:seat_below_1$"
)
"""Columns of the nearest or farthest *few* users, among whom doubles take two places, and the finest share of an item's
raters, which fewer than fifty raters cannot show. Every other column is per capita."""


def once_each(scale=STARS, *, seed=0, n_users=120):
    """Return a random batch in which nobody rates an item twice."""
    batch = random_round(scale, seed=seed, n_users=n_users).read().ratings
    first = np.ones(batch.n_rows, dtype=bool)
    first[1:] = (np.diff(batch.users) != 0) | (np.diff(batch.items) != 0)
    users, items, ratings = batch.user_ids[batch.users], batch.item_ids[batch.items], batch.ratings
    return RatingBatch.from_rows(users[first], items[first], np.asarray(scale.levels)[ratings[first]], scale=scale)


def assert_hardly_changed(batch, family):
    changes = change_when_doubled(batch, family)
    per_capita = changes[[NOT_PER_CAPITA.match(name) is None for name in changes.index]]
    assert len(per_capita) > 0
    assert per_capita.max() < TOLERANCE, per_capita.idxmax()


@pytest.mark.parametrize("family", FAMILIES)
def test_doubling_the_population_hardly_changes_what_is_per_capita(family):
    assert_hardly_changed(random_round(seed=0, n_users=400, n_items=40, n_fakes=200).read().ratings, family)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_doubling_a_real_round_hardly_changes_what_is_per_capita(family, data_dir):
    (real,) = read_rounds([data_dir / "course" / "stars" / "round2_labelled.npz"], require_labels=True)
    assert_hardly_changed(real.ratings, family)


@SCALES
@pytest.mark.parametrize("family", FAMILIES)
def test_a_simulated_user_gets_the_numbers_of_a_real_one_with_the_same_ratings(family, scale):
    joint = pool([once_each(scale), once_each(scale, seed=1)])
    visible = np.resize([1, 0, -1, -1], joint.n_users)
    doubles = np.arange(joint.n_users) % 3 == 0
    levels = panel(joint.ratings, np.arange(joint.ratings.n_items))[doubles]
    fakes = Simulated(levels, fold_of(joint.ratings)[doubles], np.full(doubles.sum(), "hybrid"))
    described = cross_fit(joint, visible, family, fakes)
    real = cross_fit(joint, visible, family)
    assert described.names == real.names
    np.testing.assert_allclose(described.matrix, real.matrix[doubles], rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_users_are_described_alike_whoever_is_described_beside_them(family):
    batch = once_each()
    mine = batch.user_ids < 60
    users, reference = batch.select(mine), batch.select(~mine)
    together = FEATURES.load(family)(users, reference)
    some = np.arange(users.n_users) % 4 == 1
    apart = FEATURES.load(family)(users.select(some), reference)
    for name, column in together.items():
        np.testing.assert_allclose(apart[name], column[some], rtol=2e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_threads_change_no_bit(family):
    batches = [random_round(seed=seed).read().ratings for seed in (0, 1)]
    found = []
    for threads in (1, 2):
        joint = pool(batches)  # a new one, of which no family has kept anything
        found.append(cross_fit(joint, np.full(joint.n_users, -1), family, threads=threads).matrix)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_of_genuine_users_change_no_bit_but_those_of_fakes_do(family):
    joint = pool([random_round(seed=seed).read().ratings for seed in (0, 1)])
    hidden = np.full(joint.n_users, -1)
    genuine, fake = hidden.copy(), hidden.copy()
    genuine[::3], fake[::3] = 0, 1
    plain = cross_fit(joint, hidden, family).matrix
    np.testing.assert_array_equal(cross_fit(joint, genuine, family).matrix, plain)
    assert (cross_fit(joint, fake, family).matrix != plain).any()
