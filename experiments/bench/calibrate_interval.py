"""How often does the 90 % interval of the expected AUC hold the real one? On courses whose last kinds no bank contains.

For each seed a small course is drawn (`experiments/bench/simulated_boards.py`), several detectors with a few sets of
parameters are run on its labelled rounds, and the best run is selected and scored on the last round. What came out is
appended to a file of JSON lines; run the script again to go on. Boards of even number fit the priors of
`anomaly_lab.evaluation.expect`; those of odd number show how often the interval holds the real
AUC, with the priors as they stand in the library. Simulating takes 28 to 81 CPU seconds a course.

    python experiments/bench/calibrate_interval.py --courses 180 --out boards.jsonl [--genuine LOG]

With ``--first`` later courses are drawn, and all of them show how often the interval holds; nothing is fitted.

    python experiments/bench/calibrate_interval.py --first 301 --courses 360 --out untouched.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logit

from anomaly_lab.evaluation.expect import PRIORS, Predictive, Prior, bias_of_selected, expect, predict
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.types import FloatArray
from experiments.bench.simulated_boards import draw_course, run_board

Board = dict[str, Any]
START = np.log([0.2, 0.4])


def simulate(path: Path, seeds: range, genuine: RatingBatch | None) -> list[Board]:
    """Return one board a course, those that the file lacks appended to it."""
    boards = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {board["seed"] for board in boards}
    for seed in seeds:
        if seed not in known:
            boards.append(run_board(draw_course(seed, genuine), seed))
            with path.open("a") as file:
                file.write(json.dumps(boards[-1]) + "\n")
            print(f"course {seed}: {boards[-1]['seconds']:.1f} CPU seconds", flush=True)
    return sorted(boards, key=lambda board: int(board["seed"]))


def figures(board: Board) -> tuple[FloatArray, FloatArray, int, float]:
    """Return AUCs by run and fold, standard errors of their means, the selected run and what it really scored."""
    aucs, variances = (np.array([run[name] for run in board["runs"]]) for name in ("board_auc", "board_auc_variance"))
    selected = int(np.argmax(aucs.mean(axis=1)))
    errors = np.sqrt(variances.sum(axis=1)) / aucs.shape[1]
    return aucs, errors, selected, float(board["runs"][selected]["real_auc"][0])


def fit(boards: Sequence[Board], between: float | None = None) -> Prior:
    """Return the median share of log-odds kept, and the spreads under which what came is most likely.

    Parameters
    ----------
    boards : sequence of dict
        Of one protocol.
    between : float, optional
        The spread between rounds, where these boards cannot tell it from the other spreads.
    """
    cases = [Case.of(board) for board in boards]
    kept = float(np.median([logit(case.real) / logit(case.aucs.mean() - case.bias) for case in cases]))

    def prior_of(logs: FloatArray) -> Prior:
        spread, found = (float(value) for value in np.exp(logs))
        return Prior(kept, spread, found if between is None else between)

    def surprise(logs: FloatArray) -> float:
        return -sum(case.predicted(prior_of(logs)).log_density(case.real) for case in cases)

    return prior_of(minimize(surprise, START, method="Nelder-Mead", options={"maxiter": 300}).x)


@dataclass(frozen=True, eq=False)
class Case:
    """The best run of a board and what it really scored."""

    aucs: FloatArray
    error: float
    bias: float
    n_rounds: int
    real: float

    @classmethod
    def of(cls, board: Board) -> Case:
        """Return the case of a board."""
        aucs, errors, selected, real = figures(board)
        error = float(errors[selected])
        bias = bias_of_selected(aucs.mean(axis=1), error, selected)
        n_rounds = 1 if board["protocol"] == "in-round" else aucs.shape[1]
        return cls(aucs[selected], error, bias, n_rounds, real)

    def predicted(self, prior: Prior) -> Predictive:
        """Return the distribution of the coming round under a prior."""
        return predict(self.aucs, self.error, self.bias, self.n_rounds, prior)


def outcome(board: Board) -> dict[str, Any]:
    """Return what was expected of a board's best run and what came."""
    aucs, errors, selected, real = figures(board)
    found = expect(aucs, errors, selected, board["protocol"])
    return {
        "rounds": board["n_labelled"],
        "generator": board["generator"],
        "protocol": board["protocol"],
        "seen": found.seen,
        "bias": found.selection_bias,
        "expected": found.auc,
        "real": real,
        "width": found.high - found.low,
        "below": real < found.low,
        "above": real > found.high,
        "held": found.low <= real <= found.high,
    }


def coverage(outcomes: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return how often the interval held, with its binomial standard error, how wide it was, and mean AUCs."""
    groups = outcomes.groupby(by)
    table = groups[["held", "below", "above", "width", "seen", "bias", "expected", "real"]].mean()
    n = groups.size()
    table.insert(0, "courses", n)
    table.insert(2, "se", np.sqrt(table["held"] * (1 - table["held"]) / n))
    return table


def show(name: str, boards: Sequence[Board]) -> None:
    """Print how often the interval held, for all boards, by number of rounds and by generator."""
    outcomes = pd.DataFrame([outcome(board) for board in boards]).assign(all="all")
    for by in ("all", "rounds", "generator"):
        print(f"{name}\n{coverage(outcomes, by).round(3)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--courses", type=int, default=180)
    parser.add_argument("--out", type=Path, default=Path("boards.jsonl"), help="where boards are kept")
    parser.add_argument("--genuine", type=Path, help="a log of genuine users to make courses from")
    parser.add_argument("--first", type=int, default=1, help="seed of the first course; beyond 1, nothing is fitted")
    settings = parser.parse_args()
    genuine = read_rounds([settings.genuine])[0].ratings if settings.genuine else None
    boards = simulate(settings.out, range(settings.first, settings.courses + 1), genuine)
    if settings.first > 1:
        show("untouched", boards)
        return
    halves = [[board for number, board in enumerate(boards) if number % 2 == half] for half in (0, 1)]
    asked = {name: [board for board in halves[0] if board["protocol"] == name] for name in ("next-round", "in-round")}
    fitted = fit(asked["next-round"])
    print(f"next-round: {fitted}\nin-round:   {fit(asked['in-round'], fitted.between)}")
    print(f"in the library: {PRIORS}\n")
    for name, half in zip(("fitted on", "verified on"), halves, strict=True):
        show(name, half)


if __name__ == "__main__":
    main()
