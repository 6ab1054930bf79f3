"""The command `ablate`: what each part of a detector is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.options import (
    AsJson,
    Columns,
    Families,
    Inductive,
    Rounds,
    Scale,
    StoreFolder,
    kept_tables,
    pairs,
    scale_of,
    split,
)


def ablate(
    model: Annotated[str, typer.Argument(help="A registered detector.")],
    rounds: Rounds = None,
    seeds: Annotated[int, typer.Option(help="Runs of each variant, seeded from 0.", min=1)] = 1,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter: name=value.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes.  [default: the number of cores]")] = None,
    store: StoreFolder = Path("lab"),
    families: Families = None,
    inductive: Inductive = None,
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Run a detector whole, without each feature family and component, and with each alone."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.ablate import ablate as run_ablate
    from experiments.progress import progress_report

    labelled = read_rounds(
        rounds or [],
        scale=scale_of(scale),
        columns=pairs(columns) or None,
        cache=kept_tables(store, create=True),
        require_labels=True,
    )
    with progress_report() as report:
        found = run_ablate(
            model,
            labelled,
            seeds=seeds,
            params=pairs(settings, "--set"),
            families=split(families),
            inductive=bool(inductive),
            jobs=jobs,
            store=store,
            report=report,
        )
    table = found.table
    if as_json:
        about = {"model": model, "question": found.question.fingerprint, "title": found.question.title}
        typer.echo(show.to_json(about | {"rows": show.records(table), "failures": found.failures}))
    elif as_csv:
        typer.echo(table.to_csv(index=False), nl=False)
    elif as_markdown:
        typer.echo(show.to_markdown(table.rename(columns=HEADINGS)))
    else:
        show.print_table(table.rename(columns=HEADINGS), title=f"{model}: {found.question.title}")
    for name, error in found.failures.items():
        typer.echo(f"failed: {name}: {error}", err=True)


HEADINGS = {
    "auc": "AUC",
    "auc_sd": "sd",
    "auc_se": "se",
    "difference_se": "se of it",
    "f1": "F1",
    "seconds_features": "features s",
    "seconds_fit": "fit s",
    "seconds_score": "score s",
    "seconds_threshold": "threshold s",
}
