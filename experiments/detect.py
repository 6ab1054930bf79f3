"""Detect: the most suspicious users of a rating log of which no label is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.detectors.champion import calibrate
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.unlabelled import BANK, Unlabelled
from anomaly_lab.evaluation.unlabelled import detect as score_unlabelled
from anomaly_lab.ratings.labels import Round
from tracking.forms import choose_form
from tracking.manifest import hand_in


@dataclass(frozen=True, eq=False)
class Detected:
    """Who looks generated in a log.

    Parameters
    ----------
    table : DataFrame
        ``user`` and ``score`` in (0, 1) of everyone, ascending ids; 0.5 and above = flagged.
    suspicious : DataFrame
        ``rank``, ``user``, ``score`` and ``why`` of the most suspicious, the first one first.
    notes : list of str
        What the scores rest on, and what was written.
    """

    table: pd.DataFrame
    suspicious: pd.DataFrame
    notes: list[str]


def detect(
    one: Round,
    *,
    top: int = 20,
    flag_rate: float | None = None,
    out: str | Path | None = None,
    seed: int = 0,
) -> Detected:
    """Score every user of a log without a label, list the most suspicious ones and write all scores.

    Parameters
    ----------
    one : Round
        The log; labels it may hold are not looked at.
    top : int
        How many users to list, and to flag.
    flag_rate : float, optional
        Share of users to list and to flag instead, in (0, 1).
    out : path-like, optional
        Where every user's score is written, as `tracking.forms` writes hand-ins, with a manifest beside it.
    seed : int
        Randomness of the forest.

    Raises
    ------
    ConfigError
        If the flag rate lies outside (0, 1), or `out` has no known form.
    DataError
        If the log is too small, or `out` cannot be written.
    """
    if flag_rate is not None and not 0 < flag_rate < 1:
        raise ConfigError(f"--flag-rate must lie between 0 and 1, found {flag_rate:g}")
    form = None if out is None else choose_form(out)
    if out is not None and one.path is not None and Path(one.path).resolve() == Path(out).resolve():
        raise ConfigError(f"--out must not be the file that is read, found {out}; give another name")
    found = score_unlabelled(one.ratings, seed=seed, threads=os.cpu_count() or 1)
    n_listed = min(top if flag_rate is None else max(1, round(flag_rate * len(found.scores))), len(found.scores))
    order = np.argsort(-found.scores, kind="stable")[:n_listed]
    spread = float(np.std(found.scores)) or 1.0
    scores = calibrate(found.scores, float(found.scores[order[-1]]), spread)
    notes = _notes(found, one, n_listed)
    if out is not None and form is not None:
        facts = {"detector": "detect", "seed": seed, "batch": one.ratings.digest, "flagged": n_listed}
        manifest = hand_in(Path(out), found.user_ids, scores, form, facts)
        notes.append(f"{out}: {len(scores):,} scores in ascending user id, re-read and verified; manifest: {manifest}")
    table = pd.DataFrame({"user": found.user_ids, "score": scores})
    return Detected(table, _suspicious(found, scores, order), notes)


def _suspicious(found: Unlabelled, scores: np.ndarray, order: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "user": found.user_ids[order],
            "score": scores[order],
            "why": ["; ".join(found.reasons[user]) for user in order],
        }
    )


def _notes(found: Unlabelled, one: Round, n_listed: int) -> list[str]:
    notes = []
    if one.labels is not None:
        notes.append(f"{one.path or one.name} holds labels; they were not looked at")
    n_fakes = sum(BANK.sizes.values())
    notes.append(
        f"Rests on {n_fakes:,} simulated fakes made from the log's own {len(found.scores):,} users and on no label: "
        f"scores order users, they are no probabilities, and 0.5 only marks the {n_listed:,} listed. Kinds of fakes "
        "that look like none of the simulated ones are missed; genuine users with odd tastes are among those listed."
    )
    return notes
