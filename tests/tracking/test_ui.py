"""The UI: what its views and notes say, when its server is ready, and that a lab may live on such a server."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import zlib
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from anomaly_lab.errors import ConfigError, StoreError
from anomaly_lab.ratings.readers import read_round, read_rounds
from experiments.tune import tune
from tracking.colleague import record
from tracking.leaderboard import leaderboard
from tracking.read import COMMON_PARAMS
from tracking.store import Store
from tracking.ui import HOST, serve
from tracking.views import SHARED

DETECTORS = ["mahalanobis", "logistic-regression"]


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


@pytest.fixture
def client(tiny_lab):
    return Store.open(tiny_lab).client


@pytest.fixture
def experiment(client):
    (found,) = [one for one in client.search_experiments() if one.name != "Default"]
    return found


def view(experiment, key):
    saved = json.loads(experiment.tags[SHARED + key])
    return json.loads(zlib.decompress(base64.b64decode(saved["state"].removeprefix("deflate;"))))


def shown(client, experiment, state):
    """Return the runs that a view shows, in its order."""
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    return client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[order])


def columns(state, sort):
    return {name.partition(".")[2].strip("`") for name in state["selectedColumns"] if name.startswith(sort)}


def get(port, path, body=None):
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_first_view_shows_the_runs_of_the_leaderboard_highest_auc_first(client, experiment, tiny_lab):
    state = view(experiment, "lab-best")
    found = shown(client, experiment, state)
    table = leaderboard([tiny_lab]).table.sort_values("auc", ascending=False)
    assert [run.info.run_id for run in found] == table["run_id"].tolist()
    for run in found:
        assert columns(state, "metrics") <= set(run.data.metrics)
        assert columns(state, "params") <= set(run.data.params)


def test_the_view_of_all_runs_shows_every_trial_but_no_study(client, experiment):
    roles = [run.data.tags["lab.role"] for run in shown(client, experiment, view(experiment, "lab-runs"))]
    assert roles == ["trial"] * 4


def test_the_first_view_shows_recorded_scores_too(lab, tiny_rounds, tmp_path):
    one = read_round(tiny_rounds["r2"])
    np.save(tmp_path / "r2.npy", np.linspace(0.1, 0.9, one.ratings.n_users))
    record([tmp_path / "r2.npy"], [tiny_rounds["r2"]], "ana", store=lab)
    client = Store.open(lab).client
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()], "tags.`lab.role` = 'recorded'")
    experiment = client.get_experiment(run.info.experiment_id)
    found = shown(client, experiment, view(experiment, "lab-best"))
    assert run.info.run_id in {one.info.run_id for one in found}


@pytest.mark.parametrize("detector", DETECTORS)
def test_each_detector_has_a_view_of_its_own_hyperparameters(client, experiment, detector):
    state = view(experiment, f"lab-{detector}")
    found = shown(client, experiment, state)
    assert len(found) == 2
    (chart,) = state["compareRunCharts"]
    for run in found:
        assert run.data.params["detector"] == detector
        assert set(chart["selectedParams"]) == set(run.data.params) - set(COMMON_PARAMS)
        assert set(chart["selectedMetrics"]) <= set(run.data.metrics)
    assert chart["metricSectionId"] in {section["uuid"] for section in state["compareRunSections"]}


def test_question_and_studies_are_described(client, experiment):
    assert "next-round on" in experiment.tags["mlflow.note.content"]
    studies = client.search_runs([experiment.experiment_id], "tags.`lab.role` = 'study'")
    assert len(studies) == 2
    for study in studies:
        best = client.get_run(study.data.tags["lab.best_run"])
        note = study.data.tags["mlflow.note.content"]
        assert best.info.run_name in note
        assert best.info.run_id in note
        assert f"AUC {best.data.metrics['auc']:.3f}" in note
        assert "| scaling |" in note
        assert study.data.metrics["auc"] == best.data.metrics["auc"]


def test_a_port_that_is_taken_is_refused_by_name(tiny_lab):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port} must be free"), serve(Store.open(tiny_lab), port):
            pass


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_refused(tiny_lab, port):
    with pytest.raises(ConfigError, match=f"found {port}"), serve(Store.open(tiny_lab), port):
        pass


def test_a_lab_on_a_server_is_not_served_again(tmp_path, port):
    with pytest.raises(StoreError, match="open http://there:5000"), serve(Store(tmp_path, "http://there:5000"), port):
        pass


def test_a_server_that_cannot_start_says_why(tiny_lab, tmp_path, port, monkeypatch):
    (tmp_path / "mlflow.py").write_text("raise SystemExit('this MLflow is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = r"ui\.log, which ends: this MLflow is broken"
    with pytest.raises(StoreError, match=broken), serve(Store.open(tiny_lab), port):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda process: os.killpg(process.pid, signal.SIGINT), id="Ctrl-C"),
        pytest.param(lambda process: process.terminate(), id="kill"),
    ],
)
def test_the_command_names_the_address_when_it_answers_and_leaves_nothing_behind(tiny_lab, port, experiment, end):
    command = [sys.executable, "-m", "experiments.cli", "ui", "--store", str(tiny_lab), "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}, start_new_session=True, text=True
    )
    try:
        address = urlsplit(process.stdout.readline().strip())
        assert address.netloc == f"{HOST}:{port}"
        assert get(port, "/health") == (200, b"OK")
        place, _, query = address.fragment.partition("?")
        assert place == f"/experiments/{experiment.experiment_id}/runs"
        assert SHARED + parse_qs(query)["viewStateShareKey"][0] in experiment.tags
        body = json.dumps({"experiment_ids": [experiment.experiment_id]})
        status, answer = get(port, "/api/2.0/mlflow/runs/search", body)
        assert status == 200
        assert len(json.loads(answer)["runs"]) == 6  # two studies of two trials
    finally:
        end(process)
        process.wait(timeout=60)
    with pytest.raises(ConnectionRefusedError):
        get(port, "/health")


@pytest.mark.slow
def test_a_tune_through_a_server_gives_the_board_of_one_without(tiny_rounds, tiny_lab, tmp_path, port, monkeypatch):
    served = Store.open(tmp_path / "served", create=True)
    rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True)
    with serve(served, port) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        board = tune(rounds, detectors=DETECTORS, trials=2, jobs=1, store=tmp_path / "lab").board
    assert not (tmp_path / "lab" / "mlflow.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    own = ["run_id", "store", "seconds"]
    expected = leaderboard([tiny_lab]).table.drop(columns=own)
    assert_frame_equal(board.table.drop(columns=own), expected)
    assert_frame_equal(leaderboard([tmp_path / "served"]).table.drop(columns=own), expected)
