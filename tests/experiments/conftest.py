"""Tiny rounds, a tune that nobody disturbed, plugins in a site folder of their own, and the command line."""

import os
import pickle
import shutil
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
def files(shared) -> dict[str, Path]:
    """Two labelled rounds, ``a`` and ``b``, and an unlabelled one, ``next``."""

    def fill(folder: Path) -> None:
        for seed, name in enumerate(("a", "b", "next")):
            write_round(folder / f"{name}.npz", seed, labelled=name != "next")

    folder = shared("rounds", fill)
    return {name: folder / f"{name}.npz" for name in ("a", "b", "next")}


@pytest.fixture(scope="session")
def rounds(files) -> list[Round]:
    return read_rounds([files["a"], files["b"]], require_labels=True)


@pytest.fixture
def fresh_store(new_store) -> Path:
    """A lab without runs."""
    return new_store("lab")


@pytest.fixture(scope="session")
def reference(rounds, template, shared, copy_lab) -> tuple[Path, Tuned]:
    """A tune that nobody disturbed: its lab and what it returned."""

    def fill(folder: Path) -> None:
        (folder / "tuned.pickle").write_bytes(pickle.dumps(tuned(rounds, copy_lab(template, folder))))

    store = shared("reference", fill)
    return store, pickle.loads((store / "tuned.pickle").read_bytes())


@pytest.fixture
def copied(reference, tmp_path) -> Path:
    """A copy of the undisturbed lab, to spoil."""
    return Path(shutil.copytree(reference[0], tmp_path / "copied"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path) -> Callable[..., Ran]:
    """Run the command line in this process, where its default folder, `lab`, is nobody's."""
    monkeypatch.chdir(tmp_path)

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
