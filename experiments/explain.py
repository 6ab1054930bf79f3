"""Explain: why a run scores one user as it does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.detectors.champion import CalibratedDetector
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.evidence import neighbours, strangers, unlikely_ratings
from anomaly_lab.evaluation.explain import Contributions, contributions
from anomaly_lab.evaluation.folds import Fold
from anomaly_lab.evaluation.refit import Refit, refit, target_fold
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.tasks.question import Question
from anomaly_lab.types import AnyArray
from tracking.explanation_plot import draw_contributions
from tracking.manifest import read_manifest
from tracking.rebuild import Recipe, choose_run, recipe
from tracking.reopen import reopen
from tracking.store import DEFAULT_FOLDER, Store


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one user has the score it has.

    Parameters
    ----------
    user : int or str
        The user.
    batch : str
        Name of the batch.
    run_id, detector : str
        The run and its detector.
    score : float
        As in a hand-in: in [0, 1], 0.5 and above = flagged.
    rank : int
        1 for the highest score.
    n_users : int
        Users of the batch.
    contributions : Contributions
        By family and by feature.
    ratings, neighbours, strangers : DataFrame
        What speaks against the user; see `anomaly_lab.evaluation.evidence`.
    notes : list of str
        What to know of it.
    """

    user: Any
    batch: str
    run_id: str
    detector: str
    score: float
    rank: int
    n_users: int
    contributions: Contributions
    ratings: pd.DataFrame
    neighbours: pd.DataFrame
    strangers: pd.DataFrame
    notes: list[str]

    @property
    def title(self) -> str:
        """Who is explained, and what the run says of them."""
        flagged = "flagged" if self.score >= 0.5 else "not flagged"
        return (
            f"user {self.user} of {self.batch}: {self.detector} gives {self.score:.3f}, {flagged}; "
            f"{self.rank:,} of {self.n_users:,} from the top"
        )


def explain(
    user: int | str,
    *,
    batch: str | Path | None = None,
    scores: str | Path | None = None,
    store: str | Path = DEFAULT_FOLDER,
    run: str | None = None,
    rounds: Sequence[str | Path] | None = None,
    features: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Explanation:
    """Fit a run again as for a hand-in, and explain the score of one user.

    Parameters
    ----------
    user : int or str
        Id of a user of the batch.
    batch : path-like, optional
        The batch. One of the rounds the run learnt from may be given: it is then asked with the labels of the others.
    scores : path-like, optional
        A hand-in; its manifest says which batch and run are meant.
    store : path-like
        Folder of the lab.
    run : str, optional
        Beginning of a run's id; by default that of the hand-in, else the leader of the board.
    rounds, features, columns
        As for `tracking.export.export`.

    Raises
    ------
    ConfigError
        If no batch is given, or the detector scores no features.
    DataError
        If the batch holds no such user, or cannot be read.
    StoreError
        If there is no such run, or its rounds are not what they were.
    """
    hand_in = _manifest(scores)
    path = batch or hand_in.get("batch", {}).get("path")
    if path is None:
        raise ConfigError("--batch must name the file whose user is meant, found none; give it, or --scores")
    opened = Store.open(store)
    chosen, notes = choose_run(opened, run or hand_in.get("run"))
    cache = opened.rating_cache
    asked = reopen(chosen, rounds, columns=columns, cache=cache)
    made, more = recipe(opened, chosen, features)
    if not hasattr(made.model, "score_matrix"):
        raise ConfigError(
            f"{made.name} must score features to be explained by them, found one that reads the ratings; "
            "choose another --run"
        )
    target = read_rounds([path], scale=asked.rounds[0].ratings.scale, columns=columns, cache=cache)[0]
    place = _place(target, user)
    learnt, further = _learnt(asked, target)
    with threadpool_limits(1):
        fold = target_fold(learnt, target.ratings)
        fitted = refit(
            made.name,
            made.model,
            made.params,
            learnt,
            target.ratings,
            made.features,
            seed=made.seed,
            flag_rate=hand_in.get("flag_rate"),
        )
        row = int(np.flatnonzero(fitted.user_ids == target.ratings.user_ids[place])[0])
        found = _contributions(fitted, fold, made, row)
    position = int(fold.pool.positions(len(learnt))[place])
    return Explanation(
        user=fitted.user_ids[row : row + 1].tolist()[0],
        batch=target.name,
        run_id=chosen.info.run_id,
        detector=made.name,
        score=float(fitted.scores[row]),
        rank=int((fitted.scores > fitted.scores[row]).sum()) + 1,
        n_users=len(fitted.scores),
        contributions=found,
        ratings=unlikely_ratings(fold.pool, fold.visible, position),
        neighbours=neighbours(fold.pool, fold.visible, position),
        strangers=strangers(fold.pool, fold.visible, position),
        notes=notes + more + further,
    )


def draw(found: Explanation, beside: str | Path) -> Path:
    """Draw an explanation into a PNG beside a file and return its path: ``<file>.user-<id>.png``.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    beside = Path(beside)
    user = re.sub(r"[^\w-]", "_", str(found.user))
    path = beside.with_name(f"{beside.stem}.user-{user}.png")
    try:
        draw_contributions(found.contributions, found.title, path)
    except OSError as error:
        raise DataError(f"{path}: must be a file that can be written, found: {error.strerror}") from error
    return path


def _manifest(scores: str | Path | None) -> dict[str, Any]:
    """Return the manifest of a hand-in, nothing if none is given."""
    if scores is None:
        return {}
    found = read_manifest(scores)
    if found is None:
        raise ConfigError(
            f"--scores must be a hand-in with its manifest beside it, found none by {scores}; use --batch"
        )
    return found


def _learnt(asked: Question, target: Round) -> tuple[list[Round], list[str]]:
    """Return the rounds to learn from: all that the run knew but the batch itself."""
    learnt = [one for one in asked.rounds if one.ratings.digest != target.ratings.digest]
    if not learnt:
        raise ConfigError(f"--batch must not be the only round the run learnt from, found {target.path}; give another")
    if len(learnt) < len(asked.rounds):
        return learnt, [f"{target.name} is one of the run's own rounds: asked with the labels of the others"]
    return learnt, []


def _place(target: Round, user: int | str) -> int:
    """Return where a user stands in a batch; ids given as text may be numbers in the file."""
    ids: AnyArray = target.ratings.user_ids
    found = np.flatnonzero(ids.astype(str) == str(user))
    if len(found) == 0:
        raise DataError(f"{target.path}: --user must be one of its users, found no {user}")
    return int(found[0])


def _contributions(fitted: Refit, fold: Fold, made: Recipe, row: int) -> Contributions:
    assert fitted.features is not None  # the model scores features
    everyone = made.features.matrix(fold.pool, fold.visible, getattr(made.model, "families", None))
    model = CalibratedDetector(fitted.model, fitted.threshold, fitted.scale)
    return contributions(
        model.score_matrix, fitted.features.matrix[row], everyone.matrix[fold.visible == 0], everyone.names
    )
