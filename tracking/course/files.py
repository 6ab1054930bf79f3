"""Files of rounds: written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anomaly_lab.types import AnyArray
from tracking.whole_file import whole_file


def save_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    """Write a NumPy archive whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    with whole_file(path) as draft:
        np.savez_compressed(draft, allow_pickle=False, **arrays)
