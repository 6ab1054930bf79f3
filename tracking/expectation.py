"""Expectation: what a run and the others it was selected from say of the coming round."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_lab.evaluation.expect import PRIORS, Expectation, expect
from tracking.read import open_reader
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

LOGGED = {"expected_auc": "auc", "expected_low": "low", "expected_high": "high"}
"""Metrics that the run to be handed in gets."""


def expect_run(store: Store, run: Run) -> Expectation | None:
    """Return what to expect of a run in the coming round, given every run that answered its question.

    None for a run that did not answer all of its question.

    Parameters
    ----------
    store : Store
        Where it and the others are.
    run : Run
        The run to be handed in.
    """
    question, protocol = (run.data.tags[PREFIX + key] for key in ("question", "protocol"))
    if protocol not in PRIORS:
        return None
    with open_reader(store) as reader:
        rivals = [run_id for run_id, _, ranked in reader.shown(question) if ranked == "true"]
        aucs = reader.steps(rivals, "fold_auc")
        errors = reader.values(rivals, "auc_se")
    mine = aucs.get(run.info.run_id, {})
    if not mine:
        return None
    ids = [one for one in rivals if len(aucs.get(one, {})) == len(mine)]
    return expect(
        np.array([list(aucs[one].values()) for one in ids]),
        np.array([errors[one] for one in ids]),
        ids.index(run.info.run_id),
        protocol,
        n_rounds=len(json.loads(run.data.tags[PREFIX + "rounds"])) if protocol == "in-round" else None,
    )


def log_expectation(store: Store, run: Run, expected: Expectation | None) -> None:
    """Log what to expect of a run, if anything can be said, as its metrics `LOGGED`."""
    from mlflow.entities import Metric

    if expected is not None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, getattr(expected, key), now, 0) for name, key in LOGGED.items()]
        store.client.log_batch(run.info.run_id, metrics=metrics)


def in_words(expected: Expectation) -> str:
    """Return an expectation as a line: ``AUC 0.86 (90 %: 0.71 to 0.93)``."""
    return f"AUC {expected.auc:.3f} ({100 * expected.level:g} %: {expected.low:.3f} to {expected.high:.3f})"


def as_json(expected: Expectation | None) -> dict[str, Any] | None:
    """Return an expectation as manifests and ``--json`` give it."""
    return None if expected is None else asdict(expected)


def met(run: Run, auc: float) -> list[str]:
    """Return a line on whether a real AUC lies where it was expected; none if the run's metrics do not say where."""
    logged = run.data.metrics
    if not LOGGED.keys() <= logged.keys():
        return []
    low, high = logged["expected_low"], logged["expected_high"]
    where = "lies in" if low <= auc <= high else "is below" if auc < low else "is above"
    return [f"AUC {auc:.3f} {where} the interval that was expected, {low:.3f} to {high:.3f}"]
