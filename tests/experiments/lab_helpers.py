"""Rounds, commands, plugins and what runs left: what tests of studies share."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run

from experiments.tune import Tuned, tune
from tracking.store import Store

N_GENUINE, N_FAKE, N_ITEMS = 40, 10, 25


def write_round(path: Path, seed: int, *, labelled: bool = True) -> Path:
    """Write a round whose genuine users follow their taste and whose fakes rate at random."""
    rng, catalogue = np.random.default_rng(seed), np.random.default_rng(0)
    kinds, tastes = catalogue.normal(size=(N_ITEMS, 2)), rng.normal(size=(N_GENUINE, 2))
    popularity = catalogue.dirichlet(np.full(N_ITEMS, 0.5)) + 0.005
    rows = []
    ids = rng.permutation(N_GENUINE + N_FAKE)
    for number, user in enumerate(ids):
        genuine = number < N_GENUINE
        weights = popularity / popularity.sum() if genuine else None
        items = rng.choice(N_ITEMS, int(rng.integers(6, 14)), replace=False, p=weights)
        liking = kinds[items] @ tastes[number] if genuine else rng.normal(size=len(items))
        rows += [(user, item, np.sign(like) * (abs(like) > 0.4)) for item, like in zip(items, liking, strict=True)]
    labels = np.column_stack([ids, np.arange(len(ids)) >= N_GENUINE]).astype(int)
    np.savez(path, X=np.array(rows, dtype=int), **({"y": labels} if labelled else {}))
    return path


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


def command(*arguments: object) -> list[str]:
    """Return the command line as a process of its own."""
    return [sys.executable, "-m", "experiments.cli", *map(str, arguments)]


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait for something that must come; how long it takes is nobody's concern."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {condition}"
        time.sleep(0.05)


def round_options(files: dict[str, Path]) -> list[str]:
    return ["--round", str(files["a"]), "--round", str(files["b"])]


REGISTERED = {
    "counts": "misbehaving:Counts",
    "raises": "misbehaving:Raises",
    "raises-sometimes": "misbehaving:RaisesSometimes",
    "exits": "misbehaving:Exits",
    "dies": "misbehaving:Dies",
    "tells": "misbehaving:Tells",
    "sleeps": "misbehaving:Sleeps",
    "raises-then-sleeps": "misbehaving:RaisesThenSleeps",
    "dawdles": "misbehaving:Dawdles",
    "gives-nan": "misbehaving:GivesNaN",
    "gives-matrix": "misbehaving:GivesMatrix",
    "no-default": "misbehaving:NoDefault",
    "default-outside": "misbehaving:DefaultOutside",
    "no-dataclass": "misbehaving:NoDataclass",
    "other-task": "misbehaving:OtherTask",
    "broken-import": "unimportable:Anything",
}


def install(site: Path, entries: dict[str, str] = REGISTERED) -> Path:
    """Install the misbehaving plugins into a folder, as pip would leave them."""
    info = site / "lab_test_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-test-plugins\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {target}" for name, target in entries.items())
    (info / "entry_points.txt").write_text(f"[anomaly_lab.models]\n{lines}\n")
    shutil.copy(Path(__file__).with_name("misbehaving.py"), site)
    (site / "unimportable.py").write_text("raise OSError('no licence server')\n")
    return site


@cache
def client(store: Path) -> MlflowClient:
    return Store.open(store).client


def all_runs(store: Path) -> list[Run]:
    experiments = [one.experiment_id for one in client(store).search_experiments()]
    return list(client(store).search_runs(experiments, max_results=1000))


def trial_runs(store: Path) -> list[Run]:
    """Return every run of a trial in a lab that is not deleted."""
    return [run for run in all_runs(store) if run.data.tags.get("lab.role") in ("trial", "failed")]


def study_runs(store: Path) -> list[Run]:
    """Return the parent runs of a lab."""
    return [run for run in all_runs(store) if run.data.tags.get("lab.role") == "study"]


def copy_run(run: Run, store: Path) -> str:
    """Write a run into another lab, as if it had been made there, and return its id."""
    there = client(store)
    home = there.create_experiment("copied")
    copy = there.create_run(home, tags=run.data.tags).info.run_id
    for name, value in run.data.metrics.items():
        there.log_metric(copy, name, value)
    there.set_terminated(copy)
    return copy


def run_ids(store: Path) -> set[str]:
    return {run.info.run_id for run in trial_runs(store)}


def facts(store: Path) -> dict[tuple[str, int], tuple]:
    """Return status, parameters, seed and metrics of every trial; neither times nor what only winners have."""
    found = {}
    for run in trial_runs(store):
        tags, metrics = run.data.tags, dict(run.data.metrics)
        metrics = {
            name: value for name, value in metrics.items() if not name.startswith(("seconds", "expected", *WINNERS))
        }
        key = (tags["lab.detector"], int(tags["lab.trial"]))
        assert key not in found, f"{key} has two runs"
        found[key] = (run.info.status, dict(run.data.params), tags.get("lab.seed"), metrics)
    return found


WINNERS = ("auc_in_round", "auc_forward", "optimism")
TIMELESS = ["rank", "band", "detector", "auc", "f1", "precision", "recall", *WINNERS, "runs", "why"]


FAMILIES = ("profile", "likelihood")
"""What `tuned` switches on; with every family it would take half as long again."""


def tuned(rounds, store: Path, **settings) -> Tuned:
    """Tune two fast detectors, six trials each: one batch of proposals and half of the next."""
    usual = {"detectors": ("mahalanobis", "knn-distance"), "trials": 6, "jobs": 1, "families": FAMILIES}
    return tune(rounds, **(usual | settings), store=store)


def board(result: Tuned) -> tuple[list, list[str]]:
    """Return a board without times, and the number of each row's trial."""
    table = result.board.table
    runs = [client(Path(row.store)).get_run(row.run_id) for row in table.itertuples()]
    rows = [*table[TIMELESS].round(12).itertuples(index=False, name=None)]
    return rows, [run.data.tags["lab.trial"] for run in runs]


def refused(ran, *words):
    """Assert that a command ended with one line about a user's mistake."""
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    for word in words:
        assert str(word) in ran.err
