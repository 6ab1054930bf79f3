"""Whole files: written beside their place and moved there, so that nobody ever finds half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anomaly_lab.errors import DataError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a draft of the same name, alone in a folder, that takes the file's place if the block ends well.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file, for only within one file system is a move all or nothing.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".draft-") as folder:
            draft = Path(folder) / path.name
            yield draft
            os.replace(draft, path)
    except OSError as error:
        raise DataError(f"{path}: must be a file that can be written, found: {error.strerror}") from error
