"""An MLflow server instead of the lab's own database: tune, export, champion, score and record through it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from anomaly_lab.errors import StoreError
from anomaly_lab.ratings.readers import read_round, read_rounds
from experiments.tune import tune
from tracking.champion import load_champion
from tracking.colleague import record
from tracking.export import export
from tracking.leaderboard import leaderboard
from tracking.scoring import score

pytestmark = pytest.mark.slow


@contextmanager
def running(folder, *options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")),
        *options,
    ]
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | settings, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture
def server(tmp_path, monkeypatch):
    with running(tmp_path / "server") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield tmp_path / "server"


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the server never answered: {log.read_text()}")


def test_the_whole_way_through_a_server(server, tiny_rounds, tmp_path, capfd):
    lab = tmp_path / "lab"
    rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True)
    tune(rounds, detectors=["mahalanobis"], trials=1, jobs=1, store=lab, families=["profile"])
    exported = export(tiny_rounds["next"], tmp_path / "s.npz", store=lab)
    report = score(exported.path, tiny_rounds["truth"], store=lab)
    one = read_round(tiny_rounds["r2"])
    np.save(tmp_path / "r2.npy", np.linspace(0.1, 0.9, one.ratings.n_users))
    record([tmp_path / "r2.npy"], [tiny_rounds["r2"]], "ana", store=lab)

    table = leaderboard([lab]).table
    assert table["detector"].tolist() == ["mahalanobis", "ana"]
    assert table["real_auc"].iloc[0] == report.auc
    assert exported.champion == "1"
    assert load_champion(lab).threshold == load_champion(lab, 1).threshold
    assert not (lab / "mlflow.db").exists()
    assert list((server / "artifacts").rglob("model.skops"))
    assert capfd.readouterr().out == ""  # MLflow's own words would stand between a command's


def test_a_server_that_does_not_know_its_name_is_said_in_one_line(tmp_path, monkeypatch):
    with running(tmp_path / "server", "--allowed-hosts", "lab.example") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(StoreError, match=r"found: .*Invalid Host header.*--allowed-hosts and that name$"):
            leaderboard([tmp_path / "lab"])
