"""Files of rounds: written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from anomaly_lab.errors import DataError
from anomaly_lab.types import AnyArray


def save_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    """Write a NumPy archive whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".round-") as folder:
            draft = Path(folder) / path.name
            np.savez_compressed(draft, allow_pickle=False, **arrays)
            os.replace(draft, path)
    except OSError as error:
        raise DataError(f"{path}: must be a file that can be written, found: {error.strerror}") from error
