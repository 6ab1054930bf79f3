"""Untrusted: files from strangers are measured before anything is unpacked."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from anomaly_lab.errors import DataError
from tracking.course.rules import MEGABYTE
from tracking.forms import BROKEN

MOST_MEMBERS = 16


def check_untrusted(path: Path, max_megabytes: float) -> None:
    """Raise if a file, or what it would unpack to, is larger than allowed; nothing is unpacked to find out.

    Archives say how large their members are, and readers stop there; arrays say it in their headers, which are read.
    Pickles are refused where they would be read: nothing of a stranger's file is ever executed.

    Parameters
    ----------
    path : Path
        A file someone sent.
    max_megabytes : float
        The most it may be, packed or unpacked.

    Raises
    ------
    DataError
        If it is no ordinary file, too large, or an archive with too many members or another archive's archive.
    """
    if path.is_symlink() or not path.is_file():
        raise DataError(f"{path}: must be a file, found {'a link' if path.is_symlink() else 'no such file'}")
    most = int(max_megabytes * MEGABYTE)
    _check_size(str(path), path.stat().st_size, most)
    try:
        with path.open("rb") as stream:
            _check_content(str(path), path.suffix.lower(), stream, most, depth=0)
    except DataError:
        raise
    except (*BROKEN, struct.error) as error:
        raise DataError(f"{path}: must be a file of scores, found a broken one ({error}); write it again") from None


def _check_content(where: str, suffix: str, stream: IO[bytes], most: int, *, depth: int) -> None:
    if suffix == ".npy":
        _check_array(where, stream, most)
    elif suffix in {".npz", ".zip"}:
        _check_archive(where, stream, most, depth=depth)


def _check_archive(where: str, stream: IO[bytes], most: int, *, depth: int) -> None:
    if depth > 1:
        raise DataError(f"{where}: must not be an archive in an archive in an archive")
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise DataError(f"{where}: must hold at most {MOST_MEMBERS} files, found {len(members):,}")
        _check_size(where, sum(one.file_size for one in members), most)
        for one in members:
            if one.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise DataError(
                    f"{where}: {one.filename} must be stored or deflated, found another compression; zip it anew"
                )
            suffix = Path(one.filename).suffix.lower()
            with archive.open(one) as member:
                inner = io.BytesIO(member.read(most)) if suffix in {".npz", ".zip"} else member
                _check_content(f"{where}: {one.filename}", suffix, inner, most, depth=depth + 1)


def _check_array(where: str, stream: IO[bytes], most: int) -> None:
    """Raise if an array's header claims more than is allowed: NumPy would make room for it before reading."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    _check_size(where, math.prod(shape) * dtype.itemsize, most)


def _check_size(where: str, size: int, most: int) -> None:
    if size > most:
        raise DataError(f"{where}: must unpack to at most {most / MEGABYTE:g} MB, found {size / MEGABYTE:,.1f} MB")
