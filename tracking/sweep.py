"""Sweep: what writers that died have left RUNNING is put right; the locks tell dead from alive."""

from __future__ import annotations

import hashlib

from tracking.store import PREFIX, Store


def study_lock(study: str) -> str:
    """Return the name of the lock that a study's driver holds while it lives."""
    return "study-" + hashlib.sha256(study.encode()).hexdigest()[:16]


def sweep(store: Store) -> int:
    """End the studies of dead drivers and delete the runs they had only half written.

    A half-written run's trial is not finished: the next `tune` runs it again with the same parameters. Only runs begun
    in this folder on this machine are touched, for only here do the locks speak.

    Returns
    -------
    int
        Number of runs put right.
    """
    experiments = [one.experiment_id for one in store.client.search_experiments()]
    running = store.client.search_runs(
        experiments, f"attributes.status = 'RUNNING' and tags.`{PREFIX}home` = '{store.home}'", max_results=50_000
    )
    dead = [run for run in running if not store.is_held(study_lock(run.data.tags.get(PREFIX + "study", "")))]
    for run in dead:
        if run.data.tags.get(PREFIX + "role") == "study":
            store.client.set_terminated(run.info.run_id, status="KILLED")
        else:
            store.client.delete_run(run.info.run_id)
    return len(dead)
