"""Tiny rounds, stores that need no migration, plugins in a site folder of their own, and the command line."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from lab_helpers import Ran, install, tuned, write_round

from anomaly_lab.ratings import Round
from anomaly_lab.ratings.readers import read_rounds
from experiments.cli import main
from experiments.tune import Tuned


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id) -> Callable[[str, Callable[[Path], None]], Path]:
    """Make a folder once, whichever of several pytest processes comes first, and return its path."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder = base / "shared" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                make(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def files(shared) -> dict[str, Path]:
    """Two labelled rounds, ``a`` and ``b``, and an unlabelled one, ``next``."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for seed, name in enumerate(("a", "b", "next")):
            write_round(folder / f"{name}.npz", seed, labelled=name != "next")

    folder = shared("rounds", make)
    return {name: folder / f"{name}.npz" for name in ("a", "b", "next")}


@pytest.fixture(scope="session")
def rounds(files) -> list[Round]:
    return read_rounds([files["a"], files["b"]], require_labels=True)


@pytest.fixture(scope="session")
def template(shared) -> Path:
    """An empty lab: MLflow takes seconds to make its tables, so they are made once and copied."""
    code = "import sys; from tracking.store import Store; Store.open(sys.argv[1], create=True).client"
    return shared("template", lambda folder: subprocess.run([sys.executable, "-c", code, folder], check=True))


@pytest.fixture
def new_store(template, tmp_path) -> Callable[[str], Path]:
    """Make further labs without runs."""
    return lambda name: Path(shutil.copytree(template, tmp_path / name))


@pytest.fixture
def fresh_store(new_store) -> Path:
    """A lab without runs."""
    return new_store("lab")


@pytest.fixture(scope="session")
def reference(rounds, template, shared) -> tuple[Path, Tuned]:
    """A tune that nobody disturbed: its lab and what it returned."""

    def make(folder: Path) -> None:
        shutil.copytree(template, folder)
        (folder / "tuned.pickle").write_bytes(pickle.dumps(tuned(rounds, folder)))

    store = shared("reference", make)
    return store, pickle.loads((store / "tuned.pickle").read_bytes())


@pytest.fixture
def copied(reference, tmp_path) -> Path:
    """A copy of the undisturbed lab, to spoil."""
    return Path(shutil.copytree(reference[0], tmp_path / "copied"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def cli(monkeypatch, capsys) -> Callable[..., Ran]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["anomaly-lab", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def plugins(tmp_path, monkeypatch) -> Iterator[Path]:
    """Install misbehaving detectors for this process and those it starts."""
    site = install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    yield site
    sys.modules.pop("misbehaving", None)
