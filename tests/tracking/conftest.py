"""Labs that a test may write to, with and without a hand-in."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tracking.export import Exported, export


@pytest.fixture
def lab(tiny_lab: Path, copy_lab, tmp_path: Path) -> Path:
    """A copy of the tiny lab."""
    return copy_lab(tiny_lab, tmp_path / "lab")


@pytest.fixture(scope="session")
def first_export(tiny_lab, tiny_rounds, shared, copy_lab) -> Path:
    """A copy of the tiny lab whose leader has scored the next round, and what came of it: copy it."""

    def fill(folder: Path) -> None:
        exported = export(tiny_rounds["next"], folder / "s.npz", store=copy_lab(tiny_lab, folder))
        (folder / "exported.pickle").write_bytes(pickle.dumps(exported))

    return shared("first_export", fill)


@pytest.fixture
def exported(first_export: Path, copy_lab, tmp_path: Path) -> Exported:
    """A hand-in of the next round by the leader of the lab `exported_lab`."""
    found: Exported = pickle.loads((first_export / "exported.pickle").read_bytes())
    path, manifest = (Path(shutil.copy(one, tmp_path)) for one in (found.path, found.manifest))
    return replace(found, path=path, manifest=manifest)


@pytest.fixture
def exported_lab(first_export: Path, copy_lab, tmp_path: Path) -> Path:
    """A copy of the lab that `exported` came from."""
    return copy_lab(first_export, tmp_path / "lab")
