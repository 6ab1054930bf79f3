"""New labs start from a kept, empty database of MLflow's."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tracking.store import Store

MAKE = """
import sys
from tracking.store import Store
print(len(Store.open(sys.argv[1], create=True).client.search_experiments()))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "anomaly-lab"


def kept(cache):
    return [one.name for one in cache.iterdir() if one.suffix == ".db"]


def schema(path):
    """Return the lines that made the tables; MLflow writes a table's constraints in any order."""
    with closing(sqlite3.connect(path)) as database:
        made = database.execute("select sql from sqlite_master where sql is not null").fetchall()
    return sorted(line.strip(" \t,") for (sql,) in made for line in sql.split("\n"))


def test_a_new_lab_is_what_mlflow_would_make(cache, tmp_path):
    from mlflow import MlflowClient

    first, second = (Store.open(tmp_path / name, create=True) for name in ("first", "second"))
    places = [store.client.get_experiment("0").artifact_location for store in (first, second)]
    assert not any(str(cache) in place for place in places)
    assert len(kept(cache)) == 1
    MlflowClient(f"sqlite:///{tmp_path}/own.db").search_experiments()
    assert schema(first.database) == schema(second.database) == schema(tmp_path / "own.db")


def test_without_a_cache_mlflow_makes_it(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(Store.open(tmp_path / "lab", create=True).client.search_experiments()) == 1


@pytest.mark.slow
def test_makers_at_once_make_one(cache, tmp_path):
    started = [
        subprocess.Popen([sys.executable, "-c", MAKE, tmp_path / str(number)], stdout=subprocess.PIPE, env=os.environ)
        for number in range(3)
    ]
    assert [process.communicate(timeout=300)[0].split() for process in started] == [[b"1"]] * 3
    assert len(kept(cache)) == 1
