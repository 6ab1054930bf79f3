"""Scoring: a hand-in against the truth, as the course does it, once the labels are out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly_lab.errors import DataError, StoreError
from anomaly_lab.evaluation.composite import class_metrics
from anomaly_lab.evaluation.metrics import score_metrics
from anomaly_lab.evaluation.mistakes import mistakes
from anomaly_lab.ratings.readers import read_labels, read_round
from anomaly_lab.types import AnyArray, IntArray
from tracking.class_forms import read_hand_in
from tracking.expectation import met
from tracking.forms import THRESHOLD, HandIn, threshold_notes
from tracking.manifest import file_digest, read_manifest
from tracking.read import find_run
from tracking.store import DEFAULT_FOLDER, PREFIX, Store

BINARY = ("auc", "precision", "recall", "f1")
REAL = (*BINARY, "composite", "mean_ovr_auc")
"""Figures that are logged into the run where there are such, as ``real_<name>``."""


@dataclass(frozen=True, eq=False)
class ScoreReport:
    """What a hand-in really scored.

    Parameters
    ----------
    auc : float
        Area under the ROC curve.
    precision, recall, f1 : float
        With users scoring 0.5 or more flagged.
    n_users : int
        How many users were scored.
    auc_by_kind : dict of int to float
        AUC of each kind of generated users against the genuine ones; empty where the labels do not tell kinds apart.
    run_id : str or None
        The run into which the figures were logged.
    expected_auc : float or None
        What that run promised: what was expected of it at its export, else its AUC on the board.
    mistakes : DataFrame
        Missed generated and accused genuine users by kind; see `anomaly_lab.evaluation.mistakes.mistakes`.
    notes : list of str
        What to know of these figures.
    composite, mean_ovr_auc : float or None
        Of class scores: see `anomaly_lab.evaluation.composite`.
    auc_by_class : dict of int to float
        Of class scores, the AUC of each class against all others.
    """

    auc: float
    precision: float
    recall: float
    f1: float
    n_users: int
    auc_by_kind: dict[int, float]
    run_id: str | None
    expected_auc: float | None
    mistakes: pd.DataFrame
    notes: list[str]
    composite: float | None = None
    mean_ovr_auc: float | None = None
    auc_by_class: dict[int, float] = field(default_factory=dict)


def score(
    scores: str | Path,
    labels: str | Path,
    *,
    store: str | Path = DEFAULT_FOLDER,
    run: str | None = None,
    key: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ScoreReport:
    """Score a hand-in and log the result into its run; the labels themselves stay outside.

    Parameters
    ----------
    scores : path-like
        The hand-in, in any form of `tracking.forms`: one score a user in ascending user id, or, where the labels name
        kinds, a row of class scores.
    labels : path-like
        Who was generated; see `anomaly_lab.ratings.readers.read_labels`.
    store : path-like
        Folder of the lab. It need not exist for a hand-in of unknown origin.
    run : str, optional
        Beginning of the id of the run that made the scores; by default the manifest beside them says.
    key : str, optional
        Name of the array in an archive.
    columns : mapping of str to str, optional
        Columns of a table of labels.

    Raises
    ------
    DataError
        If the file does not hold one finite score for every labelled user, and nothing else.
    StoreError
        If there is no such run.
    """
    users, fake, kinds = read_labels(labels, columns=columns)
    found, classes = read_hand_in(scores, key, kinds)
    order = np.argsort(users, kind="stable")
    users, fake, kinds = users[order], fake[order], None if kinds is None else kinds[order]
    manifest = read_manifest(scores)
    check_count(found, len(users), str(scores), lambda: _rows_of(labels, manifest, columns))
    same_users(found.users, users, str(scores), str(labels))
    notes = []
    if manifest is not None and manifest["sha256"] != file_digest(scores):
        notes.append(f"{scores} has changed since its manifest was written; the manifest is ignored")
        manifest = None
    if manifest is not None:
        same_users(np.asarray(manifest["users"]), users, str(scores), str(labels))
    metrics = score_metrics(fake, found.scores, THRESHOLD, kinds)
    if classes is not None and kinds is not None:
        metrics |= class_metrics(kinds, classes)
    notes += threshold_notes(found.scores)
    wrong = mistakes(users, fake, found.scores, THRESHOLD, kinds)
    run_id, expected, more = _log(store, run, manifest, metrics, wrong, _digest(users, fake))
    return ScoreReport(
        **{name: metrics[name] for name in BINARY},
        n_users=len(users),
        auc_by_kind=_by_number(metrics, "auc_kind_"),
        composite=metrics.get("composite"),
        mean_ovr_auc=metrics.get("mean_ovr_auc"),
        auc_by_class=_by_number(metrics, "auc_class_"),
        run_id=run_id,
        expected_auc=expected,
        mistakes=wrong,
        notes=notes + more,
    )


def check_count(found: HandIn, n_users: int, where: str, count_rows: Any) -> None:
    """Raise unless there is one score a user, guessing what there is instead.

    Parameters
    ----------
    found : HandIn
        The scores.
    n_users : int
        How many there must be.
    where : str
        The file, for messages.
    count_rows : callable
        Returns the number of rating rows, or None if nobody knows.

    Raises
    ------
    DataError
        If there are more or fewer.
    """
    n_scores = len(found.scores)
    if n_scores == n_users:
        return
    message = f"{where}: must hold one score a user, found {n_scores:,} scores for {n_users:,} users"
    if n_scores == count_rows() or n_scores >= 3 * n_users:
        message += ": one score per rating row? Hand in one a user, in ascending user id"
    raise DataError(message)


def same_users(named: AnyArray | None, users: AnyArray, where: str, against: str) -> None:
    """Raise if the users named with the scores are others than those they are compared with.

    Raises
    ------
    DataError
        If they are.
    """
    if named is None or named.tolist() == users.tolist():
        return
    missing = pd.Index(users).difference(pd.Index(named))
    first = f"user {missing[0]} of {against} has no score" if len(missing) else "user ids differ"
    raise DataError(f"{where}: must score the users of {against}, found others: {first}")


def _rows_of(labels: str | Path, manifest: Mapping[str, Any] | None, columns: Mapping[str, str] | None) -> int | None:
    """Return how many ratings the labelled users gave, if a file at hand says so."""
    files = [labels] + ([manifest["batch"]["path"]] if manifest is not None else [])
    for file in files:
        try:
            return read_round(file, columns=columns).ratings.n_rows
        except DataError:
            continue  # labels alone, or a batch that has been moved: nothing to count
    return None


def _log(
    store: str | Path,
    run: str | None,
    manifest: Mapping[str, Any] | None,
    metrics: Mapping[str, float],
    wrong: pd.DataFrame,
    digest: str,
) -> tuple[str | None, float | None, list[str]]:
    """Log the real figures; return the run, what it promised, and whether that came true or why nothing is logged.

    Of the mistakes their numbers are kept; the ids of the worst would say who was generated.
    """
    from mlflow.entities import Metric, RunTag

    wanted = run or (str(manifest["run"]) if manifest is not None else None)
    if wanted is None:
        return None, None, ["whose scores these are is not known: nothing is logged; say so with --run"]
    try:
        opened = Store.open(store)
        chosen = find_run(opened, wanted)
    except StoreError as error:
        if run is not None:
            raise
        return None, None, [f"nothing is logged: {error}"]
    now = int(time.time() * 1000)
    opened.client.log_batch(
        chosen.info.run_id,
        metrics=[Metric(f"real_{name}", metrics[name], now, 0) for name in REAL if name in metrics],
        tags=[RunTag(PREFIX + "real_labels", digest)],
    )
    table = wrong.drop(columns="worst").to_csv(index=False)
    opened.client.log_text(chosen.info.run_id, table, f"scored/{digest[:10]}/mistakes.csv")
    promised = chosen.data.metrics.get("expected_auc", chosen.data.metrics["auc"])
    return str(chosen.info.run_id), float(promised), met(chosen, metrics["auc"])


def _by_number(metrics: Mapping[str, float], prefix: str) -> dict[int, float]:
    return {int(name.removeprefix(prefix)): value for name, value in metrics.items() if name.startswith(prefix)}


def _digest(users: AnyArray, fake: IntArray) -> str:
    """Return a digest by which runs scored on the same truth can be told."""
    table = pd.DataFrame({"user": users, "fake": fake})
    return hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()
