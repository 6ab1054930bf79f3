"""What README shows is what happens: its notebook, its detector, and the board it prints."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomaly_lab.evaluation.engine import run
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.tasks.question import Question
from experiments.cli import main
from experiments.readme import README, aucs, shown

BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.slow
def test_the_notebook_runs_as_written(tiny_rounds, new_store, tmp_path, monkeypatch):
    new_store("lab")
    monkeypatch.chdir(tmp_path)
    shutil.copy(tiny_rounds["r1"], "round1.npz")
    shutil.copy(tiny_rounds["r2"], "round2.npz")
    shutil.copy(tiny_rounds["next"], "next.npz")
    found = {}
    exec(BLOCKS[0], found)
    assert set(found["tuned"].board.table["detector"]) == {"mahalanobis", "logistic-regression"}
    with np.load("scores.npz") as handed_in:
        assert handed_in["arr_0"].shape == (len(found["exported"].table),)


def test_the_detector_of_twenty_lines_finds_rarity(tiny_rounds):
    found = {"__name__": "readme"}
    exec(compile(BLOCKS[1], "readme", "exec", dont_inherit=True), found)
    rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]])
    result = run("rarity", found["Rarity"], {}, Question.of(rounds).folds(), FeatureStore(("profile",)), seed=0)
    assert all(np.isfinite(fold.scores).all() and np.ptp(fold.scores) > 0 for fold in result.folds)


def test_every_command_that_is_shown_exists(monkeypatch, capsys):
    commands = set(re.findall(r"anomaly-lab ([a-z]+)", README.read_text(encoding="utf-8")))
    monkeypatch.setattr(sys, "argv", ["anomaly-lab", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert commands <= set(re.findall(r"^  ([a-z]+) ", capsys.readouterr().out, flags=re.MULTILINE))


@pytest.mark.slow
def test_the_board_is_the_one_that_make_tune_prints(tmp_path):
    trials = re.search(r"^TRIALS \?= (\d+)", (README.parent / "Makefile").read_text(), flags=re.MULTILINE)[1]
    command = [sys.executable, "-m", "experiments.cli", "tune", "--store", str(Path("lab")), "--trials", trials]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    then, now = aucs(shown()), aucs(printed)
    assert len(then) >= 11
    assert {name: now.get(name) for name in then} == pytest.approx(then, abs=0.02)
    assert "Expect of round 4" in printed
