"""The organiser's commands, from `course init` to grades, as they are typed."""

import json

import numpy as np
import pytest

from anomaly_lab.registry import MODELS


@pytest.fixture
def course(tmp_path, tiny_rounds, template, copy_lab, cli):
    """A course of two labelled files whose first round is released."""
    folder = tmp_path / "course"
    rounds = [word for name in ("r1", "r2") for word in ("--round", tiny_rounds[name])]
    made = cli("course", "init", folder, *rounds, "--title", "T")
    assert made.code == 0, made.err
    copy_lab(template, folder / "lab")
    assert cli("course", "release", folder, 1).code == 0
    return folder


def truth(course):
    with np.load(course / "private" / "round1.npz") as file:
        return file["y"][:, 1]


def write(path, course, noise):
    """Write scores that know the labels up to some noise."""
    labels = truth(course)
    np.savez(path, arr_0=np.clip(0.6 * labels + noise * np.random.default_rng(0).random(len(labels)), 0, 1))
    return path


def test_a_course_from_files_to_grades(course, tmp_path, cli):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    write(inbox / "Eve.npz", course, 0.5)
    write(inbox / "Bob.npz", course, 2)
    np.savez(inbox / "Carl.npz", arr_0=truth(course))
    ran = cli("course", "submit", course, inbox, "--round", 1)
    assert ran.code == 2
    assert "taken for Eve" in ran.out
    assert "Carl.npz" in ran.err
    assert "hard labels" in ran.err
    assert "1 of 3 files were refused, see above; the others are taken" in ran.err
    ran = cli("course", "submit", course, inbox / "Eve.npz", "--round", "round1", "--team", "Eve", "--json")
    assert json.loads(ran.out)[0]["left"] == 1
    closed = cli("course", "close", course, 1)
    assert closed.code == 0, closed.err
    assert "Eve" in closed.out
    assert (course / "public" / "round1_labelled.npz").exists()
    assert len(list((course / "board" / "snapshots").glob("*.html"))) == 1
    board = json.loads(cli("course", "board", course, "--json").out)
    assert [row["team"] for row in board["rounds"]["round1"]["rows"]] == ["Eve", "Bob"]
    assert (course / "board" / "index.html").read_text().startswith("<!doctype html>")
    graded = cli("course", "grades", course).out.splitlines()
    assert graded[0] == "rank,team,total,round1,round1_rank,round1_state"
    assert [line.split(",")[:2] for line in graded[1:]] == [["1", "Eve"], ["2", "Bob"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["release", "DIR", "1"], "teams have it"),
        (["release", "DIR", "9"], "a round must be one of round1, round2"),
        (["submit", "DIR", "nothing.npz", "--round", "1", "--team", "Eve"], "found no such file"),
        (["submit", "DIR", "nothing.npz", "--round", "1"], "--team must say whose file it is"),
        (["submit", "DIR", "nothing.npz", "--round", "1", "--team", "E", "--at", "noon"], "--at must be a date"),
        (["close", "DIR", "2"], "found it not released"),
        (["board", "nowhere"], "run `anomaly-lab course init`"),
        (["init", "DIR"], "must hold no course yet"),
    ],
)
def test_a_mistake_is_one_line(course, words, message, cli):
    ran = cli("course", *[course if word == "DIR" else word for word in words])
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err


def test_rules_that_are_wrong_are_named(course, cli):
    rules = course / "course.toml"
    rules.write_text(rules.read_text().replace('late = "refuse"', 'late = "maybe"'))
    ran = cli("course", "board", course)
    assert ran.code == 2
    assert "deadlines.late must be one of refuse, penalty, found 'maybe'" in ran.err


@pytest.mark.slow
def test_the_demo_runs_a_whole_course(tmp_path, monkeypatch):
    from experiments import course_demo

    monkeypatch.setattr(course_demo, "ROUNDS", 2)
    monkeypatch.setattr(course_demo, "TEAMS", ("mahalanobis", "logistic-regression"))
    course_demo.run(tmp_path / "demo", 0)
    record = json.loads(sorted((tmp_path / "demo" / "board" / "snapshots").glob("*.json"))[-1].read_text())
    assert set(course_demo.TEAMS) <= set(MODELS.entries())
    first, second = (record["rounds"][name]["rows"] for name in ("round1", "round2"))
    assert [row["team"] for row in first] == ["mahalanobis"]
    assert {row["team"] for row in second} == {*course_demo.TEAMS, course_demo.BASELINE}
    assert {row["round1_state"] for row in record["grades"]} == {"in time", "missed"}
    assert all(0.5 < row["figure"] < 1 for row in second)
