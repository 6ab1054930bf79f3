"""The command `evaluate`: one detector at given parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_lab.errors import ConfigError
from experiments.options import (
    AsJson,
    Columns,
    DropGenres,
    Families,
    Inductive,
    Items,
    KeptIn,
    Log,
    Scale,
    TaskOptions,
    TeamFile,
    kept_tables,
    pairs,
    scale_of,
    split,
)


def evaluate(
    model: Annotated[str, typer.Argument(help="A registered detector.")],
    train: Annotated[list[Path] | None, typer.Option(help="A labelled round to learn from; repeatable.")] = None,
    test: Annotated[list[Path] | None, typer.Option(help="A labelled round to score; none: in-round folds.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Instead of --test: in-round, next-round, forward or leave-kind-out.")
    ] = None,
    ratings: Log = None,
    items: Items = None,
    drop_genre: DropGenres = None,
    task_option: TaskOptions = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter: name=value.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.", min=1)] = 1,
    families: Families = None,
    inductive: Inductive = None,
    features: TeamFile = None,
    store: KeptIn = Path("lab"),
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Fit a detector at given parameters and score labelled rounds with it; or a recommender, on parts of a log."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.asked_log import read_asked
    from experiments.evaluate import evaluate as run_evaluate
    from experiments.evaluate import in_words, of_kinds, summary
    from experiments.evaluate_recommender import evaluate_recommender

    if ratings is not None:
        if train or test:
            raise ConfigError("--ratings is of recommenders, --train and --test are of detectors; give one of them")
        log = read_asked(
            ratings,
            items,
            drop_genres=drop_genre or (),
            scale=scale_of(scale),
            columns=pairs(columns) or None,
            cache=kept_tables(store),
        )
        table = evaluate_recommender(
            model,
            log,
            protocol=protocol,
            options=pairs(task_option, "--task-option"),
            params=pairs(settings, "--set"),
            seeds=range(seeds),
        )
        _print_recommender(model, log, table, as_json)
        return
    if not train:
        raise ConfigError("--train FILE must name a labelled round to learn from (of a recommender, --ratings a log)")
    rounds = read_rounds(
        [*train, *(test or [])],
        scale=scale_of(scale),
        columns=pairs(columns) or None,
        cache=kept_tables(store),
        require_labels=True,
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


def _print_recommender(model: str, log: Any, table: Any, as_json: bool) -> None:
    from experiments import show
    from experiments.evaluate_recommender import over_folds

    means = over_folds(table)
    if as_json:
        typer.echo(
            show.to_json({"model": model, "runs": show.records(table), "summary": means.to_dict(orient="index")})
        )
        return
    show.print_table(table, title=f"{model} on {log.name}")
    show.print_table(means.reset_index(names="metric"), title="mean, and spread over folds")
