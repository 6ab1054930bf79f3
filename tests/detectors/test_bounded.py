"""Bounds: exact up to so many rows; beyond, who is compared with everyone is drawn by lot."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.class_weight import compute_sample_weight

from anomaly_lab.detectors import bounded, bounded_forest, one_class_svm, samplers, seed_notebook
from anomaly_lab.detectors.bounded import BoundedNeighbours, draw_labelled, draw_rows, in_blocks
from anomaly_lab.detectors.experts import randomised
from anomaly_lab.detectors.kinds import KindClassifier
from anomaly_lab.detectors.kmeans_distance import CentreDistance, KMeansDistanceDetector
from anomaly_lab.detectors.knn_distance import KNNDistanceDetector, NeighbourDistance
from anomaly_lab.detectors.one_class_svm import OneClassSVMDetector
from anomaly_lab.detectors.random_forest import RandomForestDetector
from anomaly_lab.detectors.samplers import SAMPLERS, make_sampler
from anomaly_lab.detectors.seed_notebook import SeedNotebookDetector
from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.registry import MODELS

DISTANCES = ("knn-distance", "kmeans-distance", "lof", "mahalanobis")
ONE_CLASS = (*DISTANCES, "one-class-svm", "isolation-forest", "gaussian-mixture")


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(600, 5))


def test_all_rows_are_drawn_if_they_are_few_enough():
    np.testing.assert_array_equal(draw_rows(4, 4, seed=0), [0, 1, 2, 3])
    drawn = draw_rows(100, 10, seed=0)
    assert len(set(drawn)) == 10
    assert (np.diff(drawn) > 0).all()


def test_a_draw_keeps_each_class_in_its_share_and_loses_none():
    labels = (np.arange(1000) % 5 == 0).astype(int)
    drawn = draw_labelled(labels, 100, seed=0)
    assert (np.diff(drawn) > 0).all()
    assert np.bincount(labels[drawn]).tolist() == [80, 20]
    single = (np.arange(1000) == 7).astype(int)
    assert 7 in draw_labelled(single, 100, seed=0)
    np.testing.assert_array_equal(draw_labelled(labels, 1000, seed=0), np.arange(1000))


@pytest.mark.parametrize("n_rows", [0, 1, 50, 51, 600])
def test_every_row_is_scored_once_in_blocks_that_are_bounded(rows, monkeypatch, n_rows):
    monkeypatch.setattr(bounded, "REFERENCE_ROWS", 50)
    blocks = []

    def score(block):
        blocks.append(len(block))
        return block[:, 0]

    np.testing.assert_array_equal(in_blocks(score, rows[:n_rows]), rows[:n_rows, 0])
    assert sum(blocks) == n_rows
    assert max(blocks, default=0) <= 50


@pytest.mark.parametrize("name", ONE_CLASS)
def test_one_class_methods_score_in_blocks_what_they_score_at_once(rows, monkeypatch, name):
    detector = MODELS.load(name)()
    detector.fit_matrix(rows, SimpleNamespace(visible=np.zeros(600, dtype=int), inductive=False), seed=0)
    at_once = detector.score_matrix(rows)
    monkeypatch.setattr(bounded, "REFERENCE_ROWS", 50)
    np.testing.assert_allclose(detector.score_matrix(rows), at_once, rtol=1e-6)


def test_bounded_neighbours_are_the_exact_ones_below_the_bound(rows):
    exact = NearestNeighbors(n_neighbors=4).fit(rows).kneighbors(rows)
    for one, other in zip(BoundedNeighbours(n_neighbors=4).fit(rows).kneighbors(rows), exact, strict=True):
        np.testing.assert_array_equal(one, other)


def test_beyond_the_bound_neighbours_are_positions_among_all_rows(rows, monkeypatch):
    monkeypatch.setattr(bounded, "REFERENCE_ROWS", 50)
    distances, near = BoundedNeighbours(n_neighbors=3).fit(rows).kneighbors(rows)
    assert len(np.unique(near)) <= 50
    np.testing.assert_allclose(np.linalg.norm(rows[:, None] - rows[near], axis=2), distances, atol=1e-6)


@pytest.mark.parametrize("name", SAMPLERS[1:])
def test_every_sampler_balances_beyond_the_bound(name, rows, monkeypatch):
    monkeypatch.setattr(bounded, "REFERENCE_ROWS", 50)
    monkeypatch.setattr(samplers, "REFERENCE_ROWS", 50)
    labels = (np.arange(600) < 150).astype(int)
    _, made = make_sampler(name, labels, seed=0).fit_resample(rows, labels)
    assert abs((made == 1).sum() - (made == 0).sum()) < 30


def test_distances_to_a_sample_rank_as_distances_to_all(rows):
    exact = NeighbourDistance().fit(rows).score_samples(rows)
    drawn = NeighbourDistance().fit(rows[draw_rows(600, 200, seed=0)]).score_samples(rows)
    assert spearmanr(exact, drawn).statistic > 0.9


def test_centres_of_clusters_are_found_and_distance_to_the_nearest_is_the_score(rows):
    apart = rows + 100 * (np.arange(600) % 3)[:, None]
    found = CentreDistance(n_clusters=3).fit(apart).score_samples(apart)
    expected = [np.linalg.norm(row - apart[number % 3 :: 3].mean(axis=0)) for number, row in enumerate(apart)]
    np.testing.assert_allclose(-found, expected, rtol=1e-6)


def test_the_approximate_machine_ranks_as_the_exact_one(rows, monkeypatch):
    exact = OneClassSVMDetector().build(0, 600).fit(rows).score_samples(rows)
    monkeypatch.setattr(one_class_svm, "EXACT_ROWS", 100)
    approximate = OneClassSVMDetector().build(0, 600).fit(rows).score_samples(rows)
    assert spearmanr(exact, approximate).statistic > 0.9
    assert not np.array_equal(exact, approximate)


@pytest.fixture
def labelled():
    labels = (np.arange(600) < 150).astype(int)
    return SimpleNamespace(users=np.arange(600), labels=labels)


def test_a_forest_is_that_of_scikit_learn_below_the_bound(rows, labelled):
    detector = RandomForestDetector()
    detector.fit_matrix(rows, labelled, seed=3)
    scaled = detector.estimator_[0].transform(rows)
    forest = clone(detector.estimator_[-1].forest)
    forest.fit(scaled, labelled.labels, compute_sample_weight("balanced", labelled.labels))
    assert detector.form_ == "exact"
    np.testing.assert_array_equal(detector.score_rows(rows), forest.predict_proba(scaled)[:, 1])


@pytest.mark.parametrize("sampler", ["none", "random-over", "random-under", "smote"])
def test_beyond_the_bound_each_tree_sees_as_many_rows_as_the_bound_says(rows, labelled, monkeypatch, sampler):
    monkeypatch.setattr(bounded_forest, "TREE_ROWS", 50)
    detector = RandomForestDetector(sampler=sampler)
    detector.fit_matrix(rows, labelled, seed=0)
    assert detector.form_ == "approximate"
    assert all(tree.tree_.n_node_samples[0] <= 50 for tree in detector.estimator_[-1].forest_.estimators_)


def test_the_notebooks_network_learns_from_a_draw_beyond_the_bound(rows, labelled, monkeypatch):
    moved = rows + 2 * labelled.labels[:, None]
    exact, bounded_one = SeedNotebookDetector(), SeedNotebookDetector()
    exact.fit_matrix(moved, labelled, seed=0)
    monkeypatch.setattr(seed_notebook, "NETWORK_ROWS", 200)
    bounded_one.fit_matrix(moved, labelled, seed=0)
    assert (exact.form_, bounded_one.form_) == ("exact", "approximate")
    assert exact.estimator_[0].n_samples_seen_ == 600
    assert bounded_one.estimator_[0].n_samples_seen_ == 200
    assert spearmanr(exact.score_matrix(moved), bounded_one.score_matrix(moved)).statistic > 0.9


def test_trees_that_would_see_everyone_draw_users_beyond_the_bound(rows, monkeypatch):
    monkeypatch.setattr(bounded_forest, "TREE_ROWS", 50)
    kinds = KindClassifier(n_estimators=10).fit(rows, np.arange(600) % 2 + 1)
    expert = randomised(10, len(rows), 0).fit(rows, np.arange(600) % 2)
    for forest in (kinds.estimator_, expert):
        assert all(tree.tree_.n_node_samples[0] <= 50 for tree in forest.estimators_)


@pytest.mark.parametrize("model", [KNNDistanceDetector, KMeansDistanceDetector, OneClassSVMDetector])
def test_a_run_says_which_form_ran(rows, monkeypatch, model):
    genuine = np.zeros(600, dtype=int)
    train = SimpleNamespace(visible=genuine, inductive=False)
    detector = model()
    detector.fit_matrix(rows, train, seed=0)
    assert detector.form_ == "exact"
    monkeypatch.setattr(model, "exact_rows", 100)
    monkeypatch.setattr(model, "reference_rows", 100)
    detector.fit_matrix(rows, train, seed=0)
    assert detector.form_ == "approximate"
    results = [RunResult("knn-distance", {}, 0, (), {}, form) for form in ("exact", "approximate")]
    assert RunResult.together(results).form == "approximate"
