"""A small course, files that teams hand in, and a bundle for Codabench."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from anomaly_lab.ratings.synthetic import make_course
from tracking.course.codabench.bundle import write_bundle
from tracking.course.folder import RULES, CourseFolder
from tracking.course.release import init_course, release_round
from tracking.course.submissions import submit

IN_TIME = datetime(2026, 12, 1, 9, tzinfo=UTC)
FIRST_DEADLINE = datetime(2026, 12, 2, 12, tzinfo=UTC)
START = datetime(2026, 11, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="session")
def small_rounds():
    """Three labelled rounds of 120 users."""
    return make_course(n_rounds=3, n_users=120, n_items=60, fake_share=0.25)


@pytest.fixture
def new_course(tmp_path, template, copy_lab, small_rounds):
    """Make a course, with changes to its rules, and release some of its rounds."""

    def make(name="course", *, release=1, **changes):
        course = init_course(tmp_path / name, small_rounds, first_deadline=FIRST_DEADLINE, seed=1)
        copy_lab(template, tmp_path / name / "lab")
        rules = course.path / RULES
        text = rules.read_text()
        for key, value in changes.items():
            (old,) = [line for line in text.splitlines() if line.startswith(f"{key} =")]
            text = text.replace(old, f"{key} = {value}")
        rules.write_text(text)
        course = CourseFolder.open(course.path)
        for number in range(1, release + 1):
            release_round(course, str(number))
        return course

    return make


@pytest.fixture
def hand_in(tmp_path):
    """Write scores of a strength, in [0, 1], for a round and hand them in."""

    def write(course, team, strength, *, number="1", at=IN_TIME, seed=0, **options):
        path = tmp_path / f"{abs(hash((team, strength, number, seed)))}.npz"
        np.savez(path, arr_0=scores(course, number, strength, seed))
        return submit(course, team, number, path, at=at, **options)

    return write


def truth_of(course, number="1"):
    """Return the hidden labels of a round in ascending order of users."""
    with np.load(course.truth_file(course.rules.round(number))) as file:
        return file["y"][:, 1]


def scores(course, number, strength, seed=0):
    """Return scores that tell generated users by a strength."""
    truth = truth_of(course, number)
    raw = strength * truth + np.random.default_rng(seed).normal(size=len(truth))
    return 1 / (1 + np.exp(-raw + strength / 2))


@pytest.fixture(scope="session")
def courses(shared) -> Path:
    """A course of three rounds, the first of them released, and its bundle: copy it."""

    def fill(folder: Path) -> None:
        rounds = [make_course(n_rounds=1, n_users=n, n_items=60, fake_share=0.25, seed=n)[0] for n in (60, 70, 80)]
        course = init_course(
            folder / "course", rounds, timezone="Europe/Berlin", first_deadline=datetime(2026, 11, 9, 12), seed=1
        )
        release_round(course, "1")
        write_bundle(course, folder / "course" / "bundle.zip", start=START)

    return shared("codabench_courses", fill)


@pytest.fixture
def course(courses, tmp_path) -> CourseFolder:
    return CourseFolder.open(shutil.copytree(courses / "course", tmp_path / "course"))


@pytest.fixture
def bundle(course) -> Path:
    return course.path / "bundle.zip"
