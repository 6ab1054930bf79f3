"""The command that writes what a team hands in about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.options import AsJson, Columns, Rounds, RunId, StoreFolder, TeamFile, pairs


def report(
    run: RunId = None,
    store: StoreFolder = Path("lab"),
    out: Annotated[Path, typer.Option(help="The page; Markdown and images stand beside it.")] = Path("report.html"),
    batch: Annotated[
        Path | None, typer.Option(help="The round to come, to be compared.  [default: the embedded course's round 4]")
    ] = None,
    rounds: Rounds = None,
    features: TeamFile = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Write a report of the best run: one standalone page, Markdown, and figures as artifacts of its study."""
    from experiments import show
    from experiments.progress import progress_report
    from experiments.report import report as run_report

    with progress_report() as say:
        found = run_report(
            out,
            store=store,
            run=run,
            batch=batch,
            rounds=rounds,
            features=features,
            columns=pairs(columns) or None,
            say=say,
        )
    written = found.written
    if as_json:
        files = {"page": str(written.page), "markdown": str(written.markdown), "images": [*map(str, written.images)]}
        typer.echo(show.to_json(files | {"bytes": written.size, "run": found.run_id, "notes": found.notes}))
        return
    typer.echo(f"{written.page}: {written.size / 1e6:.1f} MB; as Markdown: {written.markdown}")
    for note in found.notes:
        typer.echo(f"note: {note}")
