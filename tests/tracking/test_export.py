"""Export: the best run's scores in the course's form, verified, or nothing at all."""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.errors import ConfigError, DataError, LabError, StoreError
from anomaly_lab.ratings.readers import read_round
from tracking.colleague import record
from tracking.export import export, unlike_training
from tracking.forms import FORMS, read_scores
from tracking.leaderboard import leaderboard
from tracking.read import find_run
from tracking.reopen import reopen
from tracking.store import Store


def perfect_scores(path: Path, labelled: Path) -> Path:
    """Write scores that know the labels."""
    one = read_round(labelled)
    np.save(path, 0.2 + 0.6 * one.labels.fake[one.ratings.ascending] + np.linspace(0, 0.1, one.ratings.n_users))
    return path


def test_the_leader_is_refitted_and_written_for_every_user(lab, tiny_rounds, tmp_path):
    out = tmp_path / "new folder" / "scores.npz"
    exported = export(tiny_rounds["next"], out, store=lab)
    table, batch = exported.table, read_round(tiny_rounds["next"]).ratings
    assert exported.run_id == leaderboard([lab]).table["run_id"].iloc[0]
    assert table["user"].tolist() == sorted(batch.user_ids)
    assert table["score"].between(0, 1).all()
    assert (table["flagged"] == (table["score"] >= 0.5)).all()
    with np.load(out, allow_pickle=False) as archive:
        assert archive["arr_0"].tolist() == table["score"].tolist()
    assert {path.name for path in out.parent.iterdir()} == {"scores.npz", "scores.npz.manifest.json"}


@pytest.mark.parametrize("name", ["npy", *(pytest.param(one, marks=pytest.mark.slow) for one in ("csv", "codabench"))])
def test_every_sort_of_file_holds_the_same_scores(name, lab, exported, tiny_rounds, tmp_path):
    form = FORMS[name]
    other = export(tiny_rounds["next"], tmp_path / f"other{form.suffix}", store=lab, form=name)
    assert read_scores(other.path, form.key).scores.tobytes() == exported.table["score"].to_numpy().tobytes()


def test_the_manifest_says_whose_scores_and_where_from(lab, tiny_rounds, tmp_path):
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab, key="y_score")
    facts = json.loads(exported.manifest.read_text())
    run = find_run(Store.open(lab), exported.run_id)
    rounds = [read_round(tiny_rounds[name]) for name in ("r1", "r2")]
    assert facts["users"] == exported.table["user"].tolist()
    assert facts["flagged"] == exported.table["flagged"].sum()
    assert facts["sha256"] == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert facts["batch"]["ratings"] == read_round(tiny_rounds["next"]).ratings.digest
    assert [one["ratings"] for one in facts["rounds"]] == [one.ratings.digest for one in rounds]
    assert (facts["run"], facts["form"], facts["key"]) == (exported.run_id, "y_score", "y_score")
    assert facts["question"]["fingerprint"] == run.data.tags["lab.question"]
    assert {"python", "scikit-learn"} <= set(facts["versions"])


def test_hand_in_and_manifest_are_kept_with_the_run(lab, tiny_rounds, tmp_path):
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab)
    client = Store.open(lab).client
    batch = read_round(tiny_rounds["next"]).ratings.digest
    kept = client.download_artifacts(exported.run_id, f"export/{batch[:10]}")
    assert (Path(kept) / "s.npz").read_bytes() == exported.path.read_bytes()
    assert (Path(kept) / "s.npz.manifest.json").exists()


@pytest.mark.slow
def test_a_run_can_be_named_by_the_beginning_of_its_id(lab, tiny_rounds, tmp_path):
    last = leaderboard([lab], all_runs=True).table.iloc[-1]
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab, run=last["run_id"][:12])
    assert exported.run_id == last["run_id"]


def test_a_share_of_users_can_be_flagged_instead(lab, exported, tiny_rounds, tmp_path):
    share = export(tiny_rounds["next"], tmp_path / "b.npz", store=lab, flag_rate=0.1)
    assert share.table["flagged"].sum() == 12
    assert not any("generated in training" in note for note in share.notes)
    order = np.argsort(exported.table["score"], kind="stable")
    assert (np.diff(share.table["score"].to_numpy()[order]) >= 0).all()


def test_a_threshold_that_flags_unlike_training_is_warned_of():
    assert unlike_training(0.2, 0.25) == []
    assert "0.5 flags 2.0% of users, where 25.0% were generated in training" in unlike_training(0.02, 0.25)[0]
    assert "0.5 flags 90.0% of users" in unlike_training(0.9, 0.25)[0]
    assert unlike_training(1.0, 0.1) == []  # flagging everyone has a warning of its own


def test_a_batch_far_from_the_training_rounds_is_warned_of(lab, exported, tiny_rounds, tmp_path):
    with np.load(tiny_rounds["next"]) as arrays:
        odd = arrays["X"].copy()
    odd[:, 2] = np.where(odd[:, 2] == 0, 1, -odd[:, 2])
    np.savez(tmp_path / "odd.npz", X=odd)
    warned = export(tmp_path / "odd.npz", tmp_path / "b.npz", store=lab)
    assert not any("training rounds from each other" in note for note in exported.notes)
    assert sum("far more than training rounds from each other" in note for note in warned.notes) == 2
    told = [json.loads(one.manifest.read_text())["drift"]["told_apart"] for one in (exported, warned)]
    assert [one["far_more"] for one in told] == [False, True]
    assert told[0]["batch"] < told[1]["batch"]
    assert told[0]["rounds"]


@pytest.mark.slow
def test_a_batch_of_a_few_users_is_exported_without_a_word_on_drift(lab, tiny_rounds, tmp_path):
    with np.load(tiny_rounds["next"]) as arrays:
        few = arrays["X"][arrays["X"][:, 0] < np.unique(arrays["X"][:, 0])[10]]
    np.savez(tmp_path / "few.npz", X=few)
    exported = export(tmp_path / "few.npz", tmp_path / "s.npz", store=lab)
    assert json.loads(exported.manifest.read_text())["drift"] is None
    assert len(exported.table) == 10


def test_moved_rounds_can_be_given_in_any_order_and_give_the_same_scores(lab, exported, tiny_rounds, tmp_path):
    moved = [shutil.copy(tiny_rounds[name], tmp_path / f"{name}.npz") for name in ("r2", "r1")]
    there = export(tiny_rounds["next"], tmp_path / "b.npz", store=lab, rounds=moved)
    assert exported.path.read_bytes() == there.path.read_bytes()
    asked = reopen(find_run(Store.open(lab), exported.run_id), moved)
    assert [one.path for one in asked.rounds] == [str(moved[1]), str(moved[0])]  # oldest first, as the run saw them


def test_labels_in_the_batch_are_not_looked_at(lab, exported, tiny_rounds, tmp_path):
    with np.load(tiny_rounds["next"]) as ratings, np.load(tiny_rounds["truth"]) as truth:
        np.savez(tmp_path / "labelled.npz", X=ratings["X"], y=truth["y"])
    labelled = export(tmp_path / "labelled.npz", tmp_path / "b.npz", store=lab)
    assert labelled.path.read_bytes() == exported.path.read_bytes()
    assert any("they were not looked at" in note for note in labelled.notes)


@pytest.mark.slow
def test_a_recorded_leader_is_passed_over_and_said_so(lab, tiny_rounds, tmp_path):
    files = [perfect_scores(tmp_path / f"{name}.npy", tiny_rounds[name]) for name in ("r1", "r2")]
    recorded = record(files, [tiny_rounds["r1"], tiny_rounds["r2"]], "oracle", store=lab)
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab)
    assert exported.run_id == leaderboard([lab]).table["run_id"].iloc[1]
    assert any(note.startswith("oracle stands above ") for note in exported.notes)
    with pytest.raises(StoreError, match=r"\(oracle\) was recorded from a file of scores and cannot be refitted"):
        export(tiny_rounds["next"], tmp_path / "t.npz", store=lab, run=recorded)


def changed(source: Path, target: Path) -> Path:
    """Write a round with one rating less."""
    with np.load(source) as arrays:
        np.savez(target, X=arrays["X"][1:], y=arrays["y"])
    return target


def stars(source: Path, target: Path) -> Path:
    """Write a batch on another scale."""
    with np.load(source) as arrays:
        np.savez(target, X=arrays["X"] + [0, 0, 3])
    return target


def test_what_cannot_be_exported_is_refused_and_nothing_is_written(lab, tiny_rounds, tmp_path):
    batch, out = tiny_rounds["next"], tmp_path / "out" / "s.npz"
    other = changed(tiny_rounds["r2"], tmp_path / "changed.npz")
    on_stars = stars(batch, tmp_path / "stars.npz")
    refused: list[tuple[type[LabError], str, dict[str, object]]] = [
        (ConfigError, r"s\.txt: .* found '\.txt'", {"out": tmp_path / "out" / "s.txt"}),
        (ConfigError, "--flag-rate must lie between 0 and 1, found 1", {"flag_rate": 1.0}),
        (ConfigError, "--flag-rate must lie between 0 and 1, found 0", {"flag_rate": 0.0}),
        (ConfigError, "form csv must be written to a file ending in", {"form": "csv"}),
        (DataError, r"round1_labelled\.npz: the batch to score must not be one of", {"batch": tiny_rounds["r1"]}),
        (DataError, r"stars\.npz: .*a rating on scale likes must be one of -1, 0, 1", {"batch": on_stars}),
        (DataError, r"missing\.npz: must be a file", {"batch": tmp_path / "missing.npz"}),
        (StoreError, r"changed\.npz: must be a round that run \w+ learnt from", {"rounds": [tiny_rounds["r1"], other]}),
        (StoreError, "learnt from round2_labelled too; give every round", {"rounds": [tiny_rounds["r1"]]}),
        (ConfigError, "--out must not be a file that is read", {"out": tiny_rounds["r1"]}),
        (ConfigError, "--out must not be a file that is read", {"batch": on_stars, "out": on_stars}),
        (StoreError, "--run must name one finished run, found 0", {"run": "no such run"}),
        (StoreError, "there must be a lab with runs", {"store": tmp_path / "nowhere"}),
    ]
    for error, message, settings in refused:
        given = {"batch": batch, "out": out, "store": lab} | settings
        with pytest.raises(error, match=message) as raised:
            export(given.pop("batch"), given.pop("out"), **given)
        assert "\n" not in str(raised.value)
    assert not out.parent.exists()


def test_a_round_that_is_gone_is_named_with_the_flag_that_helps(lab, tiny_rounds, tmp_path):
    run = find_run(Store.open(lab), leaderboard([lab]).table["run_id"].iloc[0])
    gone = [one | {"path": f"{tmp_path}/gone.npz"} for one in json.loads(run.data.tags["lab.rounds"])]
    Store.open(lab).client.set_tag(run.info.run_id, "lab.rounds", json.dumps(gone))
    with pytest.raises(StoreError, match=r"gone\.npz: run \w+ learnt from this round, found no such file; .* --round"):
        export(tiny_rounds["next"], tmp_path / "s.npz", store=lab)


def test_a_hand_in_that_cannot_be_written_leaves_nothing_behind(lab, tiny_rounds, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").write_text("no folder")
    for out in (tmp_path / "folder.npz", tmp_path / "file" / "s.npz"):
        with pytest.raises(DataError, match="must be a file that can be written"):
            export(tiny_rounds["next"], out, store=lab)
    left = {path.name for path in tmp_path.iterdir()} - {"lab"}
    assert left == {"folder.npz", "file"}
    assert list((tmp_path / "folder.npz").iterdir()) == []


@pytest.mark.slow
def test_a_store_that_fails_at_the_end_does_not_keep_the_hand_in_back(lab, tiny_rounds, tmp_path):
    (tmp_path / "full").write_text("where artifacts should go")
    with closing(sqlite3.connect(lab / "mlflow.db")) as database:
        location = (tmp_path / "full" / "artifacts").as_uri()
        database.execute("update experiments set artifact_location = ?", (location,))
        database.commit()
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab)
    assert len(read_scores(exported.path).scores) == 120
    assert exported.champion is None
    assert "the hand-in is written, but could not be kept with its run" in exported.notes[-1]


def test_users_may_be_called_anything(lab, tiny_rounds, tmp_path):
    with np.load(tiny_rounds["next"]) as arrays:
        rows = pd.DataFrame(arrays["X"], columns=["user", "item", "rating"])
    rows["user"] = "u" + rows["user"].astype(str)
    rows.to_csv(tmp_path / "next.csv", index=False)
    plain = export(tiny_rounds["next"], tmp_path / "a.csv", store=lab)
    named = export(tmp_path / "next.csv", tmp_path / "b.csv", store=lab)
    assert named.table["user"].tolist() == sorted(f"u{user}" for user in plain.table["user"])
    assert dict(zip(named.table["user"], named.table["score"], strict=True)) == {
        f"u{user}": score for user, score in zip(plain.table["user"], plain.table["score"], strict=True)
    }
