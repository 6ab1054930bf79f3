"""What does a board of thousands of runs cost? `leaderboard` beside `mlflow.search_runs` and sorting its table.

The runs are rows in an SQLite lab (see `many_runs`), all of one question. Both are timed after their imports, and must
name the same runs in the same order. The UI's own sort is MLflow's search for 100 runs by a metric, as its page asks
for them, before and after the lab has let SQLite look at its tables.

    python experiments/bench/bench_leaderboard.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.ranking import Contender, rank
from experiments.bench.common import Timing, compare, in_turns, machine
from experiments.bench.many_runs import fill
from tracking.leaderboard import leaderboard
from tracking.store import Store

N_RUNS, ROUNDS = 2_000, 3
TOP = 50
PAGE = 100


def by_search(store: Store) -> pd.DataFrame:
    """Return every run by MLflow's own table, in the course's order."""
    import mlflow

    mlflow.set_tracking_uri(store.tracking_uri)
    runs = mlflow.search_runs(
        search_all_experiments=True, filter_string="attributes.status = 'FINISHED'", max_results=50_000
    )
    ended = runs["end_time"].astype("int64")
    figures = zip(runs["run_id"], runs["metrics.auc"], runs["metrics.f1"], ended, strict=True)
    placed = [one.contender.key for one in rank(Contender(*one) for one in figures)]
    table: pd.DataFrame = runs.set_index("run_id").loc[placed].reset_index()
    return table


def sort_in_ui(store: Store) -> list[str]:
    """Return the ids that the first page of MLflow's UI shows, sorted by AUC."""
    experiments = [one.experiment_id for one in store.client.search_experiments()]
    found = store.client.search_runs(experiments, max_results=PAGE, order_by=["metrics.`auc` DESC"])
    return [run.info.run_id for run in found]


def check(store: Store) -> None:
    """Raise an error unless both ways name the same runs in the same order."""
    wanted = by_search(store)["run_id"].tolist()
    table = leaderboard([store.folder], all_runs=True).table
    first = leaderboard([store.folder], all_runs=True, top=TOP).table
    if table["run_id"].tolist() != wanted or not first.equals(table.head(TOP)):
        raise RuntimeError("both ways must rank the same runs alike, found different boards")
    print(f"{len(table)} finished runs with {table.shape[1]} columns of each")


def measure(folder: Path, n_runs: int, rounds: int) -> dict[str, Timing]:
    """Return the time of each way; of sorting in the UI before and after the lab's tables are analyzed."""
    store = fill(folder / "lab", n_runs)
    check(store)
    before = sort_in_ui(store)
    timed = in_turns({"UI before": (lambda: sort_in_ui(store), 1)}, rounds)
    store.analyze()
    fresh = Store.open(store.folder)  # as the UI's server does: connections that were open have their plans
    if before != sort_in_ui(fresh):
        raise RuntimeError("the UI must show the same runs before and after, found others")
    timed |= in_turns({"UI after": (lambda: sort_in_ui(fresh), 1)}, rounds)
    boards = {
        "search": (lambda: by_search(store), 1),
        "whole": (lambda: leaderboard([store.folder], all_runs=True), 1),
        "best": (lambda: leaderboard([store.folder]), 1),
        "top": (lambda: leaderboard([store.folder], all_runs=True, top=TOP), 1),
    }
    return timed | in_turns(boards, rounds)


def cpu_ms(timing: Timing) -> float:
    """Return the milliseconds of this process's own work a board."""
    return 1000 * float(np.median(timing.cpu))


def main(n_runs: int = N_RUNS, rounds: int = ROUNDS) -> None:
    print(machine(), end="\n\n")
    with tempfile.TemporaryDirectory() as folder:
        timed = measure(Path(folder), n_runs, rounds)
    named = {
        "search": "mlflow.search_runs of all, sorted",
        "whole": "the lab: every run",
        "best": "the lab: best run of each detector",
        "top": f"the lab: first {TOP} of every run",
        "UI before": f"MLflow's UI: {PAGE} runs by AUC, before",
        "UI after": f"MLflow's UI: {PAGE} runs by AUC, after ANALYZE",
    }
    for name, words in named.items():
        wall = 1000 * float(np.median(timed[name].wall))
        print(f"  {words:48} {cpu_ms(timed[name]):8.1f} ms CPU {wall:8.1f} ms wall")
    of = f"of {n_runs:,} runs (CPU ms)"
    lines = [
        compare(f"mlflow.search_runs / the lab's whole table {of}", timed["search"], timed["whole"], cpu_ms),
        compare(f"mlflow.search_runs / the lab's first {TOP} {of}", timed["search"], timed["top"], cpu_ms),
        compare(f"the UI's sort before / after ANALYZE {of}", timed["UI before"], timed["UI after"], cpu_ms),
    ]
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
