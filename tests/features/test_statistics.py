"""Twenty statistics a user by compiled loops, held against the families that define them."""

import subprocess
import sys

import numpy as np
import pytest

from anomaly_lab.errors import DataError
from anomaly_lab.features import statistics
from anomaly_lab.features.agreement import agreement
from anomaly_lab.features.likelihood import likelihood
from anomaly_lab.features.popularity import popularity
from anomaly_lab.features.profile import profile
from anomaly_lab.features.statistics import group_ratings, grouped_statistics, user_statistics
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.scale import HALF_STARS, LIKES_WATCHED, STARS

IN_FAMILIES = {
    profile: ["mean", "std", "skewness", "kurtosis", "entropy", "top_share", "extreme_share"],
    agreement: ["mad", "rms", "bias", "centred_rms", "rms_ratio", "rdma", "correlation", "slope"],
    popularity: {"popularity": "mean_log", "popularity_std": "std_log", "liked": "liked_mean"},
    likelihood: {"likelihood": "mean"},
}
"""Which of their columns the statistics repeat; a mapping where they are called otherwise."""
N_USERS, N_ITEMS = 60, 40


def draw(scale, seed=0):
    """Return codes of distinct (user, item) pairs in any order, every user and item among them."""
    rng = np.random.default_rng(seed)
    cells = np.union1d(rng.choice(N_USERS * N_ITEMS, 500, replace=False), np.arange(N_USERS) * (N_ITEMS + 1) % 2400)
    cells = rng.permutation(np.union1d(cells, np.arange(N_ITEMS)))
    ratings = rng.integers(0, scale.n_levels, len(cells))
    return tuple(column.astype(np.int32) for column in (cells // N_ITEMS, cells % N_ITEMS, ratings))


def describe(columns, scale=STARS):
    return user_statistics(*columns, n_users=N_USERS, n_items=N_ITEMS, scale=scale)


@pytest.mark.parametrize("scale", [STARS, HALF_STARS], ids=str)
def test_statistics_are_the_families_columns(scale):
    users, items, ratings = draw(scale)
    found = describe((users, items, ratings), scale)
    batch = RatingBatch.from_rows(users, items, np.asarray(scale.levels)[ratings], scale=scale)
    compared = ["count"]
    np.testing.assert_array_equal(found["count"], np.bincount(users, minlength=N_USERS))
    for family, shared in IN_FAMILIES.items():
        columns = family(batch, batch)
        names = shared if isinstance(shared, dict) else dict(zip(shared, shared, strict=True))
        for mine, theirs in names.items():
            np.testing.assert_allclose(found[mine][batch.user_ids], columns[theirs], rtol=1e-9, atol=1e-9, err_msg=mine)
        compared += names
    assert sorted(compared) == sorted(found)
    assert len(found) == 20


def test_grouping_first_changes_nothing():
    columns = draw(STARS)
    ratings = group_ratings(*columns, n_users=N_USERS, n_items=N_ITEMS, scale=STARS)
    raw = describe(columns)
    for name, column in grouped_statistics(ratings).items():
        np.testing.assert_allclose(column, raw[name], rtol=1e-12, err_msg=name)


def test_order_of_rows_does_not_matter():
    columns = draw(STARS)
    shuffled = np.random.default_rng(1).permutation(len(columns[0]))
    again = describe([column[shuffled] for column in columns])
    for name, column in describe(columns).items():
        np.testing.assert_allclose(again[name], column, rtol=1e-9, atol=1e-9, err_msg=name)


def test_blocks_of_users_change_nothing(monkeypatch):
    columns = draw(STARS)
    whole = describe(columns)
    monkeypatch.setattr(statistics, "USERS_IN_CACHE", 10)
    monkeypatch.setattr(statistics, "USERS_IN_BLOCK", 8)
    monkeypatch.setattr(statistics, "ROWS_AT_ONCE", 100)
    for name, column in describe(columns).items():
        np.testing.assert_array_equal(column, whole[name], err_msg=name)


def test_user_without_ratings_has_finite_statistics():
    found = user_statistics(*(np.array([0], dtype=np.int32),) * 3, n_users=2, n_items=3, scale=STARS)
    assert found["count"].tolist() == [1, 0]
    assert found["mean"].tolist() == [0, 0.5]
    assert found["rms"][1] == found["bias"][1] == found["entropy"][1] == 0
    assert all(np.isfinite(column).all() for column in found.values())


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("code", [-1, 1_000])
def test_code_out_of_range_is_named(column, code):
    columns = draw(STARS)
    columns[column][7] = code
    with pytest.raises(DataError, match=rf"found .*{code}.* in row 7"):
        describe(columns)
    with pytest.raises(DataError, match="in row 7"):
        group_ratings(*columns, n_users=N_USERS, n_items=N_ITEMS, scale=STARS)


def test_columns_of_different_length_are_refused():
    users, items, ratings = draw(STARS)
    with pytest.raises(DataError, match="one length"):
        describe((users[:-1], items, ratings))


def test_scale_with_an_unknown_level_is_refused():
    with pytest.raises(DataError, match="unknown level"):
        describe(draw(LIKES_WATCHED), LIKES_WATCHED)


def test_command_line_starts_without_numba():
    code = "import sys, experiments.cli, anomaly_lab.features.statistics; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
