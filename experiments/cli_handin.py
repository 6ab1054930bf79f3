"""Commands around a hand-in: export, score, record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from anomaly_lab.errors import ConfigError
from experiments.options import AsJson, Columns, Rounds, RunId, StoreFolder, TeamFile, pairs


def export(
    batch: Annotated[
        Path | None, typer.Option(help="The batch to score.  [default: the embedded course's round 4]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The hand-in: .npz, .npy, .csv or .zip.")] = None,
    store: StoreFolder = Path("lab"),
    run: RunId = None,
    form: Annotated[
        str | None, typer.Option(help="arr_0, predictions, npy, csv, codabench, probabilities, classes; by --out.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Another key of an .npz.")] = None,
    flag_rate: Annotated[float | None, typer.Option(help="Flag this share of users instead of the threshold.")] = None,
    rounds: Rounds = None,
    features: TeamFile = None,
    columns: Columns = None,
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
    exported = run_export(
        batch,
        out,
        store=store,
        run=run,
        form=form,
        key=key,
        flag_rate=flag_rate,
        rounds=rounds,
        features=features,
        columns=pairs(columns) or None,
    )
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


def score(
    scores: Annotated[Path, typer.Option(help="The hand-in.")],
    labels: Annotated[Path, typer.Option(help="The labels, as .npz (key y) or CSV (user, label).")],
    store: StoreFolder = Path("lab"),
    run: RunId = None,
    key: Annotated[str | None, typer.Option(help="Key of the scores in an .npz.")] = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Score a hand-in as the course does, and log the result into its run."""
    import pandas as pd

    from experiments import show
    from tracking.scoring import score as run_score

    report = run_score(scores, labels, store=store, run=run, key=key, columns=pairs(columns) or None)
    figures: dict[str, Any] = {
        "auc": report.auc,
        "precision": report.precision,
        "recall": report.recall,
        "f1": report.f1,
        "expected_auc": report.expected_auc,
    }
    if report.composite is not None:
        figures |= {"composite": report.composite, "mean_ovr_auc": report.mean_ovr_auc}
        figures |= {f"auc_class_{kind}": auc for kind, auc in report.auc_by_class.items()}
    if as_json:
        more = {"users": report.n_users, "run": report.run_id, "notes": list(report.notes)}
        typer.echo(show.to_json(figures | more | {"mistakes": show.records(report.mistakes)}))
        return
    show.print_table(pd.DataFrame([figures]), title=f"{scores} on {report.n_users:,} users")
    worst = report.mistakes["worst"].map(lambda ids: ", ".join(map(str, ids)))
    show.print_table(report.mistakes.assign(worst=worst), title="missed and accused at 0.5, the worst by id")
    for note in report.notes:
        typer.echo(f"note: {note}")


def record(
    scores: Annotated[list[Path], typer.Option(help="Scores of a labelled round; one for each --round.")],
    rounds: Annotated[list[Path], typer.Option("--round", help="The labelled round they score.")],
    name: Annotated[str, typer.Option(help="How the board calls them.")],
    store: StoreFolder = Path("lab"),
    columns: Columns = None,
) -> None:
    """Put a colleague's scores on the same board."""
    from tracking.colleague import record as run_record

    run_id = run_record(scores, rounds, name, store=store, columns=pairs(columns) or None)
    typer.echo(f"recorded as run {run_id}; see `anomaly-lab leaderboard`")
