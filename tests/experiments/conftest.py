"""Tiny rounds, stores that need no migration, plugins in a site folder of their own, and the command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_helpers import Ran, install, tuned, write_round

from anomaly_lab.ratings import Round
from anomaly_lab.ratings.readers import read_rounds
from experiments.cli import main
from experiments.tune import Tuned


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, Path]:
    """Two labelled rounds, ``a`` and ``b``, and an unlabelled one, ``next``."""
    folder = tmp_path_factory.mktemp("rounds")
    return {
        "a": write_round(folder / "a.npz", 1),
        "b": write_round(folder / "b.npz", 2),
        "next": write_round(folder / "next.npz", 3, labelled=False),
    }


@pytest.fixture(scope="session")
def rounds(files) -> list[Round]:
    return read_rounds([files["a"], files["b"]], require_labels=True)


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """An empty lab: MLflow takes seconds to make its tables, so they are made once and copied."""
    folder = tmp_path_factory.mktemp("template") / "lab"
    subprocess.run(
        [sys.executable, "-c", f"from tracking.store import Store; Store.open({str(folder)!r}, create=True).client"],
        check=True,
    )
    return folder


@pytest.fixture
def new_store(template, tmp_path) -> Callable[[str], Path]:
    """Make further labs without runs."""
    return lambda name: Path(shutil.copytree(template, tmp_path / name))


@pytest.fixture
def fresh_store(new_store) -> Path:
    """A lab without runs."""
    return new_store("lab")


@pytest.fixture(scope="session")
def reference(rounds, template, tmp_path_factory) -> tuple[Path, Tuned]:
    """A tune that nobody disturbed: its lab and what it returned."""
    store = Path(shutil.copytree(template, tmp_path_factory.mktemp("reference") / "lab"))
    return store, tuned(rounds, store)


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
