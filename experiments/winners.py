"""Winners: what is measured of each detector's best trial only: the other protocols, importances and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import pandas as pd

from anomaly_lab.errors import ContractError
from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.tasks.fake_users import LEAVE_KIND_OUT
from experiments.executors import Executor
from experiments.workbench import Job, Outcome
from tracking.plots import PLOTTED, log_plots
from tracking.record import Recorder

FURTHER = {
    "next-round": {"in-round": "auc_in_round", "forward": "auc_forward"},
    "forward": {"in-round": "auc_in_round"},
}
"""By the question's protocol, the others that a winner is measured under and the metric each gives."""


@dataclass(frozen=True)
class Winner:
    """The best trial of a study.

    Parameters
    ----------
    run_id : str
        Its run.
    job : Job
        What was run.
    """

    run_id: str
    job: Job


def measure_winners(
    winners: Sequence[Winner],
    executor: Executor,
    recorder: Recorder,
    report: Callable[[str], None],
    *,
    kind_out: bool = False,
) -> None:
    """Add to each winner's run what it lacks; a part that fails is reported and left out.

    Parameters
    ----------
    winners : sequence of Winner
        Best trials.
    executor : Executor
        Where they are run again.
    recorder : Recorder
        Of their question.
    report : callable
        Called with a line about what happened.
    kind_out : bool
        Whether to leave out one kind of fakes after the other, too.
    """
    runs = {one.run_id: recorder.store.client.get_run(one.run_id).data for one in winners}
    further = [(one, job) for one in winners for job in _further(one.job, runs[one.run_id].metrics, kind_out)]
    plain = [one for one in winners if PLOTTED not in runs[one.run_id].tags]
    if further or plain:
        report("measuring every detector's best run: other protocols, importances, plots")
    outcomes = [(one, job.protocol, executor.submit(job)) for one, job in further]
    importances = [(one, executor.submit_importance(one.job)) for one in plain]
    for winner, protocol, outcome in outcomes:
        _add_protocol(winner, protocol, outcome.result(), recorder, report)
    for winner, importance in importances:
        log_plots(recorder.store, winner.run_id, _table(importance, report))


def kind_out_metrics(result: RunResult) -> dict[str, float]:
    """Return the mean and the lowest AUC over kinds that were left out, ``auc_kind_out`` and ``auc_worst_kind``."""
    aucs = [fold.metrics["auc"] for fold in result.folds]
    return {"auc_kind_out": sum(aucs) / len(aucs), "auc_worst_kind": min(aucs)}


def _further(job: Job, known: Mapping[str, float], kind_out: bool) -> Iterator[Job]:
    if kind_out and "auc_worst_kind" not in known:
        yield replace(job, protocol=LEAVE_KIND_OUT, thresholds=False)
    for protocol, metric in FURTHER.get(job.protocol, {}).items():
        if metric not in known:
            yield replace(job, protocol=protocol, thresholds=False)


def _add_protocol(
    winner: Winner, protocol: str, outcome: Outcome, recorder: Recorder, report: Callable[[str], None]
) -> None:
    if outcome.result is None:
        report(f"{winner.job.detector} {protocol}: failed: {outcome.error}")
        return
    if protocol == LEAVE_KIND_OUT:
        recorder.add_metrics(winner.run_id, kind_out_metrics(outcome.result))
        return
    auc = outcome.result.metrics["auc"]
    metrics = {FURTHER[winner.job.protocol][protocol]: auc}
    if protocol == "in-round":
        metrics["optimism"] = auc - recorder.store.client.get_run(winner.run_id).data.metrics["auc"]
    recorder.add_metrics(winner.run_id, metrics)


def _table(importance: Future[pd.DataFrame], report: Callable[[str], None]) -> pd.DataFrame | None:
    try:
        return importance.result()
    except ContractError as error:
        report(str(error))
        return None
