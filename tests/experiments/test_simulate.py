"""The files of a simulated course: what they hold, what they hide, and that detectors can be tuned on them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anomaly_lab.ratings.readers import read_labels, read_round, read_rounds
from anomaly_lab.registry import ATTACKS
from experiments.simulate import simulate

FILES = ["round1_labelled.npz", "round2_labelled.npz", "round3.npz", "round3_truth.npz", "course.json", "items.csv"]


@pytest.fixture(scope="session")
def log(tmp_path_factory) -> Path:
    """A log of half stars by 150 users whose items have names."""
    rng = np.random.default_rng(0)
    quality, appeal = rng.normal(size=50), rng.dirichlet(np.full(50, 0.7))
    rows = []
    for user in range(150):
        for item in rng.choice(50, rng.integers(5, 25), replace=False, p=appeal):
            stars = np.clip(np.round(2 * (3 + quality[item] + rng.normal(scale=0.7))) / 2, 0.5, 5)
            rows.append((f"u{user:03}", f"item {item}", stars))
    path = tmp_path_factory.mktemp("log") / "ratings.csv"
    pd.DataFrame(rows, columns=["user", "item", "rating"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def made(log, tmp_path_factory):
    return simulate(read_round(log), tmp_path_factory.mktemp("course"), n_rounds=3)


def test_the_files_are_those_of_a_course(made):
    assert [path.name for path in made.paths] == FILES
    assert {path.name for path in made.paths[0].parent.iterdir()} == set(FILES)
    rounds = read_rounds([*made.labelled, made.paths[2]])
    for found, meant in zip(rounds, made.course.rounds, strict=True):
        assert found.ratings.digest == meant.ratings.digest
    for found, meant in zip(rounds[:2], made.course.rounds, strict=False):
        np.testing.assert_array_equal(found.labels.kinds, meant.labels.kinds)
    assert rounds[2].labels is None
    users, fake, kinds = read_labels(made.paths[3])
    last = made.course.rounds[2]
    assert dict(zip(users, kinds, strict=True)) == dict(zip(last.ratings.user_ids, last.labels.kinds, strict=True))
    np.testing.assert_array_equal(fake, kinds > 0)


def test_the_organisers_notes_name_every_kind_and_item(made, log):
    notes = json.loads(made.paths[4].read_text())
    assert notes["kinds"] == {"0": "genuine"} | {str(kind): name for kind, name in enumerate(made.course.attacks, 1)}
    assert set(notes["kinds"].values()) <= {"genuine", *ATTACKS.built_in}
    names = pd.read_csv(made.paths[5]).set_index("item")["id"]
    assert sorted(names) == sorted(pd.read_csv(log)["item"].unique())
    likes = pd.read_csv(log).groupby("item")["user"].nunique()
    batch = read_round(made.paths[0]).ratings
    counts = pd.Series(np.bincount(batch.items), index=names.loc[batch.item_ids].to_numpy())
    assert np.corrcoef(counts, likes.loc[counts.index])[0, 1] > 0.7


def test_the_order_of_a_file_says_nothing_about_labels(log, tmp_path):
    found = {"X": [], "y": [], "id": []}
    for seed in range(15):
        files = simulate(read_round(log), tmp_path / str(seed), n_rounds=2, seed=seed).paths
        with np.load(files[0]) as archive:
            X, y, yy = (archive[key] for key in ("X", "y", "yy"))
        np.testing.assert_array_equal(y[:, 0], yy[:, 0])
        fake = dict(y.tolist())
        users = pd.unique(X[:, 0])
        found["X"].append(roc_auc_score([fake[user] for user in users], np.arange(len(users))))
        found["y"].append(roc_auc_score(y[:, 1], np.arange(len(y))))
        found["id"].append(roc_auc_score(y[:, 1], y[:, 0]))
    for aucs in found.values():
        assert abs(np.mean(aucs) - 0.5) < 5 * np.std(aucs) / np.sqrt(len(aucs))


def test_a_labelled_log_gives_its_genuine_users_only(tiny_rounds, tmp_path):
    log = read_round(tiny_rounds["r1"])
    made = simulate(log, tmp_path, n_rounds=2)
    n_genuine = int((log.labels.fake == 0).sum())
    halves = [n_genuine - n_genuine // 2, n_genuine // 2]
    assert made.table.loc["(genuine)"].tolist() == [half - round(half / 4) for half in halves]


def test_a_part_of_the_log(log, tmp_path):
    made = simulate(read_round(log), tmp_path, n_rounds=2, n_users=80, n_items=20)
    assert made.table.loc["(genuine)"].sum() == 60
    popular = pd.read_csv(log)["item"].value_counts()
    kept = pd.read_csv(tmp_path / "items.csv")["id"]
    assert popular[kept].min() >= popular.drop(kept).max()
    assert len(kept) == 20


@pytest.mark.slow
def test_the_command_writes_a_course_that_can_be_tuned_on(cli, log, fresh_store, tmp_path):
    folder = tmp_path / "course"
    ran = cli("simulate", "--genuine", log, "--rounds", 3, "--out", folder, "--seed", 1, "--fakes", 0.3)
    assert ran.code == 0
    assert "(genuine)" in ran.out
    assert "round3_truth.npz and course.json stay with whoever scores" in ran.out
    (following,) = [line for line in ran.out.splitlines() if line.startswith("Next: anomaly-lab ")]
    options = ["--detector", "mahalanobis", "--trials", 1, "--jobs", 1, "--store", fresh_store]
    tuned = cli(*following.split()[2:], *options)
    assert tuned.code == 0, tuned.err
    assert "mahalanobis" in tuned.out
    again = cli("simulate", "--genuine", log, "--rounds", 3, "--out", tmp_path / "b", "--seed", 1, "--fakes", 0.3)
    assert again.code == 0
    for name in FILES[:4]:
        with np.load(folder / name) as one, np.load(tmp_path / "b" / name) as two:
            assert {key: one[key].tobytes() for key in one} == {key: two[key].tobytes() for key in two}


def test_the_command_as_json_with_named_attacks(cli, log, tmp_path):
    options = ["--attack", "hybrid", "--attack", "uniform", "--rounds", 2, "--difficulty", 0.5]
    found = json.loads(cli("simulate", "--genuine", log, "--out", tmp_path, *options, "--json").out)
    assert [Path(path).name for path in found["files"]][-2:] == ["course.json", "items.csv"]
    assert found["users"]["round1"]["uniform"] == 0
    assert found["users"]["round2"]["uniform"] > 0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--rounds", 1], "at least 2 rounds"),
        (["--rounds", 8], "ask for fewer rounds"),
        (["--difficulty", 1], "difficulty must lie in [0, 1)"),
        (["--fakes", 0.7], "the share of fakes must lie in (0, 0.5]"),
        (["--attack", "hybrids"], "did you mean hybrid?"),
        (["--seed", -1], "seed must be 0 or more"),
        (["--users", 0], "--users must be 1 or more"),
        (["--items", -3], "--items must be 1 or more"),
        (["--scale", "stars"], "ratings.csv"),
        (["--genuine", "absent.csv"], "absent.csv"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(options, word, cli, log, tmp_path):
    ran = cli("simulate", "--genuine", log, "--out", tmp_path / "course", *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert word in ran.err
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_is_none_or_holds_another_course_is_told(cli, log, tmp_path):
    (tmp_path / "file").touch()
    ran = cli("simulate", "--genuine", log, "--out", tmp_path / "file", "--rounds", 2)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "file: must be a folder that can be written" in ran.err
    folder = tmp_path / "course"
    folder.mkdir()
    (folder / "round4.npz").touch()
    ran = cli("simulate", "--genuine", log, "--out", folder, "--rounds", 2)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "must hold no other course, found round4.npz" in ran.err
    assert [path.name for path in folder.iterdir()] == ["round4.npz"]


def test_a_log_too_large_for_one_table_says_what_to_do(cli, log, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.simulate.MOST_CELLS", 1000)
    ran = cli("simulate", "--genuine", log, "--out", tmp_path / "course")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "take a part of the log with --users and --items" in ran.err


def test_attacks_are_listed_with_their_summaries(cli):
    rows = {row["name"]: row for row in json.loads(cli("attacks", "--json").out)}
    assert set(ATTACKS.built_in) <= set(rows)
    assert all(row["summary"].endswith(".") for row in rows.values() if row["from"] == "built-in")
    assert "Wilson and Seminario" in cli("attacks").out


def test_movielens_makes_a_course(data_dir, tmp_path):
    made = simulate(read_round(data_dir / "ml-latest-small" / "ratings.csv"), tmp_path)
    rounds = read_rounds([*made.labelled, made.paths[3]])
    assert [one.ratings.scale.name for one in rounds] == ["half-stars"] * 4
    assert made.table.loc["(genuine)"].sum() == 458
