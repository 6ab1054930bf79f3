"""A table of users from a log in one file or in parts: the same numbers, one line for each mistake."""

import json

import numpy as np
import pandas as pd
import pytest
from lab_helpers import refused

from anomaly_lab.errors import DataError
from anomaly_lab.features.extract import cross_fit
from anomaly_lab.features.part_families import FROM_SUMS
from anomaly_lab.features.statistics import user_statistics
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.readers import read_round
from anomaly_lab.ratings.scale import parse_scale
from experiments.log_parts import PartFile, PartsHere
from experiments.user_table import describe_log

STARS = parse_scale("1,2,3,4,5")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    pairs = np.sort(rng.choice(90 * 40, 1500, replace=False))
    return pd.DataFrame({"user": pairs // 40, "item": pairs % 40, "rating": rng.integers(1, 6, len(pairs))})


@pytest.fixture
def whole(rows, tmp_path):
    path = tmp_path / "whole.csv"
    rows.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def in_parts(rows, number_of, tmp_path):
    paths = [tmp_path / f"part{number}.csv" for number in np.unique(number_of)]
    for number, path in enumerate(paths):
        rows[number_of == number].to_csv(path, index=False)
    return paths


@pytest.fixture
def statistics(cli, tmp_path):
    def run(*words):
        out = tmp_path / "users.parquet"
        ran = cli("statistics", *words, "--out", out, "--scale", "1,2,3,4,5")
        assert ran.code == 0, ran.err
        return pd.read_parquet(out)

    return run


def test_a_log_is_described_as_its_columns_are(statistics, whole):
    table = statistics(whole)
    batch = read_round(whole, scale=STARS).ratings
    columns = batch.users, batch.items, batch.ratings
    wanted = user_statistics(*columns, n_users=batch.n_users, n_items=batch.n_items, scale=batch.scale)
    assert table["user"].tolist() == sorted(batch.user_ids.tolist())
    for name, column in wanted.items():
        np.testing.assert_allclose(table[name], column[batch.ascending], rtol=1e-9, atol=1e-12, err_msg=name)


def test_parts_that_hold_whole_users_give_the_same_bits(statistics, rows, whole, tmp_path):
    parts = in_parts(rows, rows["user"].to_numpy() % 3, tmp_path)
    assert statistics(*parts[::-1]).equals(statistics(whole))


def test_a_user_may_lie_in_several_parts(statistics, rows, whole, tmp_path):
    parts = in_parts(rows, np.arange(len(rows)) % 3, tmp_path)
    pd.testing.assert_frame_equal(statistics(*parts), statistics(whole), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("whole_users", [True, False], ids=["whole users", "users in several parts"])
def test_families_of_parts_are_those_that_detectors_see(statistics, rows, whole, tmp_path, whole_users):
    parts = in_parts(rows, (rows["user"].to_numpy() if whole_users else np.arange(len(rows))) % 3, tmp_path)
    found = statistics(*parts, "--families", ",".join(FROM_SUMS))
    everyone = pool([read_round(whole, scale=STARS).ratings])
    order = np.argsort(everyone.batches[0].user_ids[everyone.row_of])
    names = []
    for family in FROM_SUMS:
        wanted = cross_fit(everyone, np.full(everyone.n_users, -1), family)
        np.testing.assert_allclose(found[list(wanted.names)], wanted.matrix[order], rtol=1e-5, atol=1e-6)
        names += wanted.names
    assert found["user"].tolist() == sorted(rows["user"].unique())
    assert found.columns.tolist() == ["user", *names]


def test_families_of_users_in_several_parts_are_those_of_whole_users(statistics, rows, whole, tmp_path):
    named = rows.assign(user="u" + rows["user"].astype(str), item="i" + rows["item"].astype(str))
    parts = in_parts(named, np.arange(len(rows)) % 4, tmp_path)
    named.to_csv(whole, index=False)
    families = ["--families", "profile,popularity"]
    assert statistics(*parts, *families).equals(statistics(whole, *families))


def test_families_take_ratings_of_unknown_value(cli, rows, tmp_path):
    path, out = tmp_path / "watched.csv", tmp_path / "users.csv"
    rows.assign(rating=rows["rating"].map({1: -10, 2: 0, 3: 0, 4: 10, 5: 1})).to_csv(path, index=False)
    told = ["--out", out, "--scale", "likes-watched"]
    assert cli("statistics", path, *told, "--families", "profile").code == 0
    assert np.isfinite(pd.read_csv(out)).all(axis=None)


def test_the_scale_is_that_of_all_parts_together(cli, rows, tmp_path):
    parts = in_parts(rows, (rows["rating"].to_numpy() > 3).astype(int), tmp_path)
    out = tmp_path / "users.csv"
    ran = cli("statistics", *parts, "--out", out, "--json")
    found = json.loads(ran.out)
    assert {name: found[name] for name in ("users", "ratings", "parts")} == {"users": 90, "ratings": 1500, "parts": 2}
    assert pd.read_csv(out)["top_share"].max() < 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "users.xlsx"], "--out must end in .parquet or .csv, found '.xlsx'"),
        (["--executor", "threads"], "--executor must be serial or dask, found 'threads'"),
        (["--scale", "likes-watched"], "statistics need a number for each rating"),
        (["--families", "neighbours"], "found 'neighbours', which compares users with users"),
        (["--families", "profile,absent"], "there is no feature family 'absent'"),
        (["--families", "profile,profile"], "found 'profile' twice"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(cli, whole, tmp_path, words, message):
    refused(cli("statistics", whole, "--out", tmp_path / "users.csv", *words), message)
    assert not (tmp_path / "users.csv").exists()


def test_a_scale_that_cannot_be_inferred_is_said_of_its_files(cli, rows, tmp_path):
    path = tmp_path / "odd.csv"
    rows.assign(rating=rows["rating"] * 0.37).to_csv(path, index=False)
    refused(cli("statistics", path, "--out", tmp_path / "users.csv"), path, "--scale")


def test_parts_must_be_others_and_call_users_alike(cli, rows, whole, tmp_path):
    out = ["--out", tmp_path / "users.csv"]
    refused(cli("statistics", whole, whole, *out), "a part of a log must be given once, found")
    named = tmp_path / "named.csv"
    rows.assign(user="u" + rows["user"].astype(str)).to_csv(named, index=False)
    refused(cli("statistics", whole, named, *out, "--scale", "1,2,3,4,5"), "users must be called alike in every part")
    refused(cli("statistics", whole, "--out", whole), "--out must not be a file that is read")


def test_a_part_that_changes_meanwhile_is_refused(whole, rows):
    class Rewritten(PartsHere):
        def over(self, work, *common):
            found = super().over(work, *common)
            rows.assign(rating=6 - rows["rating"]).to_csv(whole, index=False)
            return found

    with pytest.raises(DataError, match=r"whole\.csv: must not change while it is read"):
        describe_log(Rewritten([PartFile(str(whole))]), STARS)
