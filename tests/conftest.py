"""Fixtures that tests share."""

import os
from pathlib import Path

import pytest
from filelock import FileLock
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
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this test session, the same for all of xdist's workers."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def tiny_rounds(shared_folder: Path) -> dict[str, Path]:
    """Files of a tiny course: labelled ``r1`` and ``r2``, the unlabelled ``next``, and its ``truth``."""
    from anomaly_lab.ratings.synthetic import write_course

    with FileLock(shared_folder / "tiny_rounds.lock"):
        files = write_course(shared_folder / "tiny_rounds", n_rounds=3, n_users=120, n_items=60, fake_share=0.25)
    return dict(zip(("r1", "r2", "next", "truth"), files, strict=True))


@pytest.fixture(scope="session")
def tiny_lab(tiny_rounds: dict[str, Path], shared_folder: Path) -> Path:
    """A lab with a few runs on the tiny rounds, made once for all of xdist's workers: read it, do not write to it."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments.tune import tune

    store, ready = shared_folder / "tiny_lab", shared_folder / "tiny_lab.ready"
    with FileLock(shared_folder / "tiny_lab.lock"):
        if not ready.exists():
            rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True)
            tune(rounds, detectors=["mahalanobis", "logistic-regression"], trials=2, jobs=1, store=store)
            ready.touch()
    return store
