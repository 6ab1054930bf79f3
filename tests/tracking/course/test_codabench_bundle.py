"""A course as a Codabench bundle: what is in it, what it keeps to itself, and when there is none."""

import io
import re
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.metrics import score_metrics
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.synthetic import make_course
from tracking.course.codabench.bundle import write_bundle
from tracking.course.codabench.check import check_bundle, find_faults
from tracking.course.codabench.trial import read_bundle, try_scores
from tracking.course.figures import Truth
from tracking.course.files import round_arrays, save_arrays
from tracking.course.folder import CourseFolder
from tracking.course.release import init_course, release_round

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


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


def zipped(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("batch.npz", buffer.getvalue())
    return packed.getvalue()


BOARD = ("leaderboards", 0)
COLUMN = (*BOARD, "columns", 1)
GONE = object()
MADE_DATE = datetime(2026, 11, 2, 8)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (("version",), 1, "version must be 2"),
        (("title",), "x" * 257, "title must have 1 to 256"),
        (("pages",), GONE, "must have pages"),
        (("image",), "other.png", "image names 'other.png'"),
        (("terms",), "pages/none.md", "terms names 'pages/none.md'"),
        (("solution",), [], "keys that Codabench drops: solution"),
        (("pages", 0, "file"), "pages/none.md", "pages[0].file names"),
        (("tasks", 0, "scoring_program"), GONE, "tasks[0] must have scoring_program"),
        (("tasks", 0, "scoring_program"), "pages", "metadata.yaml with a command"),
        (("tasks", 0, "reference_data"), "nothing", "tasks[0].reference_data names"),
        (("tasks", 1, "index"), 0, "tasks.index must be another one"),
        (("phases", 0, "tasks"), [9], "a task that is not there"),
        (("phases", 0, "tasks"), [], "must name at least one task"),
        (("phases", 0, "start"), MADE_DATE, "phases[0].start must be quoted text"),
        (("phases", 0, "end"), GONE, "phases[0] must have an end"),
        (("phases", 0, "end"), "2026-11-01 08:00:00", "phases[0].end must be after its start"),
        (("phases", 1, "start"), "2026-11-09 11:05:00", "phases[1].start must be after"),
        (("phases", 0, "max_submissions"), "3", "max_submissions must be a whole number"),
        (("phases", 0, "public_data"), "none.zip", "phases[0].public_data names"),
        (("phases", 0, "execution_time_limit_ms"), 1, "drops: execution_time_limit_ms"),
        (("leaderboards",), GONE, "must have leaderboards"),
        ((*BOARD, "title"), "x" * 65, "title must have at most 64"),
        ((*BOARD, "key"), "x" * 37, "key must have at most 36"),
        ((*BOARD, "submission_rule"), "Best", "submission_rule must be one of"),
        ((*BOARD, "primary_index"), 7, "primary_index must be the index of a column"),
        ((*COLUMN, "key"), "auc", "columns.key must be another one"),
        ((*COLUMN, "index"), 0, "columns.index must be another one"),
        ((*COLUMN, "index"), "1", "index must be a whole number"),
        ((*COLUMN, "title"), "x" * 37, "title must have at most 36"),
        ((*COLUMN, "sorting"), "down", "sorting must be desc or asc"),
        ((*COLUMN, "precision"), "4", "precision must be a whole number"),
        ((*COLUMN, "computation"), "avg", "both computation and computation_indexes"),
        ((*COLUMN, "computation_indexes"), [1], "list of other columns' indexes"),
    ],
)
def test_the_check_finds_each_fault(where, value, words, bundle):
    files, content = read_bundle(bundle), competition(bundle)
    assert list(find_faults(files)) == []
    place = content
    for step in where[:-1]:
        place = place[step]
    if value is GONE:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    files["competition.yaml"] = yaml.safe_dump(content).encode()
    assert words in "; ".join(find_faults(files))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("competition.yaml", None, "no competition.yaml at the top"),
        ("competition.yaml", b"a: [", "is no YAML"),
        ("competition.yaml", b"- 1", "must hold keys"),
        ("logo.png", b"", "image names"),
        ("public_data_1.zip", zipped(X=[1], y=[1]), "public_data_1.zip: batch.npz must hold no labels"),
        ("starting_kit_1.zip", zipped(predictions=[1], fake=[1]), "must hold no labels"),
        ("pages/truth.csv", b"1", "may tell labels"),
        ("truth.npz", b"", None),
    ],
)
def test_the_check_looks_into_files(name, content, words, bundle):
    files = read_bundle(bundle)
    if words is None:
        content, words = files["reference_data_1/truth.npz"], "truth.npz must hold no labels"
    files = {key: value for key, value in files.items() if key != name} | ({} if content is None else {name: content})
    assert words in "; ".join(find_faults(files))


def test_the_old_spelling_of_leaderboards_is_named(bundle):
    files, content = read_bundle(bundle), competition(bundle)
    content["leaderboard"] = content.pop("leaderboards")
    files["competition.yaml"] = yaml.safe_dump(content).encode()
    assert "must have leaderboards, spelt so" in "; ".join(find_faults(files))


def test_a_file_that_is_no_bundle_is_refused(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"x")
    with pytest.raises(ConfigError, match="must be a bundle"):
        check_bundle(tmp_path / "b.zip")
