"""Sweep: what writers that died have left RUNNING is put right; the locks tell dead from alive."""

from __future__ import annotations

import hashlib

from anomaly_lab.errors import StoreError
from tracking.lab_database import open_database
from tracking.read import search_all
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
    by_study: dict[str, list[str]] = {}
    for run_id, study in _running(store):
        by_study.setdefault(study, []).append(run_id)
    return sum(_sweep_study(store, study, run_ids) for study, run_ids in by_study.items())


def _running(store: Store) -> list[tuple[str, str]]:
    """Return runs that were begun here and not ended, each with its study."""
    with open_database(store) as database:
        if database is not None:
            return database.running(store.home)
    found = search_all(store, f"attributes.status = 'RUNNING' and tags.`{PREFIX}home` = '{store.home}'")
    return [(run.info.run_id, run.data.tags.get(PREFIX + "study", "")) for run in found]


def _sweep_study(store: Store, study: str, run_ids: list[str]) -> int:
    """Put right the runs of one study, holding its lock, so that no driver ends or begins them meanwhile."""
    try:
        with store.lock(study_lock(study), timeout=0):
            return sum(_put_right(store, run_id) for run_id in run_ids)
    except StoreError:  # its driver lives
        return 0


def _put_right(store: Store, run_id: str) -> bool:
    run = store.client.get_run(run_id)
    if run.info.status != "RUNNING" or run.info.lifecycle_stage != "active":
        return False
    if run.data.tags.get(PREFIX + "role") == "study":
        store.client.set_terminated(run_id, status="KILLED")
    else:
        store.client.delete_run(run_id)
    return True
