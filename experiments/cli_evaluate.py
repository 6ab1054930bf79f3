"""The command `evaluate`: one detector at given parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.options import AsJson, Columns, Families, Inductive, Scale, TeamFile, pairs, scale_of, split


def evaluate(
    model: Annotated[str, typer.Argument(help="A registered detector.")],
    train: Annotated[list[Path], typer.Option(help="A labelled round to learn from; repeatable.")],
    test: Annotated[list[Path] | None, typer.Option(help="A labelled round to score; none: in-round folds.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Instead of --test: in-round, next-round, forward or leave-kind-out.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter: name=value.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.", min=1)] = 1,
    families: Families = None,
    inductive: Inductive = None,
    features: TeamFile = None,
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Fit a detector at given parameters and score labelled rounds with it."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.evaluate import evaluate as run_evaluate
    from experiments.evaluate import in_words, of_kinds, summary

    rounds = read_rounds(
        [*train, *(test or [])], scale=scale_of(scale), columns=pairs(columns) or None, require_labels=True
    )
    table = run_evaluate(
        model,
        rounds[: len(train)],
        rounds[len(train) :],
        protocol=protocol,
        params=pairs(settings, "--set"),
        seeds=range(seeds),
        families=split(families),
        inductive=bool(inductive),
        features=features,
    )
    means = summary(table, protocol)
    if as_json:
        typer.echo(
            show.to_json({"model": model, "runs": show.records(table), "summary": means.to_dict(orient="index")})
        )
        return
    kinds = of_kinds(table)
    show.print_table(table.drop(columns=kinds), title=f"{model} on scale {rounds[0].ratings.scale.name}")
    if kinds:
        show.print_table(
            table[["seed", "query", *kinds]], title="by class: one kind against genuine users, and one-vs-rest"
        )
    if seeds > 1:
        show.print_table(means.reset_index(names="metric"), title=f"mean and spread over {seeds} seeds")
    if words := in_words(table, protocol if test or protocol else "in-round"):
        typer.echo(words)
