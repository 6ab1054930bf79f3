"""Manifest: the file beside a hand-in that says whose scores it holds and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomaly_lab.errors import DataError

SUFFIX = ".manifest.json"


def manifest_path(scores: str | Path) -> Path:
    """Return where the manifest of a file of scores stands: beside it."""
    scores = Path(scores)
    return scores.with_name(scores.name + SUFFIX)


def write_manifest(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON."""
    path.write_text(json.dumps(dict(facts), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(scores: str | Path) -> dict[str, Any] | None:
    """Return the manifest beside a file of scores, None if there is none.

    Raises
    ------
    DataError
        If there is one that cannot be read.
    """
    path = manifest_path(scores)
    if not path.exists():
        return None
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        facts["users"], facts["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: must be the manifest of an export, found a broken one; remove it") from error
    return facts


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
