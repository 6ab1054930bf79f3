"""Rounds taken in, handed out and closed: what is public says nothing of the labels until it is to."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.ratings.archives import round_arrays
from anomaly_lab.ratings.readers import read_rounds
from tracking.course.folder import CourseFolder
from tracking.course.leaks import check_leaks
from tracking.course.release import init_course, release_round
from tracking.course.standings import close_round


def labelled_file(path, one, ids=None, order=None):
    """Write a labelled round as an organiser has it."""
    arrays = round_arrays(one, one.ratings.user_ids if ids is None else ids, labels=True)
    if order is not None:
        arrays["X"] = arrays["X"][order]
    np.savez(path, **arrays)
    return path


def test_a_released_batch_is_sorted_and_holds_no_labels(new_course):
    course = new_course()
    with np.load(course.batch_file(course.rules.round("1"))) as file:
        assert file.files == ["X"]
        rows = file["X"]
    assert (np.lexsort(rows.T[::-1]) == np.arange(len(rows))).all()


def test_ids_are_new_run_on_and_can_be_undone(new_course, small_rounds):
    course = new_course(release=3)
    first = 0
    for number, one in enumerate(small_rounds, start=1):
        with np.load(course.batch_file(course.rules.round(str(number)))) as file:
            users = np.unique(file["X"][:, 0])
        assert users.tolist() == list(range(first, first + one.ratings.n_users))
        first += one.ratings.n_users
        table = pd.read_csv(course.path / "private" / f"round{number}_ids.csv")
        assert sorted(table["original"]) == sorted(one.ratings.user_ids)
        truth = course.truth(course.rules.round(str(number)))
        back = dict(zip(table["released"], table["original"], strict=True))
        kept = dict(zip(one.ratings.user_ids, one.labels.fake, strict=True))
        pairs = zip(truth.ratings.user_ids, truth.labels.fake, strict=True)
        assert all(kept[back[user]] == fake for user, fake in pairs)
        assert truth.ratings.digest == one.ratings.digest


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_the_order_of_the_organisers_rows_leaves_no_trace(tmp_path_factory, small_rounds, seed):
    folder = tmp_path_factory.mktemp("order")
    one = small_rounds[0]
    order = np.random.default_rng(seed).permutation(one.ratings.n_rows)
    made = []
    for name, rows in (("sorted", None), ("shuffled", order)):
        file = labelled_file(folder / "round.npz", one, order=rows)
        course = init_course(folder / name, read_rounds([file], require_labels=True), seed=seed)
        made.append((course.path / "private" / "round1.npz").read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", ["late", "early", "blocks"])
def test_ids_that_tell_the_labels_are_refused(tmp_path, small_rounds, kind):
    one = small_rounds[0]
    fake = one.labels.fake
    place = {"late": fake, "early": -fake, "blocks": np.where(fake == 1, 0, np.arange(len(fake)) % 2 * 2 - 1)}[kind]
    ids = np.argsort(np.argsort(place + np.random.default_rng(0).random(len(fake)) / 2))
    file = labelled_file(tmp_path / "told.npz", one, ids=ids)
    with pytest.raises(DataError, match=r"told\.npz: (user ids|row order) must say nothing of the labels") as told:
        init_course(tmp_path / "course", read_rounds([file], require_labels=True), keep_ids=True)
    assert "permute the ids" in str(told.value) or "sort them" in str(told.value)
    assert not (tmp_path / "course").exists()
    assert init_course(tmp_path / "course", read_rounds([file], require_labels=True)).rules


def test_harmless_ids_may_be_kept(tmp_path, small_rounds):
    one = small_rounds[0]
    ids = 500 + np.random.default_rng(3).permutation(one.ratings.n_users)
    file = labelled_file(tmp_path / "kept.npz", one, ids=ids)
    course = init_course(tmp_path / "course", read_rounds([file], require_labels=True), keep_ids=True)
    assert sorted(course.truth(course.rules.round("1")).ratings.user_ids) == sorted(ids)


def test_a_file_whose_rows_tell_the_labels_is_refused(new_course, tmp_path):
    course = new_course(release=0)
    truth = course.truth(course.rules.round("1"))
    arrays = round_arrays(truth, truth.ratings.user_ids, labels=True)
    fake = dict(arrays["y"].tolist())
    rows = arrays["X"]
    fakes_last = rows[np.argsort([fake[user] for user in rows[:, 0]], kind="stable")]
    own = tmp_path / "own.npz"
    np.savez(own, X=fakes_last)
    with pytest.raises(DataError, match=r"own\.npz: row order must say nothing .* generated users come late"):
        release_round(course, "1", own)
    swapped = rows.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    np.savez(own, X=swapped)
    with pytest.raises(DataError, match="rows must be sorted by user, item and rating, found row 0"):
        release_round(course, "1", own)
    assert not course.is_released(course.rules.round("1"))
    np.savez(own, X=rows)
    assert release_round(course, "1", own).read_bytes() == own.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays, "must hold no labels"),
        (lambda arrays: {"X": arrays["X"][:-1]}, "must hold the users and ratings of"),
        (lambda arrays: {"X": arrays["X"] + [7, 0, 0]}, "must hold the users and ratings of"),
    ],
)
def test_a_file_of_another_round_or_with_labels_is_refused(new_course, tmp_path, change, message):
    course = new_course(release=0)
    truth = course.truth(course.rules.round("1"))
    np.savez(tmp_path / "own.npz", **change(round_arrays(truth, truth.ratings.user_ids, labels=True)))
    with pytest.raises(DataError, match=message):
        release_round(course, "1", tmp_path / "own.npz")
    assert not course.is_released(course.rules.round("1"))


def test_a_round_is_released_once(new_course):
    with pytest.raises(ConfigError, match="teams have it"):
        release_round(new_course(), "1")


def test_closing_publishes_the_labels_and_waits_for_the_deadline(new_course):
    course = new_course()
    one = course.rules.round("1")
    with pytest.raises(ConfigError, match="must have reached its deadline, 2026-12-02 12:00 UTC"):
        close_round(course, "1", now=one.deadline - timedelta(seconds=1))
    assert not course.is_closed(one)
    close_round(course, "1", now=one.deadline)
    with np.load(course.labels_file(one)) as public, np.load(course.truth_file(one)) as private:
        assert sorted(public.files) == sorted(private.files)
        assert all((public[key] == private[key]).all() for key in private.files)
    with pytest.raises(ConfigError, match="found it closed"):
        close_round(course, "1", early=True)
    with pytest.raises(ConfigError, match="found it not released"):
        close_round(course, "2", early=True)


def test_a_folder_takes_one_course(new_course, small_rounds):
    course = new_course()
    with pytest.raises(ConfigError, match="must hold no course yet"):
        init_course(course.path, small_rounds)
    assert CourseFolder.open(course.path).rules == course.rules


@given(seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_random_ids_are_hardly_ever_refused(seed):
    rng = np.random.default_rng(seed)
    users = np.arange(300)
    rows = np.column_stack([np.repeat(users, 2), np.tile([1, 2], 300), np.ones(600, dtype=int)])
    fake = np.zeros(300, dtype=int)
    fake[rng.permutation(300)[:30]] = 1
    try:
        check_leaks("random.npz", rows, users, fake)
    except DataError:
        told = fake[np.argsort(users)]
        assert abs(np.flatnonzero(told).mean() - 149.5) > 40
