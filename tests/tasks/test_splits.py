"""Every protocol asks for ratings that the model does not know, each the way it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.interactions import interactions
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.readers import read_round
from anomaly_lab.ratings.scale import STARS
from anomaly_lab.recommender_checks import random_log
from anomaly_lab.tasks.coverage import coverage_parts, dense_enough
from anomaly_lab.tasks.implicit_ranking import ImplicitRanking
from anomaly_lab.tasks.question import Question
from anomaly_lab.tasks.rating_prediction import RatingPrediction
from anomaly_lab.tasks.registry import make_task


def timed_log():
    plain = random_log()
    levels = np.asarray(STARS.levels)
    rng = np.random.default_rng(1)
    return RatingBatch.from_rows(
        plain.user_ids[plain.users],
        plain.item_ids[plain.items],
        levels[plain.ratings],
        scale=STARS,
        timestamps=rng.permutation(plain.n_rows),
    )


LOG = Round(timed_log(), name="log")
LIKED = {"min_positives": 4, "held_out": 2, "positive": 3.0}


def pairs(known):
    return set(zip(known.users.tolist(), known.items.tolist(), strict=True))


@pytest.mark.parametrize("protocol", ["random", "leave-k-out", "temporal", "coverage"])
def test_no_rating_is_both_known_and_asked_for(protocol):
    for fold in Question.of([LOG], protocol, RatingPrediction()).folds():
        parts = [fold.known, fold.test] + ([fold.validation] if fold.validation is not None else [])
        assert sum(map(len, parts)) == len(set.union(*map(pairs, parts)))
        assert all(len(part) for part in parts)


def test_random_parts_ask_for_every_rating_once():
    folds = list(Question.of([LOG], "random", RatingPrediction(folds_wanted=4)).folds())
    asked = [pairs(fold.test) for fold in folds]
    assert len(folds) == 4
    assert sum(map(len, asked)) == LOG.ratings.n_rows
    assert set.union(*asked) == pairs(interactions(LOG.ratings))


def test_leave_k_out_asks_for_so_many_of_each_user():
    fold = next(Question.of([LOG], "leave-k-out", RatingPrediction(k=3)).folds())
    assert (fold.test.user_counts == 3).all()


def test_leave_k_out_leaves_a_user_with_few_ratings_alone():
    few = Round(LOG.ratings.select(np.arange(40) < 3))
    fold = next(Question.of([few], "leave-k-out", RatingPrediction(k=11)).folds())
    assert (fold.known.user_counts == 1).all()
    with pytest.raises(DataError, match="must leave ratings to learn from and to ask for"):
        next(Question.of([few], "leave-k-out", RatingPrediction(k=12)).folds())


def test_temporal_asks_for_the_newest():
    (fold,) = Question.of([LOG], "temporal", RatingPrediction(share=0.25)).folds()
    assert fold.known.times.max() < fold.test.times.min()
    assert len(fold.test) == pytest.approx(LOG.ratings.n_rows / 4, abs=2)


def test_temporal_needs_timestamps():
    with pytest.raises(DataError, match="needs a column of timestamps"):
        Question.of([Round(random_log())], "temporal", RatingPrediction())


@pytest.mark.parametrize("task", [RatingPrediction(), ImplicitRanking(**LIKED)])
def test_draws_follow_the_split_seed_and_neither_rows_nor_names(task):
    ids = np.random.default_rng(3).permutation(400)[:40]
    first, again = Round(random_log(), name="a"), Round(random_log(ids=ids, shuffled=True), name="b")
    protocol = task.default_protocol([first])
    for one, other in zip(task.folds([first], protocol), task.folds([again], protocol), strict=True):
        assert np.array_equal(one.known.items, other.known.items)
        assert np.array_equal(one.known.users, other.known.users)
    assert Question.of([first], protocol, task).fingerprint == Question.of([again], protocol, task).fingerprint


@st.composite
def sparse_logs(draw):
    rows = draw(st.sets(st.tuples(st.integers(0, 12), st.integers(0, 15)), min_size=60, max_size=150))
    users, items = np.array(sorted(rows)).T
    batch = RatingBatch.from_rows(users, items, np.ones(len(users)), scale=STARS)
    known = interactions(batch)
    return known.take(dense_enough(known)), draw(st.integers(0, 5))


@given(sparse_logs())
@settings(max_examples=30, deadline=None)
def test_coverage_has_every_user_and_item_in_every_part(case):
    known, seed = case
    part = coverage_parts(known.users, known.items, (0.8, 0.1, 0.1), np.random.default_rng(seed))
    for number in range(3):
        mine = known.take(part == number)
        assert set(mine.users) == set(known.users)
        assert set(mine.items) == set(known.items)


def test_coverage_gives_parts_their_shares_where_there_is_room(real_log):
    (fold, *_) = RatingPrediction(folds_wanted=2).folds([real_log], "coverage")
    sizes = np.array([len(fold.known), len(fold.validation), len(fold.test)])
    assert sizes / sizes.sum() == pytest.approx([0.8, 0.1, 0.1], abs=0.005)


@pytest.fixture
def real_log(data_dir):
    return Round(read_round(data_dir / "ml-latest-small").ratings, name="ml-latest-small")


def test_likings_are_those_of_users_who_have_enough():
    folds = list(Question.of([LOG], None, ImplicitRanking(**LIKED, folds_wanted=3)).folds())
    assert len(folds) == 3
    for fold in folds:
        assert fold.asked.shape == (len(fold.user_ids), 2)
        assert (fold.known.user_counts >= 2).all()
        known = pairs(fold.known)
        assert not any((user, item) in known for user, row in enumerate(fold.asked.tolist()) for item in row)


def test_likings_are_from_three_quarters_up_the_scale_on(real_log):
    asked, given_ = (ImplicitRanking(positive=one) for one in (None, 4.0))
    first, second = (next(task.folds([real_log], "held-out")) for task in (asked, given_))
    assert np.array_equal(first.asked, second.asked)


def test_too_few_likings_are_told_with_what_to_do():
    with pytest.raises(DataError, match=r"a user must have 20 ratings of 3.75 or more .* lower --task-option"):
        Question.of([LOG], None, ImplicitRanking())


def test_ncf_ranks_the_last_liking_among_items_not_liked(real_log):
    timed = Question.of([Round(real_log.ratings)], "ncf", ImplicitRanking())
    (fold,) = timed.folds()
    assert fold.drawn.shape == (len(fold.user_ids), 100)
    liked = fold.known.matrix.toarray() > 0
    assert not np.take_along_axis(liked, fold.drawn, axis=1).any()
    assert np.array_equal(fold.drawn[:, :1], fold.asked)
    latest = np.zeros(len(fold.user_ids), dtype=np.int64)
    np.maximum.at(latest, fold.known.users, fold.known.times)
    levels = np.asarray(real_log.ratings.scale.levels)
    whole = real_log.ratings
    high = levels[whole.ratings] >= 4
    last = {}
    for user, time in zip(whole.user_ids[whole.users[high]].tolist(), whole.timestamps[high].tolist(), strict=True):
        last[user] = max(last.get(user, 0), time)
    assert (latest <= [last[user] for user in fold.user_ids.tolist()]).all()


def test_ncf_needs_items_enough():
    with pytest.raises(DataError, match="needs 99 items"):
        list(Question.of([LOG], "ncf", ImplicitRanking(**LIKED)).folds())


def test_published_parts_are_held_out(tmp_path):
    batch = LOG.ratings
    levels = np.asarray(STARS.levels)
    rows = [
        f"{u}\t{i}\t{levels[r]:g}\t{t}"
        for u, i, r, t in zip(
            batch.user_ids[batch.users], batch.item_ids[batch.items], batch.ratings, batch.timestamps, strict=True
        )
    ]
    (tmp_path / "u.data").write_text("\n".join(rows) + "\n")
    for number in range(2):
        (tmp_path / f"u{number + 1}.test").write_text("\n".join(rows[number::2]) + "\n")
    log = Round(read_round(tmp_path).ratings, name="log", path=str(tmp_path))
    folds = list(Question.of([log], "given", RatingPrediction()).folds())
    assert [fold.name for fold in folds] == ["u1", "u2"]
    assert [len(fold.test) for fold in folds] == [len(rows[0::2]), len(rows[1::2])]
    with pytest.raises(DataError, match="must hold published splits"):
        Question.of(
            [Round(read_round(tmp_path / "u.data").ratings, path=str(tmp_path.parent))], "given", RatingPrediction()
        )


def test_one_log_is_asked():
    with pytest.raises(ConfigError, match="one log of ratings, found 2"):
        Question.of([LOG, LOG], None, RatingPrediction())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ratings", {}, "--task must be one of"),
        ("rating-prediction", {"folds": "3"}, "has no option 'folds'; it has folds_wanted"),
        ("rating-prediction", {"k": "two"}, "task option k must be a whole number, found 'two'"),
        ("rating-prediction", {"share": "1.5"}, "share must lie between 0 and 1"),
        ("implicit-ranking", {"held_out": "20"}, "min_positives must be above held_out"),
    ],
)
def test_settings_of_a_task_are_checked(name, options, message):
    with pytest.raises(ConfigError, match=message):
        make_task(name, options)


def test_settings_make_another_question():
    first, second = (Question.of([LOG], None, RatingPrediction(split_seed=seed)) for seed in (0, 1))
    assert first.fingerprint != second.fingerprint
