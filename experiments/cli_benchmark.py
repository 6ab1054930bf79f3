"""The command `benchmark`: detectors against attacks of every size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.options import AsJson, Columns, Scale, StoreFolder, kept_tables, pairs, scale_of


def benchmark(
    log: Annotated[Path, typer.Argument(help="Ratings of genuine users, in any form that can be read.")],
    detector: Annotated[
        list[str] | None,
        typer.Option(help="A registered detector; repeatable.  [default: the literature's, and the quick ones]"),
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option(help="An attack; repeatable.  [default: eight classical ones and hybrid]")
    ] = None,
    attack_size: Annotated[
        list[float] | None,
        typer.Option(help="Fakes as a share of genuine users; repeatable.  [default: 0.01 0.03 0.05 0.1]"),
    ] = None,
    filler_size: Annotated[
        list[float] | None,
        typer.Option(help="Items a fake rates as a share of all; repeatable.  [default: 0.01 0.03 0.05 0.1]"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each cell, seeded from 0.")] = 2,
    protocol: Annotated[
        str,
        typer.Option(help="same-attack: half of the labels known. other-attacks: those of a batch of other attacks."),
    ] = "same-attack",
    users: Annotated[int | None, typer.Option(help="Genuine users taken at random.  [default: all]")] = None,
    items: Annotated[int | None, typer.Option(help="Most rated items taken.  [default: all]")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes.  [default: the number of cores]")] = None,
    store: StoreFolder = Path("lab"),
    out: Annotated[Path | None, typer.Option(help="A page to write: one HTML file.")] = None,
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every cell as CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Measure detectors on attacks of every size over a log; the same command goes on where it was ended."""
    from anomaly_lab.ratings.readers import read_round
    from experiments import benchmark_show
    from experiments.benchmark import benchmark as run_benchmark
    from experiments.progress import progress_report

    genuine = read_round(
        log, scale=scale_of(scale), columns=pairs(columns) or None, cache=kept_tables(store, create=True)
    )
    with progress_report() as report:
        found = run_benchmark(
            genuine,
            detectors=detector,
            attacks=attack,
            attack_sizes=attack_size,
            filler_sizes=filler_size,
            seeds=seeds,
            protocol=protocol,
            n_users=users,
            n_items=items,
            jobs=jobs,
            store=store,
            out=out,
            report=report,
        )
    if as_json:
        typer.echo(benchmark_show.to_json(found))
    elif as_csv:
        typer.echo(found.cells.to_csv(index=False), nl=False)
    elif as_markdown:
        typer.echo(benchmark_show.to_markdown(found))
    else:
        benchmark_show.print_benchmark(found)
    for line in benchmark_show.warnings(found):
        typer.echo(line, err=True)
    if out is not None:
        typer.echo(f"Written: {out}", err=True)
