"""The command that needs no label: detect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.options import AsJson, Columns, KeptIn, Scale, kept_tables, pairs, scale_of


def detect(
    file: Annotated[Path, typer.Argument(help="Ratings in any form that can be read; labels are not looked at.")],
    top: Annotated[int, typer.Option(help="How many of the most suspicious users to list.", min=1)] = 20,
    flag_rate: Annotated[float | None, typer.Option(help="Share of users to flag and list, instead of --top.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write every user's score: .csv, .npz, .npy or .zip.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the experts.")] = 0,
    store: KeptIn = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Score the users of a rating log without any label."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.detect import detect as run_detect

    one = read_rounds([file], scale=scale_of(scale), columns=pairs(columns) or None, cache=kept_tables(store))[0]
    found = run_detect(one, top=top, flag_rate=flag_rate, out=out, seed=seed)
    if as_json:
        typer.echo(show.to_json({"suspicious": show.records(found.suspicious), "notes": found.notes}))
        return
    show.print_table(found.suspicious, title=f"most suspicious of {len(found.table):,} users of {one.name}")
    for note in found.notes:
        typer.echo(note)
