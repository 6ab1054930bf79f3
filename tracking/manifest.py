"""Manifest: beside every hand-in, a file that says whose scores it holds and where they come from."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.types import AnyArray, FloatArray
from tracking.class_forms import read_class_scores
from tracking.forms import Form, read_scores, write_scores

SUFFIX = ".manifest.json"


def manifest_path(scores: str | Path) -> Path:
    """Return where the manifest of a file of scores stands: beside it."""
    scores = Path(scores)
    return scores.with_name(scores.name + SUFFIX)


def hand_in(out: Path, users: AnyArray, scores: FloatArray, form: Form, facts: Mapping[str, Any]) -> Path:
    """Write scores and their manifest beside them, verify them, and only then put them in their place.

    Parameters
    ----------
    out : Path
        The hand-in. Its folder is made if need be.
    users : ndarray of shape (n_users,)
        User ids, ascending.
    scores : ndarray of shape (n_users,) or (n_users, n_classes)
        In [0, 1], in the order of `users`.
    form : Form
        How the hand-in is made.
    facts : mapping
        What the manifest says beside the file's name and digest and the users.

    Returns
    -------
    manifest : Path
        The manifest.

    Raises
    ------
    DataError
        If the file cannot be written, or is not what it must be when it is read again.
    """
    manifest = manifest_path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the hand-in, for only within one file system is a move all or nothing.
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
            draft = Path(folder) / out.name
            write_scores(draft, users, scores, form)
            verify(draft, users, scores, form)
            everything = {"file": out.name, "sha256": file_digest(draft), **facts, "users": users.tolist()}
            text = json.dumps(everything, indent=1, ensure_ascii=False)
            manifest_path(draft).write_text(text + "\n", encoding="utf-8")
            os.replace(draft, out)
            os.replace(manifest_path(draft), manifest)
    except OSError as error:
        raise DataError(f"{out}: must be a file that can be written, found: {error.strerror}") from error
    return manifest


def verify(path: Path, users: AnyArray, scores: FloatArray, form: Form) -> None:
    """Raise unless a hand-in, read again, is one score, or row of them, in [0, 1] a user, ascending, equal bit for bit.

    Raises
    ------
    DataError
        If it is not.
    """
    named: AnyArray | None = None
    if form.per_class:
        again = read_class_scores(path, form.key)
    else:
        found = read_scores(path, form.key)
        again, named = found.scores, found.users
    if (np.argsort(users, kind="stable") != np.arange(len(users))).any():
        raise DataError(f"{path.name}: users must ascend, found them in another order")
    if named is not None and named.tolist() != users.tolist():
        raise DataError(f"{path.name}: must name every user once, ascending, found others when it was read again")
    if again.shape != scores.shape or again.tobytes() != scores.tobytes():
        raise DataError(f"{path.name}: must hold the scores that were written, found others when it was read again")
    low, high = again.min(), again.max()
    if low < 0 or high > 1:
        raise DataError(f"{path.name}: scores must lie in [0, 1], found {low:g} to {high:g}")


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
