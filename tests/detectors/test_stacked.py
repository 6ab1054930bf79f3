"""Stacked: members that are never asked about users they were taught, on one scale, weighted by what they find."""

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from installing import install
from scipy.special import ndtri
from scipy.stats import rankdata

from anomaly_lab.detectors.stacked import (
    CAUTION,
    DEFAULT_MEMBERS,
    StackedDetector,
    held_out_parts,
    normal_scores,
    stack_weights,
)
from anomaly_lab.errors import ConfigError, ContractError, DataError
from anomaly_lab.evaluation.engine import run
from anomaly_lab.evaluation.folds import HIDDEN, query_view, train_view, training_parts
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.evaluation.refit import refit
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_folds import fold_of, plain_fold, scores_of
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import parse_params
from anomaly_lab.tasks.fake_users import query_round
from anomaly_lab.tasks.question import Question

STORE = FeatureStore(DEFAULT_FAMILIES)
QUICK = ("gradient-boosting", "knn-distance")

PLUGINS = '''
from dataclasses import dataclass, field
from typing import ClassVar
import numpy as np
from anomaly_lab.detectors.stacked import StackedDetector

SEEN = []

@dataclass
class Length:
    """Counts ratings, and remembers what it is told."""
    task: ClassVar[str] = "fake-users"
    without: tuple = ()
    def fit(self, train, *, rng):
        self.visible = train.visible
        SEEN.append((train, self.without))
        return self
    def of(self, query):
        assert (self.visible[query.users] == -1).all(), "asked about users whose labels it knows"
        batch = query.ratings
        return np.bincount(batch.users, minlength=batch.n_users)[query.users] * 1.0
    def score(self, query):
        return self.of(query)

class Stretched(Length):
    """The same order on another scale."""
    def score(self, query):
        return np.exp(self.of(query) / 10) * 1e6

class Reversed(Length):
    """Whatever it finds, it finds the wrong way round."""
    def score(self, query):
        return -self.of(query)

class Broken(Length):
    """No number."""
    def score(self, query):
        return np.full(len(query.users), np.nan)

class Lacking(Length):
    """Needs a package that is not there."""
    def fit(self, train, *, rng):
        import a_package_that_is_not_there

class Picky(Length):
    """Names families of its own."""
    families: ClassVar[tuple] = ("profile", "seed")
    def fit(self, train, *, rng):
        SEEN.append(train.features(self.families).names)
        return super().fit(train, rng=rng)

class Another(StackedDetector):
    """A stack by another name."""
'''
NAMES = ("length", "stretched", "reversed", "broken", "lacking", "picky", "another")


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Install the plugins above; what they are told is listed here."""
    install(tmp_path, monkeypatch, "stackable", PLUGINS, **{name: name.capitalize() for name in NAMES})
    monkeypatch.delitem(sys.modules, "stackable", raising=False)
    return MODELS.load("length").fit.__globals__["SEEN"]


def three_rounds():
    """Return the fold that asks for the last of three random rounds."""
    rounds = [random_round(seed=seed).read(str(seed)) for seed in range(3)]
    return query_round(pool([one.ratings for one in rounds]), rounds, 2)


def fitted(fold, **params):
    return StackedDetector(**params).fit(train_view(fold, STORE), rng=np.random.default_rng(0))


def scores(fold, **params):
    return fitted(fold, **params).score(query_view(fold, STORE))


@pytest.mark.parametrize("fold", [plain_fold(), three_rounds()], ids=["one round known", "two rounds known"])
def test_a_stack_is_about_as_good_as_its_best_member(fold):
    alone = [roc_auc(fold.truth, scores_of(name, fold, store=STORE).to_numpy()) for name in QUICK]
    found = roc_auc(fold.truth, scores_of("stacked", fold, {"members": QUICK}, store=STORE).to_numpy())
    assert found > max(alone) - 0.05


def test_the_scores_are_the_weighted_mean_of_the_members_normal_scores():
    fold = plain_fold()
    stack = fitted(fold, members=QUICK)
    query = query_view(fold, STORE)
    ranks = [rankdata(member.detector.score(query)) for member in stack.members_]
    expected = sum(weight * ndtri((one - 0.5) / len(one)) for weight, one in zip(stack.weights_, ranks, strict=True))
    np.testing.assert_allclose(stack.score(query), expected, atol=1e-12)
    assert len(np.unique(expected)) > 100


def test_a_user_scores_the_same_whoever_else_is_asked_about():
    fold = plain_fold()
    stack = fitted(fold, members=QUICK)
    query = query_view(fold, STORE)
    some = np.arange(0, len(query.users), 7)
    np.testing.assert_array_equal(stack.score(replace(query, users=query.users[some])), stack.score(query)[some])


@pytest.mark.parametrize("fold", [plain_fold(), three_rounds()], ids=["one round known", "two rounds known"])
def test_no_member_is_asked_about_users_whose_labels_it_knows(seen, fold):
    """The plugin refuses: in fit, in the scores for the threshold, and in the run as a whole."""
    fold = replace(fold, known_kinds=np.where(fold.visible == HIDDEN, HIDDEN, fold.visible))
    params = {"members": ("length", "stretched")}
    result = run("stacked", StackedDetector, params, [fold], STORE, seed=0)
    assert np.isfinite(result.folds[0].scores).all()
    for train, _ in seen:
        assert (train.visible[fold.query] == HIDDEN).all()
        assert train.kinds is not None
        np.testing.assert_array_equal(train.kinds == HIDDEN, train.visible == HIDDEN)
    hidden = {int((fold.visible != HIDDEN).sum() - len(train.users)) for train, _ in seen}
    assert 0 in hidden
    assert len(hidden) > 1


def test_rounds_are_held_out_one_after_the_other_where_several_are_known():
    fold = three_rounds()
    found = held_out_parts(train_view(fold, STORE))
    assert [set(fold.pool.batch_of[part]) for part in found] == [{0}, {1}]
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.flatnonzero(fold.visible != HIDDEN))


@pytest.mark.parametrize("label", [None, 0, 1], ids=["one round", "a round of genuine users", "a round of fakes"])
def test_parts_are_held_out_where_one_round_alone_could_teach(label):
    """A second round of one class teaches nothing while the first is hidden."""
    fold = plain_fold() if label is None else three_rounds()
    visible = np.where((fold.pool.batch_of == 1) & (fold.visible != (label or 0)), HIDDEN, fold.visible)
    train = train_view(replace(fold, visible=visible), STORE)
    expected = list(training_parts(train.pool, train.visible, 3))
    assert len(expected) == 3
    for part, other in zip(held_out_parts(train), expected, strict=True):
        np.testing.assert_array_equal(part, other)


@pytest.mark.slow
def test_weights_are_shrunk_further_where_one_round_stands_for_another():
    """Light shrinkage is made ten times as heavy unless the parts put the question that is asked."""
    rounds = [random_round(seed=seed).read(str(seed)) for seed in range(2)]
    within = next(Question((rounds[0],), "in-round").folds())
    for fold, factor in ((plain_fold(), CAUTION), (three_rounds(), 1), (within, 1)):
        train = train_view(fold, STORE)
        stack = StackedDetector(members=QUICK, shrinkage=0.02)
        columns = stack._out_of_fold(train, held_out_parts(train), int(np.random.default_rng(0).integers(2**31 - 1)))
        expected = stack_weights(columns, train.labels, 0.02 * factor)
        np.testing.assert_allclose(stack.fit(train, rng=np.random.default_rng(0)).weights_, expected)
        assert (expected != stack_weights(columns, train.labels, 0.02 * CAUTION / factor)).any()


def test_with_a_single_known_fake_all_members_count_alike():
    fold = plain_fold()
    visible = fold.visible.copy()
    visible[np.flatnonzero(visible == 1)[1:]] = HIDDEN
    stack = fitted(replace(fold, visible=visible), members=QUICK)
    assert stack.weights_.tolist() == [0.5, 0.5]
    with pytest.raises(DataError, match="two different generated users"):
        stack.out_of_fold(train_view(replace(fold, visible=visible), STORE), rng=np.random.default_rng(0))


def test_out_of_fold_scores_stand_in_the_order_of_the_training_users():
    train = train_view(three_rounds(), STORE)
    found = StackedDetector(members=QUICK).out_of_fold(train, rng=np.random.default_rng(0))
    assert found.shape == train.users.shape
    assert roc_auc(train.labels, found) > 0.8


def test_a_members_scale_does_not_matter(seen):
    fold = plain_fold()
    plain, stretched = (scores(fold, members=("knn-distance", one)) for one in ("length", "stretched"))
    np.testing.assert_array_equal(plain, stretched)


def test_one_of_two_members_that_contradict_each_other_is_left_out(seen):
    stack = fitted(plain_fold(), members=("length", "reversed"))
    assert sorted(stack.weights_) == [0.0, 1.0]


def test_members_that_simulate_fakes_are_told_which_to_do_without(seen):
    scores(plain_fold(), members=("length", "knn-distance"), without=("uniform",))
    assert {without for _, without in seen} == {("uniform",)}


def test_members_that_name_families_see_those_that_the_stack_sees(seen):
    fold = plain_fold()
    scores(fold, members=("picky", "length"))
    assert {name.partition(":")[0] for name in seen[0]} == {"profile"}
    blind = FeatureStore(("agreement",))
    with pytest.raises(ConfigError, match=r"stacked: member 'picky' cannot run: .*profile, seed.*leave it out"):
        StackedDetector(members=("picky", "length")).fit(train_view(fold, blind), rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ((), "at least two detectors, each once, found none"),
        (("mlp",), "at least two detectors, each once, found mlp"),
        (("mlp", "lof", "mlp"), "at least two detectors, each once, found mlp, lof, mlp"),
        (("mlp", "loff"), "there is no model 'loff'; did you mean lof"),
        (("mlp", "stacked"), "not be stacks themselves, found stacked"),
        (("mlp", "another"), "not be stacks themselves, found another"),
    ],
)
def test_members_must_be_two_known_detectors_that_are_no_stacks(seen, members, message):
    with pytest.raises(ConfigError, match=rf"^stacked: members must [^\n]*{message}[^\n]*$"):
        StackedDetector(members=members)


def test_a_member_that_cannot_be_imported_is_told(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "stack_of_cards", "import a_package_that_is_not_there", fallen="Card")
    with pytest.raises(ConfigError, match=r"^stacked: members must be .*'fallen' .*a_package_that_is_not_there.*$"):
        StackedDetector(members=("mlp", "fallen"))


def test_a_member_that_lacks_a_package_is_told_when_it_runs(seen):
    with pytest.raises(ConfigError, match=r"^stacked: member 'lacking' cannot run: .*a_package_that_is_not_there.*$"):
        fitted(plain_fold(), members=("lacking", "length"))


def test_a_members_scores_must_be_numbers(seen):
    with pytest.raises(ContractError, match=r"broken\.score must return finite numbers"):
        fitted(plain_fold(), members=("broken", "length"))


def test_members_are_set_as_they_are_typed_and_as_they_are_recorded():
    for text in ("mlp,lof", str(("mlp", "lof"))):
        assert parse_params(StackedDetector, {"members": text}, "stacked") == {"members": ("mlp", "lof")}


def test_components_leave_out_each_default_member():
    left_out = [set(DEFAULT_MEMBERS) - set(one["members"]) for one in StackedDetector.components.values()]
    assert left_out == [{member} for member in DEFAULT_MEMBERS]


def test_a_batch_is_scored_by_a_stack_that_is_refitted():
    known, batch = random_round(seed=0).read("known"), random_round(seed=1).read("batch")
    found = refit("stacked", StackedDetector, {"members": QUICK}, [known], batch.ratings, STORE, seed=0)
    assert found.features is None
    assert ((found.scores > 0) & (found.scores < 1)).all()
    truth = batch.labels.fake[np.argsort(batch.ratings.user_ids)]
    assert roc_auc(truth, found.scores) > 0.8


def test_fitting_at_defaults_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores_of("stacked", plain_fold(), store=STORE)


@given(arrays(float, st.integers(1, 40), elements=st.integers(-5, 5).map(float)))
def test_normal_scores_are_those_of_the_mean_ranks(values):
    expected = ndtri((rankdata(values) - 0.5) / len(values))
    np.testing.assert_allclose(normal_scores(values, np.sort(values)), expected, atol=1e-12)
    np.testing.assert_array_equal(
        normal_scores(np.exp(values), np.sort(np.exp(values))), normal_scores(values, np.sort(values))
    )


@given(arrays(float, st.integers(1, 40), elements=st.floats(-1e9, 1e9)), st.floats(-1e12, 1e12))
def test_normal_scores_of_anyone_are_finite_and_between_those_of_the_batch(batch, value):
    ordered = np.sort(batch)
    found = normal_scores(np.array([value, -np.inf, np.inf]), ordered)
    assert np.isfinite(found).all()
    assert found[1] <= found[0] <= found[2]


@given(st.integers(0, 2**16), st.integers(2, 6), st.floats(0.01, 100))
def test_weights_are_a_share_each_whatever_the_scores(seed, n_members, shrinkage):
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 4 // 3
    weights = stack_weights(list(rng.normal(size=(n_members, 60))), labels, shrinkage)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


def test_weights_follow_what_members_find_and_shrinkage_draws_them_together():
    rng = np.random.default_rng(0)
    labels = np.arange(800) % 4 // 3
    good = labels * 3 + rng.normal(size=800)
    echo, fair, noise = good + 0.5 * rng.normal(size=800), labels + rng.normal(size=800), rng.normal(size=800)
    columns = [(one - one.mean()) / one.std() for one in (good, echo, fair, noise)]
    light, heavy = (stack_weights(columns, labels, shrinkage) for shrinkage in (0.01, 100.0))
    for weights in (light, heavy):
        assert weights[0] > weights[1] > weights[3]
        assert weights[0] > weights[2] > weights[3]
    assert light[0] > 2 * light[1]
    assert heavy[0] < 1.2 * heavy[1]


def test_members_worse_than_chance_count_alike_if_there_are_no_others():
    labels = np.arange(40) % 4 // 3
    assert stack_weights([-1.0 * labels, -2.0 * labels], labels, 1.0).tolist() == [0.5, 0.5]


@pytest.mark.slow
@pytest.mark.parametrize(("known", "asked"), [(2, 3), (3, 2)])
def test_the_stack_of_defaults_is_above_the_mean_of_its_members_on_real_rounds(data_dir, known, asked):
    files = [data_dir / "course" / "stars" / f"round{number}_labelled.npz" for number in (known, asked)]
    fold = fold_of(*read_rounds(files, require_labels=True))
    auc = {
        name: run(name, MODELS.load(name), {}, [fold], STORE, seed=0, thresholds=False).metrics["auc"]
        for name in ("stacked", *DEFAULT_MEMBERS)
    }
    assert auc["stacked"] > np.mean([auc[name] for name in DEFAULT_MEMBERS]) + 0.02
