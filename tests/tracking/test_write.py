"""A run written into a lab's own database leaves what MLflow's client would leave, row for row; and curves."""

import json
import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from anomaly_lab.evaluation.engine import FoldResult, RunResult
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.tasks.question import Question
from tracking import lab_database
from tracking.artifacts import write_artifacts
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import Store
from tracking.whole_run import Point, WholeRun
from tracking.write import write_run

TABLES = {
    "runs": "name, source_type, source_name, entry_point_name, user_id, status, start_time, source_version, "
    "lifecycle_stage, experiment_id, deleted_time, artifact_uri like '%/' || run_uuid || '/artifacts', "
    "end_time >= start_time",
    "tags": "key, value",
    "params": "key, value",
    "metrics": "key, value, step, is_nan, typeof(value)",
    "latest_metrics": "key, value, step, is_nan, typeof(value)",
    "inputs": "source_type, destination_type, step",
    "input_tags": "name, value",
    "datasets": "name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile",
}


@pytest.fixture(params=["own", "client"])
def way(request, monkeypatch):
    """Write into the lab's own database, or by MLflow's client."""
    if request.param == "client":
        monkeypatch.setattr(lab_database, "SCHEMAS", frozenset())
    return request.param


@pytest.fixture(scope="module")
def question(tiny_rounds):
    return Question.of(read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True))


@pytest.fixture
def empty(new_store):
    return Store.open(new_store("lab"))


def rows(store):
    with closing(sqlite3.connect(store.database)) as database:
        return {
            table: sorted(database.execute(f"select {columns} from {table}"), key=repr)
            for table, columns in TABLES.items()
        }


def odd_result(question):
    one = question.rounds[0]
    truth = one.labels.fake.astype(int)
    metrics = {"auc": 0.7, "f1": math.nan, "auc_variance": math.inf, "precision": 0.0, "recall": 1.0}
    folds = tuple(FoldResult(name, metrics, 0.5, 1.0, one.ratings.user_ids, truth * 0.5, truth) for name in ("x", "y"))
    return RunResult("m", {"depth": 3, "kind": "ä 'quoted' %", "none": None}, 7, folds, {"fit": 0.25})


def write_all(store, question):
    recorder = Recorder(store, question)
    spec = RunSpec(question, "m", "supervised", ("profile",), study="s", home="h")
    at = {"parent": "p" * 32, "params": {"depth": 3}, "started": 1.5}
    recorder.record(spec, odd_result(question), parent="p" * 32, trial=0, started=1.5)
    recorder.record(spec, odd_result(question), started=1.5)
    recorder.record_failure(spec, "why it failed " * 400, trial=1, **at)
    recorder.record_behind(spec, "fell behind", {2: 0.5, 1: 0.75}, trial=2, **at)


def test_both_ways_leave_the_same_rows(new_store, question, monkeypatch):
    left = []
    for way in ("own", "client"):
        store = Store.open(new_store(way))
        with monkeypatch.context() as patch:
            if way == "client":
                patch.setattr(lab_database, "SCHEMAS", frozenset())
            write_all(store, question)
        left.append(rows(store))
    for table in TABLES:
        assert left[0][table] == left[1][table], table
    assert len(left[0]["runs"]) == 4


def test_a_run_is_read_back_as_it_was_written(way, empty, question):
    recorder = Recorder(empty, question)
    spec = RunSpec(question, "m", "supervised", ("profile",), study="s")
    result = odd_result(question)
    run = empty.client.get_run(recorder.record(spec, result, started=1.5))
    assert run.info.status == "FINISHED"
    assert run.info.start_time == 1500
    assert run.data.params == {
        "detector": "m",
        "families": "profile",
        "depth": "3",
        "kind": "ä 'quoted' %",
        "none": "None",
    }
    assert math.isnan(run.data.metrics["f1"])
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == {one.name for one in question.rounds}
    files = {one.path for one in empty.client.list_artifacts(run.info.run_id)}
    assert files == {"scores.csv", "curves.json", "result.json"}


def test_what_mlflow_would_refuse_is_refused_and_nothing_is_written(way, empty, question):
    from mlflow.exceptions import MlflowException

    experiment = Recorder(empty, question).experiment_id
    before = rows(empty)["metrics"]
    with pytest.raises(MlflowException):
        write_run(empty, WholeRun(experiment, "n", {}, {}, [Point("no: such, name?", 1.0)]))
    empty.client.delete_experiment(experiment)
    with pytest.raises(MlflowException):
        write_run(empty, WholeRun(experiment, "n", {}, {}, [Point("auc", 1.0)]))
    assert rows(empty)["metrics"] == before


def test_a_run_whose_artifacts_fail_is_not_there(empty, question):
    def fail(folder):
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_run(empty, WholeRun(Recorder(empty, question).experiment_id, "n", {}, {}), fail)
    assert rows(empty)["runs"] == []


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.3, 1.0, -2.0])), min_size=2, max_size=30
    ).filter(lambda users: {label for label, _ in users} == {0, 1})
)
def test_curves_are_scikit_learns(tmp_path_factory, users):
    truth, scores = (np.array(column) for column in zip(*users, strict=True))
    fold = FoldResult("x", {}, 0.5, 1.0, np.arange(len(truth)), scores, truth)
    folder = tmp_path_factory.mktemp("curves")
    write_artifacts(RunResult("m", {}, 0, (fold,), {}), folder)
    curves = json.loads((folder / "curves.json").read_text())["x"]
    false_rate, true_rate, _ = roc_curve(truth, scores)
    precision, recall, _ = precision_recall_curve(truth, scores)
    assert curves["fpr"] == np.round(false_rate, 5).tolist()
    assert curves["tpr"] == np.round(true_rate, 5).tolist()
    assert curves["precision"] == np.round(precision, 5).tolist()
    assert curves["recall"] == np.round(recall, 5).tolist()
