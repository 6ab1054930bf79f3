"""Blocks: what a section of the report is made of, whatever it is written as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from tracking.pages.charts import Drawing

ABSENT = "\N{EN DASH}"


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Parameters
    ----------
    words : str
        Plain text.
    """

    words: str


@dataclass(frozen=True)
class Missing:
    """Something that nobody has recorded.

    Parameters
    ----------
    words : str
        What is missing and why it matters.
    command : str
        What brings it; empty if nothing does.
    """

    words: str
    command: str = ""


@dataclass(frozen=True)
class Commands:
    """Lines to type.

    Parameters
    ----------
    lines : tuple of str
        One a line.
    """

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        In the table's frame.
    heading : str
        As it is read.
    form : str
        How a number is written: ``.3f``, ``+.3f``, ``,d``; empty for text.
    optional : bool
        Whether a narrow screen may do without it.
    prose : bool
        Whether it holds so much that its lines may be broken.
    """

    name: str
    heading: str
    form: str = ""
    optional: bool = False
    prose: bool = False

    @property
    def look(self) -> str:
        """Its classes in the page."""
        names = {"number": self.form, "optional": self.optional, "prose": self.prose}
        return " ".join(name for name, on in names.items() if on)

    def written(self, value: Any) -> str:
        """Return a value as it is read."""
        if isinstance(value, list | tuple):
            return ", ".join(map(str, value)) or ABSENT
        if value is None or value is pd.NA or (isinstance(value, float) and not isfinite(value)):
            return ABSENT
        if not self.form:
            return str(value)
        words = format(int(value) if self.form.endswith("d") else value, self.form)
        if not any(digit in words for digit in "123456789"):
            words = words.lstrip("+-")  # what is rounded to nothing has no sign
        return words.replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Cell:
    """What stands in a table.

    Parameters
    ----------
    words : str
        As it is read.
    value : str
        What it is sorted by.
    column : Column
        Where it stands.
    """

    words: str
    value: str
    column: Column


@dataclass(frozen=True, eq=False)
class Table:
    """Rows side by side.

    Parameters
    ----------
    name : str
        Id in the page: letters, digits and hyphens.
    caption : str
        What it shows.
    frame : DataFrame
        The values.
    columns : sequence of Column
        What is shown of them, in this order.
    sortable : bool
        Whether readers may want another order.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    columns: Sequence[Column]
    sortable: bool = True

    def rows(self) -> Iterator[list[Cell]]:
        """Yield the cells of each row."""
        for row in self.frame.to_dict(orient="records"):
            yield [_cell(column, row[column.name]) for column in self.columns]


@dataclass(frozen=True)
class Chart:
    """A drawing with its legend in words.

    Parameters
    ----------
    drawing : Drawing
        The chart.
    caption : str
        What it shows, and how to read it.
    """

    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class Folded:
    """Blocks that a reader opens.

    Parameters
    ----------
    title : str
        What is in it, in one line.
    blocks : tuple of Block
        What it holds.
    """

    title: str
    blocks: tuple[Block, ...]


Block = Text | Missing | Commands | Table | Chart | Folded


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Parameters
    ----------
    name : str
        Id in the page.
    title : str
        Its heading.
    blocks : tuple of Block
        What it says, in this order.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]

    def charts(self) -> Iterator[Chart]:
        """Yield every chart, folded ones too."""
        yield from _charts(self.blocks)


@dataclass(frozen=True)
class Tile:
    """A figure that stands at the top of the page.

    Parameters
    ----------
    value, words : str
        The figure, and what it is.
    """

    value: str
    words: str


@dataclass(frozen=True)
class Summary:
    """The whole report.

    Parameters
    ----------
    title, subtitle : str
        What it is about.
    tiles : tuple of Tile
        The main figures.
    sections : tuple of Section
        In the order in which they are read.
    """

    title: str
    subtitle: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """Return a section by its name."""
        return next(one for one in self.sections if one.name == name)

    def charts(self) -> Iterator[Chart]:
        """Yield every chart of every section."""
        for one in self.sections:
            yield from one.charts()


def _charts(blocks: Sequence[Block]) -> Iterator[Chart]:
    for block in blocks:
        if isinstance(block, Chart):
            yield block
        elif isinstance(block, Folded):
            yield from _charts(block.blocks)


def _cell(column: Column, value: Any) -> Cell:
    words = column.written(value)
    sortable = words if not column.form else "" if words == ABSENT else repr(float(value))
    return Cell(words, sortable, column)
