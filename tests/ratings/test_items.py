"""Item tables: what each published layout says of its items comes out, and every broken one ends in one line."""

import numpy as np
import pandas as pd
import pytest
from rating_helpers import message_of, save_table, save_text

from anomaly_lab.errors import ConfigError
from anomaly_lab.ratings.item_files import find_items, for_items, read_items
from anomaly_lab.ratings.items import SENSITIVE_GENRES

GENRES_OF_U_ITEM = 19


def genres_by_id(table):
    return {
        key: [name for name, has in zip(table.genres, row, strict=True) if has]
        for key, row in zip(table.item_ids.tolist(), table.has_genre, strict=True)
    }


def titles_by_id(table):
    return dict(zip(table.item_ids.tolist(), table.titles.tolist(), strict=True))


def u_item_line(item, title, *ones):
    flags = ["1" if position in ones else "0" for position in range(GENRES_OF_U_ITEM)]
    return "|".join([item, title, "01-Jan-1995", "", "http://example.org/", *flags])


# --- layouts -------------------------------------------------------------------------------------------------------


def test_movies_csv(tmp_path):
    text = (
        "movieId,title,genres\r\n"
        '11,"American President, The (1995)",Comedy|Drama\r\n'
        "3,Cube (1997),(no genres listed)\r\n"
        "7,Amélie,Comedy\r\n"
    )
    table = read_items(save_text(tmp_path / "movies.csv", text))
    assert table.item_ids.dtype == np.int64
    assert table.genres == ("Comedy", "Drama")
    assert genres_by_id(table) == {11: ["Comedy", "Drama"], 3: [], 7: ["Comedy"]}
    assert titles_by_id(table) == {11: "American President, The (1995)", 3: "Cube (1997)", 7: "Amélie"}
    assert table.source == str(tmp_path / "movies.csv")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movies_dat_in_either_encoding(tmp_path, encoding):
    path = tmp_path / "movies.dat"
    path.write_bytes('1::"Misérables, Les" (1995)::Drama|Children\'s\n2::Toy Story::Comedy\n'.encode(encoding))
    table = read_items(path)
    assert titles_by_id(table) == {1: '"Misérables, Les" (1995)', 2: "Toy Story"}
    assert genres_by_id(table) == {1: ["Children's", "Drama"], 2: ["Comedy"]}


def test_u_item_without_the_names_of_its_genres(tmp_path):
    path = tmp_path / "u.item"
    lines = [u_item_line("1", "Il Postino été", 8, 14), u_item_line("2", "unknown", 0), u_item_line("3", "GoldenEye")]
    path.write_bytes(("\n".join(lines) + "\n").encode("latin-1"))
    table = read_items(path)
    assert genres_by_id(table) == {1: ["Drama", "Romance"], 2: [], 3: []}
    assert titles_by_id(table) == {1: "Il Postino été", 2: "unknown", 3: "GoldenEye"}


def test_u_genre_names_the_flags_of_u_item(tmp_path):
    save_text(tmp_path / "u.genre", "".join(f"g{n}|{n}\n" for n in range(GENRES_OF_U_ITEM)) + "\n")
    table = read_items(save_text(tmp_path / "u.item", u_item_line("1", "a", 0, 18) + "\n"))
    assert genres_by_id(table) == {1: ["g0", "g18"]}


def test_anime_info(tmp_path):
    text = (
        "anime_ids\tname\tgenre\ttype\tepisodes\trating\tmembers\n"
        "20\tGintama&#039;\tAction, Slice of Life\tTV\t1\t9\t10\n"
        '5\tThe "First"\t\tTV\t1\t9\t10\n'
    )
    table = read_items(save_text(tmp_path / "anime_info.dat", text))
    assert titles_by_id(table) == {20: "Gintama'", 5: 'The "First"'}
    assert genres_by_id(table) == {20: ["Action", "Slice of Life"], 5: []}


def test_anime_dataset_2023_with_its_unknown_and_its_synopses(tmp_path):
    text = (
        "anime_id,Name,English name,Score,Genres,Synopsis\n"
        '1,Cowboy Bebop,UNKNOWN,8.75,"Action, Sci-Fi","Crime is timeless.\n\nBy ""2071"", humanity"\n'
        "5,UNKNOWN,UNKNOWN,UNKNOWN,UNKNOWN,none\n"
        '6,Trigun,Trigun,8.2,"Hentai, Action",x\n'
    )
    table = read_items(save_text(tmp_path / "anime-dataset-2023.csv", text))
    assert titles_by_id(table) == {1: "Cowboy Bebop", 5: "", 6: "Trigun"}
    assert genres_by_id(table) == {1: ["Action", "Sci-Fi"], 5: [], 6: ["Action", "Hentai"]}
    assert table.n_unknown == 1
    kept = table.without_genres(SENSITIVE_GENRES)
    assert genres_by_id(kept) == {1: ["Action", "Sci-Fi"], 5: [], 6: ["Action"]}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_any_table_whose_columns_are_named(tmp_path, suffix):
    frame = pd.DataFrame({"asin": ["b1", "a2"], "label": ["Lamp", "Desk"], "tags": ["Light, Home", None], "x": [1, 2]})
    path = save_table(frame, tmp_path / f"things{suffix}")
    table = read_items(path, {"title": "label", "genres": "tags"})
    assert titles_by_id(table) == {"b1": "Lamp", "a2": "Desk"}
    assert genres_by_id(table) == {"b1": ["Home", "Light"], "a2": []}


def test_a_table_of_ids_alone_says_nothing_of_its_items(tmp_path):
    table = read_items(save_text(tmp_path / "items.csv", "item\n3\n1\n"))
    assert table.item_ids.tolist() == [3, 1]
    assert (table.genres, table.titles.tolist(), table.n_unknown) == ((), ["", ""], 2)


# --- alignment -----------------------------------------------------------------------------------------------------


def test_a_table_follows_the_items_of_a_log(tmp_path):
    table = read_items(save_text(tmp_path / "movies.csv", "movieId,title,genres\n5,E,Drama\n2,B,War\n9,I,Drama|War\n"))
    aligned = for_items(table, np.array([2, 3, 9]))
    assert aligned.item_ids.tolist() == [2, 3, 9]
    assert titles_by_id(aligned) == {2: "B", 3: "", 9: "I"}
    assert genres_by_id(aligned) == {2: ["War"], 3: [], 9: ["Drama", "War"]}
    assert aligned.n_unknown == 1


def test_numbers_and_text_meet_where_one_id_is_no_number(tmp_path):
    table = read_items(save_text(tmp_path / "items.csv", "item,title\n7,seven\ntt1,one\n"))
    assert titles_by_id(for_items(table, np.array([7, 8]))) == {7: "seven", 8: ""}
    numbers = read_items(save_text(tmp_path / "numbers.csv", "item,title\n7,seven\n"))
    assert titles_by_id(for_items(numbers, np.array(["7", "tt1"], dtype=object))) == {"7": "seven", "tt1": ""}


def test_a_folder_holds_one_known_table(tmp_path):
    assert find_items(tmp_path) is None
    movies = save_text(tmp_path / "movies.csv", "movieId\n1\n")
    assert find_items(tmp_path) == movies
    save_text(tmp_path / "u.item", u_item_line("1", "a"))
    message = message_of(find_items, tmp_path)
    assert (
        message == f"{tmp_path}: must hold one table of items, found movies.csv and u.item; say which with --items FILE"
    )


# --- broken tables -------------------------------------------------------------------------------------------------

BROKEN = {
    "twice": ("m.csv", "item,title\n1,a\n2,b\n1,c\n", "line 4: item 1 must stand in one row, found it in line 2 too"),
    "after a synopsis": ("m.csv", 'item,title\n1,"a\n\nb"\n1,c\n', "line 5: item 1 must stand in one row"),
    "no column for the item": (
        "m.csv",
        "film,title\n1,a\n",
        "must have a column for the item (item, itemid, iid, …), found columns 'film', 'title'; "
        "say which with --columns item=NAME",
    ),
    "two titles": (
        "m.csv",
        "item,name,title\n1,a,b\n",
        "one column must hold the title, found columns 'name', 'title'",
    ),
    "too few fields": (
        "m.csv",
        "item,title,genres\n1,a\n",
        "line 2: must have 3 fields (item, title, genres, …), found 2",
    ),
    "too many fields": ("m.csv", "item,title\n1,a,b\n", "line 2: must have 2 fields (item, title, …), found 3"),
    "empty line": ("m.csv", "item,title\n\n1,a\n", "line 2: must have 2 fields (item, title, …), found 0"),
    "unclosed quote": (
        "m.csv",
        'item,title\n1,"a\n2,b\n',
        "line 3: must be delimited text, found: unexpected end of data",
    ),
    "empty id": (
        "m.csv",
        "item,title\n1,a\n,b\n",
        "line 3: an item must be a whole number or text, found an empty cell",
    ),
    "header only": ("m.csv", "item,title\n", "must have at least one item, found none"),
    "empty file": ("m.csv", "", "line 1: must name the columns, found an empty line"),
    "movies.dat": ("movies.dat", "1::a::b\n2::c\n", "line 2: must have 3 fields (item, title, genres, …), found 2"),
    "u.item": ("u.item", "1|a|b\n", "line 1: must have 24 fields (item, title, release date, …), found 3"),
    "flag": (
        "u.item",
        f"{u_item_line('1', 'a')}\n{u_item_line('2', 'a')[:-1]}2\n",
        "line 2: the flag of genre 'Western' must be 0 or 1, found '2'",
    ),
    "suffix": ("m.json", "{}", "must end in one of .csv, .tsv, .dat, .item, .parquet, found '.json'"),
    "no parquet": ("m.parquet", "x", "must be a Parquet file"),
}


@pytest.mark.parametrize(("name", "text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_told_by_file_line_and_key(tmp_path, name, text, words):
    path = save_text(tmp_path / name, text)
    message = message_of(read_items, path)
    assert message.startswith(f"{path}: ")
    assert words in message


def test_only_movielens_files_may_be_latin_1(tmp_path):
    path = tmp_path / "movies.csv"
    path.write_bytes("item,title\n1,a\n2,é\n".encode("latin-1"))
    assert message_of(read_items, path).startswith(f"{path}: line 3: must be text in UTF-8, found other bytes")


def test_u_genre_must_number_its_genres(tmp_path):
    genre = save_text(tmp_path / "u.genre", "unknown|0\nAction|2\n")
    path = save_text(tmp_path / "u.item", u_item_line("1", "a"))
    assert message_of(read_items, path) == f"{genre}: line 2: genres must be numbered from 0 on, found '2'"


def test_titles_in_parquet_must_be_text(tmp_path):
    path = save_table(pd.DataFrame({"item": [1, 2], "title": [3, 4]}), tmp_path / "m.parquet")
    assert "column 'title' must hold text, found a column of int64" in message_of(read_items, path)


def test_an_item_twice_in_parquet_is_told_by_row(tmp_path):
    path = save_table(pd.DataFrame({"item": [4, 2, 4]}), tmp_path / "m.parquet")
    words = "row 2 (counted from 0): item 4 must stand in one row, found it in row 0 (counted from 0) too"
    assert message_of(read_items, path) == f"{path}: {words}"


def test_a_missing_file_and_an_unknown_role_are_told(tmp_path):
    assert message_of(read_items, tmp_path / "movies.csv").endswith("must be a file of items, found no such file")
    path = save_text(tmp_path / "movies.csv", "movieId\n1\n")
    with pytest.raises(ConfigError, match="--columns must name one of item, title, genres, found 'year'"):
        read_items(path, {"year": "x"})


# --- real tables ---------------------------------------------------------------------------------------------------


def test_movielens_latest_small(data_dir):
    table = read_items(data_dir / "ml-latest-small" / "movies.csv")
    assert len(table.item_ids) == 9742
    assert len(table.genres) == 19
    assert genres_by_id(table)[1] == ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]
    assert titles_by_id(table)[608] == "Fargo (1996)"
    assert (~table.has_genre.any(axis=1)).sum() == 34


def test_anime(data_dir):
    table = read_items(data_dir / "anime" / "anime_info.dat")
    assert (len(table.item_ids), len(table.genres)) == (7390, 43)
    assert titles_by_id(table)[137] == "Gintama'"
    kept = table.without_genres(SENSITIVE_GENRES)
    assert len(kept.genres) == 41
    assert (~kept.has_genre.any(axis=1)).sum() > (~table.has_genre.any(axis=1)).sum() == 3
