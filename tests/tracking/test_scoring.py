"""Scoring: a hand-in against the truth as the course does it, refused by name where the course would waste a round."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from anomaly_lab.errors import DataError, StoreError
from anomaly_lab.ratings.readers import read_labels, read_round
from tracking.export import export
from tracking.leaderboard import leaderboard
from tracking.scoring import score
from tracking.store import Store


@pytest.fixture
def truth(tiny_rounds):
    """The labels of the batch in ascending user id."""
    users, fake, _ = read_labels(tiny_rounds["truth"])
    return fake[np.argsort(users)]


def hand_in(path, scores):
    np.savez(path, np.asarray(scores))
    return path


def test_figures_are_scikit_learns_and_the_board_shows_them(exported_lab, exported, tiny_rounds, tmp_path, truth):
    report = score(exported.path, tiny_rounds["truth"], store=exported_lab)
    scores, flagged = exported.table["score"], exported.table["flagged"]
    assert report.auc == pytest.approx(roc_auc_score(truth, scores))
    assert report.precision == pytest.approx(precision_score(truth, flagged))
    assert report.recall == pytest.approx(recall_score(truth, flagged))
    assert report.f1 == pytest.approx(f1_score(truth, flagged))
    assert (report.n_users, report.run_id, len(report.notes)) == (120, exported.run_id, 1)
    leader = leaderboard([exported_lab]).table.iloc[0]
    assert leader["real_auc"] == report.auc
    assert set(report.auc_by_kind) == set(read_labels(tiny_rounds["truth"])[2]) - {0}


def test_no_label_enters_the_store(exported_lab, exported, tiny_rounds, tmp_path):
    client = Store.open(exported_lab).client
    before = client.get_run(exported.run_id)
    files = {one.path for one in client.list_artifacts(exported.run_id)}
    report = score(exported.path, tiny_rounds["truth"], store=exported_lab)
    after = client.get_run(exported.run_id)
    new = set(after.data.metrics) - set(before.data.metrics)
    assert new == {"real_auc", "real_f1", "real_precision", "real_recall"}
    assert set(after.data.tags) - set(before.data.tags) == {"lab.real_labels"}
    assert len(after.data.tags["lab.real_labels"]) == 64
    assert {one.path for one in client.list_artifacts(exported.run_id)} == files | {"scored"}
    folder = Path(client.download_artifacts(exported.run_id, "scored", tmp_path))
    (kept,) = folder.rglob("*.*")
    table = pd.read_csv(kept)
    assert_frame_equal(table, report.mistakes[["kind", "mistake", "users", "wrong", "share"]], check_dtype=False)


def test_missed_and_accused_users_are_named_by_kind(lab, tiny_rounds, tmp_path):
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab, flag_rate=0.2)
    report = score(exported.path, tiny_rounds["truth"], store=lab)
    users, fake, kinds = read_labels(tiny_rounds["truth"])
    kind = dict(zip(users, kinds, strict=True))
    flagged = exported.table.set_index("user")["flagged"]
    table = report.mistakes.set_index("kind")
    assert table["users"].sum() == len(users)
    assert table.loc["genuine", "wrong"] == sum(flagged[user] for user in users[fake == 0])
    assert table.drop("genuine")["wrong"].sum() == sum(not flagged[user] for user in users[fake == 1])
    assert table["wrong"].sum() > 0
    for name, row in table.iterrows():
        assert row["wrong"] == pytest.approx(row["share"] * row["users"])
        for user in row["worst"]:
            assert name == ("genuine" if kind[user] == 0 else f"kind {kind[user]}")
            assert flagged[user] == (name == "genuine")


def test_a_hand_in_of_unknown_origin_is_scored_and_not_logged(tiny_rounds, tmp_path, truth):
    rng = np.random.default_rng(0)
    path = hand_in(tmp_path / "s.npz", rng.uniform(0.01, 0.99, len(truth)))
    report = score(path, tiny_rounds["truth"], store=tmp_path / "no lab")
    assert report.run_id is None
    assert "say so with --run" in report.notes[0]


def test_the_run_can_be_named(lab, tiny_rounds, tmp_path, truth):
    run_id = leaderboard([lab]).table["run_id"].iloc[1]
    path = hand_in(tmp_path / "s.npz", 0.9 * truth + 0.05)
    report = score(path, tiny_rounds["truth"], store=lab, run=run_id[:10])
    assert (report.run_id, report.auc, report.f1) == (run_id, 1.0, 1.0)
    with pytest.raises(StoreError, match="--run must name one finished run"):
        score(path, tiny_rounds["truth"], store=lab, run="nobody")


def test_a_file_changed_after_its_export_is_not_taken_for_the_runs_own(
    exported_lab, exported, tiny_rounds, tmp_path, truth
):
    hand_in(exported.path, 0.9 * truth + 0.05)
    report = score(exported.path, tiny_rounds["truth"], store=exported_lab)
    assert report.run_id is None
    assert "has changed since its manifest was written" in report.notes[0]


def test_an_export_scored_beside_another_lab_is_not_logged(exported, tiny_rounds, tmp_path):
    report = score(exported.path, tiny_rounds["truth"], store=tmp_path / "elsewhere")
    assert report.run_id is None
    assert "nothing is logged: " in report.notes[0]


def test_labels_of_another_round_are_refused(exported_lab, exported, tiny_rounds, tmp_path):
    with pytest.raises(DataError, match=r"round2_labelled\.npz, found others: user 120 of .* has no score"):
        score(exported.path, tiny_rounds["r2"], store=exported_lab)


def test_one_score_per_rating_row_is_told_from_a_wrong_count(lab, tiny_rounds, tmp_path):
    n_rows = read_round(tiny_rounds["r1"]).ratings.n_rows
    rows = hand_in(tmp_path / "rows.npz", np.linspace(0.1, 0.9, n_rows))
    message = rf"found {n_rows:,} scores for 120 users: one score per rating row\?"
    with pytest.raises(DataError, match=message):
        score(rows, tiny_rounds["r1"])
    with pytest.raises(DataError, match=message):  # the truth alone holds no ratings: a guess from the number
        score(rows, tiny_rounds["truth"])
    with pytest.raises(DataError, match=r"found 119 scores for 120 users$"):
        score(hand_in(tmp_path / "few.npz", np.linspace(0.1, 0.9, 119)), tiny_rounds["r1"])


def test_rows_are_counted_where_users_rate_little(tmp_path):
    ratings = [(user, item, (user + item) % 3 - 1) for user in range(40) for item in range(2)]
    np.savez(tmp_path / "round.npz", X=np.array(ratings), y=np.array([(user, user % 2) for user in range(40)]))
    with pytest.raises(DataError, match="found 80 scores for 40 users: one score per rating row"):
        score(hand_in(tmp_path / "rows.npz", np.linspace(0.1, 0.9, 80)), tmp_path / "round.npz")
    with pytest.raises(DataError, match=r"found 81 scores for 40 users$"):
        score(hand_in(tmp_path / "odd.npz", np.linspace(0.1, 0.9, 81)), tmp_path / "round.npz")


def test_ratings_of_the_batch_are_counted_through_the_manifest(exported_lab, exported, tiny_rounds, tmp_path):
    n_rows = read_round(tiny_rounds["next"]).ratings.n_rows
    hand_in(exported.path, np.linspace(0.1, 0.9, n_rows))
    with pytest.raises(DataError, match="one score per rating row"):
        score(exported.path, tiny_rounds["truth"], store=exported_lab)


def test_a_key_can_be_given_and_a_wrong_one_is_named(tiny_rounds, tmp_path, truth):
    np.savez(tmp_path / "s.npz", mine=0.9 * truth + 0.05)
    with pytest.raises(DataError, match="found 'mine'; say which with --key"):
        score(tmp_path / "s.npz", tiny_rounds["truth"])
    assert score(tmp_path / "s.npz", tiny_rounds["truth"], key="mine").auc == 1.0


@pytest.mark.parametrize(("shift", "who"), [(0.6, "everyone"), (0.0, "no one")])
def test_a_threshold_that_decides_nothing_is_warned_of(tiny_rounds, tmp_path, truth, shift, who):
    report = score(hand_in(tmp_path / "s.npz", shift + 0.3 * truth), tiny_rounds["truth"])
    assert report.auc == 1.0
    assert f"0.5 flags {who}" in report.notes[0]


def test_users_named_by_a_table_must_be_the_labelled_ones(tiny_rounds, tmp_path, truth):
    users = np.sort(read_labels(tiny_rounds["truth"])[0])
    lines = [f"{user},{one}" for user, one in zip(users, 0.1 + 0.8 * truth, strict=True)]
    path = tmp_path / "s.csv"
    path.write_text("user,score\n" + "\n".join(reversed(lines)) + "\n")
    assert score(path, tiny_rounds["truth"]).auc == 1.0
    path.write_text("user,score\n7,0.5\n" + "\n".join(lines[1:]) + "\n")
    with pytest.raises(DataError, match=f"user {users[0]} of .* has no score"):
        score(path, tiny_rounds["truth"])


def test_a_broken_manifest_is_named(exported_lab, exported, tiny_rounds, tmp_path):
    exported.manifest.write_text("{")
    with pytest.raises(DataError, match=r"s\.npz\.manifest\.json: must be the manifest of an export"):
        score(exported.path, tiny_rounds["truth"], store=exported_lab)
