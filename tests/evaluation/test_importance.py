"""Importances: what a model does not look at costs nothing, what it looks at costs, families are permuted as one."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from anomaly_lab.evaluation.importance import permutation_importance
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.features.team import TeamFeatures
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.question import Question

FAMILIES = ("profile", "agreement")


@dataclass
class Columns:
    """Scores users by the distance between two columns, or by one alone."""

    task: ClassVar[str] = "fake-users"
    one: str = "profile:std"
    other: str | None = None
    names: tuple[str, ...] = field(init=False, default=())

    def fit(self, train, *, rng):
        self.names = train.features().names

    def score_matrix(self, matrix):
        column = matrix[:, self.names.index(self.one)].astype(float)
        return column if self.other is None else np.abs(column - matrix[:, self.names.index(self.other)])

    def score(self, query):
        return self.score_matrix(query.features().matrix)


@dataclass
class Reader:
    """Reads ratings itself."""

    task: ClassVar[str] = "fake-users"

    def fit(self, train, *, rng):
        raise AssertionError("nothing can be permuted, so nothing need be fitted")

    def score(self, query):
        return np.zeros(len(query.users))


@pytest.fixture(scope="module")
def fold(tiny_rounds):
    rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True)
    return list(Question.of(rounds).folds())[-1]


@pytest.fixture(scope="module")
def store():
    return FeatureStore(FAMILIES)


def test_only_what_a_model_looks_at_costs_it_anything(fold, store):
    table = permutation_importance("columns", Columns, {"one": "profile:std"}, fold, store, seed=[0]).set_index(
        "feature"
    )
    assert set(table.index[table["importance"] != 0]) == {"profile", "profile:std"}


def test_a_family_is_permuted_as_one(fold):
    rng = np.random.default_rng(0)
    tables = []
    for batch in fold.pool.batches:
        column = rng.normal(size=batch.n_users)
        tables.append(pd.DataFrame({"user": batch.user_ids, "round": batch.source, "a": column, "b": column}))
    everyone = pd.concat(tables).assign(
        round=lambda table: table["round"].map(lambda source: source.rpartition("/")[2])
    )
    everyone["round"] = everyone["round"].str.removesuffix(".npz")
    store = FeatureStore(("profile",), team=TeamFeatures(everyone, "test"))
    params = {"one": "team:a", "other": "team:b"}
    table = permutation_importance("columns", Columns, params, fold, store, seed=[0]).set_index("feature")
    assert table.loc["team", "importance"] == 0  # together they stay equal
    assert table.loc["team:a", "importance"] != 0
    assert table.loc["team:b", "importance"] != 0


def test_a_good_detector_loses_by_its_families(fold, store):
    table = permutation_importance("lr", MODELS.load("logistic-regression"), {}, fold, store, seed=[0, 1, 0])
    assert table.columns.tolist() == ["level", "feature", "family", "importance"]
    assert table["importance"].between(-1, 1).all()
    assert set(table.loc[table["level"] == "family", "feature"]) == set(FAMILIES)
    features = table[table["level"] == "feature"]
    assert set(features["feature"]) == set(store.matrix(fold.pool, fold.visible).names)
    assert (features["family"] == features["feature"].str.partition(":")[0]).all()
    assert table.groupby("level")["importance"].max().min() > 0.01
    for _, group in table.groupby("level"):
        assert group["importance"].is_monotonic_decreasing


@pytest.mark.slow
def test_the_same_seed_gives_the_same_importances_and_another_others(fold, store):
    model = MODELS.load("random-forest")
    params = {"n_estimators": 50}
    first, again, other = (permutation_importance("rf", model, params, fold, store, seed=[n]) for n in (0, 0, 1))
    assert_frame_equal(first, again)
    assert not first.equals(other)


def test_top_keeps_the_most_important_features_and_every_family(fold, store):
    every, short = (permutation_importance("columns", Columns, {}, fold, store, seed=[0], top=top) for top in (None, 3))
    assert_frame_equal(short, every.head(len(FAMILIES) + 3))


def test_a_model_that_scores_no_matrix_has_no_importances(fold, store):
    table = permutation_importance("reader", Reader, {}, fold, store, seed=[0])
    assert table.empty
    assert table.columns.tolist() == ["level", "feature", "family", "importance"]
