"""Attacks at a filler size: each fake rates that share of the items, and keeps what makes it an attack."""

import numpy as np
import pytest
from attack_helpers import source_of

from anomaly_lab.attacks.base import load_attack
from anomaly_lab.attacks.sized import sized_fakes
from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.scale import STARS
from anomaly_lab.registry import ATTACKS

N_ITEMS = 200


@pytest.fixture(scope="module")
def source():
    return source_of(STARS, n_users=80, n_items=N_ITEMS, density=0.15)


def made(name, source, sizes, seed=0):
    return sized_fakes(name, load_attack(name), source, np.asarray(sizes), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("name", ATTACKS.built_in)
def test_every_attack_has_the_filler_size_that_is_asked(name, source):
    fakes = made(name, source, np.full(12, 0.05))
    rated = fakes >= 0
    own = rated.all(axis=0).sum()
    lengths = rated.sum(axis=1) - own
    assert len(fakes) == 12
    assert lengths.max() <= 10
    assert np.median(lengths) >= 8


def test_the_target_and_selected_items_stay(source):
    fakes = made("bandwagon", source, np.full(6, 0.05))
    attack = load_attack("bandwagon")
    whole = (fakes >= 0).all(axis=0)
    selected = attack.order(source, 0)[:2]
    assert whole[selected].all()
    assert whole.sum() >= 3, "two selected items and a target"


def test_sizes_may_differ_between_fakes(source):
    lengths = (made("random", source, [0.02, 0.3, 0.1]) >= 0).sum(axis=1)
    assert lengths.tolist() == [61, 21, 5], "fillers and the target, the longest first"


def test_who_copies_real_users_is_no_longer_than_they_are(source):
    fakes = made("power-user", source, np.full(5, 0.9))
    assert (fakes >= 0).sum(axis=1).max() <= source.lengths.max() + 1
    assert (fakes >= 0).sum(axis=1).min() >= np.sort(source.lengths)[-8]
    assert len(np.unique(fakes, axis=0)) == 5, "none twice while there are others"


def test_the_same_seed_makes_the_same_fakes(source):
    one, same, other = (made("hybrid", source, np.full(4, 0.06), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("size", [0.0, 1.5])
def test_a_filler_size_that_is_no_share_is_told(size, source):
    with pytest.raises(ConfigError, match=r"filler_size must lie in \(0, 1\]"):
        made("hybrid", source, [0.1, size])
