"""The literature's detectors do what their papers say: held against plain reckonings on small tables."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from anomaly_lab.detectors.degree_sad import degree_features
from anomaly_lab.detectors.fap import FAPDetector
from anomaly_lab.detectors.literature import user_items
from anomaly_lab.detectors.pca_varselect import PCAVarSelectDetector
from anomaly_lab.detectors.semi_sad import SemiSADDetector, similarity
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.folds import HIDDEN, Query, Train, query_view, train_view
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.scale import STARS
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.testing import fold_of, scores_of

NAMES = ("degree-sad", "pca-varselect", "fap", "semi-sad")
STORE = FeatureStore(DEFAULT_FAMILIES)


def batch_of(table):
    """Users of a table of stars, -1 where there is no rating."""
    users, items = np.nonzero(np.asarray(table) >= 0)
    return RatingBatch.from_rows(users, items, np.asarray(table, dtype=float)[users, items], scale=STARS)


def stars_table(batch):
    """The ratings of users without duplicates, counted from 1, NaN where there is none."""
    table = np.full((batch.n_users, batch.n_items), np.nan)
    table[batch.users, batch.items] = 1 + np.asarray(batch.ratings)
    return table


def random_batch(seed=0, shape=(30, 20)):
    rng = np.random.default_rng(seed)
    return batch_of(np.where(rng.random(shape) < 0.6, rng.integers(0, 6, shape), -1))


def views(batch, visible):
    joint = pool([batch])
    return Train(joint, visible, STORE), Query(joint, visible, np.flatnonzero(visible == HIDDEN), STORE)


def half_visible(batch, n_fakes=3):
    visible = np.full(batch.n_users, HIDDEN)
    visible[: batch.n_users // 2] = 0
    visible[:n_fakes] = 1
    return visible


def test_degrees_of_selected_items_are_summed_up():
    batch = batch_of([[5, 5, 5, 5, -1], [1, -1, -1, -1, 1]])
    degrees = np.array([0.1, 0.4, 0.2, 0.9, 0.3])
    found = degree_features(batch, degrees)[batch.ascending]
    np.testing.assert_allclose(found, [[0.4, 0.8, 0.9], [0.2, 0.2, 0.3]])


def test_loadings_are_those_of_standardised_profiles():
    batch = random_batch()
    train, query = views(batch, half_visible(batch))
    filled = np.nan_to_num(stars_table(train.ratings))
    standard = (filled - filled.mean(axis=1, keepdims=True)) / filled.std(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(standard @ standard.T)
    expected = -(vectors[:, np.argsort(values)[-3:]] ** 2).sum(axis=1)
    found = PCAVarSelectDetector().fit(train, rng=np.random.default_rng(0)).score(query)
    np.testing.assert_allclose(found, expected[query.users], rtol=1e-6)


def test_suspicion_spreads_as_random_walks_do():
    batch = random_batch(seed=2)
    visible = half_visible(batch)
    train, query = views(batch, visible)
    table = stars_table(train.ratings)
    weights = 1 + sum(
        np.abs(table - centre) / centre
        for centre in (np.nanmean(table, axis=1, keepdims=True), np.nanmean(table, axis=0), np.nanmean(table))
    )
    weights = np.nan_to_num(weights)
    to_items, to_users = weights.T / weights.sum(axis=0)[:, None], weights / weights.sum(axis=1)[:, None]
    users = (visible == 1).astype(float)
    for _ in range(4):
        items = to_items @ users
        users = np.where(visible == 1, 1.0, to_users @ items)
    detector = FAPDetector(tolerance=1e-9, max_iter=4)
    found = detector.fit(train, rng=np.random.default_rng(0)).score(query)
    np.testing.assert_allclose(found, users[query.users], rtol=1e-9)


def test_suspicion_stops_when_nobody_gains_much():
    batch = random_batch(seed=2)
    train, query = views(batch, half_visible(batch))
    early, late = (
        FAPDetector(tolerance=one).fit(train, rng=np.random.default_rng(0)).score(query) for one in (0.1, 0.001)
    )
    assert early.max() < 0.8
    assert late.min() > 0.9, "in the end everybody is as suspicious as the seeds"


def test_similarity_is_the_mean_correlation_over_common_items():
    batch = random_batch(seed=3, shape=(8, 80))
    table = stars_table(batch)
    expected = []
    for one in range(8):
        others = []
        for other in range(8):
            both = ~np.isnan(table[one] + table[other])
            found = np.corrcoef(table[one, both], table[other, both])[0, 1] * min(both.sum() / 50, 1)
            others.append(-2 if one == other else found)
        expected.append(np.sort(others)[-3:].mean())
    np.testing.assert_allclose(similarity(batch, batch, 3), expected, rtol=1e-5)


def test_unlabelled_users_move_naive_bayes_as_far_as_they_weigh():
    fold = fold_of(random_round(seed=0).read(), random_round(seed=1).read())
    train, query = train_view(fold, STORE), query_view(fold, STORE)
    fits = [SemiSADDetector(weight=one).fit(train, rng=np.random.default_rng(0)) for one in (0.0, 1e-4, 0.3)]
    alone = GaussianNB().fit(fits[0].metrics_[train.users], train.labels)
    np.testing.assert_allclose(
        1 / (1 + np.exp(-fits[0].score(query))), alone.predict_proba(fits[0].metrics_[query.users])[:, 1], rtol=1e-9
    )
    moved = [np.abs(one.bayes_.theta_ - fits[0].bayes_.theta_).max() for one in fits[1:]]
    assert 0 < moved[0] < 0.01 * moved[1]


@pytest.mark.parametrize("name", ["degree-sad", "fap", "semi-sad"])
def test_labelled_ones_find_fakes_that_select_items_at_random(name):
    fold = fold_of(random_round(seed=0, n_users=300).read(), random_round(seed=1, n_users=300).read())
    scores = scores_of(name, fold)
    fake = random_round(seed=1, n_users=300).fake
    assert roc_auc(fake, scores.to_numpy()) > 0.75


@pytest.mark.parametrize("name", ["degree-sad", "fap", "semi-sad"])
def test_without_a_known_fake_the_error_says_what_to_do(name):
    batch = random_batch()
    train, _ = views(batch, np.where(half_visible(batch) == 1, 0, half_visible(batch)))
    with pytest.raises(DataError, match=f"{name}: at least one user must be known to be generated, found none"):
        MODELS.load(name)().fit(train, rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_an_inductive_score_does_not_depend_on_who_else_is_asked_about(name):
    first, second = random_round(seed=0), random_round(seed=1)
    few = second.keep(second.users < 30)
    store = FeatureStore(DEFAULT_FAMILIES, inductive=True)
    alone, among = (scores_of(name, fold_of(first.read(), one.read()), store=store) for one in (few, second))
    same = few.users[few.users < 30]
    np.testing.assert_allclose(alone.loc[np.unique(same)], among.loc[np.unique(same)], rtol=1e-6, atol=1e-9)


def test_a_rating_given_twice_counts_by_its_mean_and_no_batch_is_changed():
    batch = RatingBatch.from_rows(np.array([0, 0, 1]), np.array([4, 4, 4]), np.array([1.0, 4, 5]), scale=STARS)
    before = batch.indptr.copy()
    table = user_items(batch, batch.ratings)
    _ = table**2
    assert sorted(table.toarray().ravel()) == [2.5, 5.0]
    np.testing.assert_array_equal(batch.indptr, before)
