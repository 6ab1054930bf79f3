"""The command that explains a user's score: the hand-in's score, its reasons, and a plot."""

import json
import shutil

import numpy as np
import pytest
from lab_helpers import tuned

from tracking.export import export


@pytest.fixture
def next_batch(files, tmp_path):
    """The batch to come in a folder that may be written to."""
    return shutil.copy(files["next"], tmp_path / "next.npz")


def user_of(batch):
    with np.load(batch) as arrays:
        return int(arrays["X"][0, 0])


def test_a_user_is_explained_in_words_and_as_a_plot(cli, copied, next_batch):
    user = user_of(next_batch)
    ran = cli("explain", "--user", user, "--batch", next_batch, "--store", copied)
    assert ran.code == 0
    assert f"user {user} of next: " in ran.out
    for words in ("by family", "how the user uses the scale", "ratings least likely", "beyond chance", "percentile"):
        assert words in ran.out
    plot = next_batch.with_name(f"next.user-{user}.png")
    assert str(plot) in ran.out.replace("\n", "")
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_hand_in_is_explained_by_its_own_run_and_threshold(cli, copied, next_batch, tmp_path):
    exported = export(next_batch, tmp_path / "s.npz", store=copied, flag_rate=0.2)
    user = int(exported.table["user"].iloc[7])
    found = json.loads(cli("explain", "--user", user, "--scores", exported.path, "--store", copied, "--json").out)
    assert found["score"] == exported.table["score"].iloc[7]
    assert found["run"] == exported.run_id
    assert found["rank"] == 1 + (exported.table["score"] > found["score"]).sum()
    assert found["log_odds"] == pytest.approx(np.log(found["score"] / (1 - found["score"])))
    parts = [one["contribution"] for one in found["families"]]
    assert sum(parts) == pytest.approx(found["log_odds"] - found["genuine_log_odds"], abs=1e-6)
    assert sum(one["contribution"] for one in found["features"]) == pytest.approx(sum(parts))
    assert found["plot"] == str(tmp_path / f"s.user-{user}.png")


def test_a_users_own_round_is_asked_with_its_labels_hidden(cli, copied, files, tmp_path):
    batch = shutil.copy(files["b"], tmp_path / "b.npz")
    user = user_of(batch)
    ran = cli("explain", "--user", user, "--batch", batch, "--store", copied, "--json")
    found = json.loads(ran.out)
    assert "asked with the labels of the others" in found["notes"][0]
    own_round = [one["label"] for one in found["neighbours"] if one["round"] == "b"]
    assert own_round
    assert set(own_round) == {"hidden"}


def test_what_cannot_be_explained_is_one_line(cli, copied, next_batch, tmp_path):
    np.savez(tmp_path / "alone.npz", np.linspace(0, 1, 50))
    for arguments, words in (
        (["--batch", next_batch, "--user", "nobody"], "--user must be one of its users, found no nobody"),
        (["--user", 1], "--batch must name the file whose user is meant"),
        (["--scores", tmp_path / "alone.npz", "--user", 1], "must be a hand-in with its manifest beside it"),
        (["--batch", next_batch, "--user", 1, "--run", "zz"], "--run must name one finished run"),
    ):
        ran = cli("explain", *arguments, "--store", copied)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert words in ran.err


@pytest.mark.slow
def test_a_detector_that_reads_ratings_is_named(cli, plugins, rounds, fresh_store, next_batch):
    tuned(rounds, fresh_store, detectors=("counts",), trials=1)
    ran = cli("explain", "--user", user_of(next_batch), "--batch", next_batch, "--store", fresh_store)
    assert ran.code == 2
    assert "counts must score features to be explained by them" in ran.err
