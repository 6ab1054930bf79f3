"""Telling a study what a driver that died had written of its trials, so that they are not run again."""

from __future__ import annotations

from experiments.study import DetectorStudy, Proposal
from tracking.record import Recorder
from tracking.store import PREFIX


def tell_written(study: DetectorStudy, proposal: Proposal, recorder: Recorder, run_id: str) -> bool:
    """Tell what the run of a trial says of its end, as the driver that wrote it would have; return whether it could be.

    It cannot where the run has other parameters: of a journal that was lost, by another release of Optuna.

    Parameters
    ----------
    study : DetectorStudy
        Which is told.
    proposal : Proposal
        The trial.
    recorder : Recorder
        Of the store with the run.
    run_id : str
        Its run, which has ended.
    """
    run = recorder.store.client.get_run(run_id)
    if any(run.data.params.get(key) != str(value) for key, value in proposal.params.items()):
        return False
    role, validation = run.data.tags[PREFIX + "role"], recorder.validation(run_id)
    if role == "failed":
        study.tell_failed(proposal.number, run.data.tags[PREFIX + "error"])
    elif role == "pruned":
        study.tell_behind(proposal.number, validation)
    else:
        study.report(proposal.number, validation)
        study.tell(proposal.number, run.data.metrics, run_id)
    return True
