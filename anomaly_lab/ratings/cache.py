"""Cache of parsed tables: parsed once, then read back as the columns they became, by the digest of their content."""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from anomaly_lab.provenance import code_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.raw import RawLabels
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.types import AnyArray

_DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class ParsedRatings:
    """What a file holds, on a scale and in canonical form.

    Parameters
    ----------
    batch : RatingBatch
        The ratings.
    labels : RawLabels, optional
        The labels in the same file.
    n_unrated : int
        Rows that were left out because they hold no rating.
    """

    batch: RatingBatch
    labels: RawLabels | None
    n_unrated: int = 0


@dataclass(frozen=True)
class RatingCache:
    """A folder of parsed tables, each under the digest of its file's content and of how it was read.

    The content is digested at every reading, so a changed file is never served as it was, whatever its size and time
    of change say. A kept file that is broken is no file; it is written anew.

    Parameters
    ----------
    folder : Path
        Made with the first file that is kept. What is in it can be deleted at any time.
    """

    folder: Path

    def key(self, file: Path, columns: Mapping[str, str] | None, unrated: str | None) -> str:
        """Return what a file's columns are kept under.

        Parameters
        ----------
        file : Path
            The table.
        columns, unrated
            As in :func:`~anomaly_lab.ratings.tables.read_table`.
        """
        how = (file.suffix.lower(), sorted((columns or {}).items()), unrated, code_of(RatingBatch))
        return _digest_of_file(file, end=json.dumps(how).encode()).hex()

    def read(self, key: str, source: str) -> ParsedRatings | None:
        """Return what is kept under a key, with `source` as its name in messages; None if nothing whole is."""
        path = self.folder / key
        try:
            with path.open("rb") as file:
                size = path.stat().st_size - _DIGEST_BYTES
                if size <= 0 or _digest_of_file(path, size) != _last_bytes(file):
                    return None
                return _read(file, source)
        except OSError:
            return None

    def write(self, key: str, parsed: ParsedRatings) -> None:
        """Keep parsed ratings; several processes may do so at once. A full disk only means that nothing is kept."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tmp", delete=False) as file:
                path = Path(file.name)
            try:
                with path.open("wb") as file:
                    _write(file, parsed)
                digest = _digest_of_file(path)
                with path.open("ab") as file:
                    file.write(digest)
                os.replace(path, self.folder / key)
            finally:
                path.unlink(missing_ok=True)


def _digest_of_file(path: Path, size: int | None = None, end: bytes = b"") -> bytes:
    """Return 128 bits of a file's first bytes, by XXH3: cryptographic digests take longer than reading the columns."""
    import xxhash

    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size if size is None else size
        if length:
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) as content:
                digest.update(content)
    digest.update(end)
    return bytes(digest.digest())


def _last_bytes(file: BinaryIO) -> bytes:
    file.seek(-_DIGEST_BYTES, os.SEEK_END)
    last = file.read()
    file.seek(0)
    return last


def _write(file: BinaryIO, parsed: ParsedRatings) -> None:
    """Write a line of JSON that says what follows, and one array after another."""
    batch, labels = parsed.batch, parsed.labels
    scale = (batch.scale.name, batch.scale.levels, batch.scale.unknown)
    columns = {
        "indptr": batch.indptr,  # for the column of users, which is mostly repeats
        "items": batch.items,
        "ratings": batch.ratings,
        "profiles": batch.profiles,
        **_packed("user_ids", batch.user_ids),
        **_packed("item_ids", batch.item_ids),
    }
    if batch.timestamps is not None:
        columns["timestamps"] = batch.timestamps
    if labels is not None:
        columns |= {**_packed("labelled", labels.users), "labels": labels.labels}
        columns |= {} if labels.kinds is None else {"kinds": labels.kinds}
    says = {"scale": scale, "n_unrated": parsed.n_unrated, "columns": list(columns)}
    file.write(json.dumps(says).encode() + b"\n")
    for column in columns.values():
        np.save(file, column, allow_pickle=False)


def _read(file: BinaryIO, source: str) -> ParsedRatings:
    says = json.loads(file.readline())
    columns = {name: np.load(file, allow_pickle=False) for name in says["columns"]}
    name, levels, unknown = says["scale"]
    indptr = columns["indptr"]
    batch = RatingBatch(
        users=np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr)),
        items=columns["items"],
        ratings=columns["ratings"],
        user_ids=_unpacked("user_ids", columns),
        item_ids=_unpacked("item_ids", columns),
        profiles=columns["profiles"],
        scale=RatingScale(name, tuple(levels), unknown),
        timestamps=columns.get("timestamps"),
        source=source,
    )
    labels = None
    if "labels" in columns:
        labels = RawLabels(_unpacked("labelled", columns), columns["labels"], columns.get("kinds"), source)
    return ParsedRatings(batch, labels, says["n_unrated"])


def _packed(name: str, ids: AnyArray) -> dict[str, AnyArray]:
    """Return ids as arrays of numbers: texts as their bytes, for NumPy's own drop a NUL at the end."""
    if ids.dtype.kind != "O":
        return {name: ids}
    texts = [str(one).encode("utf-8", "surrogatepass") for one in ids]
    ends = np.cumsum([len(text) for text in texts])
    return {name: np.frombuffer(b"".join(texts), dtype=np.uint8), f"{name} end": ends}


def _unpacked(name: str, columns: Mapping[str, AnyArray]) -> AnyArray:
    ends = columns.get(f"{name} end")
    if ends is None:
        return columns[name]
    content, last = columns[name].tobytes(), ends.tolist()
    texts = [content[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *last[:-1]], last, strict=True)]
    return np.array([*texts, None], dtype=object)[:-1]
