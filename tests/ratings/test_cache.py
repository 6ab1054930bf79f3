"""Tables parsed once: what is read back is what parsing gave, and never what a file held before."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from anomaly_lab.errors import DataError
from anomaly_lab.ratings.cache import RatingCache
from anomaly_lab.ratings.logs import read_log
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import HALF_STARS, STARS
from tests.ratings.rating_helpers import assert_same_bits

NUMBERS = "user,item,rating,timestamp,label,kind\n3,10,5,100,1,2\n1,10,0,90,0,0\n1,11,3,80,0,0\n2,12,4,70,1,1\n"
TEXTS = "user,item,rating\nné,a b,5\nx\x00,ü,1\nz,a b,2\n"


@pytest.fixture
def cache(tmp_path):
    return RatingCache(tmp_path / "cache")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(NUMBERS, encoding="utf-8")
    return path


def kept(cache):
    return sorted(cache.folder.glob("*"))


@pytest.mark.parametrize("text", [NUMBERS, TEXTS], ids=["numbers", "texts"])
def test_second_reading_gives_the_same_without_parsing(cache, table, text):
    table.write_text(text, encoding="utf-8")
    plain, first = (read_rounds([table], cache=one)[0] for one in (None, cache))
    written = [path.stat().st_mtime_ns for path in kept(cache)]
    again = read_rounds([table], cache=cache)[0]
    assert len(written) == 1
    assert [path.stat().st_mtime_ns for path in kept(cache)] == written
    for one in (first, again):
        assert_same_bits(one.ratings, plain.ratings)
        np.testing.assert_array_equal(one.ratings.user_ids, plain.ratings.user_ids)
        assert (one.ratings.scale, one.ratings.source) == (plain.ratings.scale, plain.ratings.source)
        if plain.labels is None:
            assert one.labels is None
        else:
            np.testing.assert_array_equal(one.labels.fake, plain.labels.fake)
            np.testing.assert_array_equal(one.labels.kinds, plain.labels.kinds)


def test_changed_file_of_the_same_size_and_time_is_read_anew(cache, table):
    before = table.stat()
    read_rounds([table], cache=cache)
    table.write_text(NUMBERS.replace("2,12,4", "2,12,1"), encoding="utf-8")
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = table.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert_same_bits(read_rounds([table], cache=cache)[0].ratings, read_rounds([table])[0].ratings)


@pytest.mark.parametrize("damage", ["cut short", "one bit", "emptied"])
def test_damaged_file_is_written_anew(cache, table, damage):
    whole = read_rounds([table], cache=cache)[0].ratings
    (path,) = kept(cache)
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut short": content[:-40], "one bit": content, "emptied": b""}[damage])
    assert_same_bits(read_rounds([table], cache=cache)[0].ratings, whole)
    assert len(path.read_bytes()) == len(content)
    assert_same_bits(read_rounds([table], cache=cache)[0].ratings, whole)


def test_scale_and_columns_are_part_of_the_question(cache, table):
    table.write_text("user,item,rating,other\n1,1,1,5\n2,1,2,4\n2,2,5,1\n", encoding="utf-8")
    asked = [{"scale": STARS}, {"scale": HALF_STARS}, {"columns": {"rating": "other"}}, {}]
    for how in asked * 2:
        found, plain = (read_rounds([table], cache=one, **how)[0].ratings for one in (cache, None))
        assert_same_bits(found, plain)
        assert found.scale == plain.scale


def test_scale_is_inferred_over_kept_and_new_files_alike(cache, table, tmp_path):
    other = tmp_path / "halves.csv"
    other.write_text("user,item,rating\n1,1,0.5\n2,1,4.5\n", encoding="utf-8")
    table.write_text("user,item,rating\n1,1,1\n2,1,5\n", encoding="utf-8")
    assert read_rounds([table], cache=cache)[0].ratings.scale == STARS
    for _ in range(2):
        assert [one.ratings.scale for one in read_rounds([table, other], cache=cache)] == [HALF_STARS] * 2


def test_rating_off_the_scale_is_refused_however_often_it_is_read(cache, table):
    read_rounds([table], cache=cache)
    for _ in range(2):
        with pytest.raises(DataError, match=r"ratings\.csv: line 3: a rating on scale half-stars"):
            read_rounds([table], scale=HALF_STARS, cache=cache)


def test_log_keeps_how_many_rows_it_left_out(cache, table):
    table.write_text("user,item,rating\n1,1,5\n2,1,UNKNOWN\n2,2,1\n", encoding="utf-8")
    assert [read_log(table, cache=cache).n_unrated for _ in range(2)] == [1, 1]
    assert len(kept(cache)) == 1


def test_many_may_write_at_once(cache, table):
    with ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda _: read_rounds([table], cache=cache)[0].ratings, range(16)))
    for one in found:
        assert_same_bits(one, found[0])
    assert len(kept(cache)) == 1


def test_folder_that_cannot_be_written_is_no_obstacle(table, tmp_path):
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    assert read_rounds([table], cache=RatingCache(tmp_path / "cache"))[0].ratings.n_rows == 4
