"""Benchmark: one MLflow run for a whole benchmark, with its table as an artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd

from anomaly_lab.tasks.question import Question
from tracking.artifacts import artifact_folder
from tracking.notes import NOTE
from tracking.record import experiment_name
from tracking.spec import versions
from tracking.store import PREFIX, Store

ROLE = "benchmark"
"""No role of ranked runs."""


def record_benchmark(
    store: Store,
    question: Question,
    cells: pd.DataFrame,
    *,
    params: Mapping[str, Any],
    files: Mapping[str, str],
    finished: bool,
) -> str:
    """Write a benchmark's run, or write it anew if there is one of the same question and detectors; return its id.

    Parameters
    ----------
    store : Store
        Where.
    question : Question
        The log, the protocol and the task, which holds attacks and sizes.
    cells : DataFrame
        One row a detector and cell with ``detector``, ``auc`` and what else is to be kept: the artifact ``cells.csv``.
    params : mapping of str to Any
        The benchmark's settings.
    files : mapping of str to str
        Further artifacts, text by file name.
    finished : bool
        Whether every cell was answered.
    """
    from mlflow.entities import Metric, Param, RunTag

    client = store.client
    note = (
        f"**{question.title}**: {question.task.protocols[question.protocol]}. Mean AUC a detector; *Artifacts* has all."
    )
    experiment = store.experiment(experiment_name(question), {NOTE: note})
    detectors = ",".join(cells["detector"].unique())
    same = f"tags.`{PREFIX}role` = '{ROLE}' and tags.`{PREFIX}detectors` = '{detectors}'"
    found = client.search_runs([experiment], same, max_results=1)
    tags = {
        "role": ROLE,
        "ranked": "false",
        "detectors": detectors,
        "question": question.fingerprint,
        "question_title": question.title,
        "protocol": question.protocol,
        "versions": versions(),
    }
    run = found[0] if found else client.create_run(experiment, run_name=f"benchmark {question.title}")
    run_id, now = str(run.info.run_id), int(time.time() * 1000)
    with artifact_folder(store, run) as folder:
        cells.to_csv(folder / "cells.csv", index=False, lineterminator="\n")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    means = cells.groupby("detector")["auc"].mean()
    client.log_batch(
        run_id,
        metrics=[Metric(f"auc_{name}", float(value), now, 0) for name, value in means.items()]
        + [Metric("cells", float(len(cells)), now, 0)],
        params=[] if found else [Param(key, str(value)) for key, value in params.items()],
        tags=[RunTag(PREFIX + key, value) for key, value in tags.items()] + [RunTag(NOTE, note)],
    )
    client.set_terminated(run_id, status="FINISHED" if finished else "KILLED")
    return run_id
