"""Provenance: what code a result comes from, so that nothing kept from another version is served."""

from __future__ import annotations

import hashlib
import inspect
import os
from functools import lru_cache
from pathlib import Path
from typing import Any


def code_of(target: Any) -> str:
    """Return a digest of the code of a class or function: of all modules of its package, or of its module alone.

    A family or a detector calls helpers beside it, whose changes count. What lies in other packages does not; code that
    has no file, typed into a notebook or compiled, has an empty digest.

    Parameters
    ----------
    target : class or function
        What is identified.
    """
    module = inspect.getmodule(target)
    file = getattr(module, "__file__", None)
    if module is None or file is None or not file.endswith(".py"):
        return ""
    folder, name = os.path.split(file)
    with os.scandir(folder) as entries:  # asked for every feature matrix: five times as quick as pathlib
        files = [one for one in entries if (one.name.endswith(".py") if module.__package__ else one.name == name)]
    return _digest(tuple(sorted((one.path, one.stat().st_mtime_ns) for one in files)))


@lru_cache(maxsize=32)
def _digest(files: tuple[tuple[str, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, _ in files:
        path = Path(file)
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
