"""The command line: each command is one public function and a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_lab.errors import ConfigError, LabError

app = typer.Typer(
    name="anomaly-lab",
    help="Find generated users in rating data: tune, track, rank, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Rounds = Annotated[list[Path] | None, typer.Option("--round", help="A labelled round; give each, oldest first.")]
StoreFolder = Annotated[Path, typer.Option("--store", help="The lab's folder.")]
Scale = Annotated[str | None, typer.Option(help="stars, likes, likes-watched, …, or levels in order: -1,0,1.")]
Columns = Annotated[
    list[str] | None, typer.Option("--columns", help="For tables: user=COLUMN, item=…, rating=…; repeatable.")
]
Families = Annotated[str | None, typer.Option(help="Feature families, separated by commas.")]
TeamFile = Annotated[
    Path | None, typer.Option("--features", help="Your own features: Parquet or CSV with a column user.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RunId = Annotated[str | None, typer.Option("--run", help="A run's id, or the beginning of one.")]


@app.command()
def tune(
    rounds: Rounds = None,
    detector: Annotated[list[str] | None, typer.Option(help="A detector; repeatable. Default: all.")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Trials per detector, the first at its defaults.  [default: 6]")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes.  [default: the number of cores]")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which no further trial begins.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of proposals and fits.  [default: 0]")] = None,
    protocol: Annotated[str | None, typer.Option(help="next-round, in-round or forward.")] = None,
    store: Annotated[Path | None, typer.Option(help="The lab's folder.  [default: lab]")] = None,
    families: Families = None,
    features: TeamFile = None,
    scale: Scale = None,
    columns: Columns = None,
    config: Annotated[Path | None, typer.Option(help="Settings from a TOML file; options win over it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tune detectors on labelled rounds; without a round, on an embedded course."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.config import read_config
    from experiments.progress import progress_report
    from experiments.tune import tune as run_tune

    given = {
        "rounds": [str(path) for path in rounds] if rounds else None,
        "detectors": detector,
        "trials": trials,
        "jobs": jobs,
        "timeout": timeout,
        "seed": seed,
        "protocol": protocol,
        "store": str(store) if store else None,
        "families": _split(families),
        "features": str(features) if features else None,
        "scale": scale,
    }
    settings = read_config(config) if config else {}
    settings |= {key: value for key, value in given.items() if value is not None}
    folder = Path(settings.get("store", "lab"))
    paths = settings.pop("rounds", None)
    course = None
    if not paths:
        course = _embedded_course(folder)
        paths = course[:3]
    labelled = read_rounds(
        paths, scale=_scale(settings.pop("scale", None)), columns=_pairs(columns) or None, require_labels=True
    )
    with progress_report() as report:
        tuned = run_tune(labelled, report=report, **settings)
    if as_json:
        typer.echo(
            show.to_json(_board_json(tuned.board) | {"failures": tuned.failures, "interrupted": tuned.interrupted})
        )
        return
    show.print_board(tuned.board)
    for name, error in tuned.failures.items():
        typer.echo(f"failed: {name}: {error}", err=True)
    if tuned.interrupted:
        typer.echo("Ended early; every finished trial is kept. The same command goes on from here.", err=True)
    _next_steps(tuned.board, folder, course)


@app.command()
def leaderboard(
    store: Annotated[list[Path] | None, typer.Option(help="A lab's folder; repeatable.  [default: lab]")] = None,
    question: Annotated[str | None, typer.Option(help="Beginning of a question's fingerprint.")] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="Every run, not only each detector's best.")] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Rank runs that answered the same question by the course's rule."""
    from experiments import show
    from tracking.leaderboard import leaderboard as read_board

    board = read_board(store or ["lab"], question=question, all_runs=all_runs)
    if as_json:
        typer.echo(show.to_json(_board_json(board)))
    elif as_csv:
        typer.echo(board.table.to_csv(index=False), nl=False)
    elif as_markdown:
        typer.echo(show.to_markdown(show.board_view(board)))
    else:
        show.print_board(board)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A registered detector.")],
    train: Annotated[list[Path], typer.Option(help="A labelled round to learn from; repeatable.")],
    test: Annotated[list[Path] | None, typer.Option(help="A labelled round to score; none: in-round folds.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="A hyperparameter: name=value.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.", min=1)] = 1,
    families: Families = None,
    features: TeamFile = None,
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Fit a detector at given parameters and score labelled rounds with it."""
    from anomaly_lab.ratings.readers import read_rounds
    from anomaly_lab.registry import DEFAULT_FAMILIES
    from experiments import show
    from experiments.evaluate import evaluate as run_evaluate
    from experiments.evaluate import summary

    rounds = read_rounds(
        [*train, *(test or [])], scale=_scale(scale), columns=_pairs(columns) or None, require_labels=True
    )
    table = run_evaluate(
        model,
        rounds[: len(train)],
        rounds[len(train) :],
        params=_pairs(settings, "--set"),
        seeds=range(seeds),
        families=_split(families) or DEFAULT_FAMILIES,
        features=features,
    )
    means = summary(table)
    if as_json:
        typer.echo(
            show.to_json({"model": model, "runs": show.records(table), "summary": means.to_dict(orient="index")})
        )
        return
    show.print_table(table, title=f"{model} on scale {rounds[0].ratings.scale.name}")
    if seeds > 1:
        show.print_table(means.reset_index(names="metric"), title=f"mean and spread over {seeds} seeds")
    if not test:
        typer.echo("in-round: this does not predict the next round, whose fakes may be new")


@app.command()
def export(
    batch: Annotated[
        Path | None, typer.Option(help="The batch to score.  [default: the embedded course's round 4]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The hand-in: .npz, .npy, .csv or .zip.")] = None,
    store: StoreFolder = Path("lab"),
    run: RunId = None,
    form: Annotated[
        str | None, typer.Option(help="arr_0, predictions, npy, csv or codabench; by the suffix of --out.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Another key of an .npz.")] = None,
    flag_rate: Annotated[float | None, typer.Option(help="Flag this share of users instead of the threshold.")] = None,
    rounds: Rounds = None,
    as_json: AsJson = False,
) -> None:
    """Refit the best run on all labelled rounds, score a batch, and write and verify the hand-in."""
    from experiments import show
    from tracking.export import export as run_export

    if batch is None:
        batch = store / "course" / "round4.npz"
        out = out or store / "course" / "round4_scores.npz"
        if not batch.exists():
            raise ConfigError(f"--batch must name the file to score, for {batch} does not exist")
    if out is None:
        raise ConfigError("--out must name the file to write, e.g. --out scores.npz")
    exported = run_export(batch, out, store=store, run=run, form=form, key=key, flag_rate=flag_rate, rounds=rounds)
    if as_json:
        typer.echo(show.to_json({"path": str(exported.path), "run": exported.run_id, "notes": list(exported.notes)}))
        return
    flagged = int(exported.table["flagged"].sum())
    typer.echo(
        f"{exported.path}: {len(exported.table):,} scores in ascending user id, {flagged:,} at 0.5 or above; "
        f"re-read and verified. Manifest: {exported.manifest}"
    )
    for note in exported.notes:
        typer.echo(f"note: {note}")


@app.command()
def score(
    scores: Annotated[Path, typer.Option(help="The hand-in.")],
    labels: Annotated[Path, typer.Option(help="The labels, as .npz (key y) or CSV (user, label).")],
    store: StoreFolder = Path("lab"),
    run: RunId = None,
    key: Annotated[str | None, typer.Option(help="Key of the scores in an .npz.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a hand-in as the course does, and log the result into its run."""
    import pandas as pd

    from experiments import show
    from tracking.scoring import score as run_score

    report = run_score(scores, labels, store=store, run=run, key=key)
    figures: dict[str, Any] = {
        "auc": report.auc,
        "precision": report.precision,
        "recall": report.recall,
        "f1": report.f1,
        "expected_auc": report.expected_auc,
    }
    if as_json:
        typer.echo(show.to_json(figures | {"users": report.n_users, "run": report.run_id, "notes": list(report.notes)}))
        return
    show.print_table(pd.DataFrame([figures]), title=f"{scores} on {report.n_users:,} users")
    for note in report.notes:
        typer.echo(f"note: {note}")


@app.command()
def record(
    scores: Annotated[list[Path], typer.Option(help="Scores of a labelled round; one for each --round.")],
    rounds: Annotated[list[Path], typer.Option("--round", help="The labelled round they score.")],
    name: Annotated[str, typer.Option(help="How the board calls them.")],
    store: StoreFolder = Path("lab"),
) -> None:
    """Put a colleague's scores on the same board."""
    from tracking.colleague import record as run_record

    typer.echo(f"recorded as run {run_record(scores, rounds, name, store=store)}; see `anomaly-lab leaderboard`")


@app.command()
def models(as_json: AsJson = False) -> None:
    """List every registered detector; none is imported."""
    import pandas as pd

    from anomaly_lab.registry import MODELS
    from experiments import show

    rows = [
        {
            "name": entry.name,
            "task": entry.constant("task") or "fake-users",
            "from": entry.origin,
            "summary": entry.summary if entry.error is None else f"BROKEN: {entry.error}",
        }
        for entry in MODELS.entries().values()
    ]
    if as_json:
        typer.echo(show.to_json(rows))
    else:
        show.print_table(pd.DataFrame(rows))


@app.command()
def check(name: Annotated[str, typer.Argument(help="A registered detector.")], as_json: AsJson = False) -> None:
    """Run the conformance checks on a detector."""
    from anomaly_lab.testing import check_model
    from experiments import show

    table = check_model(name)
    if as_json:
        typer.echo(show.to_json(show.records(table)))
    else:
        show.print_table(table.assign(passed=table["passed"].map({True: "yes", False: "NO"})))
    if not table["passed"].all():
        raise ConfigError(f"'{name}' fails {int((~table['passed']).sum())} of {len(table)} checks; see above")


@app.command()
def describe(
    files: Annotated[list[Path], typer.Argument(help="Files of ratings, read on one scale.")],
    scale: Scale = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Say what files of ratings hold."""
    from anomaly_lab.ratings.readers import read_rounds
    from experiments import show
    from experiments.describe import describe as run_describe

    table = run_describe(read_rounds(files, scale=_scale(scale), columns=_pairs(columns) or None))
    if as_json:
        typer.echo(show.to_json(table.to_dict()))
    else:
        show.print_table(table.reset_index(names=""))


@app.command()
def ui(store: StoreFolder = Path("lab"), port: Annotated[int, typer.Option(help="On 127.0.0.1.")] = 5000) -> None:
    """Serve the runs of a lab in MLflow's UI, on this machine only."""
    from tracking.store import Store
    from tracking.ui import serve

    typer.echo("starting MLflow's server …", err=True)
    with serve(Store.open(store), port) as server:
        typer.echo(f"{server.board}\n(Ctrl-C ends it. In MLflow's sidebar, choose 'Model training' once.)")
        server.process.wait()


def main() -> None:
    """Run the command line: exit 0, 2 for a user's mistake, 1 for our own fault."""
    try:
        app()
    except LabError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _embedded_course(folder: Path) -> list[Path]:
    from anomaly_lab.ratings.synthetic import write_course

    course = folder / "course"
    names = ["round1_labelled.npz", "round2_labelled.npz", "round3_labelled.npz", "round4.npz", "round4_truth.npz"]
    if not all((course / name).exists() for name in names):
        write_course(course)
    return [course / name for name in names]


def _next_steps(board: Any, folder: Path, course: list[Path] | None) -> None:
    from experiments import show

    if course is None:
        typer.echo("\n" + show.expectation(board, "the next round"))
        typer.echo(f"Next: anomaly-lab export --batch NEXT.npz --out scores.npz --store {folder}")
        return
    scores = folder / "course" / "round4_scores.npz"
    typer.echo("\n" + show.expectation(board, "round 4"))
    typer.echo("Next:")
    typer.echo("  make ui        # every run in MLflow, on http://127.0.0.1:5000")
    typer.echo(f"  make export    # refits the best run and scores {folder}/course/round4.npz")
    typer.echo(
        f"  .venv/bin/anomaly-lab score --scores {scores} --labels {folder}/course/round4_truth.npz --store {folder}"
    )


def _board_json(board: Any) -> dict[str, Any]:
    from experiments import show

    return {
        "question": board.question,
        "title": board.title,
        "protocol": board.protocol,
        "notes": board.notes,
        "rows": show.records(board.table),
    }


def _scale(text: str | None) -> Any:
    from anomaly_lab.ratings.scale import parse_scale

    return parse_scale(text) if text else None


def _split(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",")] if text else None


def _pairs(settings: list[str] | None, option: str = "--columns") -> dict[str, str]:
    pairs = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not key or not value:
            raise ConfigError(f"{option} must be name=value, found '{setting}'")
        pairs[key] = value
    return pairs


if __name__ == "__main__":
    main()
