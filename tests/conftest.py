"""Fixtures that tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lab", deadline=None)  # a busy machine is no failure
settings.load_profile("lab")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data, which is never part of the repository."""
    folder = os.environ.get("ANOMALY_LAB_DATA")
    if not folder:
        pytest.skip("real data needed: set ANOMALY_LAB_DATA to its folder")
    if not Path(folder).is_dir():
        pytest.skip(f"real data needed: ANOMALY_LAB_DATA names {folder}, which is no folder")
    return Path(folder)
