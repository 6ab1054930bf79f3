"""The command that says what files of ratings hold."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.options import AsJson, Columns, KeptIn, Scale, kept_tables, pairs, scale_of

if TYPE_CHECKING:
    from anomaly_lab.evaluation.drift import Drift


def describe(
    files: Annotated[list[Path], typer.Argument(help="Files of ratings, read on one scale.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="A training round to compare each file with; repeatable.")
    ] = None,
    store: KeptIn = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Say what files of ratings hold, and how far they are from training rounds."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.describe import compare
    from experiments.describe import describe as run_describe

    everything = [*files, *(against or [])]
    rounds = read_rounds(everything, scale=scale_of(scale), columns=pairs(columns) or None, cache=kept_tables(store))
    table = run_describe(rounds)
    compared = {one.name: compare(one, rounds[len(files) :]) for one in rounds[: len(files)]} if against else {}
    if as_json:
        found = {name: _json(drift, words) for name, (drift, words) in compared.items()}
        typer.echo(show.to_json(table.to_dict() | ({"against": found} if against else {})))
        return
    show.print_table(table.reset_index(names=""))
    for name, (_, words) in compared.items():
        typer.echo()
        show.print_table(words, title=f"{name} against {' + '.join(one.name for one in rounds[len(files) :])}")


def _json(drift: Drift, words: Any) -> dict[str, Any]:
    from experiments import show

    return {
        "told_apart": asdict(drift.told_apart),
        "levels": asdict(drift.levels),
        "shares": show.records(drift.shares),
        "families": show.records(drift.families),
        "columns": show.records(drift.columns),
        "overlap": drift.overlap,
        "activity": drift.activity,
        "words": show.records(words),
    }
