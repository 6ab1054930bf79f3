"""Features follow what users rated and which labels are visible: nothing else, and never the user's own ratings."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.errors import ContractError
from anomaly_lab.features.extract import cross_fit
from anomaly_lab.random_folds import fold_of, plain_fold
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import LIKES, LIKES_WATCHED, STARS
from anomaly_lab.registry import FEATURES

FAMILIES = list(FEATURES.built_in)
SCALES = st.sampled_from([STARS, LIKES, LIKES_WATCHED])


def by_user(fold, family):
    """Return a family's features of every user by (round, id), as the files name them."""
    joint = fold.pool
    ids = [joint.batches[b].user_ids[r] for b, r in zip(joint.batch_of, joint.row_of, strict=True)]
    features = cross_fit(joint, fold.visible, family)
    index = pd.MultiIndex.from_arrays([joint.batch_of, ids])
    return pd.DataFrame(features.matrix, index=index, columns=features.names).sort_index()


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8)
@given(scale=SCALES, seed=st.integers(0, 2**16))
def test_neither_row_order_nor_names_of_users_change_a_bit(family, scale, seed):
    rng = np.random.default_rng(seed)
    rounds = [random_round(scale, seed=seed + k, n_users=30, n_items=12, n_fakes=6) for k in (0, 1)]
    ids = [rng.permutation(1000)[:30] for _ in rounds]
    shuffled = [one.read(order=rng.permutation(len(one.users)), ids=i) for one, i in zip(rounds, ids, strict=True)]
    found = by_user(fold_of(*shuffled), family)
    expected = by_user(fold_of(*(one.read() for one in rounds)), family)
    for number in (0, 1):
        np.testing.assert_array_equal(found.loc[number].loc[ids[number]], expected.loc[number])


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=5)
@given(scale=SCALES, seed=st.integers(0, 2**16))
def test_hidden_labels_do_not_change_a_bit(family, scale, seed):
    first, second = (random_round(scale, seed=seed + k, n_users=30, n_items=12, n_fakes=6) for k in (0, 1))
    flipped = replace(second, fake=1 - second.fake)
    pd.testing.assert_frame_equal(
        by_user(fold_of(first.read(), flipped.read()), family),
        by_user(fold_of(first.read(), second.read()), family),
        check_exact=True,
    )


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "profile"])
def test_visible_labels_do_change_the_features(family):
    first, second = random_round(seed=0).read(), random_round(seed=1).read()
    fold = fold_of(first, second)
    unlabelled = replace(fold, visible=np.full_like(fold.visible, -1))
    assert (by_user(fold, family) != by_user(unlabelled, family)).to_numpy().any()


SPY = '''
import numpy as np
def spy(users, reference):
    """Say who the reference users are."""
    mine = {tuple(profile) for profile in users.profiles}
    themselves = sum(tuple(profile) in mine for profile in reference.profiles)
    whole = np.ones(users.n_users)
    return {"themselves": themselves * whole, "n_reference": reference.n_users * whole}
'''


def register_family(folder, monkeypatch, code, **names):
    """Write a module of feature families and register them as an installed distribution would."""
    (folder / "families_of_a_test-1.0.dist-info").mkdir()
    (folder / "families_of_a_test-1.0.dist-info" / "METADATA").write_text("Name: families-of-a-test\nVersion: 1.0\n")
    lines = ["[anomaly_lab.features]", *(f"{name} = families_of_a_test:{target}" for name, target in names.items())]
    (folder / "families_of_a_test-1.0.dist-info" / "entry_points.txt").write_text("\n".join(lines))
    (folder / "families_of_a_test.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "families_of_a_test", raising=False)


def test_no_user_is_described_beside_itself_or_its_double_or_a_known_fake(tmp_path, monkeypatch):
    register_family(tmp_path, monkeypatch, SPY, spy="spy")
    first = random_round(seed=0)
    fold = fold_of(first.read("first"), random_round(seed=1).read("second"))
    twice = pool([*fold.pool.batches, replace(fold.pool.batches[0], source="a copy under other ids")])
    visible = np.full(twice.n_users, -1)
    visible[twice.positions(0)] = first.fake[fold.pool.batches[0].user_ids]
    features = cross_fit(twice, visible, "spy")
    columns = dict(zip(features.names, features.matrix.T, strict=True))
    assert not columns["spy:themselves"].any()
    sizes = np.unique(columns["spy:n_reference"])
    assert 3 * (twice.n_users - first.fake.sum()) == sum(sizes)  # four folds, each user a reference user of three


BAD_FAMILIES = """
import numpy as np
def short(users, reference):
    return {"a": np.zeros(users.n_users + 1)}
def infinite(users, reference):
    return {"a": np.full(users.n_users, np.inf)}
def fickle(users, reference):
    return {str(users.n_users): np.zeros(users.n_users)}
"""


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("short", "feature family 'short', column 'a' must have shape"),
        ("infinite", "feature family 'infinite', column 'a' must be finite"),
        ("fickle", "feature family 'fickle' must return the same columns for every fold"),
    ],
)
def test_a_family_that_breaks_its_contract_is_named(tmp_path, monkeypatch, family, message):
    register_family(tmp_path, monkeypatch, BAD_FAMILIES, **{family: family})
    fold = plain_fold()
    with pytest.raises(ContractError, match=message):
        cross_fit(fold.pool, fold.visible, family)


PER_CAPITA = ("profile", "agreement", "popularity", "likelihood", "seed")
"""Families of counts per reference user; the others compare users with single users, whose doubles are two."""

TOLERANCE = 0.15
"""Mean change in standard deviations of a column; what remains is smoothing, lighter in a larger population."""


def change_when_doubled(batch, family):
    """Return by how many standard deviations each column changes, in the mean, when every user stands twice."""
    alone, doubled = pool([batch]), pool([batch, batch])
    before = cross_fit(alone, np.full(alone.n_users, -1), family)
    after = cross_fit(doubled, np.full(doubled.n_users, -1), family)
    before_rows = before.matrix[alone.positions(0)]
    after_rows = after.matrix[doubled.positions(0)]
    spread = before_rows.std(axis=0)
    return pd.Series(np.abs(after_rows - before_rows).mean(axis=0) / np.where(spread > 1e-6, spread, 1), before.names)


@pytest.mark.parametrize("family", PER_CAPITA)
def test_doubling_the_population_hardly_changes_a_feature(family):
    batch = random_round(seed=0, n_users=400, n_items=40, n_fakes=200).read().ratings
    assert change_when_doubled(batch, family).max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("family", PER_CAPITA)
def test_doubling_a_real_round_hardly_changes_a_feature(family, data_dir):
    (real,) = read_rounds([data_dir / "course" / "stars" / "round2_labelled.npz"], require_labels=True)
    assert change_when_doubled(real.ratings, family).max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_real_round_with_rows_shuffled_and_users_renamed_gives_the_same_bits(family, data_dir):
    with np.load(data_dir / "course" / "stars" / "round2_labelled.npz") as file:
        X, y = file["X"], file["y"]
    fake = np.empty(len(y), dtype=np.int64)
    users, positions = np.unique(y[:, 0], return_inverse=True)
    fake[positions] = y[:, 1] > 0
    real = replace(
        random_round(), users=np.searchsorted(users, X[:, 0]), items=X[:, 1], ratings=X[:, 2].astype(float), fake=fake
    )
    rng = np.random.default_rng(0)
    ids, order = rng.permutation(10**6)[: len(users)], rng.permutation(len(X))
    other = random_round(seed=1).read()
    found = by_user(fold_of(real.read(order=order, ids=ids), other), family)
    expected = by_user(fold_of(real.read(), other), family)
    np.testing.assert_array_equal(found.loc[0].loc[ids], expected.loc[0])
