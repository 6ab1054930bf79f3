"""Markdown: the report as GitHub reads it, its charts as images beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracking.report.blocks import Block, Chart, Commands, Folded, Missing, Section, Summary, Table, Text

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
"""Characters that Markdown, or HTML in it, would take for its own."""


def to_markdown(summary: Summary, folder: str) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    summary : Summary
        The report.
    folder : str
        Where its images are, seen from the file.
    """
    lines = [f"# {plain(summary.title)}", "", plain(summary.subtitle), ""]
    lines += [f"* **{plain(one.value)}** {plain(one.words)}" for one in summary.tiles]
    for section in summary.sections:
        lines += ["", *_section(section, folder)]
    return "\n".join(lines) + "\n"


def plain(words: str) -> str:
    """Return text that Markdown shows as it is, in one line."""
    return SPECIAL.sub(r"\\\1", " ".join(words.split()))


def _section(section: Section, folder: str) -> Iterator[str]:
    yield f"## {plain(section.title)}"
    for block in section.blocks:
        yield ""
        yield from _block(block, folder)


def _block(block: Block, folder: str) -> Iterator[str]:
    match block:
        case Text(words):
            yield plain(words)
        case Missing(words, command):
            yield f"> **Missing.** {plain(words)}"
            if command:
                yield from ("", *_code([command]))
        case Commands(lines):
            yield from _code(lines)
        case Table():
            yield from _table(block)
        case Chart(drawing, caption):
            yield f"![{plain(drawing.title)}]({folder}/{drawing.name}.png)"
            yield from ("", plain(caption))
        case Folded(title, blocks):
            yield f"### {plain(title)}"
            for inner in blocks:
                yield ""
                yield from _block(inner, folder)


def _table(table: Table) -> Iterator[str]:
    yield plain(table.caption)
    yield ""
    yield "| " + " | ".join(plain(column.heading) for column in table.columns) + " |"
    yield "| " + " | ".join("---:" if column.form else "---" for column in table.columns) + " |"
    for row in table.rows():
        yield "| " + " | ".join(plain(cell.words) for cell in row) + " |"


def _code(lines: tuple[str, ...] | list[str]) -> Iterator[str]:
    """Yield lines of code in a fence longer than any that they hold."""
    longest = max((len(one) for line in lines for one in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}console"
    yield from (" ".join(line.split("\n")) for line in lines)
    yield fence
