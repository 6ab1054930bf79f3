"""Installs a distribution for a test: a module and its metadata on the import path, as pip would leave them."""

from pathlib import Path
from textwrap import dedent

import pytest

GROUP = "anomaly_lab.models"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, code: str, **names: str) -> None:
    """Write `module` with `code` and register its classes as models, name=Class."""
    site = folder / f"site-{module}"
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{module}.py").write_text(dedent(code))
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{name} = {module}:{target}" for name, target in names.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(site)
