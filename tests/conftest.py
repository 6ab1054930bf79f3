"""Fixtures that tests share; what takes seconds to make is made once for all of xdist's workers."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from browsing import CHROMIUM, FLAGS, visiting
from filelock import FileLock
from hypothesis import settings
from publisher import Publisher, publishing

settings.register_profile("thorough", deadline=None)  # a busy machine is no failure
settings.register_profile("fast", settings.get_profile("thorough"), max_examples=10)
settings.load_profile("fast")  # make test-all takes the other


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data, which is never part of the repository."""
    folder = os.environ.get("ANOMALY_LAB_DATA")
    if not folder:
        pytest.skip("real data needed: set ANOMALY_LAB_DATA to its folder")
    if not Path(folder).is_dir():
        pytest.skip(f"real data needed: ANOMALY_LAB_DATA names {folder}, which is no folder")
    return Path(folder)


@pytest.fixture(scope="module")
def few_trees():
    """Tell kinds apart by a tenth of the trees: what most tests ask of class scores does not hang on their number."""
    from anomaly_lab.evaluation import class_scores

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_scores, "KindClassifier", partial(class_scores.KindClassifier, n_estimators=30))
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fill a folder once, whichever of xdist's workers comes first, and return its path."""
    base = tmp_path_factory.getbasetemp()
    base = (base if worker_id == "master" else base.parent) / "shared"

    def made(name: str, fill: Callable[[Path], object]) -> Path:
        folder, ready = base / name, base / f"{name}.ready"
        base.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not ready.exists():
                folder.mkdir()
                fill(folder)
                ready.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def copy_lab() -> Callable[[Path, Path], Path]:
    """Copy a lab's database into a new folder; the artifacts stay where they are, to be read."""

    def copy(lab: Path, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(lab / "mlflow.db")) as source,
            closing(sqlite3.connect(folder / "mlflow.db")) as target,
        ):
            source.backup(target)
        return folder

    return copy


@pytest.fixture(scope="session")
def template(shared, copy_lab) -> Path:
    """An empty lab: MLflow takes seconds to make its tables, so they are made once and copied."""
    from tracking.store import Store

    def fill(folder: Path) -> None:
        assert Store.open(folder / "first", create=True).client
        copy_lab(folder / "first", folder)

    return shared("template", fill)


@pytest.fixture
def new_store(template, copy_lab, tmp_path) -> Callable[[str], Path]:
    """Make labs without runs."""
    return lambda name: copy_lab(template, tmp_path / name)


@pytest.fixture(scope="session")
def tiny_rounds(shared) -> dict[str, Path]:
    """Files of a tiny course: labelled ``r1`` and ``r2``, the unlabelled ``next``, and its ``truth``."""
    from anomaly_lab.ratings.synthetic import write_course

    size = {"n_rounds": 3, "n_users": 120, "n_items": 60, "fake_share": 0.25}
    folder = shared("tiny_rounds", lambda folder: write_course(folder, **size))
    files = ("round1_labelled.npz", "round2_labelled.npz", "round3.npz", "round3_truth.npz")
    return {name: folder / file for name, file in zip(("r1", "r2", "next", "truth"), files, strict=True)}


@pytest.fixture(scope="session")
def tiny_lab(tiny_rounds, shared, template, copy_lab) -> Path:
    """A lab with a few runs on the tiny rounds: read it, do not write to it."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments.tune import tune

    def fill(folder: Path) -> None:
        rounds = read_rounds([tiny_rounds["r1"], tiny_rounds["r2"]], require_labels=True)
        store = copy_lab(template, folder)
        tune(rounds, detectors=["mahalanobis", "logistic-regression"], trials=2, jobs=1, store=store)

    return shared("tiny_lab", fill)


@pytest.fixture
def publisher(monkeypatch) -> Iterator[Publisher]:
    """A publisher of data on this machine, reached directly."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with publishing() as publisher:
        yield publisher


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Debian's Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("a browser needed: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a page: ``with visit(path, viewport=…) as seen``; see `browsing.visiting`."""
    return partial(visiting, chromium)
