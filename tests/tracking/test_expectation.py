"""What is expected of the coming round stands with the run and its hand-in, and is held against what came."""

import json

import numpy as np
import pytest

from anomaly_lab.evaluation.expect import expect
from tracking.expectation import expect_run, log_expectation
from tracking.export import export
from tracking.leaderboard import leaderboard
from tracking.scoring import score
from tracking.store import Store


@pytest.fixture
def store(lab):
    return Store.open(lab)


@pytest.fixture
def runs(store):
    """The runs of the question, the board's leader first."""
    leader = leaderboard([store.folder]).table["run_id"].iloc[0]
    others = leaderboard([store.folder], all_runs=True).table["run_id"]
    return [store.client.get_run(one) for one in (leader, *others[others != leader])]


def fold_aucs(store, run_id):
    history = store.client.get_metric_history(run_id, "fold_auc")
    return [one.value for one in sorted(history, key=lambda one: one.step)]


def expected_metrics(run):
    return {name: value for name, value in run.data.metrics.items() if name.startswith("expected")}


def test_an_expectation_rests_on_every_run_of_the_question(store, runs):
    found = expect_run(store, runs[0])
    aucs = np.array([fold_aucs(store, one.info.run_id) for one in runs])
    errors = np.array([one.data.metrics["auc_se"] for one in runs])
    by_hand = expect(aucs, errors, 0, "next-round")
    assert (found.n_runs, found.n_rounds) == (4, 2)
    assert (found.low, found.auc, found.high) == pytest.approx((by_hand.low, by_hand.auc, by_hand.high), abs=1e-9)
    assert found.seen == pytest.approx(runs[0].data.metrics["auc"])


def test_a_tune_leaves_it_with_its_leader_only(store, runs):
    found = expect_run(store, runs[0])
    assert expected_metrics(runs[0]) == pytest.approx(
        {"expected_auc": found.auc, "expected_low": found.low, "expected_high": found.high}
    )
    assert [expected_metrics(one) for one in runs[1:]] == [{}] * 3


def test_a_run_that_answered_another_question_does_not_count(store, runs):
    before = expect_run(store, runs[0])
    store.client.set_tag(runs[3].info.run_id, "lab.question", "another")
    assert expect_run(store, runs[0]).n_runs == before.n_runs - 1


def test_nothing_is_said_of_a_run_that_answered_a_part(store, runs):
    store.client.set_tag(runs[1].info.run_id, "lab.ranked", "partial")
    partial = store.client.get_run(runs[1].info.run_id)
    assert expect_run(store, partial) is None
    log_expectation(store, partial, None)
    assert expected_metrics(store.client.get_run(runs[1].info.run_id)) == {}


def test_an_export_says_it_and_a_score_holds_it_against_what_came(store, runs, tiny_rounds, tmp_path):
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=store.folder, run=runs[1].info.run_id)
    found = expect_run(store, runs[1])
    assert json.loads(exported.manifest.read_text())["expected"]["low"] == found.low
    (note,) = [one for one in exported.notes if "to be expected" in one]
    assert f"AUC {found.auc:.3f} (90 %: {found.low:.3f} to {found.high:.3f})" in note
    report = score(exported.path, tiny_rounds["truth"], store=store.folder)
    assert report.expected_auc == found.auc
    where = "lies in" if found.low <= report.auc <= found.high else "is "
    assert f"AUC {report.auc:.3f} {where}" in report.notes[-1]


@pytest.mark.parametrize(
    ("low", "high", "where"), [(0.0, 1.0, "lies in"), (0.0, 0.01, "is above"), (1, 1.1, "is below")]
)
def test_a_score_says_on_which_side_it_missed(low, high, where, exported_lab, exported, tiny_rounds):
    store = Store.open(exported_lab)
    store.client.log_metric(exported.run_id, "expected_low", low)
    store.client.log_metric(exported.run_id, "expected_high", high)
    report = score(exported.path, tiny_rounds["truth"], store=store.folder)
    assert f"AUC {report.auc:.3f} {where} the interval that was expected" in report.notes[-1]
