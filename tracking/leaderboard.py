"""Leaderboard: runs of one question in the course's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anomaly_lab.errors import StoreError
from anomaly_lab.ranking import TIE_MARGIN, Contender, rank
from anomaly_lab.tasks.names import FAKE_USERS
from tracking.partial import leader_by_round, unranked
from tracking.read import ShownRuns, open_runs
from tracking.recommender_board import OF_RECOMMENDERS, rank_recommenders
from tracking.store import DEFAULT_FOLDER, Store
from tracking.sweep import sweep

COLUMNS = (
    "rank",
    "band",
    "detector",
    "auc",
    "auc_low",
    "auc_high",
    "f1",
    "precision",
    "recall",
    "average_precision",
    "auc_in_round",
    "optimism",
    "auc_forward",
    "auc_kind_out",
    "auc_worst_kind",
    "real_auc",
    "runs",
    "seconds",
    "why",
    "baseline",
    "run_id",
    "store",
)


@dataclass(frozen=True, eq=False)
class Board:
    """A leaderboard of one question.

    Parameters
    ----------
    title : str
        The question in words.
    question : str
        Its fingerprint.
    protocol : str
        Its protocol.
    table : DataFrame
        `COLUMNS` (of recommenders those of `tracking.recommender_board`), best first;
        ``runs`` is how many runs of the detector a row was selected from.
    others : DataFrame
        Other questions in the stores: ``question``, ``title``, ``runs``.
    fake_share : float
        Share of generated users among those queried: precision of flagging everyone; NaN where that is not the task.
    task : str
        What was asked.
    """

    title: str
    question: str
    protocol: str
    table: pd.DataFrame
    others: pd.DataFrame
    fake_share: float = 0.5
    task: str = FAKE_USERS

    @property
    def notes(self) -> list[str]:
        """What a reader must know before believing the figures."""
        notes = []
        if self.protocol == "in-round":
            notes.append("one labelled round: its in-round AUC does not predict the next round, whose fakes may be new")
        if (self.table["runs"] > 1).any():
            notes.append("each row is selected: the best of `runs` tries on the very question it is ranked by")
        return notes


def leaderboard(
    stores: Sequence[str | Path] = (DEFAULT_FOLDER,),
    *,
    question: str | None = None,
    all_runs: bool = False,
    task: str | None = None,
    top: int | None = None,
) -> Board:
    """Return the leaderboard of the newest question in some stores, or of a given one.

    Parameters
    ----------
    stores : sequence of path-like
        Folders of labs; runs of one question in several of them are ranked together.
    question : str, optional
        Beginning of a question's fingerprint.
    all_runs : bool
        Every run instead of the best one of each detector.
    task : str, optional
        Look at questions of this task only.
    top : int, optional
        Rows from the first on; all by default.

    Raises
    ------
    StoreError
        If there are no runs, or none of the question.
    """
    opened = [Store.open(folder) for folder in stores]
    for store in opened:
        sweep(store)
    with open_runs(opened) as runs:
        asked = _asked(runs, ", ".join(map(str, stores)), task)
        chosen = _choose(asked, question)
        others = asked.drop(index=chosen).reset_index()[["question", "title", "runs"]]
        title, protocol, asks = (str(asked.loc[chosen, name]) for name in ("title", "protocol", "task"))
        if asks != FAKE_USERS:
            mine = runs.add(runs.table(chosen), _OF_RECOMMENDERS)
            ranked = rank_recommenders(mine, asks, all_runs=all_runs).iloc[:top]
            return Board(title, chosen, protocol, ranked, others, float("nan"), asks)
        share = float(str(asked.loc[chosen, "fake_share"]))
        return Board(title, chosen, protocol, _board(runs, chosen, all_runs, top), others, share)


def _asked(runs: ShownRuns, folders: str, task: str | None) -> pd.DataFrame:
    """Return the questions of some runs, with what the newest run of each says of it."""
    asked = runs.asked().reset_index()
    if asked.empty:
        raise StoreError(f"{folders}: there must be finished runs, found none; run `anomaly-lab tune` first")
    asked = runs.add(asked, ["question_title", "protocol", "task", "fake_share"])
    asked = asked.rename(columns={"question_title": "title"}).set_index("question")
    asked = asked if task is None else asked[asked["task"] == task]
    if asked.empty:
        raise StoreError(
            f"{folders}: there must be finished runs of task {task}, found none; run `anomaly-lab tune` first"
        )
    return asked


def _board(runs: ShownRuns, question: str, all_runs: bool, top: int | None) -> pd.DataFrame:
    """Return the ranking of one question's runs, and below it those that answered a part of the question."""
    mine = runs.table(question) if top is None or not all_runs else _first(runs, question, top)
    mine = runs.add(mine, ["detector", "trial", "auc", "f1"])
    ranked, partial = mine[mine["ranked"] == "true"], mine[mine["ranked"] == "partial"]
    placed = rank_runs(ranked, all_runs=all_runs).iloc[:top]
    table = _shown(runs.add(placed, [name for name in (*COLUMNS, "note") if name not in placed]))
    if partial.empty:
        return table
    partial = runs.add(partial, [name for name in (*COLUMNS, "note", "answered", "rounds") if name not in mine])
    below = _shown(unranked(partial, leader_by_round(runs, placed.head(1)), all_runs=all_runs))
    return pd.concat([table, below], ignore_index=True).iloc[:top]


def _first(runs: ShownRuns, question: str, top: int) -> pd.DataFrame:
    """Return the runs among which the first `top` are, with every run that is tied with one of them.

    The run at that place is within the margin of the leader of its band, and so are all others of the band.
    """
    best = runs.best(question, "auc", top, 2 * TIE_MARGIN)
    return best if len(best) >= top else runs.table(question)


def rank_runs(runs: pd.DataFrame, *, all_runs: bool = False) -> pd.DataFrame:
    """Return runs of one question in the course's order.

    Parameters
    ----------
    runs : DataFrame
        ``run_id``, ``detector``, ``trial``, ``auc``, ``f1`` and ``submitted``. A run without an AUC has no place.
    all_runs : bool
        Every run instead of the best one of each detector.

    Returns
    -------
    DataFrame
        The runs in order with ``rank``, ``band`` and ``why``, and how many ``runs`` each was selected from.
    """
    tries = runs.groupby("detector")["run_id"].transform("size")
    runs = runs.assign(runs=1 if all_runs else tries).dropna(subset="auc")
    if not all_runs:
        runs = runs.assign(trial=pd.to_numeric(runs["trial"]))  # of equals the earliest, whichever worker was faster
        by = {"auc": False, "f1": False, "trial": True, "submitted": True, "run_id": True}
        runs = runs.sort_values(list(by), ascending=list(by.values())).drop_duplicates("detector")
    figures = (runs[name].tolist() for name in ("run_id", "auc", "f1", "submitted"))
    placings = rank(map(Contender, *figures))
    rows = [(one.rank, one.band, one.contender.key, one.why) for one in placings]
    order = pd.DataFrame(rows, columns=["rank", "band", "run_id", "why"])
    return order.join(runs.set_index("run_id"), on="run_id")


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a board; a run's note stands behind the reason of its rank."""
    table = table.reindex(columns=[*COLUMNS, "note"])
    reasons = zip(table["why"], table["note"], strict=True)
    table["why"] = [why if pd.isna(note) else f"{why}; {note}" for why, note in reasons]
    table["baseline"] = table["baseline"] == "true"
    return table.drop(columns="note").astype({"rank": "Int64", "band": "Int64"})


_OF_RECOMMENDERS = ("detector", "trial", "baseline", "seconds", "auc", "auc_low", "auc_high", *OF_RECOMMENDERS)


def _choose(asked: pd.DataFrame, question: str | None) -> str:
    if question is None:
        return str(asked["newest"].idxmax())
    fitting = [key for key in asked.index if key.startswith(question)]
    if len(fitting) != 1:
        known = ", ".join(f"{str(key)[:10]} ({title})" for key, title in asked["title"].items())
        raise StoreError(
            f"--question must name one question, found {len(fitting)} beginning '{question}'; known: {known}"
        )
    return str(fitting[0])
