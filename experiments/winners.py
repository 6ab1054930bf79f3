"""Winners: what is measured of each detector's best trial only: the other protocols, importances and plots."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.tasks.fake_users import LEAVE_KIND_OUT
from experiments.fold_runs import FoldRuns
from experiments.workbench import Job
from tracking.plots import PLOTTED, log_plots
from tracking.record import Recorder

FURTHER = {
    "next-round": {"forward": "auc_forward", "in-round": "auc_in_round"},
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
    runs: FoldRuns[tuple[Winner, Job]],
    recorder: Recorder,
    report: Callable[[str], None],
    *,
    kind_out: bool = False,
) -> None:
    """Add to each winner's run what it lacks; a part that fails is reported and left out.

    The costliest winner is measured first, so that what is left at the end is short and workers end together. But all
    importances come before other protocols: plots are drawn here with them, while workers go on.

    Parameters
    ----------
    winners : sequence of Winner
        Best trials.
    runs : FoldRuns
        Where they are run again.
    recorder : Recorder
        Of their question.
    report : callable
        Called with a line about what happened.
    kind_out : bool
        Whether to leave out one kind of fakes after the other, too.
    """
    found = [(one, recorder.store.client.get_run(one.run_id).data) for one in winners]
    found.sort(key=lambda one: one[1].metrics["seconds"], reverse=True)
    lacking = [(one, job) for one, run in found for job in _missing(one.job, run.metrics, run.tags, kind_out)]
    missing = deque(sorted(lacking, key=lambda one: not one[1].importance))
    if missing:
        report("measuring every detector's best run: other protocols, importances, plots")
    while missing or runs:
        while missing and runs.room:
            winner, job = missing.popleft()
            runs.begin((winner, job), job)
        for (winner, job), outcome in runs.ended():
            if outcome.error is not None:
                report(f"{job.detector} {'importances' if job.importance else job.protocol}: failed: {outcome.error}")
            if job.importance:
                log_plots(recorder.store, winner.run_id, outcome.importance)
            elif isinstance(outcome.result, RunResult):
                _add_protocol(winner, job.protocol, outcome.result, recorder)


def kind_out_metrics(result: RunResult) -> dict[str, float]:
    """Return the mean and the lowest AUC over kinds that were left out, ``auc_kind_out`` and ``auc_worst_kind``."""
    aucs = [fold.metrics["auc"] for fold in result.folds]
    return {"auc_kind_out": sum(aucs) / len(aucs), "auc_worst_kind": min(aucs)}


def _missing(job: Job, known: Mapping[str, float], tags: Mapping[str, str], kind_out: bool) -> Iterator[Job]:
    """Yield the jobs that give what a winner's run lacks."""
    if PLOTTED not in tags:
        yield replace(job, importance=True)
    if kind_out and "auc_worst_kind" not in known:
        yield replace(job, protocol=LEAVE_KIND_OUT, thresholds=False)
    for protocol, metric in FURTHER.get(job.protocol, {}).items():
        if metric not in known:
            yield replace(job, protocol=protocol, thresholds=False)


def _add_protocol(winner: Winner, protocol: str, result: RunResult, recorder: Recorder) -> None:
    if protocol == LEAVE_KIND_OUT:
        recorder.add_metrics(winner.run_id, kind_out_metrics(result))
        return
    auc = result.metrics["auc"]
    metrics = {FURTHER[winner.job.protocol][protocol]: auc}
    if protocol == "in-round":
        metrics["optimism"] = auc - recorder.store.client.get_run(winner.run_id).data.metrics["auc"]
    recorder.add_metrics(winner.run_id, metrics)
