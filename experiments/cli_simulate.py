"""The command simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.options import AsJson, Columns, KeptIn, Scale, kept_tables, pairs, scale_of


def simulate(
    genuine: Annotated[Path, typer.Option(help="Ratings of genuine users, in any form that can be read.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    rounds: Annotated[int, typer.Option(help="Rounds, the last one unlabelled.")] = 4,
    difficulty: Annotated[
        float, typer.Option(help="Camouflage in [0, 1): how much of a fake's profile is a genuine user's.")
    ] = 0.25,
    fakes: Annotated[float, typer.Option(help="Share of generated users in a round.")] = 0.2,
    attack: Annotated[
        list[str] | None,
        typer.Option(help="An attack; repeatable, in the order rounds add them.  [default: two random ones a round]"),
    ] = None,
    users: Annotated[int | None, typer.Option(help="Genuine users taken at random.  [default: all]")] = None,
    items: Annotated[int | None, typer.Option(help="Most rated items taken.  [default: all]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything.")] = 0,
    store: KeptIn = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Write a course over a rating log: fakes whose kinds change, hidden labels, new ids."""
    from anomaly_lab.ratings.readers import read_round
    from experiments import show
    from experiments.simulate import simulate as run_simulate

    log = read_round(genuine, scale=scale_of(scale), columns=pairs(columns) or None, cache=kept_tables(store))
    made = run_simulate(
        log,
        out,
        n_rounds=rounds,
        difficulty=difficulty,
        fake_share=fakes,
        attacks=attack,
        n_users=users,
        n_items=items,
        seed=seed,
    )
    if as_json:
        typer.echo(show.to_json({"files": [str(path) for path in made.paths], "users": made.table.to_dict()}))
        return
    show.print_table(made.table.reset_index(names="users"), title=f"{out}: users of each kind")
    truth = made.paths[len(made.course.rounds)]
    given = " ".join(f"--round {path}" for path in made.labelled)
    typer.echo(f"{truth.name} and course.json stay with whoever scores; the other files are for detectors.")
    typer.echo(f"Next: anomaly-lab tune {given} --scale={log.ratings.scale.name}")
