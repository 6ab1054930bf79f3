"""Fetching of published data, from a publisher on this machine."""

import stat
import zipfile
from pathlib import Path

import pytest
from publisher import MOVIES, RATINGS, zipped
from rating_helpers import message_of, rows_by_id

from anomaly_lab.errors import ConfigError, DataError, FetchError
from anomaly_lab.ratings.fetch import DATASETS, fetch
from anomaly_lab.ratings.logs import read_log
from anomaly_lab.ratings.unpack import unpack

SMALL = "ml-latest-small"
PADDING = bytes(range(256)) * 40


def archive(name=SMALL, **more):
    padding = zipfile.ZipInfo(f"{name}/padding")  # stored, so that there is something to break off in
    return zipped({f"{name}/ratings.csv": RATINGS, f"{name}/movies.csv": MOVIES, padding: PADDING} | more)


@pytest.fixture
def small(publisher):
    publisher.publish(SMALL, archive())
    return publisher


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


WHOLE = [f"{SMALL}/{file}" for file in ("movies.csv", "padding", "ratings.csv")]


@pytest.mark.parametrize("checksum", ["{md5}  {name}.zip\n", "MD5 ({name}.zip) = {md5}\n", "{md5} *{name}.zip"])
def test_a_data_set_is_fetched_checked_and_unpacked(publisher, tmp_path, checksum):
    publisher.publish(SMALL, archive(), checksum)
    reports = []
    fetched = fetch(SMALL, tmp_path / "new" / "data", base_url=publisher.url, report=lambda *seen: reports.append(seen))
    assert (fetched.folder, fetched.was_there) == (tmp_path / "new" / "data" / SMALL, False)
    assert left(tmp_path / "new" / "data") == WHOLE
    assert [*Path(fetched.folder.parent).iterdir()] == [fetched.folder]
    size = len(archive())
    assert reports[-1] == (size, size)
    log = read_log(fetched.folder)
    assert rows_by_id(log.ratings) == [(1, 10, 4.5), (2, 10, 1.0)]
    assert log.content.titles.tolist() == ["J"]


@pytest.mark.parametrize(("name", "ratings"), DATASETS.items())
def test_every_data_set_is_fetched_under_its_own_name(publisher, tmp_path, name, ratings):
    publisher.publish(name, zipped({f"{name}/{ratings}": "x"}))
    assert fetch(name, tmp_path, base_url=f"{publisher.url}/").folder == tmp_path / name
    assert left(tmp_path) == [f"{name}/{ratings}"]


def test_a_connection_that_breaks_is_resumed_at_once(small, tmp_path):
    small.breaks = [1000, 2000]
    fetch(SMALL, tmp_path, base_url=small.url)
    assert small.ranges_of(SMALL) == [None, "bytes=1000-", "bytes=3000-"]
    assert left(tmp_path) == WHOLE


def test_a_broken_download_is_kept_and_the_next_call_goes_on(small, tmp_path):
    small.breaks = [1000, 0]
    with pytest.raises(FetchError) as caught:
        fetch(SMALL, tmp_path, base_url=small.url)
    message = str(caught.value)
    assert message.startswith(f"{small.url}/{SMALL}.zip broke off: ")
    assert f"1,000 bytes are kept in {tmp_path / SMALL}.zip.part, run it again to go on" in message
    assert left(tmp_path) == [f"{SMALL}.zip.part"]
    reports = []
    fetch(SMALL, tmp_path, base_url=small.url, report=lambda *seen: reports.append(seen))
    assert small.ranges_of(SMALL)[-1] == "bytes=1000-"
    assert reports[-1] == (len(archive()), len(archive()))
    assert left(tmp_path) == WHOLE


def test_a_publisher_without_ranges_is_asked_from_the_beginning(small, tmp_path):
    small.ranges = False
    (tmp_path / f"{SMALL}.zip.part").write_bytes(archive()[:500])
    fetch(SMALL, tmp_path, base_url=small.url)
    assert left(tmp_path) == WHOLE


def test_a_whole_part_is_not_asked_for_again(small, tmp_path):
    (tmp_path / f"{SMALL}.zip.part").write_bytes(archive())
    fetch(SMALL, tmp_path, base_url=small.url)
    assert small.ranges_of(SMALL) == [f"bytes={len(archive())}-"]
    assert left(tmp_path) == WHOLE


@pytest.mark.parametrize("part", [b"", b"other bytes", b"z" * 100_000])
def test_a_wrong_checksum_deletes_what_came_and_says_so(small, tmp_path, part):
    if part:
        (tmp_path / f"{SMALL}.zip.part").write_bytes(part)
    else:
        small.files[f"/{SMALL}.zip"] = archive(more="x")
    message = message_of(fetch, SMALL, tmp_path, base_url=small.url)
    assert message.startswith(f"{small.url}/{SMALL}.zip: must have the published checksum ")
    assert message.endswith("what came was deleted, run it again")
    assert left(tmp_path) == []


@pytest.mark.parametrize("text", ["", "<html>not here</html>", f"{'0' * 32}  a.zip\n{'1' * 32}  b.zip\n"])
def test_a_checksum_that_is_none_is_told(small, tmp_path, text):
    small.files[f"/{SMALL}.zip.md5"] = text.encode()
    message = message_of(fetch, SMALL, tmp_path, base_url=small.url)
    assert message.startswith(f"{small.url}/{SMALL}.zip.md5: must hold one MD5 checksum, found ")
    assert small.ranges_of(SMALL) == []


def test_offline_one_line_says_what_could_not_be_reached_and_what_to_do(tmp_path):
    with pytest.raises(FetchError) as caught:
        fetch("ml-100k", tmp_path / "data", base_url="http://127.0.0.1:9")
    assert str(caught.value) == (
        "http://127.0.0.1:9/ml-100k.zip.md5 cannot be reached: Connection refused; when online run it again, or "
        f"download http://127.0.0.1:9/ml-100k.zip by hand and unpack it so that {tmp_path}/data/ml-100k/u.data is there"
    )
    assert isinstance(caught.value, ConnectionError)
    assert [*tmp_path.iterdir()] == []


def test_what_the_publisher_does_not_have_is_told(publisher, tmp_path):
    with pytest.raises(
        FetchError, match=r"ml-1m\.zip\.md5 must be there, found HTTP 404 Not Found; run it again later"
    ):
        fetch("ml-1m", tmp_path, base_url=publisher.url)


def test_an_address_that_is_none_is_told(tmp_path):
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch("ml-1m", tmp_path, base_url="nowhere")


def test_data_that_are_there_are_left_alone(small, tmp_path):
    folder = tmp_path / SMALL
    folder.mkdir()
    (folder / "ratings.csv").write_text("mine")
    fetched = fetch(SMALL, tmp_path, base_url=small.url)
    assert (fetched.folder, fetched.was_there) == (folder, True)
    assert (folder / "ratings.csv").read_text() == "mine"
    assert small.asked == []


def test_a_folder_without_its_ratings_is_told(small, tmp_path):
    (tmp_path / SMALL).mkdir()
    message = message_of(fetch, SMALL, tmp_path, base_url=small.url)
    assert message.startswith(f"{tmp_path / SMALL}: must hold ratings.csv or not be there")


def test_a_data_set_that_is_not_published_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no data set 'ml-100' to fetch; did you mean ml-100k"):
        fetch("ml-100", tmp_path)
    with pytest.raises(ConfigError, match="known: ml-latest-small, ml-100k, ml-1m, ml-20m, ml-32m"):
        fetch("netflix", tmp_path)


def test_a_folder_that_cannot_be_written_is_told(small, tmp_path):
    (tmp_path / "data").write_text("a file")
    message = message_of(fetch, SMALL, tmp_path / "data", base_url=small.url)
    assert message.startswith(f"{tmp_path / 'data'}: must be a folder that can be written to, found: ")


def of_kind(name, kind):
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, (kind | 0o644) << 16
    return member


UNSAFE = {
    "above": ("../evil", "must hold paths below its top only, found '../evil'"),
    "above from within": (f"{SMALL}/../../evil", "must hold paths below its top only"),
    "absolute": ("/evil", "must hold paths below its top only, found '/evil'"),
    "of Windows": ("..\\evil", "must hold paths below its top only"),
    "of a drive": ("C:evil", "must hold paths below its top only"),
    "link": (
        of_kind(f"{SMALL}/link", stat.S_IFLNK),
        f"must hold files and folders only, found another kind: '{SMALL}/link'",
    ),
    "pipe": (of_kind(f"{SMALL}/pipe", stat.S_IFIFO), "must hold files and folders only"),
}


@pytest.mark.parametrize(("member", "words"), UNSAFE.values(), ids=UNSAFE)
def test_an_unsafe_archive_is_refused_whole(publisher, tmp_path, member, words):
    publisher.publish(SMALL, zipped({f"{SMALL}/ratings.csv": RATINGS, member: "evil"}))
    to = tmp_path / "deep" / "data"
    assert words in message_of(fetch, SMALL, to, base_url=publisher.url)
    assert left(tmp_path) == []
    assert [*to.iterdir()] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no archive", "must be a zip archive, found a broken one"),
        (archive()[:-30], "must be a zip archive, found a broken one"),
        (archive().replace(PADDING[:64], PADDING[64:128], 1), "must be a zip archive, found a broken one (Bad CRC-32"),
        (zipped({f"{SMALL}/movies.csv": MOVIES}), f"must hold {SMALL}/ratings.csv, found no such file in it"),
        (zipped({"ratings.csv": RATINGS}), f"must hold {SMALL}/ratings.csv, found no such file in it"),
    ],
)
def test_an_archive_that_is_broken_leaves_nothing(publisher, tmp_path, content, words):
    publisher.publish(SMALL, content)
    assert words in message_of(fetch, SMALL, tmp_path, base_url=publisher.url)
    assert [*tmp_path.iterdir()] == []


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "bomb.zip"
    path.write_bytes(zipped({f"{SMALL}/ratings.csv": "0" * 10_001}))
    with pytest.raises(DataError, match="must unpack to at most 10,000 bytes, found 10,001"):
        unpack(path, SMALL, tmp_path, needed="ratings.csv", largest=10_000)
    assert unpack(path, SMALL, tmp_path, needed="ratings.csv", largest=10_001) == tmp_path / SMALL
