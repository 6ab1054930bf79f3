"""Partial: runs that answered some rounds of a question stand below its ranking, beside the leader's figures there."""

from __future__ import annotations

import json

import pandas as pd

from tracking.store import Store


def leader_by_round(store: Store, run_id: str, rounds: str) -> dict[str, float]:
    """Return a run's AUC in each round, by the digest of the round's ratings.

    Parameters
    ----------
    store : Store
        Where the run is.
    run_id : str
        A ranked run.
    rounds : str
        Its tag of that name.
    """
    by_step = {one.step: float(one.value) for one in store.client.get_metric_history(run_id, "fold_auc")}
    return {one["ratings"]: by_step[step] for step, one in enumerate(json.loads(rounds)) if step in by_step}


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
