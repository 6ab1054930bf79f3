"""The command that needs no label: a list with reasons, scores that can be handed in, and what it rests on."""

import json

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.attacks.bank import BankSettings
from anomaly_lab.evaluation import unlabelled


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(unlabelled, "BANK", BankSettings(n_hybrids=20, n_per_kind=5, n_strays=20))
    monkeypatch.setattr(unlabelled, "N_TREES", 20)


def test_the_most_suspicious_are_listed_with_reasons(cli, files):
    ran = cli("detect", files["next"], "--top", 5)
    assert ran.code == 0
    assert "most suspicious of 50 users of next" in ran.out
    assert "% of users" in ran.out
    assert "no label" in ran.out


def test_scores_are_written_for_everyone_and_the_listed_are_flagged(cli, files, tmp_path):
    out = tmp_path / "scores.csv"
    ran = cli("detect", files["next"], "--flag-rate", 0.1, "--out", out, "--json")
    found = json.loads(ran.out)
    assert [one["rank"] for one in found["suspicious"]] == [1, 2, 3, 4, 5]
    written = pd.read_csv(out)
    assert len(written) == 50
    flagged = written.iloc[:, 0][written.iloc[:, 1] >= 0.5]
    assert set(flagged) == {one["user"] for one in found["suspicious"]}


@pytest.mark.slow
def test_labels_in_the_file_are_not_looked_at(cli, files, tmp_path):
    with np.load(files["a"]) as arrays:
        X, y = arrays["X"], arrays["y"]
    plain, turned = tmp_path / "plain.npz", tmp_path / "turned.npz"
    np.savez(plain, X=X)
    np.savez(turned, X=X, y=np.column_stack([y[:, 0], 1 - y[:, 1]]))
    first, second = (json.loads(cli("detect", one, "--json").out) for one in (plain, turned))
    assert first["suspicious"] == second["suspicious"]
    assert "they were not looked at" in " ".join(second["notes"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--flag-rate", 1.5], "--flag-rate must lie between 0 and 1, found 1.5"),
        (["--out", "scores.docx"], "scores.docx"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(cli, files, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    ran = cli("detect", files["next"], *options)
    assert ran.code == 2
    assert said in ran.err
    assert list(tmp_path.iterdir()) == []
