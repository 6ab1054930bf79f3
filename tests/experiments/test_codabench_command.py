"""The command that writes a course as a Codabench bundle and scores a file with it."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from anomaly_lab.ratings.synthetic import make_course
from tracking.course.release import init_course


@pytest.fixture
def course(shared, tmp_path):
    """A course whose two rounds end in the weeks to come."""

    def fill(folder):
        rounds = make_course(n_rounds=2, n_users=60, n_items=60, fake_share=0.25)
        init_course(folder / "course", rounds, first_deadline=datetime.now(UTC) + timedelta(days=7), seed=1)

    return shutil.copytree(shared("codabench_command", fill) / "course", tmp_path / "course")


def test_a_bundle_is_written_in_private_and_scores_a_file(course, cli, tmp_path):
    ran = cli("course", "codabench", course)
    assert (ran.code, ran.err) == (0, "")
    assert f"{course / 'private' / 'codabench.zip'}: checked" in ran.out
    assert "round1, round2: not released" in ran.out
    np.save(tmp_path / "s.npy", np.linspace(0, 0.4, 60))
    tried = cli("course", "codabench", course, "--try", tmp_path / "s.npy", "--round", 1)
    assert tried.code == 0
    assert tried.out.startswith("auc 0.")
    assert "note: 0.5 flags no one" in tried.out
    figures = json.loads(cli("course", "codabench", course, "--try", tmp_path / "s.npy", "--round", 1, "--json").out)
    assert set(figures["scores"]) == {"auc", "f1", "precision", "recall", "average_precision"}
    np.save(tmp_path / "s.npy", np.ones((60, 2)))
    refused = cli("course", "codabench", course, "--try", tmp_path / "s.npy", "--round", 1)
    assert (refused.code, refused.out) == (2, "")
    assert "s.npy: Codabench would refuse it" in refused.err
    assert refused.err.count("\n") == 1


def test_times_are_of_the_course_and_all_batches_can_come(course, cli, tmp_path):
    out = tmp_path / "b.zip"
    made = json.loads(
        cli("course", "codabench", course, "--out", out, "--start", "2026-01-01T09:00", "--all-batches", "--json").out
    )
    assert made["rounds"][0]["start"] == "2026-01-01T09:00:00+00:00"
    assert made["left_out"] == []
    assert out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--try", "s.npy"], "--try must come with --round"),
        (["--round", "1"], "--round must come with --try"),
        (["--start", "soon"], "--start must be a date and time"),
        (["--start", "2999-01-01"], "--start must be before the deadline of round round1"),
        (["--try", "s.npy", "--round", "1"], "write it by `course codabench` first"),
        (["--out", "b.tar"], "--out must be a .zip"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, words, course, cli):
    ran = cli("course", "codabench", course, *options)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not (course / "private" / "codabench.zip").exists()
