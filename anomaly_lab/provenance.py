"""Provenance: what code a result comes from, so that nothing kept from another version is served."""

from __future__ import annotations

import hashlib
import inspect
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
    path = Path(file)
    files = sorted(path.parent.glob("*.py")) if module.__package__ else [path]
    return _digest(tuple((one, one.stat().st_mtime_ns) for one in files))


@lru_cache(maxsize=32)
def _digest(files: tuple[tuple[Path, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
