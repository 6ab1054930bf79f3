"""Standings, grades and snapshots: the course's rule applied to what teams handed in."""

import csv
import io
import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_lab.evaluation.metrics import roc_auc, score_metrics
from tracking.course.figures import Truth, compare, measure
from tracking.course.grades import grades, spreadsheet
from tracking.course.snapshots import write_board
from tracking.course.standings import close_round, course_standings, round_standings
from tracking.course.submissions import Scores, submissions


def closed(course, number="1"):
    return round_standings(course, close_round(course, number, early=True))


def teams(standing):
    return [each.submission.team for each in standing.standings]


def test_figures_are_hidden_until_the_round_is_closed_or_shown_at_once(new_course, hand_in):
    hidden, shown = new_course("hidden"), new_course("shown", feedback='"at-once"')
    for course in (hidden, shown):
        hand_in(course, "Eve", 2)
        hand_in(course, "Eve", 2, seed=1)
    first = course_standings(hidden)[0]
    assert (first.standings, first.handed_in) == ((), (("Eve", 2, 1),))
    assert teams(course_standings(shown)[0]) == ["Eve"]
    assert [one.state for one in course_standings(hidden)] == ["open", "not released", "not released"]


def test_figures_are_those_of_the_file_against_the_hidden_labels(new_course, hand_in, tmp_path):
    course = new_course()
    hand_in(course, "Eve", 1.5)
    (row,) = closed(course).standings
    path = next((course.path / "lab" / "artifacts").rglob("submission.npz"))
    with np.load(path) as file, np.load(course.truth_file(course.rules.round("1"))) as truth:
        expected = score_metrics(truth["y"][:, 1], file["arr_0"], 0.5, truth["yy"][:, 1])
    assert {name: row.submission.figures[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert row.submission.figures["low"] < row.figure < row.submission.figures["high"]
    again = course_standings(course)[0].standings[0]
    assert again.submission.figures == pytest.approx(row.submission.figures, abs=1e-12)


def test_what_a_killed_writer_left_is_no_submission_and_goes_with_the_close(new_course, hand_in):
    course = new_course()
    kept = hand_in(course, "Eve", 2).submission
    client = course.store.client
    tags = client.get_run(kept.run_id).data.tags
    half = client.create_run(
        client.get_run(kept.run_id).info.experiment_id, tags=tags | {"lab.team": "Bob"}
    ).info.run_id
    assert [each.run_id for each in submissions(course, course.rules.round("1"))] == [kept.run_id]
    assert teams(closed(course)) == ["Eve"]
    assert client.get_run(half).info.lifecycle_stage == "deleted"


def test_ties_go_by_f1_and_every_row_says_why(new_course, hand_in):
    course = new_course(tie_margin=0.5)
    for team, strength in (("strong", 4), ("weak", 0.5)):
        hand_in(course, team, strength)
    standing = closed(course)
    f1 = [each.submission.figures["f1"] for each in standing.standings]
    assert f1 == sorted(f1, reverse=True)
    assert {each.band for each in standing.standings} == {1}
    assert "highest AUC and F1 of 2 tied" in standing.standings[0].why


@pytest.mark.parametrize(("counts", "seed"), [("last", 1), ("best", 0)])
def test_the_last_or_the_best_submission_counts(new_course, hand_in, counts, seed):
    course = new_course(counts=f'"{counts}"')
    end = course.rules.round("1").deadline
    kept = [
        hand_in(course, "Eve", strength, seed=number, at=end - timedelta(hours=9 - number)).submission.run_id
        for number, strength in enumerate((4, 0.3))
    ]
    (row,) = closed(course).standings
    assert row.submission.run_id == kept[seed]
    assert (row.used, row.left) == (2, 1)


def test_a_late_file_loses_its_penalty(new_course, hand_in):
    course = new_course(late='"penalty"', late_penalty=0.02)
    end = course.rules.round("1").deadline
    hand_in(course, "late", 2, at=end + timedelta(days=1, hours=1))
    hand_in(course, "base", 2, at=end + timedelta(days=1, hours=1), baseline=True)
    rows = {each.submission.team: each for each in closed(course).standings}
    assert rows["late"].penalty == pytest.approx(0.04)
    assert rows["base"].figure - rows["late"].figure == pytest.approx(0.04)


def test_movement_is_counted_from_the_closed_round_before(new_course, hand_in):
    course = new_course(release=2)
    for number, strengths in (("1", {"a": 6, "b": 3, "c": 0.5}), ("2", {"a": 0.2, "b": 6, "d": 2})):
        for team, strength in strengths.items():
            hand_in(course, team, strength, number=number)
        closed(course, number)
    first, second, _ = course_standings(course)
    assert (teams(first), teams(second)) == (["a", "b", "c"], ["b", "d", "a"])
    assert [each.moved for each in second.standings] == [1, None, -2]


@pytest.mark.parametrize(("missed", "share"), [("chance", 0.5), ("zero", 0.0), ("skip", None)])
def test_grades_weigh_rounds_and_count_missed_ones_as_the_rules_say(new_course, hand_in, missed, share):
    course = new_course(release=2, missed=f'"{missed}"', teams='["a", "b", "never"]')
    rules = (course.path / "course.toml").read_text()
    (course.path / "course.toml").write_text(rules.replace("weight = 1.0", "weight = 3.0", 1))
    course = type(course).open(course.path)
    for number, team, strength in (("1", "a", 2), ("2", "a", 4), ("2", "b", 3)):
        hand_in(course, team, strength, number=number)
    hand_in(course, "base", 1, number="2", baseline=True)
    for number in "12":
        closed(course, number)
    rounds = course_standings(course)
    table = grades(course.rules, rounds).set_index("team")
    figure = {each.submission.team: each.figure for each in rounds[1].standings}
    assert table.loc["b", "total"] == pytest.approx(figure["b"] if share is None else (3 * share + figure["b"]) / 4)
    assert table.loc["b", ["round1_state", "round2_state"]].tolist() == ["missed", "in time"]
    assert sorted(table.index) == ["a", "b", "never"]
    assert table.loc["a", "rank"] == 1 or table.loc["a", "total"] < table.loc["b", "total"]
    assert table["rank"].is_monotonic_increasing
    assert np.isnan(table.loc["never", "total"]) == (share is None)


@pytest.mark.parametrize("team", ["=1+1", "+1", "-1", "@SUM(A1)", 'say "hi", Bob', "a;b"])
def test_no_name_is_a_formula_in_a_spreadsheet(new_course, hand_in, team):
    course = new_course()
    hand_in(course, team, 2)
    closed(course)
    ((_, name, *_),) = list(csv.reader(io.StringIO(spreadsheet(grades(course.rules, course_standings(course))))))[1:]
    assert name.lstrip("'") == team
    assert not name.startswith(("=", "+", "-", "@"))


def test_snapshots_say_what_changed(new_course, hand_in):
    course = new_course(release=2)
    hand_in(course, "a", 6)
    hand_in(course, "b", 1)
    closed(course)
    page, first = write_board(course, snapshot="round1")
    assert "Since" not in page.read_text()
    hand_in(course, "b", 6, number="2")
    hand_in(course, "new", 3, number="2")
    closed(course, "2")
    page, second = write_board(course, snapshot="round2")
    text = second.read_text()
    assert "round2 was closed" in text
    assert "new: new, rank" in " ".join(text.split()).replace("new: ", "new: ")
    assert first.exists()
    record = json.loads(second.with_suffix(".json").read_text())
    assert [row["team"] for row in record["rounds"]["round2"]["rows"]] == ["b", "new"]
    assert "Nothing changed" in write_board(course)[0].read_text()


@pytest.mark.parametrize("metric", ["auc", "f1", "precision", "recall"])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_lead_is_the_difference_turned_round_with_its_sides(metric, seed):
    rng = np.random.default_rng(seed)
    truth = Truth((np.arange(60) < 15).astype(int), None)
    one, other = (Scores(rng.random(60).round(1), None) for _ in range(2))
    lead, back = compare(truth, one, other, metric), compare(truth, other, one, metric)
    figures = [measure(truth, each, metric)[metric] for each in (one, other)]
    assert lead.difference == pytest.approx(figures[0] - figures[1], abs=1e-12)
    assert (lead.low, lead.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
    assert lead.p == pytest.approx(back.p)
    if metric == "auc":
        assert figures[0] == pytest.approx(roc_auc(truth.fake, one.scores))
        assert lead.is_real == (not lead.low <= 0 <= lead.high)


def test_a_lead_on_itself_is_none():
    truth, same = Truth(np.array([1, 1, 0, 0, 0]), None), Scores(np.array([0.9, 0.2, 0.3, 0.1, 0.6]), None)
    assert compare(truth, same, same, "auc").p == 1.0
    assert not compare(truth, same, same, "f1").is_real
