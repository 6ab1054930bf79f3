"""The embedded course: what its people and its fakes are like, and who may know how they are made."""

import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from anomaly_lab.attacks.bank import ITEM_SETS
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.engine import run
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import RatingBatch, Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import LIKES, STARS, TEN
from anomaly_lab.ratings.synthetic import KINDS, Difficulty, make_course, write_course
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.tasks.question import Question

SMALL = {"n_users": 200, "n_items": 150}
SLIPS = {"moody", "parrot", "metronome", "chart"}


@pytest.fixture(scope="session")
def made(shared):
    """Make the course of a scale once, for all of xdist's workers."""

    def one(scale):
        folder = shared(f"course-{scale.name}", lambda folder: pickled(folder, make_course(scale=scale)))
        return pickle.loads((folder / "course").read_bytes())

    return one


def pickled(folder, course):
    (folder / "course").write_bytes(pickle.dumps(course))


@pytest.fixture(scope="session")
def course(made):
    return made(LIKES)


@pytest.fixture(scope="session")
def stars_course(made):
    return made(STARS)


def kinds_of(one):
    return {KINDS[kind] for kind in np.unique(one.labels.kinds) if kind}


def dense(batch, values):
    """The batch as a matrix, users in ascending order of their ids, NaN where not rated."""
    table = np.full((batch.n_users, batch.n_items), np.nan)
    table[batch.users, batch.items] = values
    return table[batch.ascending]


def people(one):
    """The genuine users' ratings as numbers in [0, 1], NaN where not rated."""
    genuine = one.labels.fake[one.ratings.ascending] == 0
    ratings = dense(one.ratings, one.ratings.values)[genuine]
    return ratings[:, ~np.isnan(ratings).all(axis=0)]


def without_item_means(ratings):
    residual = ratings - np.nanmean(ratings, axis=0)
    return residual - np.nanmean(residual, axis=1, keepdims=True)


def tastes(seen, n_factors=6):
    """How well each item suits each user by what was seen, popularity and activity taken out."""
    expected = seen.mean(axis=1, keepdims=True) * seen.mean(axis=0) / seen.mean()
    left, size, right = np.linalg.svd(seen - expected, full_matrices=False)
    return left[:, :n_factors] * size[:n_factors] @ right[:n_factors]


def test_every_round_has_a_real_rounds_size_and_its_share_of_fakes(course):
    assert [one.name for one in course] == ["round1", "round2", "round3", "round4"]
    for one in course:
        assert one.ratings.scale == LIKES
        assert one.ratings.n_users == 1100
        assert 950 <= one.ratings.n_items <= 1000
        assert 100 < one.ratings.n_rows / one.ratings.n_users < 200
        assert one.labels.n_fake == 110


def test_each_round_adds_kinds_and_the_last_has_some_that_no_labelled_round_shows(course):
    for earlier, later in pairwise(course):
        assert kinds_of(earlier) < kinds_of(later)
    assert kinds_of(course[0]) == {"moody", "patchwork"}
    assert kinds_of(course[3]) - kinds_of(course[2]) == {"chart", "clone"}
    assert kinds_of(course[3]) == set(KINDS.values())


def test_users_are_numbered_from_round_to_round(course):
    ids = np.concatenate([np.sort(one.ratings.user_ids) for one in course])
    np.testing.assert_array_equal(ids, np.arange(4 * 1100))


@pytest.mark.slow
def test_ids_tell_nothing_about_labels():
    ranks = []
    for seed in range(8):
        for one in make_course(seed=seed, **SMALL):
            fake = one.labels.fake == 1
            ranks.append((rankdata(one.ratings.user_ids)[fake].mean() - 0.5) / len(fake))
    assert abs(np.mean(ranks) - 0.5) < 0.04  # five standard errors; fakes at the end would give 0.95


def test_activity_and_popularity_are_long_tailed(course):
    for one in course:
        seen = ~np.isnan(people(one))
        per_user, per_item = seen.sum(axis=1), np.sort(seen.sum(axis=0))[::-1]
        assert np.quantile(per_user, 0.9) > 2 * np.median(per_user) > 6 * np.quantile(per_user, 0.1)
        assert per_item[:100].sum() > 0.25 * per_item.sum()
        assert per_item[-300:].sum() < 0.06 * per_item.sum()


def test_people_use_the_levels_differently(course):
    ratings = people(course[0])
    means = np.nanmean(ratings[(~np.isnan(ratings)).sum(axis=1) > 30], axis=1)
    assert means.std() > 0.1
    assert means.min() < 0.35
    assert means.max() > 0.9


def test_tastes_decide_together_what_is_seen(course):
    def fourth_factor(seen):  # the first ones are activity and popularity
        return np.linalg.svd(seen - seen.mean(axis=0), compute_uv=False)[3]

    seen = (~np.isnan(people(course[0]))).astype(float)
    shuffled = np.random.default_rng(0).permuted(seen, axis=0)  # as popular as before, but nobody's taste
    assert fourth_factor(seen) > 2 * fourth_factor(shuffled)


def test_people_see_what_they_like(course):
    ratings = people(course[0])
    seen = ~np.isnan(ratings)
    suits, liked = tastes(seen.astype(float))[seen], without_item_means(ratings)[seen]
    assert np.corrcoef(suits, liked)[0, 1] > 0.05
    popular = np.log(seen.sum(axis=0))
    assert np.corrcoef(popular, np.nanmean(ratings, axis=0))[0, 1] > 0.1


@pytest.mark.slow
def test_stars_and_likes_show_the_same_people(course, stars_course):
    for likes, stars in zip(course, stars_course, strict=True):
        assert stars.ratings.scale == STARS
        coarse = np.array([0, 0, 0, 0.5, 1, 1])[stars.ratings.ratings]
        genuine = likes.labels.fake[likes.ratings.ascending] == 0
        ours, theirs = dense(likes.ratings, likes.ratings.values), dense(stars.ratings, coarse)
        assert set(np.unique(stars.ratings.ratings)) == set(range(6))
        shared = np.intersect1d(likes.ratings.item_ids, stars.ratings.item_ids)
        ours = ours[:, np.isin(likes.ratings.item_ids, shared)]
        theirs = theirs[:, np.isin(stars.ratings.item_ids, shared)]
        np.testing.assert_array_equal(ours[genuine], theirs[genuine])


def test_the_seed_decides_everything_and_a_short_course_begins_a_long_one():
    once, again, other = make_course(seed=3, **SMALL), make_course(seed=3, n_rounds=2, **SMALL), make_course(**SMALL)
    assert len(again) == 2
    for one, same, different in zip(once, again, other, strict=False):
        assert one.ratings.digest == same.ratings.digest != different.ratings.digest
        np.testing.assert_array_equal(one.ratings.user_ids, same.ratings.user_ids)
        np.testing.assert_array_equal(one.labels.kinds, same.labels.kinds)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    n_users=st.integers(50, 90),
    n_items=st.integers(50, 90),
    fake_share=st.floats(0.02, 0.5),
    slips=st.floats(0, 1),
    novelty=st.floats(0, 1),
    scale=st.sampled_from([LIKES, STARS]),
)
def test_every_user_of_any_course_has_ratings_and_a_label(seed, n_users, n_items, fake_share, slips, novelty, scale):
    difficulty = Difficulty(slips=slips, novelty=novelty)
    rounds = make_course(
        seed=seed, n_users=n_users, n_items=n_items, fake_share=fake_share, scale=scale, difficulty=difficulty
    )
    for number, one in enumerate(rounds, start=1):
        assert one.ratings.n_users == len(one.labels.fake) == n_users
        assert one.ratings.n_items <= n_items
        assert one.labels.n_fake == round(fake_share * n_users)
        assert one.labels.kinds.max() <= 2 * number
        rows = np.column_stack([one.ratings.users, one.ratings.items])
        assert len(np.unique(rows, axis=0)) == len(rows)


@pytest.mark.parametrize(("slips", "allowed"), [(1, SLIPS), (0, set(KINDS.values()) - SLIPS)])
def test_slips_is_the_share_of_fakes_that_do_not_rate_like_people(slips, allowed):
    for one in make_course(difficulty=Difficulty(slips=slips), **SMALL):
        assert kinds_of(one) <= allowed


def test_novelty_is_the_share_of_fakes_of_new_kinds():
    rounds = make_course(difficulty=Difficulty(novelty=1), **SMALL)
    for earlier, later in pairwise(rounds):
        assert not kinds_of(earlier) & kinds_of(later)
    old = make_course(difficulty=Difficulty(novelty=0), **SMALL)
    assert all(kinds_of(one) == {"moody", "patchwork"} for one in old[:2])


def test_effort_is_how_much_fakes_rate():
    def mean_activity(effort):
        one = make_course(n_rounds=1, n_items=300, fake_share=0.5, difficulty=Difficulty(effort=effort))[0]
        return np.diff(one.ratings.indptr)[one.labels.fake == 1].mean()

    assert mean_activity(0.3) < 0.4 * mean_activity(1)


def test_drift_sets_rounds_apart():
    def spread(drift):
        rounds = make_course(difficulty=Difficulty(drift=drift), **SMALL)
        return np.std([np.nanmean(people(one)) for one in rounds])

    assert spread(1.0) > 3 * spread(0.0)


def test_files_hold_the_course_as_a_real_one_hands_it_out(tmp_path):
    course = make_course(**SMALL)
    paths = write_course(tmp_path / "new" / "course", **SMALL)
    names = ["round1_labelled.npz", "round2_labelled.npz", "round3_labelled.npz", "round4.npz", "round4_truth.npz"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "new" / "course").iterdir()) == names
    for path in paths[:4]:
        with np.load(path, allow_pickle=False) as file:
            assert set(file) == ({"X"} if path.name == "round4.npz" else {"X", "y"})
            assert file["X"].dtype == np.int32
            np.testing.assert_array_equal(file["X"], file["X"][np.lexsort(file["X"].T[[1, 0]])])
    with np.load(paths[4], allow_pickle=False) as truth:
        last, ascending = course[3], course[3].ratings.ascending
        np.testing.assert_array_equal(truth["y"], np.c_[last.ratings.user_ids, last.labels.fake][ascending])
        np.testing.assert_array_equal(truth["yy"], np.c_[last.ratings.user_ids, last.labels.kinds][ascending])
    for read, made in zip(read_rounds(paths[:4]), course, strict=True):
        assert read.ratings.digest == made.ratings.digest
        assert (read.labels is None) == (made is course[3])
        if read.labels is not None:
            np.testing.assert_array_equal(read.labels.fake, made.labels.fake)


def test_writing_again_replaces_each_file_by_the_same_arrays(tmp_path):
    first = {path: path.read_bytes() for path in write_course(tmp_path, seed=1, n_rounds=2, **SMALL)}
    for path in first:
        path.write_bytes(b"broken")
    write_course(tmp_path, seed=1, n_rounds=2, **SMALL)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_rounds": 5}, "1 to 4 rounds, found 5"),
        ({"n_rounds": 0}, "1 to 4 rounds, found 0"),
        ({"n_users": 49}, "at least 50 users and 50 items, found 49 and 1000"),
        ({"n_items": 10}, "at least 50 users and 50 items, found 1100 and 10"),
        ({"scale": TEN}, "must be likes or stars, found ten"),
        ({"fake_share": 0.0}, "fake_share must lie in"),
        ({"fake_share": 0.6}, "fake_share must lie in"),
        ({"fake_share": 0.001, "n_users": 50}, "at least one fake user, found 0.001"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(wrong, message):
    with pytest.raises(ConfigError, match=message):
        make_course(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"slips": 1.1}, {"slips": -0.1}, {"novelty": 2}, {"effort": 0}, {"effort": 1.5}, {"drift": -1}]
)
def test_a_difficulty_out_of_range_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Difficulty(**wrong)


def test_files_need_a_labelled_round_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="at least 2 rounds"):
        write_course(tmp_path, n_rounds=1)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file: must be a folder that can be written"):
        write_course(tmp_path / "file", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


IMPORT_ALL = """
import importlib, pkgutil, sys

def visit(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.name != "anomaly_lab.ratings.synthetic":
            found = importlib.import_module(module.name)
            if module.ispkg:
                visit(found)

visit(importlib.import_module("anomaly_lab"))
print([name for name in sys.modules if name.startswith("anomaly_lab.ratings.synthetic")])
"""
IMPORT_COURSE = """
import sys, anomaly_lab.ratings.synthetic
rooms = {".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("anomaly_lab.")}
print(sorted(rooms - {"anomaly_lab.errors", "anomaly_lab.types", "anomaly_lab.ratings"}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [IMPORT_ALL, IMPORT_COURSE], ids=["lab knows no course", "course knows no lab"])
def test_no_detector_shares_a_generator_with_the_course(code):
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_kinds_of_the_course_are_not_those_that_detectors_train_on():
    assert not set(KINDS.values()) & {*RATING_KINDS, *ITEM_SETS}


def coarsened(one):
    batch = one.ratings
    levels = np.array([-1, -1, -1, 0, 1, 1])[batch.ratings]
    coarse = RatingBatch.from_rows(batch.user_ids[batch.users], batch.items, levels, scale=LIKES)
    return Round(coarse, type(one.labels).for_batch(coarse, batch.user_ids, one.labels.fake), one.name)


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["isolation-forest", "random-forest"])
def test_the_course_is_as_hard_as_real_rounds(data_dir, course, detector):
    files = [data_dir / f"course/stars/round{number}_labelled.npz" for number in (2, 3)]
    real = [coarsened(one) for one in read_rounds(files)]

    def auc(rounds):
        folds = Question(tuple(rounds), "next-round").folds()
        store = FeatureStore(DEFAULT_FAMILIES)
        return run(detector, MODELS.load(detector), {}, folds, store, seed=0, thresholds=False).metrics["auc"]

    assert auc(course[:3]) == pytest.approx(auc(real), abs=0.05)
