"""What does it cost to track a run? The lab's `Recorder` beside the fluent MLflow calls that a notebook makes.

A run has 10 parameters, 15 metrics and 3 artifacts (scores, curves and a summary of two rounds). Each way has an
SQLite store of its own in a temporary folder, made and used once before anything is timed. The notebook's way is timed
twice: as a careful notebook would do it, with 6 tags and 15 metrics, and logging all that the lab logs, with every tag
and the per-round values (but not the dataset inputs, which the lab adds). Each way writes the same three files.

    python experiments/bench/bench_tracking.py
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_lab.evaluation.engine import RunResult
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.tasks.question import Question
from experiments.bench.common import Timing, compare, in_turns, machine
from experiments.bench.many_runs import make_result
from tracking.artifacts import write_artifacts
from tracking.record import Recorder
from tracking.spec import RunSpec
from tracking.store import Store

ROUNDS = 20
NOTEBOOK_TAGS, NOTEBOOK_METRICS = 6, 15


@dataclass(frozen=True)
class Content:
    """What is logged of a run, one item a fluent call.

    Parameters
    ----------
    params, tags : dict of str to str
        By name.
    metrics : list of (str, float, int)
        Name, value and step.
    """

    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[tuple[str, float, int]]


def content_of(store: Store, run_id: str) -> Content:
    """Return all that a run of a store holds, MLflow's own tags left out."""
    data = store.client.get_run(run_id).data
    metrics = [
        (one.key, one.value, one.step) for key in data.metrics for one in store.client.get_metric_history(run_id, key)
    ]
    tags = {key: value for key, value in data.tags.items() if not key.startswith("mlflow.")}
    return Content(data.params, tags, metrics)


def as_in_a_notebook(content: Content) -> Content:
    """Return what a notebook would log: a few tags, 15 metrics, and no values of single rounds."""
    metrics = [one for one in content.metrics if not one[0].startswith("fold_")][:NOTEBOOK_METRICS]
    return Content(content.params, dict(list(content.tags.items())[:NOTEBOOK_TAGS]), metrics)


def fluently(content: Content, result: RunResult) -> str:
    """Track a run as MLflow's tutorials do: one call for each thing that is logged."""
    import mlflow

    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        for name, text in content.tags.items():
            mlflow.set_tag(name, text)
        for name, text in content.params.items():
            mlflow.log_param(name, text)
        for name, value, step in content.metrics:
            mlflow.log_metric(name, value, step=step)
        write_artifacts(result, Path(folder))
        for file in sorted(Path(folder).iterdir()):
            mlflow.log_artifact(str(file))
    return str(run.info.run_id)


def write_files(result: RunResult) -> None:
    """Write the three files, which each way does once a run."""
    with tempfile.TemporaryDirectory() as folder:
        write_artifacts(result, Path(folder))


def check(lab: Store, lab_run: str, notebook: Store, notebook_run: str) -> Content:
    """Return what both runs hold; raise an error unless it is the same, artifacts included."""
    wanted, found = content_of(lab, lab_run), content_of(notebook, notebook_run)
    files = [
        {one.path: one.file_size for one in store.client.list_artifacts(run_id)}
        for store, run_id in ((lab, lab_run), (notebook, notebook_run))
    ]
    same = wanted.params == found.params and wanted.tags == found.tags and files[0] == files[1]
    if not same or sorted(wanted.metrics) != sorted(found.metrics) or len(files[0]) != 3:
        raise RuntimeError(f"both ways must leave the same run, found {wanted}, {files[0]} and {found}, {files[1]}")
    return wanted


def measure(folder: Path) -> dict[str, Timing]:
    """Return the time of each way of tracking a run."""
    rounds = make_course(seed=0, n_rounds=2)
    question, result = Question.of(rounds), make_result(rounds)
    lab = Store.open(folder / "lab", create=True)
    recorder = Recorder(lab, question)
    spec = RunSpec(question, "bench", "supervised", ("profile", "agreement"), study="bench")

    def record() -> str:
        return recorder.record(spec, result, trial=0, started=time.time())

    import mlflow

    notebook = Store(folder / "notebook", f"sqlite:///{folder / 'notebook.db'}")
    mlflow.set_tracking_uri(notebook.tracking_uri)
    mlflow.create_experiment("bench", artifact_location=(folder / "notebook").as_uri())
    mlflow.set_experiment("bench")
    lab_run = record()
    everything = content_of(lab, lab_run)
    little = as_in_a_notebook(everything)
    check(lab, lab_run, notebook, fluently(everything, result))
    for what, content in (("lab", everything), ("notebook", little)):
        counts = f"{len(content.params)} parameters, {len(content.metrics)} metrics, {len(content.tags)} tags"
        print(f"{what}: {counts}, 3 artifacts" + (f", {len(rounds)} dataset inputs" if what == "lab" else ""))
    return in_turns(
        {
            "fluent": (lambda: fluently(little, result), 1),
            "fluent, all": (lambda: fluently(everything, result), 1),
            "lab": (record, 1),
            "files": (lambda: write_files(result), 1),
        },
        ROUNDS,
    )


def show(name: str, timing: Timing) -> None:
    """Print the milliseconds of one run."""
    print(f"  {name:48} {cpu_ms(timing):6.1f} ms CPU {1000 * np.median(timing.wall):6.1f} ms wall")


def cpu_ms(timing: Timing) -> float:
    """Return the milliseconds of this process's own work a run."""
    return 1000 * float(np.median(timing.cpu))


def main() -> None:
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        timed = measure(Path(folder))
    show("fluent calls, as in a notebook", timed["fluent"])
    show("fluent calls, all that the lab logs", timed["fluent, all"])
    show("the lab", timed["lab"])
    show("of each: computing and writing the three files", timed["files"])
    lines = [
        compare("tracking a run as a notebook does / the lab (CPU ms)", timed["fluent"], timed["lab"], cpu_ms),
        compare("tracking all of a run fluently / the lab (CPU ms)", timed["fluent, all"], timed["lab"], cpu_ms),
    ]
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
