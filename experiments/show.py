"""Show: tables for a terminal, or as JSON, CSV and Markdown for everything else."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomaly_lab.tasks.names import FAKE_USERS
from tracking.figures import figures_of
from tracking.leaderboard import Board

HEADINGS = {
    "rank": "rank",
    "band": "band",
    "detector": "detector",
    "auc": "AUC",
    "interval": "95 %",
    "f1": "F1",
    "precision": "P",
    "recall": "R",
    "average_precision": "AP",
    "auc_in_round": "in-round",
    "optimism": "optimism",
    "auc_forward": "forward",
    "auc_worst_kind": "worst kind",
    "real_auc": "real",
    "runs": "of",
    "seconds": "s",
    "why": "why this rank",
}
SHORT = ("rmse", "mae", "auc", "ndcg")
"""Metrics that are called by their initials."""
OPTIONAL = ("auc_in_round", "optimism", "auc_forward", "auc_worst_kind", "real_auc")
"""Shown only where some run has them."""


def console() -> Console:
    """Return a console on standard output, wide enough for a board when it is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=200)


def print_table(table: pd.DataFrame, title: str | None = None) -> None:
    """Print a table; numbers right, text left."""
    shown = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name in table.columns:
        numeric = all(isinstance(value, int | float) or not _cell(value) for value in table[name].tolist())
        shown.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*(Text(_cell(value)) for value in row))
    console().print(shown)


def to_json(value: Any) -> str:
    """Return JSON; what is not a finite number becomes null."""
    return json.dumps(_finite(value), indent=1, allow_nan=False, default=str)


def to_markdown(table: pd.DataFrame) -> str:
    """Return a table as GitHub's Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    rows += [[_cell(value).replace("|", "\\|") for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON objects."""
    found: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return found


def board_view(board: Board) -> pd.DataFrame:
    """Return a board as it is read: intervals in one column, empty columns left out, chance as a last row."""
    if board.task != FAKE_USERS:
        return recommender_view(board)
    table = board.table.copy()
    table["interval"] = [f"{low:.3f}-{high:.3f}" for low, high in zip(table["auc_low"], table["auc_high"], strict=True)]
    table["detector"] = table["detector"] + table["baseline"].map({True: " (baseline)", False: ""})
    chance = dict.fromkeys(HEADINGS, "") | {"detector": "chance: flag everyone", "auc": 0.5}
    keep = [name for name in HEADINGS if name not in OPTIONAL or table[name].notna().any()]
    text = table[keep].astype(object)
    view = pd.concat([text, pd.DataFrame([chance | _flag_everyone(board)])], ignore_index=True)[keep]
    return view.rename(columns=HEADINGS)


def recommender_view(board: Board) -> pd.DataFrame:
    """Return a board of recommenders as it is read: intervals in one column, what no run has left out."""
    table, figures = board.table.copy(), figures_of(board.task)
    primary = figures.measures[0]
    bounds = zip(table[f"{primary}_low"], table[f"{primary}_high"], strict=True)
    table["95 %"] = [f"{low:.3f}-{high:.3f}" for low, high in bounds]
    table["model"] = table["model"] + table["baseline"].map({True: " (baseline)", False: ""})
    headings = {name: name.upper() if name in SHORT else name.replace("_", " ") for name in figures.measures}
    columns = ["rank", "model", primary, "95 %", *figures.measures[1:], "epochs", "runs", "seconds", "why"]
    columns = [name for name in columns if table[name].notna().any()]
    return table[columns].rename(columns=HEADINGS | headings | {"model": "model", "why": "why this rank"})


def print_board(board: Board) -> None:
    """Print what was asked, the board, and what a reader must know of it."""
    out = console()
    out.print(f"[bold]Question[/bold] {board.title}  ({board.question[:10]})")
    print_table(board_view(board))
    for note in board.notes:
        out.print(f"  note: {note}", style="dim")
    for other in board.others.to_dict(orient="records"):
        line = f"{other['title']} ({other['runs']} runs): --question {str(other['question'])[:10]}"
        out.print(f"  another question here: {line}", style="dim")


def board_json(board: Board) -> dict[str, Any]:
    """Return a board as JSON objects."""
    return {
        "question": board.question,
        "title": board.title,
        "protocol": board.protocol,
        "notes": board.notes,
        "rows": records(board.table),
    }


def _flag_everyone(board: Board) -> dict[str, float]:
    share = board.fake_share
    return {"precision": share, "recall": 1.0, "f1": 2 * share / (1 + share), "average_precision": share}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if isfinite(value) else ""
    if value is pd.NA:
        return ""
    return str(value)
