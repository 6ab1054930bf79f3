"""What detectors have in common: the sign of scores, samplers, the rows they learn from, and what a saved one holds."""

import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from skops.io import dumps, get_untrusted_types, loads

from anomaly_lab.detectors.base import fit_rows
from anomaly_lab.detectors.champion import CalibratedDetector
from anomaly_lab.detectors.samplers import SAMPLERS, make_sampler
from anomaly_lab.detectors.trusted import TRUSTED_TYPES, trusted_types
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.folds import HIDDEN, query_view, train_view
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_folds import fold_of, plain_fold, scores_of
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import search_space

BUILT_IN = [name for name in MODELS.built_in if hasattr(MODELS.load(name), "score_matrix")]
SUPERVISED = [name for name in BUILT_IN if MODELS.load(name).kind == "supervised"]
ONE_CLASS = [name for name in BUILT_IN if name not in SUPERVISED]
STORE = FeatureStore(DEFAULT_FAMILIES)
SLOW = ("next-round",)
BY_SPEED = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in BUILT_IN]
LABELS_ALONE = {"next-round": {"experts": ("labels",), "n_trees": 50, "n_per_kind": 5, "n_strays": 5}}
"""Settings under which a detector that also learns from fakes of its own making learns from labels alone."""


@cache
def fitted(name, **params):
    model = MODELS.load(name)(**params)
    return model.fit(train_view(plain_fold(), STORE), rng=np.random.default_rng(0))


@cache
def query_matrix(families):
    return query_view(plain_fold(), STORE).features(families).matrix


@pytest.mark.parametrize("name", BY_SPEED)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**16), n_rows=st.integers(1, 119))
def test_a_row_scores_the_same_to_the_last_bit_wherever_it_stands(name, seed, n_rows):
    model = fitted(name)
    rows = query_matrix(model.families)
    some = np.random.default_rng(seed).choice(len(rows), n_rows)  # some twice
    shuffled = np.random.default_rng(seed).permutation(n_rows)
    scores = model.score_matrix(rows[some])
    np.testing.assert_array_equal(model.score_matrix(rows[some][shuffled]), scores[shuffled])
    for row in np.unique(some):
        assert np.ptp(scores[some == row]) == 0


@pytest.mark.parametrize("name", ONE_CLASS)
def test_one_class_methods_score_a_far_row_above_all_they_learnt_from(name):
    model = fitted(name, scaling="standard")
    fold = plain_fold()
    genuine = train_view(fold, STORE).features().matrix[fold.visible == 0]
    far = genuine.mean(axis=0) + 30 * genuine.std(axis=0)
    assert model.score_matrix(far[None])[0] >= model.score_matrix(genuine).max() - 1e-9


@pytest.mark.parametrize("name", SUPERVISED)
def test_classifiers_follow_the_labels_they_are_given(name):
    fold = plain_fold()
    swapped = np.where(fold.visible == HIDDEN, HIDDEN, 1 - fold.visible)
    params = LABELS_ALONE.get(name, {})
    model, contrary = MODELS.load(name)(**params), MODELS.load(name)(**params)
    train, matrix = train_view(fold, STORE), query_matrix(model.families)
    everyone = train.features(model.families).matrix
    model.fit_matrix(everyone, train, seed=0)
    contrary.fit_matrix(everyone, type(train)(train.pool, swapped, STORE), seed=0)
    assert roc_auc(fold.truth, model.score_matrix(matrix)) > 0.8
    assert roc_auc(fold.truth, contrary.score_matrix(matrix)) < 0.2


def test_one_class_methods_learn_from_the_users_they_are_told_to():
    visible = np.array([1, 0, HIDDEN, 0])
    assert fit_rows("genuine", visible).tolist() == [False, True, False, True]
    assert fit_rows("hidden", visible).tolist() == [False, False, True, False]
    assert fit_rows("everyone", visible).all()


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "none"])
@pytest.mark.parametrize("n_fakes", [1, 2, 6, 30])
@pytest.mark.parametrize("apart", [0.0, 50.0], ids=["mixed", "apart"])
def test_samplers_even_out_the_classes(name, n_fakes, apart):
    rng = np.random.default_rng(0)
    y = (np.arange(80) < n_fakes).astype(np.int64)
    X = rng.normal(size=(80, 4)) + apart * y[:, None]
    _, resampled = make_sampler(name, y, seed=0).fit_resample(X, y)
    ratio = resampled.mean() / (1 - resampled.mean())
    if name == "borderline-smote" and (apart or n_fakes == 1):
        assert resampled.sum() >= n_fakes  # it adds users near the border only
    else:
        assert ratio == pytest.approx(1, abs=0.25)


def test_without_a_sampler_there_is_none_and_an_unknown_one_is_refused():
    assert make_sampler("none", np.array([0, 1]), seed=0) is None
    with pytest.raises(ConfigError, match=r"sampler must be one of none, smote, .*found 'smite'"):
        make_sampler("smite", np.array([0, 1]), seed=0)


@pytest.mark.parametrize("name", BY_SPEED)
def test_fitting_at_defaults_warns_of_nothing(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores_of(name, plain_fold(), store=STORE)


def choices(name):
    """Each choice of each categorical parameter by itself, and an elastic net, which has a solver of its own."""
    yield {}
    for key, distribution in search_space(MODELS.load(name)).items():
        if isinstance(distribution, CategoricalDistribution):
            yield from ({key: choice} for choice in distribution.choices)
    if name == "logistic-regression":
        yield {"l1_ratio": 0.5}


def saved(name, params):
    return dumps(CalibratedDetector(fitted(name, **params), 0.5, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_whatever_is_chosen_a_saved_model_holds_trusted_types_and_scores_alike(name):
    for params in choices(name):
        loaded = loads(saved(name, params), trusted=list(TRUSTED_TYPES))
        matrix = query_matrix(loaded.detector.families)
        np.testing.assert_array_equal(loaded.detector.score_matrix(matrix), fitted(name, **params).score_matrix(matrix))


@pytest.mark.slow
def test_no_type_is_trusted_without_need(monkeypatch):
    needed = {
        kind for name in BUILT_IN for params in choices(name) for kind in get_untrusted_types(data=saved(name, params))
    }
    monkeypatch.setattr("anomaly_lab.detectors.samplers.REFERENCE_ROWS", 10)  # as beyond 10,000 users
    needed |= set(get_untrusted_types(data=saved("logistic-regression", {"sampler": "smote", "C": 0.5})))
    assert needed == set(TRUSTED_TYPES)


def test_a_plugin_adds_its_own_class_and_what_it_declares_to_the_trusted_types():
    class Mine:
        trusted_types = ("mine.Tree",)

    added = set(trusted_types(Mine)) - set(TRUSTED_TYPES)
    assert added == {"mine.Tree", f"{__name__}.{Mine.__qualname__}"}


@pytest.fixture(scope="module")
def stars_fold(data_dir):
    files = [data_dir / "course" / "stars" / f"round{number}_labelled.npz" for number in (2, 3)]
    return fold_of(*read_rounds(files, require_labels=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_defaults_beat_chance_on_the_next_real_round(name, stars_fold):
    scores = [scores_of(name, stars_fold, seed=seed, store=STORE) for seed in range(5)]
    batch = stars_fold.pool.batches[1]
    truth = stars_fold.truth[np.argsort(batch.user_ids[stars_fold.pool.row_of[stars_fold.query]], kind="stable")]
    assert np.mean([roc_auc(truth, one.to_numpy()) for one in scores]) > 0.6
