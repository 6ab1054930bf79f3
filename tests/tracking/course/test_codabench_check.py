"""The check of a Codabench bundle: every fault that the platform would refuse, or swallow, is named."""

import io
import zipfile
from datetime import datetime

import numpy as np
import pytest
import yaml

from anomaly_lab.errors import ConfigError
from tracking.course.codabench.check import check_bundle, find_faults
from tracking.course.codabench.trial import read_bundle


def competition(bundle):
    return yaml.safe_load(read_bundle(bundle)["competition.yaml"])


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
