"""The organiser's command for those who run a course on Codabench."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anomaly_lab.errors import ConfigError
from experiments.options import AsJson, CourseDir, date_of, in_zone

if TYPE_CHECKING:
    from tracking.course.codabench.bundle import Bundle
    from tracking.course.folder import CourseFolder

DEFAULT = Path("private") / "codabench.zip"


def codabench(
    folder: CourseDir,
    out: Annotated[Path | None, typer.Option(help="The bundle.  [default: DIR/private/codabench.zip]")] = None,
    start: Annotated[
        str | None, typer.Option(help="When the first round begins: 2026-12-01T09:00.  [default: now]")
    ] = None,
    all_batches: Annotated[
        bool, typer.Option("--all-batches", help="Also of rounds not released; Codabench shows them from the start.")
    ] = False,
    scores: Annotated[
        Path | None, typer.Option("--try", help="A submission to score with the bundle that is there.")
    ] = None,
    name: Annotated[str | None, typer.Option("--round", help="The round of --try, or its number.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the course as a bundle for Codabench, or score a file with its scoring program."""
    from tracking.course.codabench.bundle import write_bundle
    from tracking.course.folder import CourseFolder

    opened = CourseFolder.open(folder)
    target = folder / DEFAULT if out is None else out
    if scores is not None:
        if name is None or start is not None or all_batches:
            raise ConfigError("--try must come with --round, and with neither --start nor --all-batches")
        _try(target, name, scores, as_json=as_json)
        return
    if name is not None:
        raise ConfigError("--round must come with --try: a bundle holds every round")
    _say(opened, write_bundle(opened, target, start=_moment(opened, start), all_batches=all_batches), as_json=as_json)


def _moment(opened: CourseFolder, text: str | None) -> datetime:
    return datetime.now(UTC) if text is None else in_zone(date_of(text, "--start"), opened)


def _say(opened: CourseFolder, made: Bundle, *, as_json: bool) -> None:
    from experiments import show

    zone = opened.rules.timezone
    rounds = [{"round": one.name, "start": one.start.isoformat(), "end": one.end.isoformat()} for one in made.phases]
    if as_json:
        typer.echo(show.to_json({"bundle": str(made.path), "rounds": rounds, "left_out": list(made.left_out)}))
        return
    for one in made.phases:
        begin, end = one.start.astimezone(zone), one.end.astimezone(zone)
        typer.echo(f"{one.name}: {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M %Z}")
    if made.left_out:
        typer.echo(f"left out, for they have no labelled file: {', '.join(made.left_out)}")
    bare = [one.name for one in made.phases if not one.with_data]
    if bare:
        typer.echo(
            f"note: {', '.join(bare)}: not released, so without batch and starting kit, which Codabench shows at once, "
            "whenever the round begins; add them there later, or give --all-batches"
        )
    typer.echo(f"{made.path}: checked, and every sample submission scored; it holds all labels, keep it private")
    if opened.rules.feedback == "on-close":
        typer.echo(
            "note: figures are shown on closing, so Codabench does not run submissions by itself; run them there, or "
            "download them and use `anomaly-lab course submit`"
        )


def _try(bundle: Path, name: str, scores: Path, *, as_json: bool) -> None:
    from experiments import show
    from tracking.course.codabench.trial import try_scores

    trial = try_scores(bundle, name, scores)
    if as_json:
        typer.echo(show.to_json({"scores": trial.figures, "notes": list(trial.notes)}))
        return
    for figure, value in trial.figures.items():
        typer.echo(f"{figure} {value:.4f}")
    for note in trial.notes:
        typer.echo(f"note: {note}")
