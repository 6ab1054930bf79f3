"""Files from teams: what is taken, what is refused and why, and what is kept of them."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from anomaly_lab.errors import ConfigError, DataError, LabError
from tracking.course.folder import RULES, CourseFolder
from tracking.course.intake import submit_folder
from tracking.course.release import release_round
from tracking.course.standings import close_round
from tracking.course.submissions import submissions, submit

IN_TIME = datetime(2026, 12, 1, 9, tzinfo=UTC)
MANY = 10**12


def archive(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def array(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def zipped(compression=zipfile.ZIP_DEFLATED, /, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as bundle:
        for name, content in members.items():
            bundle.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def claiming(shape):
    """Return an array file whose header promises far more than the file holds."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue() + b"0" * 64


USERS = 120
GOOD = np.linspace(0.01, 0.99, USERS)


def csv(users):
    return ("user,score\n" + "".join(f"{user},{score}\n" for user, score in zip(users, GOOD, strict=True))).encode()


ZEROS = b"\0" * 30 * 2**20
HARD, ODD = (GOOD > 0.5).astype(int), np.where(GOOD > 0.9, np.nan, GOOD)
ACCIDENTS = {
    "column": ("s.npz", archive(arr_0=np.c_[GOOD, HARD]), "extra column of predicted classes"),
    "key": ("s.npz", archive(scores=GOOD), "must hold scores under key .* found 'scores'"),
    "labels": ("s.npz", archive(arr_0=HARD), "hard labels"),
    "nan": ("s.npz", archive(arr_0=ODD), "must be finite, found nan in row"),
    "few": ("s.npz", archive(arr_0=GOOD[1:]), "found 119 scores for 120 users"),
    "other users": ("s.csv", csv(np.arange(USERS) + 1), "user 0 of .* has no score"),
    "twice": ("s.csv", csv(np.r_[0, np.arange(USERS - 1)]), "user"),
    "pickle": ("s.npz", archive(arr_0=np.array([{}] * USERS, dtype=object)), "never unpickled"),
    "no archive": ("s.npz", b"hello", "broken one"),
    "empty": ("s.csv", b"", "s.csv"),
    "bomb": ("s.npz", zipped(arr_0__npy=ZEROS), r"must unpack to at most 20 MB, found 30\.0 MB"),
    "claim": ("s.npy", claiming((MANY,)), "must unpack to at most 20 MB"),
    "claim inside": ("s.npz", zipped(arr_0__npy=claiming((MANY,))), "must unpack to at most 20 MB"),
    "bomb inside": ("s.zip", zipped(predictions__npz=zipped(a__npy=ZEROS)), "must unpack to at most"),
    "nested": ("s.zip", zipped(a__zip=zipped(a__zip=zipped(a__zip=b""))), "archive in an archive"),
    "crowd": ("s.zip", zipped(**{f"f{number}": b"" for number in range(50)}), "at most 16 files, found 50"),
    "other compression": ("s.npz", zipped(zipfile.ZIP_BZIP2, arr_0__npy=array(GOOD)), "must be stored or deflated"),
    "code": ("s.zip", zipped(metadata=b"command: x", predictions__npz=archive(predictions=GOOD)), "metadata"),
    "more code": (
        "s.zip",
        zipped(metadata__yaml=b"command: x", predictions__npz=archive(predictions=GOOD)),
        "metadata",
    ),
    "text": ("s.txt", b"0.5", "must end in"),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_each_known_accident_is_refused_by_name_and_uses_no_attempt(new_course, tmp_path, accident):
    course = new_course(per_round=1)
    name, content, words = ACCIDENTS[accident]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError, match=words) as told:
        submit(course, "Eve", "1", file, at=IN_TIME)
    assert "\n" not in str(told.value)
    assert str(file) in str(told.value)
    assert submissions(course, course.rules.round("1")) == []
    np.savez(tmp_path / "good.npz", arr_0=GOOD)
    assert submit(course, "Eve", "1", tmp_path / "good.npz", at=IN_TIME).left == 0


def test_a_score_for_every_row_is_recognised(new_course, tmp_path):
    course = new_course()
    n_rows = course.truth(course.rules.round("1")).ratings.n_rows
    np.savez(tmp_path / "s.npz", arr_0=np.random.default_rng(0).random(n_rows))
    with pytest.raises(DataError, match="one score per rating row"):
        submit(course, "Eve", "1", tmp_path / "s.npz", at=IN_TIME)
    assert submissions(course, course.rules.round("1")) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.npz", archive(arr_0=GOOD)),
        ("s.npz", archive(predictions=GOOD)),
        ("s.npy", array(GOOD)),
        ("s.csv", csv(np.arange(USERS))),
        ("S.ZIP", zipped(predictions__npz=archive(predictions=GOOD))),
    ],
)
def test_every_form_is_taken_and_kept_as_it_came(new_course, tmp_path, name, content):
    course = new_course()
    (tmp_path / name).write_bytes(content)
    receipt = submit(course, "Eve", "1", tmp_path / name, at=IN_TIME)
    (kept,) = submissions(course, course.rules.round("1"))
    assert (kept.team, kept.round, kept.submitted, kept.days_late) == ("Eve", "round1", IN_TIME, 0)
    assert receipt.left == 2
    files = [path for path in (course.path / "lab" / "artifacts").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in files] == [content]


def test_links_are_refused(new_course, tmp_path):
    course = new_course()
    np.save(tmp_path / "secret.npy", GOOD)
    (tmp_path / "s.npy").symlink_to(tmp_path / "secret.npy")
    with pytest.raises(DataError, match="found a link"):
        submit(course, "Eve", "1", tmp_path / "s.npy", at=IN_TIME)


def test_a_team_has_so_many_attempts_and_the_organiser_any(new_course, hand_in):
    course = new_course(per_round=2)
    assert [hand_in(course, "Eve", 1, seed=number).left for number in range(2)] == [1, 0]
    with pytest.raises(ConfigError, match="at most 2 files in round round1, found 2"):
        hand_in(course, "Eve", 1, seed=3)
    assert hand_in(course, "Bob", 1).left == 1
    assert [hand_in(course, "base", 1, seed=number, baseline=True).left for number in range(3)] == [None] * 3


def test_late_files_are_refused_or_counted_by_days(new_course, hand_in):
    strict = new_course("strict")
    end = strict.rules.round("1").deadline
    assert hand_in(strict, "Eve", 1, at=end + timedelta(minutes=5)).submission.days_late == 0
    with pytest.raises(ConfigError, match=r"must come by 2026-12-02 12:00 UTC, .* came 2026-12-02 12:06 UTC"):
        hand_in(strict, "Eve", 1, at=end + timedelta(minutes=6))
    lenient = new_course("lenient", late='"penalty"')
    assert hand_in(lenient, "Eve", 1, at=end + timedelta(days=1, hours=1)).submission.days_late == 2


def test_only_named_teams_may_submit(new_course, hand_in):
    course = new_course(teams='["Eve", "Bob"]')
    with pytest.raises(ConfigError, match="--team must be one of Eve, Bob, found 'Eva'"):
        hand_in(course, "Eva", 1)
    assert hand_in(course, "Eve", 1)


def test_a_round_takes_files_from_its_release_to_its_end(new_course, hand_in):
    course = new_course(release=1)
    with pytest.raises(ConfigError, match="round2 must be released"):
        hand_in(course, "Eve", 1, number="2")
    close_round(course, "1", early=True)
    with pytest.raises(ConfigError, match="its labels are public"):
        hand_in(course, "Eve", 1)


def test_scores_of_another_round_are_recognised(tmp_path, template, copy_lab, new_course):
    course = new_course(release=0)
    second = course.truth_file(course.rules.round("2"))
    with np.load(second) as file:
        kept = {key: file[key] for key in file.files}
    last = kept["y"][-1, 0]
    np.savez(second, **{key: rows[rows[:, 0] != last] for key, rows in kept.items()})
    for number in "12":
        release_round(course, number)
    np.savez(tmp_path / "s.npz", arr_0=GOOD[1:])
    with pytest.raises(DataError, match="as many as round round2 has: scores of another round"):
        submit(course, "Eve", "1", tmp_path / "s.npz", at=IN_TIME)


@pytest.mark.parametrize(
    ("values", "note"),
    [(GOOD / 4, "flags no one"), (GOOD / 4 + 0.6, "flags everyone"), (GOOD * 0 + 0.3, "nobody is told")],
)
def test_what_is_legal_but_unwise_is_said(new_course, tmp_path, values, note):
    np.savez(tmp_path / "s.npz", arr_0=values)
    assert note in submit(new_course(), "Eve", "1", tmp_path / "s.npz", at=IN_TIME).notes[0]


def test_the_same_file_from_two_teams_is_said(new_course, hand_in):
    course = new_course()
    hand_in(course, "Eve", 1)
    path = next((course.path / "lab" / "artifacts").rglob("submission.npz"))
    assert "the very file that Eve handed in" in submit(course, "Bob", "1", path, at=IN_TIME).notes[0]


def test_no_label_enters_the_store(new_course, hand_in):
    course = new_course(feedback='"at-once"')
    hand_in(course, "Eve", 2)
    close_round(course, "1", early=True)
    (kept,) = submissions(course, course.rules.round("1"))
    run = course.store.client.get_run(kept.run_id)
    assert {key.removeprefix("lab.") for key in run.data.tags if key.startswith("lab.")} == {
        "role", "team", "round", "submitted", "days_late", "baseline", "file", "sha256", "home",
    }  # fmt: skip
    assert run.data.params == {}
    assert 0.5 < run.data.metrics["auc"] < 1
    files = [path for path in (course.path / "lab" / "artifacts").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["submission.npz"]


def test_a_folder_is_taken_file_by_file_oldest_first(new_course, tmp_path):
    course = new_course(teams='["Eve", "Eve B", "Ümit"]', per_round=1)
    inbox = tmp_path / "inbox"
    (inbox / "Ümit").mkdir(parents=True)
    files = {"eve_final.npz": GOOD, "Eve B.npz": GOOD[::-1], "Ümit/scores.npz": GOOD**2, "eve-again.npz": GOOD / 2}
    for name, values in files.items():
        np.savez(inbox / name, arr_0=values)
    (inbox / "unknown.npz").write_bytes(archive(arr_0=GOOD))
    (inbox / "eve.txt").write_text("hello")
    taken = submit_folder(course, "1", inbox, IN_TIME)
    found = {one.file.name: one.refused or one.team for one in taken}
    assert {found[name] for name in ("Eve B.npz", "scores.npz")} == {"Eve B", "Ümit"}
    eve = [found["eve_final.npz"], found["eve-again.npz"]]
    assert "Eve" in eve
    assert any("at most 1 files" in one for one in eve)
    assert "must begin with the name of a team" in found["unknown.npz"]
    assert "must end in" in found["eve.txt"]
    with pytest.raises(DataError, match="found no file"):
        submit_folder(course, "1", tmp_path / "nowhere")


def test_a_file_that_cannot_be_stored_is_no_submission(new_course, hand_in, monkeypatch):
    course = new_course()
    (course.path / "lab" / "artifacts").write_text("in the way")
    with pytest.raises((OSError, LabError)):
        hand_in(course, "Eve", 1)
    assert submissions(course, course.rules.round("1")) == []
    assert (course.path / RULES).exists()
    assert CourseFolder.open(course.path)
