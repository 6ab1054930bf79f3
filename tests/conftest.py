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


@pytest.fixture(scope="session")
def tiny_rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a tiny course: labelled ``r1`` and ``r2``, the unlabelled ``next``, and its ``truth``."""
    from anomaly_lab.ratings.synthetic import write_course

    folder = tmp_path_factory.mktemp("course")
    files = write_course(folder, n_rounds=3, n_users=120, n_items=60, fake_share=0.25)
    return dict(zip(("r1", "r2", "next", "truth"), files, strict=True))


@pytest.fixture(scope="session")
def tiny_lab(tiny_rounds: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab with a few runs on the tiny rounds; tests may read it and add to it, but not rely on being alone."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments.tune import tune

    store = tmp_path_factory.mktemp("lab")
    rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True)
    tune(rounds, detectors=["mahalanobis", "logistic-regression"], trials=2, jobs=1, store=store)
    return store
