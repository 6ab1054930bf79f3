"""The command that says why a user has the score it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.options import AsJson, Columns, Rounds, RunId, StoreFolder, TeamFile, pairs

if TYPE_CHECKING:
    from experiments.explain import Explanation

FEATURES = 12
"""Features listed; JSON holds them all."""


def explain(
    user: Annotated[str, typer.Option(help="The user's id, as the batch names it.")],
    batch: Annotated[
        Path | None, typer.Option(help="The batch.  [default: that of --scores, or the embedded course's round 4]")
    ] = None,
    scores: Annotated[Path | None, typer.Option(help="A hand-in: its manifest names batch and run.")] = None,
    run: RunId = None,
    store: StoreFolder = Path("lab"),
    rounds: Rounds = None,
    features: TeamFile = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """Say why the best run scores a user as it does, and draw it into a PNG beside the file."""
    from experiments import show
    from experiments.explain import draw
    from experiments.explain import explain as run_explain

    if batch is None and scores is None and (store / "course" / "round4.npz").exists():
        batch = store / "course" / "round4.npz"
    found = run_explain(
        user,
        batch=batch,
        scores=scores,
        store=store,
        run=run,
        rounds=rounds,
        features=features,
        columns=pairs(columns) or None,
    )
    plot = draw(found, scores or batch or Path(found.batch))
    if as_json:
        typer.echo(show.to_json(_json(found) | {"plot": str(plot)}))
        return
    _print(found)
    typer.echo(f"\nplot: {plot}")


def _print(found: Explanation) -> None:
    from experiments import show

    parts = found.contributions
    typer.echo(found.title)
    typer.echo(
        f"Log-odds {parts.score:+.2f} where genuine users have {parts.base:+.2f} on average and 0 is the threshold. "
        "What speaks against the user counts up, what speaks for it down:\n"
    )
    show.print_table(parts.families[["contribution", "family", "phrase"]], title="by family")
    shown = parts.features.head(FEATURES)[["contribution", "phrase", "value", "percentile", "feature"]]
    typer.echo()
    show.print_table(shown, title="by feature (percentile among genuine users)")
    commonest = found.ratings["commonest"].map("{:g}".format)
    for table, title in (
        (found.ratings.assign(commonest=commonest), "ratings least likely, given their items"),
        (found.strangers, "items that belong least to the others"),
        (found.neighbours, "users who share most items beyond chance"),
    ):
        typer.echo()
        show.print_table(table, title=title)
    for note in found.notes:
        typer.echo(f"note: {note}")


def _json(found: Explanation) -> dict[str, Any]:
    from experiments import show

    parts = found.contributions
    return {
        "user": found.user,
        "batch": found.batch,
        "run": found.run_id,
        "detector": found.detector,
        "score": found.score,
        "rank": found.rank,
        "users": found.n_users,
        "log_odds": parts.score,
        "genuine_log_odds": parts.base,
        "families": show.records(parts.families),
        "features": show.records(parts.features),
        "ratings": show.records(found.ratings),
        "strangers": show.records(found.strangers),
        "neighbours": show.records(found.neighbours),
        "notes": found.notes,
    }
