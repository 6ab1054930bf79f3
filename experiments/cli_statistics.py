"""The command that describes every user of a log, however large: statistics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from anomaly_lab.errors import ConfigError
from experiments.options import AsJson, Columns, KeptIn, Scale, kept_tables, pairs, scale_of, split


def statistics(
    log: Annotated[list[Path], typer.Argument(help="A log of ratings, or several files that are its parts.")],
    out: Annotated[Path, typer.Option(help="The table to write, a row a user: .parquet or .csv.")],
    families: Annotated[
        str | None, typer.Option(help="Feature families of: profile, agreement, popularity, likelihood, seed.")
    ] = None,
    executor: Annotated[str, typer.Option(help="serial: one part at a time; dask: with Dask's workers.")] = "serial",
    scheduler: Annotated[str | None, typer.Option(help="A running Dask scheduler: tcp://host:port.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Dask's workers here.  [default: the number of cores]")] = None,
    store: KeptIn = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Describe every user of a log of any size, beside all others: by twenty statistics, or by feature families."""
    from anomaly_lab.features.part_families import check_families
    from experiments import show
    from experiments.log_parts import PartFile, open_parts
    from experiments.user_table import check_form, describe_log, write_table

    if executor not in {"serial", "dask"}:
        raise ConfigError(f"--executor must be serial or dask, found '{executor}'")
    wanted = split(families) or []
    check_families(wanted)
    check_form(out)
    if twice := [str(path) for path in log if log.count(path) > 1]:
        raise ConfigError(f"a part of a log must be given once, found {twice[0]} twice")
    if out.resolve() in {path.resolve() for path in log}:
        raise ConfigError(f"--out must not be a file that is read, found {out}; give another name")
    named, cache = pairs(columns) or None, kept_tables(store)
    files = [PartFile(str(path), named, cache) for path in log]
    with open_parts(files, executor, jobs or os.cpu_count() or 1, scheduler) as parts:
        found = describe_log(parts, scale_of(scale), wanted)
    write_table(found.table, out)
    summary = found.table.drop(columns="user").quantile([0, 0.25, 0.5, 0.75, 1]).T.reset_index(names="statistic")
    summary.columns = ["statistic", "least", "quarter", "median", "three_quarters", "most"]
    facts = {"users": len(found.table), "ratings": found.n_ratings, "items": found.n_items, "parts": len(log)}
    if as_json:
        typer.echo(show.to_json(facts | {"out": str(out), "statistics": show.records(summary)}))
        return
    sizes = ", ".join(f"{number:,} {name}" for name, number in facts.items())
    show.print_table(summary, title=f"{sizes} on scale {found.scale.name}")
    typer.echo(f"{out}: {len(summary)} columns for each user, ids ascending")
