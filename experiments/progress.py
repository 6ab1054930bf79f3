"""Progress of a tune on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from experiments.driver import Report


@contextmanager
def progress_report() -> Iterator[Report]:
    """Yield a report that draws a bar on a terminal and writes a line per ten trials elsewhere."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def report(line: str, done: int, total: int) -> None:
            progress.update(task, description=line, completed=done, total=total or None)
            if total == 0 or "failed" in line:
                progress.console.print(line, markup=False)

        yield report


def _lines(console: Console) -> Report:
    def report(line: str, done: int, total: int) -> None:
        if total == 0 or done % 10 == 0 or done == total or "failed" in line:
            console.print(f"[{done}/{total}] {line}" if total else line, markup=False)

    return report
