"""The command tune."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.config import read_config
from experiments.options import (
    AsJson,
    Columns,
    DropGenres,
    Families,
    Inductive,
    Items,
    Log,
    Rounds,
    Scale,
    TaskName,
    TaskOptions,
    TeamFile,
    kept_tables,
    pairs,
    scale_of,
    split,
)
from experiments.worker_server import start_server


def tune(
    rounds: Rounds = None,
    detector: Annotated[list[str] | None, typer.Option(help="A detector; repeatable. Default: all.")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Trials per detector, the first at its defaults.  [default: 4]")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes.  [default: the number of cores]")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which no further trial begins.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of proposals and fits.  [default: 0]")] = None,
    protocol: Annotated[str | None, typer.Option(help="next-round, in-round or forward.")] = None,
    kind_out: Annotated[
        bool | None, typer.Option(help="Leave-kind-out for every winner.  [default: where labels name kinds]")
    ] = None,
    store: Annotated[Path | None, typer.Option(help="The lab's folder.  [default: lab]")] = None,
    families: Families = None,
    inductive: Inductive = None,
    features: TeamFile = None,
    scale: Scale = None,
    columns: Columns = None,
    task: TaskName = None,
    ratings: Log = None,
    items: Items = None,
    drop_genre: DropGenres = None,
    task_option: TaskOptions = None,
    executor: Annotated[str | None, typer.Option(help="serial, processes or dask.  [default: processes]")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A running Dask scheduler: tcp://host:port.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings from a TOML file; options win over it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tune detectors on labelled rounds (without a round, on an embedded course), or recommenders on a log."""
    given = {
        "rounds": [str(path) for path in rounds] if rounds else None,
        "detectors": detector,
        "trials": trials,
        "jobs": jobs,
        "timeout": timeout,
        "seed": seed,
        "protocol": protocol,
        "kind_out": kind_out,
        "store": str(store) if store else None,
        "families": split(families),
        "inductive": inductive,
        "features": str(features) if features else None,
        "scale": scale,
        "task": task,
        "ratings": str(ratings) if ratings else None,
        "items": str(items) if items else None,
        "drop_genres": drop_genre,
        "task_options": task_option,
        "executor": executor,
        "scheduler": scheduler,
    }
    settings = read_config(config) if config else {}
    settings |= {key: value for key, value in given.items() if value is not None}
    if (
        settings.get("jobs") != 1
        and settings.get("executor", "processes") == "processes"
        and "scheduler" not in settings
    ):
        start_server()  # workers import the engine while this process imports MLflow
    from anomaly_lab.ratings.readers import read_rounds
    from anomaly_lab.tasks.names import RECOMMENDING
    from experiments import show
    from experiments.asked_log import read_asked_log, recommend_next, take_task
    from experiments.progress import progress_report
    from experiments.tune import check_settings
    from experiments.tune import tune as run_tune
    from tracking.expectation import as_json as expectation_json

    settings |= take_task(settings)
    check_settings(**settings)
    folder = Path(settings.get("store", "lab"))
    paths, how = settings.pop("rounds", None), _reading(settings, columns, folder)
    course = None
    if settings["task"].name in RECOMMENDING:
        rounds_read = read_asked_log(settings, paths, **how)
    else:
        if not paths:
            course = _embedded_course(folder)
            paths = course[:3]
        rounds_read = read_rounds(paths, require_labels=True, **how)
    gc.freeze()  # what is imported and read stays: searching it again and again is a tenth of what the driver does
    with progress_report() as report:
        tuned = run_tune(rounds_read, report=report, **settings)
    if as_json:
        typer.echo(
            show.to_json(
                show.board_json(tuned.board)
                | {
                    "failures": tuned.failures,
                    "interrupted": tuned.interrupted,
                    "expected": expectation_json(tuned.expected),
                }
            )
        )
        return
    show.print_board(tuned.board)
    for name, error in tuned.failures.items():
        typer.echo(f"failed: {name}: {error}", err=True)
    if tuned.interrupted:
        typer.echo("Ended early; every finished trial is kept. The same command goes on from here.", err=True)
    if settings["task"].name in RECOMMENDING:
        typer.echo(recommend_next(rounds_read[0], folder))
    else:
        _next_steps(tuned.expected, folder, course)


def _reading(settings: dict[str, Any], columns: list[str] | None, folder: Path) -> dict[str, Any]:
    """Return how files are to be read."""
    how = {"scale": scale_of(settings.pop("scale", None)), "columns": pairs(columns) or None}
    return how | {"cache": kept_tables(folder, create=True)}


def _embedded_course(folder: Path) -> list[Path]:
    from anomaly_lab.ratings.synthetic import write_course

    course = folder / "course"
    names = ["round1_labelled.npz", "round2_labelled.npz", "round3_labelled.npz", "round4.npz", "round4_truth.npz"]
    if not all((course / name).exists() for name in names):
        write_course(course)
    return [course / name for name in names]


def _next_steps(expected: Any, folder: Path, course: list[Path] | None) -> None:
    from experiments.expectation import expectation_text

    if course is None:
        typer.echo("\n" + expectation_text(expected, "the next round"))
        typer.echo(f"Next: anomaly-lab export --batch NEXT.npz --out scores.npz --store {folder}")
        return
    scores = folder / "course" / "round4_scores.npz"
    typer.echo("\n" + expectation_text(expected, "round 4"))
    typer.echo("Next:")
    typer.echo("  make ui        # every run in MLflow, on http://127.0.0.1:5000")
    typer.echo(f"  make export    # refits the best run and scores {folder}/course/round4.npz")
    typer.echo(
        f"  .venv/bin/anomaly-lab score --scores {scores} --labels {folder}/course/round4_truth.npz --store {folder}"
    )
