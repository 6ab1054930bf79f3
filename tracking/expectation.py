"""Expectation: what a run and the others it was selected from say of the coming round."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_lab.evaluation.expect import PRIORS, Expectation, expect
from tracking.read import shown_runs
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
    rivals = [one for one in shown_runs(store) if _answered(one, question)]
    aucs = {one.info.run_id: fold_aucs(store, one.info.run_id) for one in rivals}
    mine = aucs.get(run.info.run_id, [])
    if not mine or protocol not in PRIORS:
        return None
    rivals = [one for one in rivals if len(aucs[one.info.run_id]) == len(mine)]
    ids = [one.info.run_id for one in rivals]
    return expect(
        np.array([aucs[one] for one in ids]),
        np.array([one.data.metrics["auc_se"] for one in rivals]),
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


def fold_aucs(store: Store, run_id: str) -> list[float]:
    """Return a run's AUC on each query of its question, in the question's order."""
    history = store.client.get_metric_history(run_id, "fold_auc")
    return [float(one.value) for one in sorted(history, key=lambda one: int(one.step))]


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


def _answered(run: Run, question: str) -> bool:
    tags = run.data.tags
    return bool(tags.get(PREFIX + "question") == question and tags.get(PREFIX + "ranked") == "true")
