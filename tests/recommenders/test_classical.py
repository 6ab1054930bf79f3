"""The recommenders that are always there do what their sources say, on data small enough to work it out by hand."""

import inspect

import numpy as np
import pytest

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Lists, Pairs, Training
from anomaly_lab.recommenders.least_squares import equal_rows, normal_equations
from anomaly_lab.registry import MODELS
from anomaly_lab.space import search_space

RATING = ("biases", "item-knn", "user-knn", "als", "bayesian-mf")
EACH_RATING = (*RATING[:-1], pytest.param("bayesian-mf", marks=pytest.mark.slow))
"""Gibbs sampling takes its time."""
RANKING = ("popularity", "pagerank", "ease", "ials")
N_USERS, N_ITEMS = 120, 60


def table(cells, low=0.0, high=1.0):
    """Return the known cells of a matrix; NaN is unknown."""
    users, items = np.nonzero(~np.isnan(cells))
    values = cells[users, items].astype(np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, *cells.shape, low, high)


def tastes(seed=0, share=0.5, noise=0.3):
    """Return rated cells on a scale of 0 to 10 and the other cells' true ratings: biases and a taste of rank 2."""
    rng = np.random.default_rng(seed)
    truth = 5 + rng.normal(0, 0.5, (N_USERS, 1)) + rng.normal(0, 0.5, N_ITEMS)
    truth = truth + rng.normal(size=(N_USERS, 2)) @ rng.normal(size=(2, N_ITEMS))
    known = rng.random(truth.shape) < share
    cells = np.where(known, truth + rng.normal(0, noise, truth.shape), np.nan)
    return table(cells, 0, 10), table(np.where(known, np.nan, truth), 0, 10)


def circles(seed=0):
    """Return what users of four circles know and a matrix of what they come to know: mostly items of their circle."""
    rng = np.random.default_rng(seed)
    same = np.arange(N_USERS)[:, None] % 4 == np.arange(N_ITEMS) % 4
    popular = rng.uniform(0.3, 1, N_ITEMS)
    liked = rng.random(same.shape) < np.where(same, 0.9, 0.1) * popular
    later = liked & (rng.random(same.shape) < 0.3)
    return table(np.where(liked & ~later, 1.0, np.nan)), later


def fitted(name, known, seed=0, **params):
    return MODELS.load(name)(**params).fit(Training(known), rng=np.random.default_rng(seed))


def rmse(model, asked):
    return np.sqrt(np.mean((model.predict(asked.users, asked.items) - asked.values) ** 2))


def auc(model, known, later):
    """Return the mean over users of how often what they come to know stands above what they do not."""
    scores, unseen = model.rank(np.arange(N_USERS)), np.isnan(np.where(known.matrix.toarray() > 0, 1, np.nan))
    means = []
    for user in np.flatnonzero(later.any(axis=1)):
        yes, no = scores[user, later[user]], scores[user, unseen[user] & ~later[user]]
        means.append(np.mean((yes[:, None] > no) + 0.5 * (yes[:, None] == no)))
    return np.mean(means)


@pytest.mark.parametrize("name", [*RATING, *RANKING])
def test_a_recommender_is_listed_with_its_task_and_with_whether_it_is_the_baseline(name):
    entry = MODELS.get(name)
    assert entry.constant("task") == ("rating-prediction" if name in RATING else "implicit-ranking")
    assert getattr(MODELS.load(name), "baseline", False) is (name in ("biases", "popularity"))
    for key, range_ in search_space(MODELS.load(name)).items():
        assert range_.low <= inspect.signature(MODELS.load(name)).parameters[key].default <= range_.high, key


@pytest.mark.parametrize("name", [*RATING, *RANKING])
def test_who_has_no_rating_gets_finite_numbers_and_pairs_agree_with_lists(name):
    cells = np.full((12, 9), np.nan)
    cells[1:9, 1:7] = np.where(np.random.default_rng(0).random((8, 6)) < 0.6, 1.0, np.nan)
    if name in RATING:
        cells *= np.random.default_rng(1).integers(0, 6, cells.shape)  # a rating of 0 is a rating
    model = fitted(name, table(cells, 0, 5))
    users = np.array([0, 3, 11])
    lists = model.score(Lists(users))
    assert lists.shape == (3, 9)
    assert np.isfinite(lists).all()
    pairs = Pairs(np.array([11, 0, 3, 3, 0]), np.array([2, 8, 5, 0, 5]))
    assert model.score(pairs) == pytest.approx(lists[[2, 0, 1, 1, 0], pairs.items], rel=1e-5, abs=1e-6)
    assert len(model.predict(users[:0], users[:0])) == 0


@pytest.mark.parametrize("name", [*EACH_RATING, *RANKING])
def test_the_same_seed_gives_the_same_numbers(name):
    known = tastes()[0] if name in RATING else circles()[0]
    first, again = (fitted(name, known, seed=3).rank(np.arange(20)) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", EACH_RATING)
def test_a_longer_scale_changes_nothing_but_the_unit(name):
    known, asked = tastes()
    longer = Interactions(known.users, known.items, known.values * 3 - 2, N_USERS, N_ITEMS, -2, 28)
    ours, theirs = (fitted(name, one).predict(asked.users, asked.items) for one in (known, longer))
    assert theirs == pytest.approx(ours * 3 - 2, abs=0.05)


@pytest.mark.parametrize("name", EACH_RATING)
def test_where_all_rate_alike_that_rating_is_expected(name):
    known = tastes()[0]
    same = Interactions(known.users, known.items, np.full(len(known), 4, np.float32), N_USERS, N_ITEMS, 0, 10)
    assert fitted(name, same).rank(np.arange(5)) == pytest.approx(np.full((5, N_ITEMS), 4.0), abs=0.05)


def test_biases_minimise_the_damped_squares():
    known = tastes()[0]
    model = fitted("biases", known, user_damping=7.0, item_damping=3.0)
    rows = np.arange(len(known))
    design = np.zeros((len(known), N_USERS + N_ITEMS))
    design[rows, known.users] = design[rows, N_USERS + known.items] = 1
    damping = np.diag(np.repeat([7.0, 3.0], [N_USERS, N_ITEMS]))
    best = np.linalg.solve(design.T @ design + damping, design.T @ (known.values - known.mean))
    assert np.concatenate([model.user_biases_, model.item_biases_]) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "params", "most"),
    [
        ("als", {"n_factors": 4, "ridge": 0.5}, 0.3),
        ("bayesian-mf", {"n_factors": 4}, 0.11),
        ("item-knn", {}, 0.6),
        ("user-knn", {}, 0.6),
    ],
)
def test_tastes_are_found_where_biases_see_none(name, params, most):
    known, asked = tastes()
    assert rmse(fitted(name, known, **params), asked) < most * rmse(fitted("biases", known), asked)


def test_bayesian_factors_do_not_learn_noise_by_heart():
    """With more factors than there are tastes and few ratings, a mean of samples beats a best fit."""
    known, asked = tastes(share=0.15, noise=1.0)
    params = {"n_factors": 12}
    assert rmse(fitted("bayesian-mf", known, **params), asked) < 0.95 * rmse(fitted("als", known, **params), asked)


def test_an_item_without_ratings_is_expected_to_be_like_other_items_not_like_other_ratings():
    """Few items are popular and liked, most are neither: what nothing is known of is likely one of these."""
    rng = np.random.default_rng(0)
    popular = np.arange(N_ITEMS) < 15
    known = rng.random((N_USERS, N_ITEMS)) < np.where(popular, 0.9, 0.1)
    known[:, [0, 59]] = False
    rated = table(np.where(known, np.where(popular, 8, 4) + rng.normal(0, 1, known.shape), np.nan), 0, 12)
    assert rated.mean > 6.5
    assert (fitted("bayesian-mf", rated).rank(np.arange(N_USERS))[:, [0, 59]].mean(axis=0) < 5.5).all()


@pytest.mark.parametrize("name", ["item-knn", "user-knn"])
def test_neighbours_have_their_say_by_how_similar_they_are(name):
    known = tastes(share=0.3)[0]
    model = fitted(name, known, neighbours=20, shrinkage=6.0, damping=0.7)
    left = np.full((N_USERS, N_ITEMS), np.nan)
    told = model.mean_ + model.user_biases_[:, None] + model.item_biases_
    left[known.users, known.items] = known.values - told[known.users, known.items]
    rows = left if name == "user-knn" else left.T
    for row, column in ((0, 0), (7, 31), (55, 12)):
        similar = np.array([similarity(rows[row], other, 6.0) for other in rows])
        similar[row] = 0
        similar[np.argsort(-similar)[20:]] = 0
        heard = np.where(np.isnan(rows[:, column]), 0, np.maximum(similar, 0))
        wanted = np.nansum(heard * rows[:, column]) / (heard.sum() + 0.7)
        user, item = (row, column) if name == "user-knn" else (column, row)
        found = model.predict(np.array([user]), np.array([item]))[0] - told[user, item]
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def similarity(one, other, shrinkage):
    both = ~np.isnan(one) & ~np.isnan(other)
    one, other, shared = one[both], other[both], max(both.sum() - 1, 0)
    return one @ other / max(np.sqrt(one @ one * (other @ other)), 1e-9) * shared / (shared + shrinkage)


def test_rows_come_in_blocks_of_equal_counts_none_left_out_or_twice():
    counts = np.repeat([50, 0, 3], [6000, 5, 2])
    blocks = list(equal_rows(counts))
    assert len(blocks) > 4  # more than three counts: one has too many entries for one block
    assert all(len(np.unique(counts[rows])) == 1 for rows in blocks)
    assert sorted(np.concatenate(blocks)) == list(range(len(counts)))


def test_normal_equations_are_those_of_each_row():
    known, rng = tastes()[0], np.random.default_rng(0)
    regressors = rng.normal(size=(N_ITEMS, 3)).astype(np.float32)
    matrix = known.take(known.users % 7 > 0).matrix  # some rows hold nothing
    seen = []
    for rows, gram, moment in normal_equations(matrix, regressors):
        for row, left, right in zip(rows, gram, moment, strict=True):
            own = slice(matrix.indptr[row], matrix.indptr[row + 1])
            design = regressors[matrix.indices[own]]
            assert left == pytest.approx(design.T @ design, rel=1e-4, abs=1e-4)
            assert right == pytest.approx(design.T @ matrix.data[own], rel=1e-4, abs=1e-4)
            seen.append(row)
    assert sorted(seen) == list(range(N_USERS))


def test_als_solves_each_items_penalised_squares():
    known = tastes()[0]
    model = fitted("als", known, n_factors=3, ridge=2.0, weighting=0.5, sweeps=4)
    told = model.mean_ + model.user_biases_[known.users] + model.item_biases_[known.items]
    left = known.values - told
    unit = left.std()
    for item in (0, 17):
        rows = known.items == item
        users = model.user_factors_[known.users[rows]] / unit
        penalty = 2.0 * np.sqrt(rows.sum()) * np.eye(3)
        best = np.linalg.solve(users.T @ users + penalty, users.T @ left[rows] / unit)
        assert model.item_vectors()[item] == pytest.approx(best, rel=1e-3, abs=1e-4)


def test_implicit_als_solves_each_items_squares_over_all_users():
    known = circles()[0]
    model = fitted("ials", known, n_factors=3, ridge=0.2, unknown_weight=0.3, weighting=1.0)
    users = model.user_factors_.astype(np.float64)
    for item in (0, 17):
        row = known.matrix[:, [item]].toarray()[:, 0]
        penalty = 0.2 * (row.sum() + 0.3 * N_USERS) * np.eye(3)
        best = np.linalg.solve(users.T @ ((row + 0.3)[:, None] * users) + penalty, users.T @ row)
        assert model.item_vectors()[item] == pytest.approx(best, rel=1e-3, abs=1e-5)


def test_ease_regresses_each_item_on_the_others():
    known = circles()[0]
    model, dense = fitted("ease", known, ridge=5.0), known.matrix.toarray().astype(np.float64)
    for item in (0, 17):
        others = np.delete(dense, item, axis=1)
        best = np.linalg.solve(others.T @ others + 5 * np.eye(N_ITEMS - 1), others.T @ dense[:, item])
        assert model.rank(np.arange(N_USERS))[:, item] == pytest.approx(others @ best, abs=1e-5)


def test_ease_puts_what_it_does_not_model_below_by_popularity():
    known = circles()[0]
    scores = fitted("ease", known, top_items=20).rank(np.arange(N_USERS))
    order = np.argsort(-known.item_counts, kind="stable")
    assert (scores[:, order[:20]].min(axis=1) > scores[:, order[20:]].max(axis=1)).all()
    assert (np.diff(scores[:, order[20:]], axis=1) <= 0).all()
    alone = fitted("ease", table(np.where(known.matrix.toarray()[:, order[:20]] > 0, 1.0, np.nan)))
    assert scores[0, order[:20]] == pytest.approx(alone.rank(np.arange(1))[0], rel=1e-4)


def test_pagerank_is_where_walks_that_may_start_anew_are_found():
    known, _ = circles()
    model = fitted("pagerank", known, restart=0.4, damping=0.0, rounds=40)
    dense = known.matrix.toarray().astype(np.float64)
    step = np.zeros((N_USERS + N_ITEMS,) * 2)
    step[:N_USERS, N_USERS:], step[N_USERS:, :N_USERS] = dense, dense.T
    step /= np.maximum(step.sum(axis=1, keepdims=True), 1)
    start = np.eye(N_USERS + N_ITEMS)[5]
    share = 0.4 * np.linalg.solve(np.eye(len(step)) - 0.6 * step.T, start)[N_USERS:]
    found = model.rank(np.array([5]))[0]
    assert found / found.sum() == pytest.approx(share / share.sum(), rel=1e-4)
    damped = fitted("pagerank", known, restart=0.4, damping=0.5, rounds=40).rank(np.array([5]))[0]
    assert damped == pytest.approx(found / np.sqrt(known.item_counts), rel=1e-5)


def test_popularity_shows_everyone_what_most_know():
    known = circles()[0]
    assert np.array_equal(fitted("popularity", known).rank(np.array([3, 9])), np.tile(known.item_counts, (2, 1)))


@pytest.mark.parametrize("name", ["pagerank", "ease", "ials"])
def test_circles_are_found_where_popularity_sees_none(name):
    known, later = circles()
    assert auc(fitted(name, known), known, later) > auc(fitted("popularity", known), known, later) + 0.15


@pytest.mark.parametrize("name", ["als", "bayesian-mf", "ials", "ease"])
def test_similar_items_have_similar_vectors(name):
    vectors = fitted(name, circles()[0] if name in RANKING else tastes()[0]).item_vectors()
    assert len(vectors) == N_ITEMS
    if name in RANKING:
        length = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosine, same = length @ length.T, np.arange(N_ITEMS)[:, None] % 4 == np.arange(N_ITEMS) % 4
        assert cosine[same & ~np.eye(N_ITEMS, dtype=bool)].mean() > cosine[~same].mean() + 0.2
