"""Fixtures of the tests of tracking."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest


@pytest.fixture
def lab(tiny_lab: Path, tmp_path: Path) -> Path:
    """A copy of the tiny lab that a test may write to."""
    folder = tmp_path / "lab"
    folder.mkdir()
    with (
        closing(sqlite3.connect(tiny_lab / "mlflow.db")) as source,
        closing(sqlite3.connect(folder / "mlflow.db")) as copy,
    ):
        source.backup(copy)
    return folder
