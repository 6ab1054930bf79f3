"""What is registered, as text: plain Python, for pandas and rich take longer to import than the list to read."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap

import typer

from anomaly_lab.registry import Entry, Registry

WIDE = 200
"""Columns where no terminal says how many there are."""
NARROWEST = 30
"""Columns that the summaries get at least."""


def registered(registry: Registry) -> list[dict[str, str]]:
    """Return what is registered: ``name``, ``from`` whom, and the ``summary``, or why it cannot be read."""
    return [_row(entry) for entry in registry.entries().values()]


def adapted(registry: Registry) -> list[dict[str, str]]:
    """Return a row for each library whose own names stand behind a prefix: ``pyod:NAME``."""
    return [_row(Entry(f"{prefix}:NAME", target)) for prefix, target in registry.adapters.items()]


def print_listing(rows: list[dict[str, str]], as_json: bool = False) -> None:
    """Print rows as JSON or as a table whose last column is wrapped."""
    typer.echo(json.dumps(rows, indent=1) if as_json else _table(rows))


def _row(entry: Entry) -> dict[str, str]:
    return {"name": entry.name, "from": entry.origin, "summary": _told(entry)}


def _told(entry: Entry) -> str:
    """Return what an entry is, or why it cannot be had."""
    if entry.error is not None:
        return f"BROKEN: {entry.error}"
    return entry.summary + (f" ({entry.missing})" if entry.missing else "")


def _table(rows: list[dict[str, str]]) -> str:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    terminal = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    left = max(terminal - sum(widths) - 2 * len(widths), NARROWEST)
    shown = []
    for *cells, summary in lines:
        first = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        following = [" " * width for width in widths]
        parts = textwrap.wrap(summary, left) or [""]
        shown += ["  ".join([*(following if number else first), part]) for number, part in enumerate(parts)]
    return "\n".join(line.rstrip() for line in shown)
