"""Blocks: cells as they are read and sorted, and Markdown in which nobody's text is anything but text."""

import pandas as pd
import pytest

from tracking.report.blocks import ABSENT, Column, Commands, Folded, Missing, Section, Summary, Table, Text, Tile
from tracking.report.markdown import plain, to_markdown
from tracking.report.words import listed, signed, slug


@pytest.mark.parametrize(
    ("form", "value", "words"),
    [
        (".3f", 0.12345, "0.123"),
        ("+.3f", -0.5, "\N{MINUS SIGN}0.500"),
        ("+.3f", -0.0001, "0.000"),
        (",d", 12345.0, "12,345"),
        (".1%", 0.256, "25.6%"),
        (".3f", float("nan"), ABSENT),
        (",d", pd.NA, ABSENT),
        ("", [3, 4], "3, 4"),
        ("", [], ABSENT),
        ("", "plain", "plain"),
    ],
)
def test_values_are_written_as_they_are_read(form, value, words):
    assert Column("x", "x", form).written(value) == words


def test_cells_sort_by_their_value_and_absent_ones_by_nothing():
    table = Table(
        "t",
        "c",
        pd.DataFrame({"n": [1234.5, float("nan")], "s": ["b", "a"]}),
        [Column("n", "n", ",.0f"), Column("s", "s")],
    )
    assert [[cell.value for cell in row] for row in table.rows()] == [["1234.5", "b"], ["", "a"]]


def summary(*blocks):
    return Summary("T", "S", (Tile("1", "one"),), (Section("a", "A", blocks),))


def test_markdown_shows_every_block():
    table = Table("t", "Caption.", pd.DataFrame({"n": [1.0], "s": ["x"]}), [Column("n", "N", ".1f"), Column("s", "S")])
    blocks = (
        Text("Words."),
        Missing("Gone.", "do it"),
        Commands(("one", "two")),
        table,
        Folded("More", (Text("Inside."),)),
    )
    text = to_markdown(summary(*blocks), "images")
    for words in (
        "# T",
        "## A",
        "Words.",
        "> **Missing.** Gone.",
        "do it",
        "one\ntwo",
        "| 1.0 | x |",
        "| ---: | --- |",
    ):
        assert words in text
    assert text.index("### More") < text.index("Inside.")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "a | b", "[x](javascript:alert(1))", "**b** `c` ~~d~~"]
)
def test_nobodys_text_is_markdown(hostile):
    table = Table("t", hostile, pd.DataFrame({"s": [hostile]}), [Column("s", hostile)])
    text = to_markdown(summary(Text(hostile), table), "images")
    assert hostile not in text
    assert text.count(plain(hostile)) == 4
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_fence_is_longer_than_any_in_a_command():
    text = to_markdown(summary(Commands(("echo '```'\n# not a heading",))), "images")
    assert "````console\necho '```' # not a heading\n````" in text


def test_words():
    assert signed(-0.5) == "\N{MINUS SIGN}0.500"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b or c"
    assert slug("Eve's <b>notebook</b>") == "eve-s-b-notebook-b"
