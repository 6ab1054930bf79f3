"""A course as a Codabench bundle: what is in it, what it keeps to itself, and when there is none."""

import io
import re
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.metrics import score_metrics
from anomaly_lab.ratings.archives import round_arrays
from anomaly_lab.ratings.readers import read_rounds
from tracking.course.codabench.bundle import write_bundle
from tracking.course.codabench.trial import read_bundle, try_scores
from tracking.course.figures import Truth
from tracking.course.files import save_arrays
from tracking.course.folder import CourseFolder
from tracking.course.release import release_round

pytestmark = pytest.mark.slow
START = datetime(2026, 11, 2, 8, tzinfo=UTC)


def ruled(course, old, new):
    """Change the rules of a course and open it again."""
    file = course.path / "course.toml"
    text = file.read_text()
    assert re.search(old, text)
    file.write_text(re.sub(old, new, text))
    return CourseFolder.open(course.path)


def competition(bundle):
    return yaml.safe_load(read_bundle(bundle)["competition.yaml"])


def inside(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_phases_follow_the_deadlines_in_utc_as_text(bundle):
    phases = competition(bundle)["phases"]
    assert [(phase["start"], phase["end"]) for phase in phases] == [
        ("2026-11-02 08:00:00", "2026-11-09 11:05:00"),
        ("2026-11-09 11:05:01", "2026-11-16 11:05:00"),
        ("2026-11-16 11:05:01", "2026-11-23 11:05:00"),
    ]


def test_every_phase_has_a_task_with_the_labels_of_its_round_alone(course, bundle):
    files, content = read_bundle(bundle), competition(bundle)
    for phase, one in zip(content["phases"], course.rules.rounds, strict=True):
        (index,) = phase["tasks"]
        folder = next(task["reference_data"] for task in content["tasks"] if task["index"] == index)
        truth = course.truth(one)
        with np.load(io.BytesIO(files[f"{folder}/truth.npz"])) as archive:
            assert archive["fake"].tolist() == Truth.of(truth).fake.tolist()
            assert archive["users"].tolist() == sorted(truth.ratings.user_ids)
        assert sorted(name for name in files if name.startswith(folder)) == [
            f"{folder}/settings.json",
            f"{folder}/truth.npz",
        ]


def test_scores_are_those_of_the_organisers_own_board(course, bundle, tmp_path):
    one = course.rules.rounds[1]
    truth = Truth.of(course.truth(one))
    scores = np.random.default_rng(5).random(len(truth.fake)).round(1)
    np.save(tmp_path / "scores.npy", scores)
    own = score_metrics(truth.fake, scores, 0.5)
    figures = try_scores(bundle, "2", tmp_path / "scores.npy").figures
    assert figures == pytest.approx({name: own[name] for name in figures}, abs=1e-12)
    assert list(figures) == [column["key"] for column in competition(bundle)["leaderboards"][0]["columns"]]
    with pytest.raises(DataError, match="the 80 users of round round3, found 70, as many as round round2 has"):
        try_scores(bundle, "round3", tmp_path / "scores.npy")
    with pytest.raises(DataError, match=r"the 60 users of round round1, found 70$"):
        try_scores(bundle, "round1", tmp_path / "scores.npy")


def test_a_submission_that_would_run_as_code_is_refused(bundle, tmp_path):
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("metadata.yaml", "command: true")
    with pytest.raises(DataError, match="as code"):
        try_scores(bundle, "1", tmp_path / "s.zip")


def test_a_round_that_is_not_released_keeps_its_batch(course, bundle):
    phases = competition(bundle)["phases"]
    assert ["public_data" in phase for phase in phases] == [True, False, False]
    assert [name for name in read_bundle(bundle) if "public_data" in name or "kit" in name] == [
        "public_data_1.zip",
        "starting_kit_1.zip",
    ]
    write_bundle(course, bundle, start=START, all_batches=True)
    files = read_bundle(bundle)
    for number, one in enumerate(course.rules.rounds, start=1):
        batch = inside(files[f"public_data_{number}.zip"])
        if number > 1:
            release_round(course, one.name)
        with np.load(course.batch_file(one)) as released, np.load(io.BytesIO(batch[f"{one.name}.npz"])) as public:
            assert public.files == ["X"]
            assert np.array_equal(public["X"], released["X"])


def test_the_sample_submission_is_scored(bundle, tmp_path):
    kit = inside(read_bundle(bundle)["starting_kit_1.zip"])
    (tmp_path / "sample.zip").write_bytes(kit["sample_submission.zip"])
    assert 0.2 < try_scores(bundle, "round1", tmp_path / "sample.zip").figures["auc"] < 0.8
    assert b"shape (60,)" in kit["README.md"]


def test_the_same_course_gives_the_same_bytes(course, bundle):
    before = bundle.read_bytes()
    write_bundle(course, bundle, start=START)
    assert bundle.read_bytes() == before


def test_a_batch_that_tells_labels_is_refused_and_nothing_is_written(course, tmp_path):
    one = course.rules.rounds[2]
    truth = read_rounds([course.truth_file(one)])[0]
    rank = np.argsort(np.argsort(-truth.labels.fake, kind="stable"))
    told = replace(truth, ratings=replace(truth.ratings, user_ids=1000 + rank))
    save_arrays(course.truth_file(one), round_arrays(told, told.ratings.user_ids, labels=True))
    with pytest.raises(DataError, match="must say nothing of the labels"):
        write_bundle(course, tmp_path / "out" / "b.zip", start=START)
    assert not (tmp_path / "out").exists()


def test_a_batch_that_teams_have_must_be_that_of_the_labelled_round(course):
    shutil.copy(course.truth_file(course.rules.rounds[1]), course.truth_file(course.rules.rounds[0]))
    with pytest.raises(DataError, match="must hold the users and ratings of"):
        write_bundle(course, course.path / "b.zip", start=START)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('deadline = "2026-11-16 12:00"', "", "round round2 must have a deadline"),
        ('deadline = "2026-11-16 12:00"', 'deadline = "2026-11-09 12:00"', "round2 must be after that of round1"),
        ('deadline = "2026-11-09 12:00"', 'deadline = "2026-11-01 12:00"', "--start must be before the deadline"),
        ('tie_breaker = "f1"', 'tie_breaker = "composite"', None),
    ],
)
def test_rounds_that_cannot_be_phases_are_refused(old, new, words, course, bundle):
    changed, before = ruled(course, old, new), bundle.read_bytes()
    if words is None:
        file = changed.truth_file(changed.rules.rounds[0])
        with np.load(file) as archive:
            arrays = {"X": archive["X"], "y": archive["y"]}
        np.savez(file, **arrays)
        words = "round round1 must name kinds"
    with pytest.raises(ConfigError, match=words):
        write_bundle(changed, bundle, start=START)
    assert bundle.read_bytes() == before
    assert sorted(one.name for one in course.path.iterdir()) == [
        "bundle.zip",
        "course.toml",
        "lab",
        "private",
        "public",
    ]


def test_rules_become_settings(course, bundle):
    changed = ruled(course, '"on-close"', '"at-once"')
    changed = ruled(changed, 'counts = "last"', 'counts = "best"')
    changed = ruled(changed, "per_round = 3", "per_round = 0")
    changed = ruled(changed, 'metric = "auc"', 'metric = "average_precision"')
    before = competition(bundle)
    write_bundle(changed, bundle, start=START)
    after = competition(bundle)
    assert [one["auto_run_submissions"] for one in (before, after)] == [False, True]
    assert [one["enable_detailed_results"] for one in (before, after)] == [False, True]
    boards = [one["leaderboards"][0] for one in (before, after)]
    assert [one["hidden"] for one in boards] == [True, False]
    assert [one["submission_rule"] for one in boards] == ["Force_Last", "Force_Best"]
    assert [[column["key"] for column in one["columns"]] for one in boards] == [
        ["auc", "f1", "precision", "recall", "average_precision"],
        ["average_precision", "f1", "auc", "precision", "recall"],
    ]
    assert [one["phases"][0]["max_submissions"] for one in (before, after)] == [3, 0]
    assert [one["phases"][0]["max_submissions_per_day"] for one in (before, after)] == [3, 0]


def test_a_course_of_named_kinds_asks_for_class_scores(course, bundle, tmp_path):
    changed = ruled(course, 'metric = "auc"', 'metric = "composite"')
    write_bundle(changed, bundle, start=START)
    assert b"a row of class scores" in read_bundle(bundle)["pages/evaluation.md"]
    kit = inside(read_bundle(bundle)["starting_kit_1.zip"])
    (tmp_path / "sample.zip").write_bytes(kit["sample_submission.zip"])
    figures = try_scores(bundle, "1", tmp_path / "sample.zip").figures
    assert list(figures)[:2] == ["composite", "f1"]


def test_a_title_cannot_write_markup(course, bundle):
    changed = ruled(course, 'title = ".*"', "title = \"<img src=x onerror=alert(1)> #: '%' {{ rules }}\"")
    write_bundle(changed, bundle, start=START)
    assert competition(bundle)["title"] == changed.rules.title
    assert b"<img" not in read_bundle(bundle)["pages/overview.md"]


def test_a_bundle_that_codabench_would_refuse_does_not_get_its_name(course, bundle):
    changed, before = ruled(course, 'title = ".*"', f'title = "{"x" * 257}"'), bundle.read_bytes()
    with pytest.raises(DataError, match="title must have 1 to 256 characters"):
        write_bundle(changed, bundle, start=START)
    assert bundle.read_bytes() == before


@pytest.mark.parametrize("name", ["public/b.zip", "board/b.zip", "b.tar"])
def test_a_bundle_is_not_written_where_labels_would_be_public(name, course):
    with pytest.raises(ConfigError, match="--out must"):
        write_bundle(course, course.path / name, start=START)


def test_rounds_without_labels_are_left_out_and_named(course, bundle):
    course.truth_file(course.rules.rounds[1]).unlink()
    assert write_bundle(course, bundle, start=START).left_out == ("round2",)
    assert [phase["name"] for phase in competition(bundle)["phases"]] == ["round1", "round3"]
