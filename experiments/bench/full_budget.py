"""Is a tune's time better spent unevenly? Successive halving over detectors beside the even split, replayed.

A tune is recorded once (or read from ``--store``): every trial's AUC on the question's own protocol, and its seconds.
Then both policies are replayed over several shuffles of each detector's later trials, at the same budget of seconds.
Even: a trial of each detector in turn. Halving (Jamieson and Talwalkar, 2016): each rung has an equal share of the
budget, shared out evenly; the better half of the detectors, by their best AUC so far, goes on. The first trial of every
detector is at its defaults and paid by both. What counts is the best AUC that is found.

    python experiments/bench/full_budget.py --rounds A.npz B.npz C.npz [--trials 12] [--store LAB]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.synthetic import make_course
from experiments.bench.common import machine
from experiments.bench.tune_by_hand import tuned_trials
from experiments.study import RUN_ID
from experiments.tune import tune
from tracking.store import Store

SEEDS = range(5)
SHARES = (0.1, 0.3, 0.6)
"""Budgets, as shares of what all trials after the first ones take."""
BEST = ("next-round", "stacked")
"""Detectors that are far ahead at their defaults: with them there is nothing left to be found."""


@dataclass(frozen=True)
class Played:
    """A recorded trial: its AUC and what it cost in seconds."""

    auc: float
    seconds: float


Recorded = Mapping[str, Sequence[Played]]
Policy = Callable[[Recorded, float], float]


def read_recorded(store: Store) -> Recorded:
    """Return the finished trials of a lab by detector, in order."""
    recorded = {}
    for name, trials in tuned_trials(store.folder).items():
        done = [(trial.value, trial.user_attrs[RUN_ID]) for trial in trials if trial.value is not None]
        runs = [store.client.get_run(run_id).data.metrics["seconds"] for _, run_id in done]
        recorded[name] = [Played(auc, seconds) for (auc, _), seconds in zip(done, runs, strict=True)]
    return {name: played for name, played in recorded.items() if played}


def shuffled(recorded: Recorded, seed: int) -> Recorded:
    """Return the trials with those after each detector's first in another order."""
    rng = np.random.default_rng(seed)
    return {name: [one[0], *(one[k] for k in 1 + rng.permutation(len(one) - 1))] for name, one in recorded.items()}


def play(recorded: Recorded, names: Sequence[str], budget: float, used: dict[str, int]) -> None:
    """Take a trial of each named detector in turn while the budget lasts; `used` counts them."""
    while open_ := [name for name in names if used[name] < len(recorded[name])]:
        affordable = [name for name in open_ if recorded[name][used[name]].seconds <= budget]
        if not affordable:
            return
        for name in affordable:
            cost = recorded[name][used[name]].seconds
            if cost <= budget:
                budget -= cost
                used[name] += 1


def best(recorded: Recorded, used: Mapping[str, int]) -> dict[str, float]:
    """Return each detector's best AUC so far."""
    return {name: max(one.auc for one in recorded[name][: used[name]]) for name in recorded}


def even(recorded: Recorded, budget: float) -> float:
    """Return the best AUC of an even split."""
    used = dict.fromkeys(recorded, 1)
    play(recorded, list(recorded), budget, used)
    return max(best(recorded, used).values())


def halving(recorded: Recorded, budget: float) -> float:
    """Return the best AUC of successive halving."""
    used, names = dict.fromkeys(recorded, 1), list(recorded)
    rungs = max(int(np.log2(len(names))), 1)
    for _ in range(rungs):
        found = best(recorded, used)
        names = sorted(names, key=lambda name: -found[name])[: -(-len(names) // 2)]
        play(recorded, names, budget / rungs, used)
    return max(best(recorded, used).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", nargs="+", metavar="FILE", help="labelled rounds; default: an embedded course's")
    parser.add_argument("--detectors", nargs="+", metavar="NAME")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--without", nargs="+", default=BEST, help="detectors left out in a second comparison")
    parser.add_argument("--store", type=Path, help="a lab that is recorded, or comes to be")
    settings = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        lab = settings.store or Path(folder) / "lab"
        if not lab.exists():
            rounds = read_rounds(settings.rounds, require_labels=True) if settings.rounds else make_course(n_rounds=3)
            tune(rounds, detectors=settings.detectors, trials=settings.trials, jobs=2, store=lab, kind_out=False)
        recorded = read_recorded(Store.open(lab))
    left_out = set(settings.without) & set(recorded)
    print("\n" + "\n".join([*compared(recorded), *(compared(_without(recorded, left_out)) if left_out else [])]))


def compared(recorded: Recorded) -> list[str]:
    """Print what both policies find at several budgets, and return a line of JSON for each."""
    later = sum(one.seconds for played in recorded.values() for one in played[1:])
    policies: dict[str, Policy] = {"even": even, "halving": halving}
    lines = []
    print(f"  {len(recorded)} detectors; after the defaults their trials take {later:.1f} s")
    for share in SHARES:
        budget = share * later
        found = {
            name: np.array([policy(shuffled(recorded, seed), budget) for seed in SEEDS])
            for name, policy in policies.items()
        }
        for name, aucs in found.items():
            print(f"    budget {share:.0%}: {name:8} mean {aucs.mean():.4f}, from {aucs.min():.4f} to {aucs.max():.4f}")
        means = {name: round(float(aucs.mean()), 4) for name, aucs in found.items()}
        name = f"best AUC of {len(recorded)} detectors at {share:.0%} of their time: even split / successive halving"
        ratio = round(means["halving"] / means["even"], 4)
        lines.append(json.dumps({"name": name, "baseline": means["even"], "lab": means["halving"], "ratio": ratio}))
    return lines


def _without(recorded: Recorded, names: set[str]) -> Recorded:
    return {name: played for name, played in recorded.items() if name not in names}


if __name__ == "__main__":
    main()
