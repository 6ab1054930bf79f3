"""The organiser's commands: init, release, submit, close, board, grades, codabench."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anomaly_lab.errors import ConfigError
from experiments.cli_codabench import codabench
from experiments.options import AsJson, Columns, CourseDir, Rounds, Scale, date_of, in_zone, pairs, scale_of

if TYPE_CHECKING:
    from tracking.course.intake import Taken
    from tracking.course.standings import RoundStandings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

RoundName = Annotated[str, typer.Argument(metavar="ROUND", help="A round's name or number.")]
Moment = Annotated[
    str | None, typer.Option("--at", help="When it came in: 2026-12-02T11:59, in the course's zone.  [default: now]")
]


@app.callback()
def course() -> None:
    """Run a course: rounds with hidden labels, submissions, a board, grades."""


@app.command()
def init(
    folder: CourseDir,
    rounds: Rounds = None,
    title: Annotated[str, typer.Option(help="What the course is called.")] = "Anomalous users",
    timezone: Annotated[str, typer.Option(help="Of deadlines.")] = "UTC",
    first_deadline: Annotated[str | None, typer.Option(help="End of the first round: 2026-12-02T12:00.")] = None,
    every: Annotated[int, typer.Option(help="Days between deadlines.")] = 7,
    n_rounds: Annotated[int, typer.Option("--rounds", help="Of a simulated course, where no --round is given.")] = 4,
    keep_ids: Annotated[bool, typer.Option("--keep-ids", help="Leave users' ids as they are.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of the new ids.  [default: drawn]")] = None,
    scale: Scale = None,
    columns: Columns = None,
) -> None:
    """Make a course of labelled rounds, or of simulated ones."""
    import secrets

    from anomaly_lab.ratings.readers import read_rounds
    from anomaly_lab.ratings.synthetic import make_course
    from tracking.course.folder import RULES
    from tracking.course.release import init_course

    number = secrets.randbits(32) if seed is None else seed
    if rounds:
        labelled = read_rounds(rounds, scale=scale_of(scale), columns=pairs(columns) or None, require_labels=True)
    else:
        labelled = list(make_course(n_rounds=n_rounds, seed=number % 2**31))
    made = init_course(
        folder,
        labelled,
        title=title,
        timezone=timezone,
        first_deadline=None if first_deadline is None else date_of(first_deadline, "--first-deadline"),
        every_days=every,
        keep_ids=keep_ids,
        seed=number,
    )
    names = ", ".join(one.name for one in made.rules.rounds)
    typer.echo(
        f"{folder}: a course of {len(labelled)} rounds ({names}); labels are in {folder / 'private'}, keep it private"
    )
    typer.echo(f"Next: edit {folder / RULES}, then `anomaly-lab course release {folder} 1`")


@app.command()
def release(
    folder: CourseDir,
    name: RoundName,
    file: Annotated[Path | None, typer.Option(help="A batch of your own making, published as it is.")] = None,
) -> None:
    """Hand a round out: its batch without labels, in canonical order, refused if order or ids tell the labels."""
    from tracking.course.folder import CourseFolder
    from tracking.course.release import release_round

    batch = release_round(CourseFolder.open(folder), name, file)
    typer.echo(f"{batch}: released; neither order nor ids tell who was generated")


@app.command()
def submit(
    folder: CourseDir,
    scores: Annotated[Path, typer.Argument(help="A team's file, or a folder of files named after their teams.")],
    name: Annotated[str, typer.Option("--round", help="The round's name or number.")],
    team: Annotated[str | None, typer.Option(help="Whose file it is.  [default: its name says]")] = None,
    at: Moment = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="The organiser's own, for comparison.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take in a team's scores, or a folder of them; a refused file uses up no attempt."""
    from experiments import show
    from tracking.course.folder import CourseFolder
    from tracking.course.intake import Taken, submit_folder
    from tracking.course.submissions import submit as take

    opened = CourseFolder.open(folder)
    when = None if at is None else in_zone(date_of(at, "--at"), opened)
    if scores.is_dir():
        if team is not None or baseline:
            raise ConfigError("--team and --baseline are of one file; in a folder, files are named after their teams")
        taken = submit_folder(opened, name, scores, when)
    else:
        if team is None:
            raise ConfigError("--team must say whose file it is")
        receipt = take(opened, team, name, scores, at=when or datetime.now(UTC), baseline=baseline)
        taken = [Taken(scores, team, receipt, "")]
    if as_json:
        typer.echo(show.to_json([_taken(one) for one in taken]))
    else:
        for one in taken:
            _say(one)
    refused = sum(one.receipt is None for one in taken)
    if refused:
        others = "; the others are taken" if refused < len(taken) else ""
        raise ConfigError(f"{refused} of {len(taken)} files were refused, see above{others}")


@app.command()
def close(
    folder: CourseDir,
    name: RoundName,
    early: Annotated[bool, typer.Option("--early", help="Before the deadline.")] = False,
) -> None:
    """End a round: compute figures, publish the labels, write the board and a dated snapshot."""
    from tracking.course.folder import CourseFolder
    from tracking.course.snapshots import write_board
    from tracking.course.standings import close_round, course_standings

    opened = CourseFolder.open(folder)
    closed = close_round(opened, name, early=early)
    rounds = course_standings(opened)
    _print_round(next(one for one in rounds if one.rules == closed), opened.rules.metric)
    page, snapshot = write_board(opened, rounds=rounds, snapshot=closed.name)
    typer.echo(f"labels: {opened.labels_file(closed)}\nboard: {page}\nsnapshot: {snapshot}")


@app.command()
def board(
    folder: CourseDir,
    out: Annotated[Path | None, typer.Option(help="The page.  [default: DIR/board/index.html]")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the standings and write them as one standalone page."""
    from experiments import show
    from tracking.course.folder import CourseFolder
    from tracking.course.snapshots import as_records, write_board
    from tracking.course.standings import course_standings

    opened = CourseFolder.open(folder)
    rounds = course_standings(opened)
    page, _ = write_board(opened, out, rounds=rounds)
    if as_json:
        typer.echo(show.to_json(as_records(opened, rounds)))
        return
    for one in rounds:
        _print_round(one, opened.rules.metric)
    typer.echo(f"board: {page}")


@app.command()
def grades(
    folder: CourseDir,
    out: Annotated[Path | None, typer.Option(help="A CSV file.  [default: printed]")] = None,
) -> None:
    """Add the closed rounds up for every team, as CSV."""
    from tracking.course.folder import CourseFolder
    from tracking.course.grades import grades as add_up
    from tracking.course.grades import spreadsheet
    from tracking.course.standings import course_standings
    from tracking.pages.page import write_text

    opened = CourseFolder.open(folder)
    table = add_up(opened.rules, course_standings(opened))
    if out is None:
        typer.echo(spreadsheet(table), nl=False)
    else:
        typer.echo(f"{write_text(out, spreadsheet(table))}: grades of {len(table)} teams")


app.command()(codabench)


def _say(one: Taken) -> None:
    if one.receipt is None:
        typer.echo(f"refused: {one.refused}", err=True)
        return
    made, left = one.receipt.submission, one.receipt.left
    late = f", {made.days_late} day(s) late" if made.days_late else ""
    more = "" if left is None else f"; {left} left in this round"
    typer.echo(f"{one.file}: taken for {made.team}, {made.submitted:%Y-%m-%d %H:%M %Z}{late}{more}")
    for note in one.receipt.notes:
        typer.echo(f"note: {made.team}: {note}")


def _taken(one: Taken) -> dict[str, object]:
    made = None if one.receipt is None else one.receipt.submission
    return {
        "file": str(one.file),
        "team": one.team,
        "run": None if made is None else made.run_id,
        "refused": one.refused,
        "left": None if one.receipt is None else one.receipt.left,
        "notes": [] if one.receipt is None else list(one.receipt.notes),
    }


def _print_round(one: RoundStandings, metric: str) -> None:
    from experiments import show
    from tracking.course.snapshots import standings_table

    title = f"{one.rules.name}: {one.state}"
    if one.standings:
        show.print_table(standings_table(one, metric), title=title)
    else:
        made = ", ".join(f"{team} ({count})" for team, count, _ in one.handed_in if count)
        typer.echo(f"{title}; handed in: {made or 'nothing yet'}" if one.state == "open" else title)
