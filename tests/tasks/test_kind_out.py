"""Leave-kind-out: each kind unlabelled everywhere, scored against genuine users held out for it alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.engine import run
from anomaly_lab.evaluation.folds import HIDDEN
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.scale import LIKES_WATCHED
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.question import Question

STORE = FeatureStore(("profile",))
SEEDS = st.integers(0, 10_000)


def kind_round(seed=0, n_kinds=3, name="round", *, called=(), n_users=80):
    """Return a round whose kinds are numbered from 1, or called otherwise."""
    one = random_round(seed=seed, n_users=n_users, n_fakes=18, n_kinds=len(called) or n_kinds)
    return replace(one, fake=np.array([0, *(called or range(1, n_kinds + 1))])[one.fake]).read(name)


def folds(*rounds):
    return list(Question(tuple(rounds), "leave-kind-out").folds())


@settings(max_examples=5)
@given(seed=SEEDS, n_kinds=st.integers(2, 5))
def test_the_kind_is_unlabelled_everywhere_and_the_rest_is_known(seed, n_kinds):
    rounds = [kind_round(seed, n_kinds, "a"), kind_round(seed + 1, n_kinds, "b")]
    for number, fold in enumerate(folds(*rounds), start=1):
        kinds = np.concatenate([rounds[b].labels.kinds[[r]] for b, r in zip(fold.pool.batch_of, fold.pool.row_of)])  # noqa: B905
        assert fold.name == f"kind {number}"
        assert set(fold.kinds) == {0, number}
        np.testing.assert_array_equal(fold.kinds, kinds[fold.query])
        np.testing.assert_array_equal(fold.truth, fold.kinds > 0)
        hidden = fold.visible == HIDDEN
        np.testing.assert_array_equal(np.flatnonzero(hidden), fold.query)
        np.testing.assert_array_equal(np.flatnonzero(kinds == number), fold.query[fold.truth == 1])
        np.testing.assert_array_equal(fold.visible[~hidden], kinds[~hidden] > 0)
        np.testing.assert_array_equal(fold.known_kinds, np.where(hidden, HIDDEN, kinds))


def test_no_genuine_user_is_scored_twice_and_each_fold_has_its_share_of_every_round():
    found = folds(kind_round(0, 4, "a"), kind_round(1, 4, "b"))
    asked = [fold.query[fold.truth == 0] for fold in found]
    assert len(np.concatenate(asked)) == len(np.unique(np.concatenate(asked))) == 2 * 62
    for fold, genuine in zip(found, asked, strict=True):
        assert set(np.bincount(fold.pool.batch_of[genuine])) <= {15, 16}


def test_a_kind_is_compared_with_genuine_users_of_the_rounds_it_occurs_in():
    last = folds(kind_round(0, name="a", called=[1, 2]), kind_round(1, name="b", called=[1, 3]))[2]
    assert last.name == "kind 3"
    assert set(last.pool.batch_of[last.query]) == {1}


@settings(max_examples=5)
@given(seed=SEEDS, called=st.integers(3, 100))
def test_the_label_of_the_left_out_kind_changes_nothing(seed, called):
    usual, renamed = (kind_round(seed, called=[1, 2, one], n_users=60) for one in (3, called))
    model = MODELS.load("logistic-regression")
    scores = []
    for one in (usual, renamed):
        fold = folds(one)[2]
        result = run("logistic-regression", model, {}, [fold], STORE, seed=0, thresholds=False)
        scores.append(dict(zip(result.folds[0].users, result.folds[0].scores, strict=True)))
    assert scores[0] == scores[1]


def test_fakes_whose_kind_nobody_named_take_no_part():
    found = folds(kind_round(0, 2, "a"), random_round(seed=1, n_users=60).read("b"))
    assert {batch.source for fold in found for batch in fold.pool.batches} == {"a"}


def test_without_named_kinds_each_rating_kind_is_simulated():
    rounds = [random_round(LIKES_WATCHED, seed=seed, n_users=80).read(str(seed)) for seed in (0, 1)]
    found = folds(*rounds)
    assert [fold.left_out for fold in found] == [fold.name for fold in found] == list(RATING_KINDS)
    asked = []
    for fold in found:
        assert fold.truth.sum() > 40
        assert (fold.pool.batch_of[fold.query[fold.truth == 1]] == 2).all()
        genuine = fold.query[fold.truth == 0]
        assert (fold.pool.batch_of[genuine] == 1).all()
        rows = fold.pool.batches[1].user_ids[fold.pool.row_of[genuine]]
        assert (rows >= 24).all()  # random rounds call their generated users 0 to 23
        asked += rows.tolist()
        np.testing.assert_array_equal(np.flatnonzero(fold.visible == HIDDEN), fold.query)
        assert (fold.visible == 1).sum() == 48
        lent = 56 - len(genuine) - (fold.visible[fold.pool.of(1)] == 0).sum()
        assert lent in (6, 7)
    assert sorted(asked) == list(range(24, 80))


def test_simulated_kinds_do_not_know_row_order_or_names():
    one = random_round(seed=3, n_users=80)
    rng = np.random.default_rng(0)
    plain, other = one.read(), one.read(order=rng.permutation(len(one.users)), ids=100 + rng.permutation(80))
    for first, second in zip(folds(plain), folds(other), strict=True):
        assert first.pool.digest == second.pool.digest
        np.testing.assert_array_equal(first.query, second.query)
        np.testing.assert_array_equal(first.truth, second.truth)


@dataclass
class Simulates:
    """A model that says which kinds its bank must leave out."""

    without: tuple[str, ...] = ("shuffled",)
    told: ClassVar[list] = []

    def fit(self, train, *, rng):
        self.told.append(self.without)

    def score(self, query):
        return np.arange(len(query.users))


def test_a_model_with_a_bank_must_do_without_the_kind_that_is_asked_for():
    asked = folds(random_round(seed=0, n_users=80).read())
    run("simulates", Simulates, {"without": ("inverted",)}, asked, STORE, seed=0, thresholds=False)
    assert Simulates.told == [("inverted", kind) for kind in RATING_KINDS]
    assert Simulates().without == ("shuffled",)


def test_what_cannot_be_asked_is_told():
    with pytest.raises(DataError, match="labels must name two kinds or more to leave one out, found kind 4 only"):
        folds(kind_round(0, called=[4]))
    with pytest.raises(DataError, match=r"at least 3 genuine users must be known .* found 2"):
        folds(kind_round(0, called=[1, 2], n_users=20))
    with pytest.raises(ConfigError, match="must be one of next-round, in-round, forward, leave-kind-out, found 'x'"):
        Question((kind_round(),), "x")
