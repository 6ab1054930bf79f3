"""Class scores: of any detector, or of one that scores kinds itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from anomaly_lab.detectors.mahalanobis import MahalanobisDetector
from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.class_scores import checked_class_scores, class_scores, name_kinds
from anomaly_lab.evaluation.engine import run
from anomaly_lab.evaluation.folds import query_view, train_view
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_rounds import random_round
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.question import Question

pytestmark = pytest.mark.usefixtures("few_trees")
STORE = FeatureStore(("profile", "agreement"))


def kind_round(seed, name, n_kinds=3):
    return random_round(seed=seed, n_users=80, n_fakes=18, n_kinds=n_kinds).read(name)


@pytest.fixture(scope="module")
def question():
    return Question((kind_round(0, "a"), kind_round(1, "b")), "next-round")


@pytest.mark.parametrize("name", ["logistic-regression", "gradient-boosting", "mahalanobis", "lof"])
def test_column_0_has_exactly_the_detectors_own_auc(name, question):
    for fold in question.folds():
        model = MODELS.load(name)()
        train, query = train_view(fold, STORE), query_view(fold, STORE)
        model.fit(train, rng=np.random.default_rng(0))
        scores = model.score(query)
        calibration = float(np.quantile(scores, 0.8)), float(scores.std())
        classes = class_scores(name, model, train, query, scores, calibration, seed=[0])
        assert classes.shape == (80, 4)
        assert classes.min() >= 0
        assert classes.sum(axis=1) == pytest.approx(1)
        assert roc_auc(1 - fold.truth, classes[:, 0]) == pytest.approx(roc_auc(fold.truth, scores), abs=1e-15)
        np.testing.assert_array_equal(classes[:, 0] <= 0.5, scores >= calibration[0])


def test_a_run_scores_classes_only_if_asked_and_only_where_kinds_are_named(question):
    model = MODELS.load("mahalanobis")
    asked = run("mahalanobis", model, {}, question.folds(), STORE, seed=0, thresholds=False, kinds=True).metrics
    assert {"composite", "mean_ovr_auc", "auc_class_0", "auc_class_1", "auc_class_2", "auc_class_3"} <= set(asked)
    assert asked["auc_class_0"] == pytest.approx(asked["auc"], abs=1e-15)
    kinds = np.mean([asked[f"auc_class_{one}"] for one in (1, 2, 3)])
    assert asked["composite"] == pytest.approx((asked["auc_class_0"] + kinds) / 2)
    plain = run("mahalanobis", model, {}, question.folds(), STORE, seed=0, thresholds=False).metrics
    assert "composite" not in plain
    assert plain["auc"] == asked["auc"]
    unnamed = Question.of([random_round(seed=seed, n_users=60).read(str(seed)) for seed in (0, 1)])
    assert "composite" not in run("mahalanobis", model, {}, unnamed.folds(), STORE, seed=0, kinds=True).metrics


def test_kinds_are_not_guessed_for_rounds_that_name_none():
    rounds = (kind_round(0, "a", n_kinds=2), kind_round(1, "b", n_kinds=1), kind_round(2, "c"))
    assert name_kinds(rounds)
    assert not name_kinds(rounds[1:2])
    fold = list(Question(rounds, "next-round").folds())[2]
    train = train_view(fold, STORE)
    assert set(train.kinds[fold.pool.of(0)]) == {0, 1, 2}
    assert set(train.kinds[fold.pool.of(1)]) == {0, -1}
    assert set(train.kinds[fold.pool.of(2)]) == {-1}
    unnamed = Question((kind_round(0, "a", n_kinds=1), kind_round(1, "b", n_kinds=1)), "next-round")
    assert [train_view(one, STORE).kinds for one in unnamed.folds()] == [None, None]


@dataclass
class KnowsKinds(MahalanobisDetector):
    """A detector with a word of its own on kinds."""

    says: ClassVar[float] = 0.25

    def score_kinds(self, query):
        return np.full((len(query.users), 4), self.says)


def test_a_model_that_scores_kinds_itself_is_asked_and_checked(question, monkeypatch):
    settings = {"seed": 0, "thresholds": False, "kinds": True}
    assert run("mine", KnowsKinds, {}, question.folds(), STORE, **settings).metrics["composite"] == 0.5
    monkeypatch.setattr(KnowsKinds, "says", 1.5)
    with pytest.raises(ContractError, match=r"mine\.score_kinds must return numbers in \[0, 1\], found 320 that are"):
        run("mine", KnowsKinds, {}, question.folds(), STORE, **settings)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((4, 2)), r"shape \(4, 3\), found float64 of shape \(4, 2\)"),
        (np.zeros(4), r"found float64 of shape \(4,\)"),
        (np.full((4, 3), "a"), r"found <U1"),
        (np.full((4, 3), np.nan), "found 12 that are not"),
    ],
)
def test_what_is_no_class_score_is_refused(scores, message):
    with pytest.raises(ContractError, match=message):
        checked_class_scores("mine", scores, 4, 3)
