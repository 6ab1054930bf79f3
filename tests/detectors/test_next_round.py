"""Next round: experts that sum their odds, and with a bank find fakes of kinds that no label has shown."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_lab.attacks.base import load_attack, make_fakes
from anomaly_lab.attacks.source import Source
from anomaly_lab.detectors.champion import CalibratedDetector
from anomaly_lab.detectors.experts import FURTHEST, ClippedRanks, Material, Mixture, Table, pooled
from anomaly_lab.detectors.next_round import EXPERTS, OUT_OF_FOLD_PARTS, NextRoundDetector, pseudo_labels
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.folds import HIDDEN, query_view, train_view, training_parts
from anomaly_lab.evaluation.metrics import roc_auc
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.features.panel import panel
from anomaly_lab.random_folds import fold_of, plain_fold
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.scale import STARS
from anomaly_lab.registry import ALL_FAMILIES, DEFAULT_FAMILIES, FEATURES
from tracking.champion import load_model, save_model

STORE = FeatureStore(ALL_FAMILIES, only=DEFAULT_FAMILIES)
"""The quick families; with all of them the detector goes through the conformance checks."""
SMALL = {"n_per_kind": 12, "n_hybrids": 60, "n_strays": 20, "n_trees": 30, "n_networks": 1}


def fitted(fold, model=NextRoundDetector, store=STORE, **params):
    return model(**SMALL | params).fit(train_view(fold, store), rng=np.random.default_rng(0))


def scores(fold, **params):
    return fitted(fold, **params).score(query_view(fold, STORE))


def planted_round(kind, *, seed, n_genuine=100, n_fakes=25):
    """Return a round of random genuine raters with fakes of one kind made from them."""
    people = random_round(seed=seed, n_users=n_genuine + 1, n_fakes=1).read().ratings
    genuine = people.select(people.user_ids > 0)  # the first is generated
    levels = panel(genuine, np.arange(genuine.n_items))
    rng = np.random.default_rng(seed)
    fakes = make_fakes(kind, load_attack(kind), Source(levels, STARS), n_fakes, rng=rng)
    users, items = np.nonzero(np.vstack([levels, fakes]) >= 0)
    ratings = np.asarray(STARS.levels)[np.vstack([levels, fakes])[users, items]]
    batch = RatingBatch.from_rows(users, genuine.item_ids[items], ratings, scale=STARS, source=f"{kind} {seed}")
    truth = np.repeat([0, 1], [n_genuine, n_fakes])
    return Round(batch, Labels.for_batch(batch, np.arange(len(truth)), truth), batch.source)


def planted_fold(shown, asked):
    return fold_of(planted_round(shown, seed=0), planted_round(asked, seed=1))


def test_fakes_of_a_kind_that_no_label_shows_are_found():
    fold = planted_fold("hybrid", "uniform")
    assert roc_auc(fold.truth, scores(fold)) > 0.9
    labels, bank = (roc_auc(fold.truth, scores(fold, experts=(expert,))) for expert in ("labels", "bank"))
    assert bank > labels + 0.1


@pytest.mark.slow
def test_fakes_are_found_by_other_kinds_of_the_bank_where_it_has_not_guessed_theirs():
    fold = planted_fold("hybrid", "uniform")
    labels = roc_auc(fold.truth, scores(fold, experts=("labels",)))
    assert roc_auc(fold.truth, scores(fold, without=("uniform",))) > labels + 0.1


@pytest.mark.slow
def test_those_of_whom_the_experts_are_sure_teach_the_rest():
    fold = planted_fold("hybrid", "random")
    untaught, taught = (roc_auc(fold.truth, scores(fold, without=("uniform",), n_self_training=n)) for n in (0, 2))
    assert taught > untaught + 0.02


def test_pseudo_labels_are_the_surest_users_without_a_label_within_bounds():
    visible = np.array([1, 0, 0, 0, *[HIDDEN] * 12])
    scores = np.array([9.0, 8, 7, 6, 5, *np.zeros(5), -5, -6])
    labels, filled = pseudo_labels(visible, scores)
    np.testing.assert_array_equal(labels[:4], visible[:4])
    np.testing.assert_array_equal(np.flatnonzero(labels == 1), [0, 4, 5])  # three quarters of a quarter of twelve
    assert filled == 1
    assert (labels == 0).sum() == 3 + int(0.6 * 12)
    assert (labels[-2:] == 0).all()


def test_nobody_is_suspected_of_whom_no_expert_is_sure():
    visible = np.array([1, 0, *[HIDDEN] * 10])
    labels, filled = pseudo_labels(visible, np.linspace(2.9, -3, 10))
    assert filled == 0
    assert (labels == 1).sum() == 1
    assert (labels[2:][-2:] == 0).all()


@given(arrays(float, 30, elements=st.floats(-9, 9)), st.integers(1, 9))
def test_suspected_users_score_above_believed_ones(scores, n_fakes):
    visible = np.array([*[1] * n_fakes, *[0] * (10 - n_fakes), *[HIDDEN] * 30])
    labels = pseudo_labels(visible, scores)[0][10:]
    assert scores[labels == 1].min(initial=9) >= scores[labels == HIDDEN].max(initial=-9)
    assert scores[labels == HIDDEN].min(initial=9) >= scores[labels == 0].max(initial=-9)


def test_a_kind_left_out_of_the_bank_is_another_detector():
    fold = plain_fold()
    assert (scores(fold, without=("uniform",)) != scores(fold)).any()
    with pytest.raises(ConfigError, match="there is no rating kind 'uniforms'"):
        fitted(fold, without=("uniforms",))


def test_the_odds_of_the_experts_are_summed():
    fold = plain_fold()
    alone = {expert: scores(fold, experts=(expert,), n_self_training=0) for expert in EXPERTS}
    for some in (EXPERTS, ("hybrids", "labels"), ("strays", "bank")):
        expected = np.log(sum(np.exp(alone[expert]) for expert in some))
        np.testing.assert_allclose(scores(fold, experts=some, n_self_training=0), expected, rtol=1e-9, atol=1e-9)
    assert all(np.isfinite(one).all() for one in alone.values())


def test_only_the_odds_of_experts_on_kept_ratings_are_discounted():
    fold = plain_fold()
    for expert in EXPERTS:
        plain, discounted = (scores(fold, experts=(expert,), discount=d, n_self_training=0) for d in (0.0, 1.5))
        np.testing.assert_allclose(plain - discounted, 1.5 if expert in ("strays", "hybrids") else 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("experts", "found"),
    [(("labels", "sages"), "found 'sages'"), ((), "at least one of labels, bank, strays, hybrids")],
)
def test_experts_must_be_known_and_at_least_one(experts, found):
    with pytest.raises(ConfigError, match=f"next-round: .*{found}"):
        NextRoundDetector(experts=experts)


def test_a_number_of_self_trainings_must_be_0_or_more():
    with pytest.raises(ConfigError, match="next-round: n_self_training must be 0 or more, found -1"):
        NextRoundDetector(n_self_training=-1)


def test_labels_alone_need_no_bank_however_they_are_named():
    fold = plain_fold()
    plain, listed = (scores(fold, experts=experts) for experts in (("labels",), ["labels"]))
    np.testing.assert_array_equal(plain, listed)


@given(arrays(float, (3, 5), elements=st.floats(-20, 20)))
def test_one_learner_that_is_sure_suffices_and_none_has_a_veto(odds):
    together = pooled([odds[:2], odds[2:]])
    highest = odds.max(axis=0)
    assert (together >= highest).all()
    assert (together <= highest + np.log(3) + 1e-12).all()


@given(
    n_genuine=st.integers(1, 20),
    sizes=st.tuples(*[st.integers(0, 20)] * 4),
    weights=st.tuples(*[st.floats(0, 2)] * 4),
)
def test_each_part_weighs_as_its_mixture_says_however_many_fakes_it_has(n_genuine, sizes, weights):
    def table(number, n_rows):
        return Table(np.full((n_rows, 1), number), np.full((n_rows, 1), -number))

    parts = {name: table(k, n) for k, (name, n) in enumerate(zip(EXPERTS, sizes, strict=True), 1)}
    rows, y, w = Material(table(0, n_genuine), parts).sample(Mixture(*weights))
    X = rows.values
    np.testing.assert_array_equal(rows.ranks, -X)
    assert w.mean() == pytest.approx(1)
    np.testing.assert_array_equal(y, X[:, 0] > 0)
    for k, (size, weight) in enumerate(zip(sizes, weights, strict=True), 1):
        part = X[:, 0] == k
        assert part.sum() == (size if weight > 0 else 0)
        assert w[part].sum() == pytest.approx(weight * w[X[:, 0] == 0].sum() if size else 0)


def test_ranks_are_normal_and_no_row_is_far_out():
    rows = np.random.default_rng(0).exponential(size=(2000, 2))
    ranks = ClippedRanks(n_quantiles=200, output_distribution="normal", random_state=0).fit(rows)
    inside = ranks.transform(rows)
    assert np.abs(inside.mean(axis=0)).max() < 0.05
    assert inside.std(axis=0) == pytest.approx(1, abs=0.05)
    assert np.abs(ranks.transform(np.array([[-1e9, 1e9]]))).max() == FURTHEST


def habits(users, reference):
    """A family of each user's own habits: no reference user changes it."""
    counts = np.bincount(users.users * users.scale.n_levels + users.ratings, minlength=users.n_users * 6)
    return {str(level): column for level, column in enumerate(counts.reshape(-1, 6).T)}


@dataclass
class OnHabits(NextRoundDetector):
    """Next round on habits alone."""

    families = ("habits",)


def swapped(train, part):
    """Return labels in which a genuine user and a fake of one part have changed places, and the parts have not."""
    before = list(training_parts(train.pool, train.visible, OUT_OF_FOLD_PARTS))
    for genuine in part[train.visible[part] == 0]:
        for fake in part[train.visible[part] == 1]:
            visible = train.visible.copy()
            visible[[genuine, fake]] = 1, 0
            other = type(train)(train.pool, visible, train.store)
            if all(map(np.array_equal, before, training_parts(other.pool, other.visible, OUT_OF_FOLD_PARTS))):
                return other
    raise AssertionError("every change of labels changes the parts")


def test_out_of_fold_scores_of_a_part_do_not_depend_on_its_labels(monkeypatch):
    monkeypatch.setitem(FEATURES.built_in, "habits", "test_next_round:habits")
    train = train_view(plain_fold(), FeatureStore(("habits",)))
    part = next(training_parts(train.pool, train.visible, OUT_OF_FOLD_PARTS))
    other = swapped(train, part)
    mine = np.isin(train.users, part)
    found, expected = (
        OnHabits(**SMALL, experts=("labels",)).out_of_fold(one, rng=np.random.default_rng(0)) for one in (other, train)
    )
    by_user = dict(zip(other.users.tolist(), found, strict=True))
    again = np.array([by_user[user] for user in train.users.tolist()])
    np.testing.assert_array_equal(again[mine], expected[mine])
    assert (again[~mine] != expected[~mine]).any()


def test_out_of_fold_scores_stand_in_the_order_of_the_training_users():
    train = train_view(plain_fold(), STORE)
    found = NextRoundDetector(**SMALL).out_of_fold(train, rng=np.random.default_rng(0))
    assert found.shape == train.users.shape
    assert np.isfinite(found).all()
    assert roc_auc(train.labels, found) > 0.8


@pytest.mark.parametrize("experts", [EXPERTS, ("bank",)])
def test_a_saved_detector_loads_by_our_list_and_scores_to_the_bit(tmp_path, experts):
    fold = plain_fold()
    champion = CalibratedDetector(fitted(fold, experts=experts, without=("uniform",)), 0.5, 1.0)
    save_model(champion, tmp_path / "model.skops", "next-round")
    loaded = load_model(tmp_path / "model.skops", "next-round")
    matrix = query_view(fold, STORE).features(ALL_FAMILIES).matrix
    assert loaded.score_matrix(matrix).tobytes() == champion.score_matrix(matrix).tobytes()
    assert loaded.detector.experts == experts
