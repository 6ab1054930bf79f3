"""Every registered attack makes what an attack owes, on any scale; targeted ones move their target."""

from dataclasses import fields, replace

import numpy as np
import pytest
from attack_helpers import SCALES, source_of, sources
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.attacks.base import MINIMUM, load_attack, make_fakes
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.attacks.simulated import Constant
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError, ContractError, DataError
from anomaly_lab.ratings.scale import LIKES_WATCHED, STARS
from anomaly_lab.ratings.synthetic import KINDS
from anomaly_lab.registry import ATTACKS

LITERATURE = {
    "random",
    "average",
    "bandwagon",
    "reverse-bandwagon",
    "segment",
    "love-hate",
    "popular",
    "average-over-popular",
    "power-user",
}
TARGETED = [name for name in ATTACKS.entries() if hasattr(load_attack(name), "target")]


def settings_of(attack):
    return {item.name for item in fields(attack)}


def made(name, source, n_users=5, seed=0, **changes):
    attack = replace(load_attack(name), **changes)
    return make_fakes(name, attack, source, n_users, rng=np.random.default_rng(seed))


def test_every_rating_kind_the_hybrid_and_the_literature_are_registered():
    assert set(ATTACKS.built_in) == {*RATING_KINDS, "hybrid", *LITERATURE}
    assert set(TARGETED) >= LITERATURE


@pytest.mark.parametrize("name", ATTACKS.entries())
@settings(max_examples=25)
@given(source=sources, n_users=st.integers(1, 8), seed=st.integers(0, 99))
def test_fakes_have_the_right_shape_levels_and_number_of_ratings(name, source, n_users, seed):
    levels = load_attack(name).generate(source, n_users, rng=np.random.default_rng(seed))
    assert levels.shape == (n_users, source.levels.shape[1])
    assert levels.dtype == np.int8
    assert levels.min() >= -1
    assert levels.max() < source.scale.n_levels
    assert ((levels >= 0).sum(axis=1) >= MINIMUM).all()


@pytest.mark.parametrize("name", ATTACKS.entries())
def test_the_same_generator_gives_the_same_fakes_and_leaves_the_source_alone(name):
    source = source_of(LIKES_WATCHED)
    before = source.levels.copy()
    once, twice, other = (made(name, source, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, twice)
    assert (once != other).any()
    np.testing.assert_array_equal(source.levels, before)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.name)
@pytest.mark.parametrize("name", TARGETED)
def test_pushing_raises_the_targets_mean_and_nuking_lowers_it(name, scale):
    source = source_of(scale, seed=1)
    before = np.nanmean(source.values(source.levels)[:, 7])
    means = {}
    for intent in ("push", "nuke"):
        fakes = made(name, source, intent=intent, target=7)
        assert len(np.unique(fakes[:, 7])) == 1
        means[intent] = np.nanmean(source.values(np.vstack([source.levels, fakes]))[:, 7])
    assert means["nuke"] < before < means["push"]


@pytest.mark.parametrize("name", [name for name in TARGETED if "filler_size" in settings_of(load_attack(name))])
def test_the_filler_size_is_a_share_of_all_items(name):
    source = source_of(STARS, n_items=200)
    sizes = [(made(name, source, filler_size=size, target=0) >= 0).sum(axis=1) for size in (0.05, 0.15)]
    assert (sizes[1] - sizes[0] == 20).all()
    assert np.ptp((made(name, source_of(STARS, n_items=400, density=0.1), n_users=30) >= 0).sum(axis=1)) > 0


def levels_of(name, source, **changes):
    """What the fakes of an attack rate on items other than the target, 7."""
    fakes = np.delete(made(name, source, n_users=40, target=7, **changes), 7, axis=1)
    return fakes[fakes >= 0]


def test_profiles_of_the_literature_are_what_their_names_say():
    source = source_of(STARS, n_items=100)
    popular = np.argsort(-source.popularity, kind="stable")
    assert set(levels_of("love-hate", source)) == {5}
    assert set(levels_of("love-hate", source, intent="push")) == {0}
    assert set(levels_of("popular", source)) == {0, 1}
    assert set(levels_of("popular", source, intent="nuke")) == {4, 5}
    assert set(levels_of("segment", source)) == {0, 5}
    hits = made("bandwagon", source, target=popular[-1], selected_size=0.05)[:, popular[:5]]
    assert (hits == 5).all()
    disliked = popular[:50][np.argsort(source.item_means[popular[:50]])][:5]
    flops = made("reverse-bandwagon", source, target=popular[-1], selected_size=0.05)[:, disliked]
    assert (flops == 0).all()
    over_popular = made("average-over-popular", source, target=popular[0], n_users=40)
    assert not (over_popular[:, popular[20:]] >= 0).any()
    assert (made("random", source, n_users=40)[:, popular[20:]] >= 0).any()


def test_average_follows_item_means_and_random_does_not():
    rng = np.random.default_rng(0)
    quality = np.tile([0, 5], 50)
    levels = np.clip(quality + rng.integers(-1, 2, (60, 100)), 0, 5)
    source = Source(np.where(rng.random(levels.shape) < 0.5, levels, -1).astype(np.int8), STARS)

    def correlation(name):
        fakes = made(name, source, n_users=40)
        return np.corrcoef(fakes[fakes >= 0], np.broadcast_to(quality, fakes.shape)[fakes >= 0])[0, 1]

    assert correlation("average") > 0.7
    assert abs(correlation("random")) < 0.2


def test_power_users_are_copies_of_the_most_active():
    source = source_of(STARS)
    fakes = made("power-user", source, n_users=4, target=7)
    powerful = np.argsort(-source.lengths, kind="stable")[:4]
    others = np.arange(source.levels.shape[1]) != 7
    assert {row[others].tobytes() for row in fakes} == {source.levels[user][others].tobytes() for user in powerful}


def test_the_segment_is_what_the_targets_raters_rate():
    levels = np.full((40, 60), -1, dtype=np.int8)
    levels[:20, :30], levels[20:, 30:] = 3, 3
    fakes = made("segment", Source(levels, STARS), target=4, selected_size=0.2)
    selected = np.setdiff1d(np.flatnonzero((fakes == 5).all(axis=0)), [4])
    assert len(selected) == 12
    assert (selected < 30).all()


def test_a_level_of_unknown_value_is_no_number_and_no_target():
    source = source_of(LIKES_WATCHED)
    for name in TARGETED:
        assert set(made(name, source, target=7, intent="push")[:, 7]) == {2}
    assert 3 in made("random", source)
    assert 3 in made("average", source)


@pytest.mark.parametrize("items", ["copy", "hybrid", "popularity"])
def test_rating_kinds_go_on_any_item_set(items):
    fakes = Constant(items).generate(source_of(STARS), 5, rng=np.random.default_rng(0))
    assert all(len(set(row[row >= 0])) == 1 for row in fakes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("random", {"intent": "raise"}, "intent must be push or nuke, found 'raise'"),
        ("random", {"filler_size": 0.0}, r"filler_size must lie in \(0, 1\], found 0.0"),
        ("random", {"target": 30}, "target must be an item's position from 0 to 29, found 30"),
        ("bandwagon", {"selected_size": 2.0}, "selected_size must lie in"),
        ("popular", {"popular_share": 0.0}, "popular_share must lie in"),
        ("power-user", {"power_share": 0.0}, "power_share must lie in"),
        ("uniform", {"items": "moved"}, "items must be one of copy, hybrid, popularity, found 'moved'"),
    ],
)
def test_a_wrong_setting_is_refused(name, changes, message):
    with pytest.raises(ConfigError, match=message):
        made(name, source_of(STARS), **changes)


def test_real_users_with_too_few_ratings_are_no_source():
    levels = np.full((5, 9), -1, dtype=np.int8)
    levels[:, :2] = 1
    with pytest.raises(DataError, match="real users with at least 3 ratings, found no such user"):
        made("hybrid", Source(levels, STARS))


class Returns:
    def __init__(self, levels):
        self.levels = levels

    def generate(self, source, n_users, *, rng):
        return self.levels


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.zeros((1, 9), dtype=np.int8), r"must return int8 of shape \(2, 9\), found int8 of shape \(1, 9\)"),
        (np.zeros((2, 9)), "must return int8 .* found float64"),
        ([[0] * 9] * 2, "must return int8 .* found list"),
        (np.full((2, 9), 6, dtype=np.int8), "must return levels from -1 to 5, found 6 to 6"),
        (np.full((2, 9), -2, dtype=np.int8), "must return levels from -1 to 5, found -2 to -2"),
        (np.full((2, 9), -1, dtype=np.int8), "must give each fake at least 3 ratings, found 0"),
    ],
)
def test_an_attack_that_breaks_its_word_is_named(levels, message):
    source = source_of(STARS, n_items=9, n_users=5)
    with pytest.raises(ContractError, match=f"attack 'mine' {message}"):
        make_fakes("mine", Returns(levels), source, 2, rng=np.random.default_rng(0))


def test_no_attack_is_called_like_a_kind_of_the_embedded_course():
    assert not set(KINDS.values()) & set(ATTACKS.entries())
