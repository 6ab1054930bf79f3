"""Partial: runs that answered some rounds of a question stand below its ranking, beside the leader's figures there."""

from __future__ import annotations

import json

import pandas as pd

from tracking.read import ShownRuns


def leader_by_round(runs: ShownRuns, leader: pd.DataFrame) -> dict[str, float]:
    """Return the leader's AUC in each round, by the digest of the round's ratings.

    Parameters
    ----------
    runs : ShownRuns
        That it is one of.
    leader : DataFrame
        Its row; empty if there is none.
    """
    if leader.empty:
        return {}
    rounds = json.loads(runs.add(leader, ["rounds"])["rounds"].iloc[0])
    return {rounds[step]["ratings"]: auc for step, auc in runs.steps(leader.iloc[0], "fold_auc").items()}


def unranked(runs: pd.DataFrame, leader: dict[str, float], *, all_runs: bool = False) -> pd.DataFrame:
    """Return runs that answered a part of the question, best first, without rank, saying what they answered.

    Parameters
    ----------
    runs : DataFrame
        Such runs, with their tags ``answered`` and ``rounds``.
    leader : dict of str to float
        The board's leader by round (see `leader_by_round`); empty if there is none.
    all_runs : bool
        Every run instead of the best one of each name on the same rounds.
    """
    answers = [json.loads(text) for text in runs["answered"]]
    rounds = [" ".join(sorted(one["ratings"] for one in answered)) for answered in answers]
    asked = [len(json.loads(text)) for text in runs["rounds"]]
    why = [_why(answered, n, leader) for answered, n in zip(answers, asked, strict=True)]
    runs = runs.assign(answered=rounds, why=why)
    tries = runs.groupby(["detector", "answered"])["run_id"].transform("size")
    runs = runs.assign(runs=1 if all_runs else tries)
    runs = runs.sort_values(["auc", "submitted", "run_id"], ascending=[False, True, True])
    return runs if all_runs else runs.drop_duplicates(["detector", "answered"])


def _why(answered: list[dict[str, object]], asked: int, leader: dict[str, float]) -> str:
    """Return which rounds a run answered: ``answered 1 of 2 query rounds (round3: AUC 0.910; leader there 0.930)``."""
    rounds = []
    for one in answered:
        there = leader.get(str(one["ratings"]))
        beside = "" if there is None else f"; leader there {there:.3f}"
        rounds.append(f"{one['name']}: AUC {one['auc']:.3f}{beside}")
    return f"answered {len(answered)} of {asked} query rounds ({', '.join(rounds)})"
