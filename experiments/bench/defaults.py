"""Every detector at its defaults on real rounds: trained on one round, scored on the next, and in-round.

Reads real rounds from the folder named by ANOMALY_LAB_DATA. Prints mean and spread of AUC over five seeds, and F1 at
the threshold chosen in training; a standard error of the AUC for one round stands beside it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

from anomaly_lab.evaluation.engine import run
from anomaly_lab.evaluation.folds import Fold
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.tasks.fake_users import query_round
from anomaly_lab.tasks.question import Question

SEEDS = 5


def next_round(train: Round, test: Round) -> list[Fold]:
    return [query_round(pool([train.ratings, test.ratings]), [train, test], 1)]


def row(name: str, folds: list[Fold], store: FeatureStore) -> dict[str, object]:
    model = MODELS.load(name)
    results = [run(name, model, {}, folds, store, seed=seed).metrics for seed in range(SEEDS)]
    figures = pd.DataFrame(results)
    return {
        "detector": name,
        "auc": round(figures["auc"].mean(), 4),
        "sd": round(figures["auc"].std(), 4),
        "se": round(figures["auc_se"].mean(), 4),
        "f1": round(figures["f1"].mean(), 3),
        "f1_sd": round(figures["f1"].std(), 3),
        "seconds": round(figures["seconds"].mean(), 1),
    }


def main() -> None:
    folder = os.environ.get("ANOMALY_LAB_DATA")
    if folder is None:
        sys.exit("ANOMALY_LAB_DATA must name the folder of real rounds")
    course = Path(folder) / "course"
    second, third = read_rounds([course / "stars" / f"round{n}_labelled.npz" for n in (2, 3)])
    (likes,) = read_rounds([course / "likes" / "round2_labelled.npz"])
    questions = {
        "stars 2 -> 3": next_round(second, third),
        "stars 3 -> 2": next_round(third, second),
        "likes 2 in-round": list(Question((likes,), "in-round").folds()),
    }
    wanted = sys.argv[1:] or list(MODELS.entries())
    for title, folds in questions.items():
        store = FeatureStore(DEFAULT_FAMILIES)
        table = pd.DataFrame([row(name, folds, store) for name in wanted])
        print(f"\n{title}: mean over {SEEDS} seeds")
        print(table.sort_values("auc", ascending=False).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
