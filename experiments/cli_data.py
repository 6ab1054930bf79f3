"""The commands that fetch published data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from anomaly_lab.ratings.fetch import Report

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def data() -> None:
    """Fetch published ratings."""


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="ml-latest-small, ml-100k, ml-1m, ml-20m or ml-32m.")],
    to: Annotated[Path, typer.Option(help="The folder in which the data set's own folder comes to lie.")] = Path(
        "data"
    ),
    base_url: Annotated[
        str | None, typer.Option(help="Where NAME.zip and NAME.zip.md5 are.  [default: GroupLens' server]")
    ] = None,
) -> None:
    """Fetch a MovieLens data set from GroupLens, checked against its published checksum."""
    from anomaly_lab.ratings.fetch import BASE_URL, LICENCE
    from anomaly_lab.ratings.fetch import fetch as run_fetch

    with _progress(name) as report:
        fetched = run_fetch(name, to, base_url=base_url or BASE_URL, report=report)
    how = "is there already, left alone" if fetched.was_there else "fetched, its checksum is right"
    typer.echo(f"{fetched.folder}: {how}")
    typer.echo(LICENCE)


@contextmanager
def _progress(name: str) -> Iterator[Report]:
    """Yield a report that draws a bar of bytes on a terminal and writes a line per tenth elsewhere, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(name)
        return
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _lines(name: str) -> Report:
    shown = -1

    def report(done: int, total: int | None) -> None:
        nonlocal shown
        tenths = 10 * done // total if total else -1
        if tenths > shown:
            shown = tenths
            typer.echo(f"{name}: {done:,} of {total:,} bytes", err=True)

    return report
