"""Leaderboard: runs of one question in the course's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anomaly_lab.errors import StoreError
from anomaly_lab.ranking import Contender, rank
from anomaly_lab.tasks.names import FAKE_USERS
from tracking.partial import leader_by_round, unranked
from tracking.read import read_runs
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
MEASURES = (
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
    "seconds",
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

    Raises
    ------
    StoreError
        If there are no runs, or none of the question.
    """
    opened = [Store.open(folder) for folder in stores]
    for store in opened:
        sweep(store)
    runs = read_runs(opened).drop_duplicates("run_id").reindex(columns=list(_READ))  # labs are copied between machines
    if task is not None:
        runs = _of_task(runs, task, stores)
    asked = runs.groupby("question").agg(
        title=("question_title", "first"),
        protocol=("protocol", "first"),
        task=("task", "first"),
        runs=("run_id", "size"),
        newest=("submitted", "max"),
    )
    chosen = _choose(asked, question)
    mine = runs[runs["question"] == chosen]
    others = asked.drop(index=chosen).reset_index()[["question", "title", "runs"]]
    title = str(asked.loc[chosen, "title"])
    protocol = str(asked.loc[chosen, "protocol"])
    if (asks := str(asked.loc[chosen, "task"])) != FAKE_USERS:
        table = rank_recommenders(mine, asks, all_runs=all_runs)
        return Board(title, chosen, protocol, table, others, float("nan"), asks)
    share = float(mine["fake_share"].astype(float).iloc[0])
    table = _with_partial(mine, opened, all_runs=all_runs)
    return Board(title, chosen, protocol, table, others, share)


def rank_runs(runs: pd.DataFrame, *, all_runs: bool = False) -> pd.DataFrame:
    """Return runs of one question in the course's order.

    Parameters
    ----------
    runs : DataFrame
        ``run_id``, ``detector``, ``trial``, ``auc``, ``f1``, ``submitted`` and whatever else `COLUMNS` shows.
    all_runs : bool
        Every run instead of the best one of each detector.
    """
    tries = runs.groupby("detector")["run_id"].transform("size")
    runs = runs.assign(runs=1 if all_runs else tries)
    if not all_runs:
        runs = runs.assign(trial=pd.to_numeric(runs["trial"]))  # of equals the earliest, whichever worker was faster
        by = {"auc": False, "f1": False, "trial": True, "submitted": True, "run_id": True}
        runs = runs.sort_values(list(by), ascending=list(by.values())).drop_duplicates("detector")
    contenders = [
        Contender(str(row["run_id"]), row["auc"], row["f1"], row["submitted"]) for row in runs.to_dict(orient="records")
    ]
    placings = rank(contenders)
    by_run = runs.set_index("run_id")
    rows = [(one.rank, one.band, one.contender.key, one.why) for one in placings]
    table = pd.DataFrame(rows, columns=["rank", "band", "run_id", "why"]).join(by_run, on="run_id")
    return _shown(table)


def _with_partial(runs: pd.DataFrame, stores: Sequence[Store], *, all_runs: bool) -> pd.DataFrame:
    """Return the ranking, and below it runs that answered a part of the question."""
    table = rank_runs(runs[runs["ranked"] == "true"], all_runs=all_runs)
    partial = runs[runs["ranked"] == "partial"]
    if partial.empty:
        return table
    leader: dict[str, float] = {}
    if len(table):
        first = runs.set_index("run_id").loc[table["run_id"].iloc[0]]
        store = next(one for one in stores if str(one.folder) == first["store"])
        leader = leader_by_round(store, str(first.name), first["rounds"])
    return pd.concat([table, _shown(unranked(partial, leader, all_runs=all_runs))], ignore_index=True)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a board; a run's note stands behind the reason of its rank."""
    table = table.reindex(columns=[*COLUMNS, "note"])
    reasons = zip(table["why"], table["note"], strict=True)
    table["why"] = [why if pd.isna(note) else f"{why}; {note}" for why, note in reasons]
    table["baseline"] = table["baseline"] == "true"
    return table.drop(columns="note").astype({"rank": "Int64", "band": "Int64"})


_READ = (
    "run_id",
    "store",
    "submitted",
    "question",
    "question_title",
    "task",
    "protocol",
    "detector",
    "trial",
    "baseline",
    "fake_share",
    "ranked",
    "answered",
    "rounds",
    "note",
    *MEASURES,
    *(name for name in OF_RECOMMENDERS if name not in MEASURES),
)


def _of_task(runs: pd.DataFrame, task: str, stores: Sequence[str | Path]) -> pd.DataFrame:
    found = runs[runs["task"] == task]
    if found.empty:
        folders = ", ".join(map(str, stores))
        raise StoreError(
            f"{folders}: there must be finished runs of task {task}, found none; run `anomaly-lab tune` first"
        )
    return found


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
