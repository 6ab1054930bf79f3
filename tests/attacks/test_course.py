"""A simulated course: who is in it, how its kinds change, and what must not give the fakes away."""

from itertools import pairwise

import numpy as np
import pytest
from attack_helpers import SCALES, source_of, sources
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anomaly_lab.attacks.base import MINIMUM, load_attack
from anomaly_lab.attacks.course import DONOR_SHARE, camouflage, simulate_course
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.scale import LIKES_WATCHED, STARS
from anomaly_lab.registry import ATTACKS


def log_of(scale=STARS, *, n_users=160, n_items=60, seed=0, order=None, names=None):
    """Ratings of genuine users; some rate an item twice."""
    one = random_round(scale, seed=seed, n_users=n_users, n_items=n_items, n_fakes=0)
    order = np.arange(len(one.users)) if order is None else order(len(one.users))
    users = one.users if names is None else names(n_users)[one.users]
    return RatingBatch.from_rows(users[order], one.items[order], one.ratings[order], scale=scale)


@pytest.fixture(scope="module")
def course():
    return simulate_course(log_of())


def kinds_of(course):
    return [set(course.n_fakes(one)) for one in course.rounds]


def profiles(batch, users, items):
    """The profiles of some users, `items` being the place of each item."""
    table = np.full((batch.n_users, 60), -1)
    table[batch.users, items[batch.items]] = batch.ratings
    return [row.tobytes() for row in table[users]]


def test_genuine_users_are_those_of_the_log_each_in_one_round_at_most(course):
    log = log_of()
    dealt = [one for rnd in course.rounds for one in profiles(rnd.ratings, rnd.labels.fake == 0, rnd.ratings.item_ids)]
    assert len(set(dealt)) == len(dealt) == round((1 - DONOR_SHARE) * log.n_users)
    assert set(dealt) <= set(profiles(log, np.ones(log.n_users, dtype=bool), np.arange(log.n_items)))


def test_fakes_are_made_from_users_who_are_in_no_round_each_round_from_its_own():
    course = simulate_course(log_of(), difficulty=1 - 1e-9)
    people, sources = [], []
    for one in course.rounds:
        for found, fake in ((people, 0), (sources, 1)):
            found.append(set(profiles(one.ratings, one.labels.fake == fake, one.ratings.item_ids)))
    assert not set.union(*people) & set.union(*sources)
    assert len(set.union(*sources)) == sum(map(len, sources))
    log = log_of()
    assert set.union(*sources) <= set(profiles(log, np.ones(log.n_users, dtype=bool), np.arange(log.n_items)))


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_each_round_has_its_share_of_fakes(share):
    for one in simulate_course(log_of(), fake_share=share).rounds:
        assert one.labels.n_fake / one.ratings.n_users == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_each_round_adds_kinds_and_the_last_has_some_that_no_earlier_round_shows(seed):
    course = simulate_course(log_of(), n_rounds=3, seed=seed)
    for number, (earlier, later) in enumerate(pairwise(kinds_of(course)), start=1):
        assert later - set().union(*kinds_of(course)[:number])
        assert later & earlier
    assert set(course.attacks) <= set(ATTACKS.built_in)


def test_kinds_differ_from_seed_to_seed():
    assert len({simulate_course(log_of(), seed=seed).attacks for seed in range(5)}) == 5


def test_named_attacks_come_in_the_order_given():
    course = simulate_course(log_of(), n_rounds=2, attacks=["uniform", "hybrid", "love-hate"])
    assert kinds_of(course) == [{"uniform", "hybrid"}, {"uniform", "hybrid", "love-hate"}]
    assert course.n_fakes(course.rounds[1])["love-hate"] == round(course.rounds[1].labels.n_fake / 2)


def test_ids_say_nothing_about_labels():
    log = log_of(n_users=80)
    rounds = [one for seed in range(20) for one in simulate_course(log, n_rounds=2, seed=seed).rounds]
    aucs = [roc_auc_score(one.labels.fake, one.ratings.user_ids) for one in rounds]
    assert abs(np.mean(aucs) - 0.5) < 5 * np.std(aucs) / np.sqrt(len(aucs))
    assert np.std(aucs) > 0.02


def test_ids_run_on_from_round_to_round(course):
    ids = [np.sort(one.ratings.user_ids) for one in course.rounds]
    np.testing.assert_array_equal(np.concatenate(ids), np.arange(sum(map(len, ids))))


def test_the_same_seed_gives_the_same_course_whatever_users_are_called_and_rows_ordered():
    rng = np.random.default_rng(5)
    other = log_of(order=rng.permutation, names=lambda n: rng.permutation(n) + 1000)
    for one, two in zip(simulate_course(log_of()).rounds, simulate_course(other).rounds, strict=True):
        assert one.ratings.digest == two.ratings.digest
        np.testing.assert_array_equal(one.ratings.user_ids, two.ratings.user_ids)
        np.testing.assert_array_equal(one.labels.kinds, two.labels.kinds)


def test_repeated_ratings_and_times_do_not_give_genuine_users_away():
    log = log_of()
    twice = np.repeat(np.arange(log.n_rows), 2)
    repeated = RatingBatch.from_rows(
        log.users[twice], log.items[twice], log.ratings[twice], scale=STARS, timestamps=np.arange(len(twice))
    )
    for one in simulate_course(repeated, n_rounds=2).rounds:
        assert one.ratings.timestamps is None
        assert not ((np.diff(one.ratings.users) == 0) & (np.diff(one.ratings.items) == 0)).any()


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
def test_a_course_on_any_scale(scale):
    course = simulate_course(log_of(scale), n_rounds=2, attacks=list(ATTACKS.built_in), fake_share=0.3)
    for one in course.rounds:
        assert one.ratings.scale == scale
        assert (np.diff(one.ratings.indptr)[one.labels.fake == 1] >= MINIMUM).all()


@pytest.mark.parametrize("attack", ["love-hate", "constant"])
def test_the_more_difficult_the_closer_fakes_are_to_genuine_users(attack):
    def distance(difficulty):
        one = simulate_course(log_of(), n_rounds=2, attacks=[attack, "hybrid"], difficulty=difficulty).rounds[0]
        fake = one.labels.fake[one.ratings.users] == 1
        shares = [np.bincount(one.ratings.ratings[rows], minlength=6) / rows.sum() for rows in (fake, ~fake)]
        spreads = [np.mean([np.ptp(rows) for rows in per_user(one, who)]) for who in (1, 0)]
        return np.abs(shares[0] - shares[1]).sum() + abs(spreads[0] - spreads[1])

    def per_user(one, who):
        return [
            one.ratings.ratings[one.ratings.users == user] for user in np.flatnonzero(one.labels.fake == who).tolist()
        ]

    far, nearer, near = (distance(difficulty) for difficulty in (0.0, 0.5, 0.95))
    assert far > nearer > near


@given(source=sources, difficulty=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_camouflage_takes_each_item_from_the_attack_or_from_one_genuine_user(source, difficulty, seed):
    fakes = load_attack("random").generate(source, 4, rng=np.random.default_rng(seed))
    mixed = camouflage(fakes, source, difficulty, np.random.default_rng(seed))
    assert ((mixed >= 0).sum(axis=1) >= MINIMUM).all()
    for row, fake in zip(mixed, fakes, strict=True):
        assert ((row == fake) | (row == source.levels)).all(axis=1).any()


def test_without_difficulty_fakes_are_pure_and_with_nearly_all_of_it_genuine():
    source = source_of(STARS)
    fakes = load_attack("random").generate(source, 6, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(camouflage(fakes, source, 0.0, np.random.default_rng(0)), fakes)
    hidden = camouflage(fakes, source, 1 - 1e-9, np.random.default_rng(0))
    assert {row.tobytes() for row in hidden} <= {row.tobytes() for row in source.levels}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_rounds": 1}, ConfigError, "at least 2 rounds, the last one unlabelled, found 1"),
        ({"n_rounds": 9}, DataError, "at least 180 genuine users with 3 or more ratings, found 160; ask for fewer"),
        ({"difficulty": 1.0}, ConfigError, r"difficulty must lie in \[0, 1\), found 1.0"),
        ({"difficulty": float("nan")}, ConfigError, "difficulty must lie in"),
        ({"fake_share": 0.0}, ConfigError, "the share of fakes must lie in"),
        ({"fake_share": 0.6}, ConfigError, "the share of fakes must lie in"),
        ({"fake_share": 0.02}, ConfigError, "round 1 must have a fake of each of its 2 new attacks, found 1 fakes"),
        ({"seed": -1}, ConfigError, "seed must be 0 or more, found -1"),
        ({"attacks": ["hybrids", "uniform"]}, ConfigError, "there is no attack 'hybrids'; did you mean hybrid?"),
        ({"attacks": ["hybrid", "hybrid"], "n_rounds": 2}, ConfigError, "each attack must be named once"),
        ({"attacks": ["hybrid"]}, ConfigError, "4 rounds must have 4 to 127 attacks, at least one new one each, found"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line(settings, error, message):
    with pytest.raises(error, match=message) as caught:
        simulate_course(log_of(), **settings)
    assert "\n" not in str(caught.value)


def test_users_with_fewer_ratings_than_any_fake_are_left_out():
    log = log_of()
    lone = RatingBatch.from_rows(
        np.append(log.user_ids[log.users], 1000 + np.arange(100)),
        np.append(log.items, np.zeros(100, dtype=int)),
        np.append(log.ratings, np.zeros(100)),
        scale=STARS,
    )
    for one in simulate_course(lone).rounds:
        assert np.diff(one.ratings.indptr).min() >= MINIMUM


def test_a_log_of_users_with_too_few_ratings_is_refused():
    users, items = np.divmod(np.arange(160), 2)
    log = RatingBatch.from_rows(users, items, np.ones(160), scale=LIKES_WATCHED)
    with pytest.raises(DataError, match="at least 40 genuine users with 3 or more ratings, found 0"):
        simulate_course(log, n_rounds=2)
