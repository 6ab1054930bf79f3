"""Unpacking of archives from elsewhere: nothing outside the folder, no links, no bombs, all or nothing."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from anomaly_lab.errors import DataError

LARGEST = 4 * 2**30
"""Bytes that an archive may unpack to; the largest of MovieLens' takes a quarter of it."""

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)


def unpack(archive: Path, name: str, to: Path, *, needed: str, largest: int = LARGEST) -> Path:
    """Unpack one folder of a zip archive.

    Parameters
    ----------
    archive : Path
        The archive; its size and checksum need not have been checked.
    name : str
        The folder in the archive.
    to : Path
        Where the folder comes to lie; there must be none of its name.
    needed : str
        A file that the folder must hold.
    largest : int
        Bytes that the archive may unpack to.

    Returns
    -------
    folder : Path
        ``to / name``, complete; on an error there is none.

    Raises
    ------
    DataError
        If the archive is broken, too large, lacks the file, or holds anything but files and folders below its top.
    """
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=to))
    try:
        _extract(archive, temporary, largest)
        if not (temporary / name / needed).is_file():
            raise DataError(f"{archive}: must hold {name}/{needed}, found no such file in it")
        return (temporary / name).rename(to / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(archive: Path, folder: Path, largest: int) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            _refuse_large(file.infolist(), archive, largest)
            for member in file.infolist():
                _refuse_unsafe(member, archive)
            file.extractall(folder)
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{archive}: must be a zip archive, found a broken one ({error})") from error


def _refuse_large(members: list[zipfile.ZipInfo], archive: Path, largest: int) -> None:
    size = sum(member.file_size for member in members)  # what is declared: zipfile unpacks no byte more
    if size > largest:
        raise DataError(f"{archive}: must unpack to at most {largest:,} bytes, found {size:,}")


def _refuse_unsafe(member: zipfile.ZipInfo, archive: Path) -> None:
    """Raise if a member is neither a file nor a folder, or would come to lie elsewhere."""
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive was not made on Unix
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
        raise DataError(f"{archive}: must hold paths below its top only, found '{member.filename}'")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{archive}: must hold files and folders only, found another kind: '{member.filename}'")
