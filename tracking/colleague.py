"""Colleague: scores that someone made elsewhere, put on the same board."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.engine import FoldResult, RunResult
from anomaly_lab.evaluation.metrics import roc_auc_variance, score_metrics
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import RatingScale
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.question import Question
from tracking.forms import THRESHOLD, read_scores, threshold_notes
from tracking.read import shown_runs
from tracking.record import Recorder
from tracking.reopen import recorded_rounds, reopen
from tracking.scoring import check_count, same_users
from tracking.spec import RunSpec
from tracking.store import DEFAULT_FOLDER, PREFIX, Store
from tracking.sweep import study_lock

if TYPE_CHECKING:
    from mlflow.entities import Run

ORIGIN = "recorded"


def record(
    scores: Sequence[str | Path],
    rounds: Sequence[str | Path],
    name: str,
    *,
    store: str | Path = DEFAULT_FOLDER,
    key: str | None = None,
    scale: RatingScale | None = None,
    columns: Mapping[str, str] | None = None,
) -> str:
    """Record scores of labelled rounds as a run, and return its id.

    Scores of every round that a question of the lab asks for are ranked with its runs; scores of some of its rounds
    stand below the ranking. Whoever made them vouches that no label of a round was used for its own scores.

    Parameters
    ----------
    scores : sequence of path-like
        One file a round in any form of `tracking.forms`: one score a user in ascending user id, 0.5 and above flagged.
    rounds : sequence of path-like
        The labelled rounds, in the same order.
    name : str
        How the board calls them; the same name again is another try.
    store : path-like
        Folder of the lab; made if need be.
    key : str, optional
        Name of the array in an archive.
    scale : RatingScale, optional
        What the ratings mean.
    columns : mapping of str to str, optional
        Columns of tables, as in `anomaly_lab.ratings.readers.read_rounds`.

    Raises
    ------
    ConfigError
        If there is not one file a round, or the name is a detector's.
    DataError
        If a file does not hold one finite score for every user of its round, and nothing else.
    StoreError
        If rounds that the question asks for too are no longer where they were.
    """
    if len(scores) != len(rounds):
        raise ConfigError(f"one --scores must be given for each --round, found {len(scores)} for {len(rounds)}")
    labelled = read_rounds(rounds, scale=scale, columns=columns, require_labels=True)
    folds = tuple(_fold(path, one, key) for path, one in zip(scores, labelled, strict=True))
    opened = Store.open(store, create=True)
    runs = shown_runs(opened)
    check_name(name, runs)
    whole = _wider_question(labelled, runs)
    question = Question.of(labelled) if whole is None else reopen(whole, columns=columns)
    extra = {"note": note} if (note := _note(folds)) else {}
    if whole is not None:
        folds = tuple(_renamed(fold, one, question) for fold, one in zip(folds, labelled, strict=True))
        extra |= {"ranked": "partial", "answered": _answered(labelled, folds)}
    study = f"recorded {name}"
    spec = RunSpec(
        question,
        name,
        kind="recorded",
        families=(),
        origin=ORIGIN,
        study=study,
        home=opened.home,
        extra=extra,
    )
    with opened.lock(study_lock(study)):
        return Recorder(opened, question).record(spec, RunResult(name, {}, 0, folds))


def check_name(name: str, runs: Sequence[Run]) -> None:
    """Raise if a board would take recorded scores for something else.

    Raises
    ------
    ConfigError
        If the name is empty, a registered detector's, or that of a detector with runs in the store.
    """
    if not name.strip():
        raise ConfigError("--name must say how the board calls these scores, found nothing")
    taken = name in MODELS.entries() or any(
        run.data.tags[PREFIX + "detector"] == name and run.data.tags[PREFIX + "origin"] != ORIGIN for run in runs
    )
    if taken:
        raise ConfigError(f"--name must not be that of a detector, found '{name}'; give another")


def _fold(path: str | Path, one: Round, key: str | None) -> FoldResult:
    """Return what scores say of a round."""
    assert one.labels is not None  # the reader was told to require them
    ascending = one.ratings.ascending
    users, truth = one.ratings.user_ids[ascending], one.labels.fake[ascending]
    kinds = None if one.labels.kinds is None else one.labels.kinds[ascending]
    found = read_scores(path, key)
    check_count(found, one.ratings.n_users, str(path), lambda: one.ratings.n_rows)
    same_users(found.users, users, str(path), str(one.path))
    metrics = score_metrics(truth, found.scores, THRESHOLD, kinds)
    metrics["auc_variance"] = roc_auc_variance(truth, found.scores)
    return FoldResult(one.name, metrics, THRESHOLD, 1.0, users, found.scores, truth)


def _wider_question(labelled: Sequence[Round], runs: Sequence[Run]) -> Run | None:
    """Return the newest run whose question asks for all of these rounds and more, unless one asks just for these."""
    asked = Question.of(list(labelled)).fingerprint
    if any(run.data.tags[PREFIX + "question"] == asked for run in runs):
        return None
    mine = {one.ratings.digest for one in labelled}
    wider = [
        run
        for run in runs
        if run.data.tags[PREFIX + "protocol"] == "next-round"
        and mine < {one["ratings"] for one in recorded_rounds(run)}
    ]
    return max(wider, key=lambda run: run.info.end_time, default=None)


def _renamed(fold: FoldResult, one: Round, question: Question) -> FoldResult:
    """Return the result under the name that the question gives to its round."""
    names = {known.ratings.digest: known.name for known in question.rounds}
    return replace(fold, name=names[one.ratings.digest])


def _answered(labelled: Sequence[Round], folds: Sequence[FoldResult]) -> str:
    """Return which rounds were scored, and how well, for the board."""
    facts = [
        {"ratings": one.ratings.digest, "name": fold.name, "auc": fold.metrics["auc"]}
        for one, fold in zip(labelled, folds, strict=True)
    ]
    return json.dumps(facts)


def _note(folds: Sequence[FoldResult]) -> str:
    """Return what makes precision, recall and F1 at 0.5 say little, empty if nothing does."""
    scores = np.concatenate([fold.scores for fold in folds])
    low, high = scores.min(), scores.max()
    outside = [f"cut at 0.5, though scores run from {low:.3g} to {high:.3g}"] if low < 0 or high > 1 else []
    return "; ".join(outside + threshold_notes(scores))
