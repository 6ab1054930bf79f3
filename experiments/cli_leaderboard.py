"""The commands that look at a lab: leaderboard, ui."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from experiments.options import AsJson, StoreFolder


def leaderboard(
    store: Annotated[list[Path] | None, typer.Option(help="A lab's folder; repeatable.  [default: lab]")] = None,
    question: Annotated[str | None, typer.Option(help="Beginning of a question's fingerprint.")] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="Every run, not only each detector's best.")] = False,
    top: Annotated[int | None, typer.Option(min=1, help="Rows from the first on.  [default: all]")] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Rank runs that answered the same question by the course's rule."""
    from experiments import show
    from tracking.leaderboard import leaderboard as read_board

    board = read_board(store or ["lab"], question=question, all_runs=all_runs, top=top)
    if as_json:
        typer.echo(show.to_json(show.board_json(board)))
    elif as_csv:
        typer.echo(board.table.to_csv(index=False), nl=False)
    elif as_markdown:
        typer.echo(show.to_markdown(show.board_view(board)))
    else:
        show.print_board(board)


def ui(store: StoreFolder = Path("lab"), port: Annotated[int, typer.Option(help="On 127.0.0.1.")] = 5000) -> None:
    """Serve the runs of a lab in MLflow's UI, on this machine only."""
    from tracking.store import Store
    from tracking.ui import serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a killed command, too, takes its server along
    typer.echo("starting MLflow's server …", err=True)
    with serve(Store.open(store), port) as server:
        typer.echo(f"{server.best_runs}\n(Ctrl-C ends it. In MLflow's sidebar, choose 'Model training' once.)")
        server.process.wait()
