"""Commands that only read: tables parsed before come back from a lab, changed ones do not, and no lab is made."""

import os

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.ratings import opening


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    pairs = rng.permutation(40 * 30)[:400]
    path = tmp_path / "log.csv"
    ratings = rng.integers(1, 6, size=len(pairs))
    pd.DataFrame({"user": pairs // 30, "item": pairs % 30, "rating": ratings}).to_csv(path, index=False)
    return path


def refuse_to_parse(monkeypatch):
    def parse(*_, **__):
        raise AssertionError("the table was parsed again")

    monkeypatch.setattr(opening, "read_table", parse)


def test_a_table_is_parsed_once_and_never_served_stale(cli, table, tmp_path, monkeypatch):
    lab = tmp_path / "lab"
    lab.mkdir()
    first = cli("describe", table, "--store", lab)
    with monkeypatch.context() as patched:
        refuse_to_parse(patched)
        assert cli("describe", table, "--store", lab).out == first.out

    before, text = table.stat(), table.read_text()
    table.write_text(text.replace("rating\n", "rating\n", 1)[:-2] + ("1\n" if text[-2] != "1" else "2\n"))
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert table.stat().st_size == before.st_size
    assert cli("describe", table, "--store", lab).out != first.out


@pytest.mark.parametrize("command", ["detect", "simulate"])
def test_others_read_what_one_has_parsed(cli, table, tmp_path, monkeypatch, command):
    lab = tmp_path / "lab"
    lab.mkdir()
    assert cli("describe", table, "--store", lab).code == 0
    refuse_to_parse(monkeypatch)
    words = {"detect": ["detect", table], "simulate": ["simulate", "--genuine", table, "--out", tmp_path / "course"]}
    ran = cli(*words[command], "--store", lab)
    assert ran.code in {0, 2}, ran.err  # so small a log may be refused, but it was read
    assert "parsed again" not in ran.err


def test_without_a_lab_nothing_is_kept(cli, table, tmp_path):
    assert cli("describe", table, "--store", tmp_path / "lab").code == 0
    assert not (tmp_path / "lab").exists()
