"""MovieLens' data sets from where GroupLens publishes them: checked, resumed, all or nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError
from urllib3.util import Retry

from anomaly_lab.errors import ConfigError, DataError, FetchError, LabError
from anomaly_lab.ratings.unpack import unpack

BASE_URL = "https://files.grouplens.org/datasets/movielens"
LICENCE = (
    "MovieLens data are for research: no redistribution and no commercial use without GroupLens' permission, "
    "and a citation where they are used; the folder's README says it in full."
)
DATASETS = {
    "ml-latest-small": "ratings.csv",
    "ml-100k": "u.data",
    "ml-1m": "ratings.dat",
    "ml-20m": "ratings.csv",
    "ml-32m": "ratings.csv",
}
"""What can be fetched, and the file of ratings in each; the published checksum vouches for all others."""

Report = Callable[[int, int | None], None]
"""Called while bytes come in, with how many there are and how many there will be, None where that is not known."""

_CHUNK = 2**18
_TIMEOUTS = (10.0, 60.0)  # seconds to a connection, and between two bytes
_ENDED = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, ProtocolError)
_MD5 = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])")


@dataclass(frozen=True)
class Fetched:
    """A data set on disk.

    Parameters
    ----------
    folder : Path
        Where it lies.
    was_there : bool
        Whether it lay there before, and so was left alone.
    """

    folder: Path
    was_there: bool


def ignore(done: int, total: int | None) -> None:
    """Take no notice of bytes."""


def fetch(name: str, to: str | Path = "data", *, base_url: str = BASE_URL, report: Report = ignore) -> Fetched:
    """Download a data set, check it against its published checksum and unpack it.

    A download that breaks off is continued where it ended, at once or by the next call; what is there already is
    neither touched nor checked. The folder appears when all of it is there.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    to : str or Path
        The folder in which the data set's own folder comes to lie.
    base_url : str
        Where ``NAME.zip`` and ``NAME.zip.md5`` are published.
    report : callable
        Called while bytes come in.

    Raises
    ------
    ConfigError
        If there is no such data set.
    FetchError
        If the address cannot be reached or the connection breaks and does not come back.
    DataError
        If the checksum is wrong, the archive is not what it must be, or the folder cannot be written.
    """
    ratings, to = _ratings_file(name), Path(to)
    folder, part = to / name, to / f"{name}.zip.part"
    if folder.exists():
        _check_there(folder, ratings)
        return Fetched(folder, was_there=True)
    url = f"{base_url.rstrip('/')}/{name}.zip"
    by_hand = f"or download {url} by hand and unpack it so that {folder / ratings} is there"
    with _written(to), _session() as session:
        checksum = _published_checksum(session, f"{url}.md5", by_hand)
        to.mkdir(parents=True, exist_ok=True)
        _download(session, url, part, report, by_hand)
        _check(part, checksum, url)
        try:
            unpack(part, name, to, needed=ratings)
        except DataError:
            part.unlink()  # its checksum is right, so another download would be no better
            raise
        part.unlink()
    return Fetched(folder, was_there=False)


def _ratings_file(name: str) -> str:
    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(DATASETS)}"
        raise ConfigError(f"there is no data set '{name}' to fetch; {hint}")
    return DATASETS[name]


def _check_there(folder: Path, ratings: str) -> None:
    if not (folder / ratings).is_file():
        raise DataError(f"{folder}: must hold {ratings} or not be there, found it without; move it away to fetch anew")


@contextmanager
def _written(to: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line."""
    try:
        yield
    except LabError:
        raise
    except OSError as error:
        raise DataError(f"{to}: must be a folder that can be written to, found: {error.strerror or error}") from error


def _session() -> requests.Session:
    """Return a session that asks again where asking again may help."""
    session = requests.Session()
    retry = Retry(total=3, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    session.headers["Accept-Encoding"] = "identity"  # ranges are of the bytes that are published
    return session


def _get(session: requests.Session, url: str, by_hand: str, first_byte: int = 0) -> requests.Response:
    headers = {"Range": f"bytes={first_byte}-"} if first_byte else {}
    try:
        response = session.get(url, headers=headers, stream=True, timeout=_TIMEOUTS)
    except (requests.RequestException, ValueError) as error:
        raise FetchError(f"{url} cannot be reached: {_reason(error)}; when online run it again, {by_hand}") from error
    if not response.ok and response.status_code != requests.codes.range_not_satisfiable:
        answer = f"HTTP {response.status_code} {response.reason}"
        raise FetchError(f"{url} must be there, found {answer}; run it again later, {by_hand}")
    return response


def _published_checksum(session: requests.Session, url: str, by_hand: str) -> str:
    """Return the checksum published as ``hash  name`` or ``MD5 (name) = hash``."""
    with _get(session, url, by_hand) as response:
        try:
            text = next(response.iter_content(1000), b"").decode("ascii", errors="replace")
        except requests.RequestException as error:
            raise FetchError(f"{url} broke off: {_reason(error)}; run it again, {by_hand}") from error
    found = set(_MD5.findall(text))
    if len(found) != 1:
        raise DataError(f"{url}: must hold one MD5 checksum, found {' '.join(text.split())[:60]!r}")
    return str(found.pop()).lower()


def _download(session: requests.Session, url: str, part: Path, report: Report, by_hand: str) -> None:
    """Add what is missing to a part of a file, for as long as every try adds to it."""
    while True:
        before = _size(part)
        with _get(session, url, by_hand, before) as response:
            broken = _append(response, part, before, report)
        if broken is None:
            return
        if _size(part) <= before:
            kept = f"{_size(part):,} bytes are kept in {part}"
            raise FetchError(f"{url} broke off: {_reason(broken)}; {kept}, run it again to go on, {by_hand}")


def _append(response: requests.Response, part: Path, before: int, report: Report) -> Exception | None:
    """Write what comes in to the part; return why it ended early, None if it did not."""
    if response.status_code == requests.codes.range_not_satisfiable:
        return None  # nothing is missing, or the checksum will tell
    resumed = response.status_code == requests.codes.partial_content
    if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {before}-"):
        raise FetchError(
            f"{response.url} must go on at byte {before:,}, found another range; delete {part}, run it again"
        )
    done = before if resumed else 0
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdecimal() else None
    try:
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.raw.read1(_CHUNK):  # what is there: a fuller read would lose it with the connection
                done += file.write(chunk)
                report(done, total)
    except HTTPError as error:
        return error
    return None


def _check(part: Path, checksum: str, url: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != checksum:
        part.unlink()
        raise DataError(
            f"{url}: must have the published checksum {checksum}, found {found}; what came was deleted, run it again"
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _reason(error: BaseException) -> str:
    """Return why in a few words: what the operating system said, where it did."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, requests.Timeout | ReadTimeoutError):
        return "no answer in time"
    return "the connection ended early" if isinstance(error, _ENDED) else type(error).__name__
