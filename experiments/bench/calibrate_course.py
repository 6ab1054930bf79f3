"""Is the embedded course as hard as a real one? Three simple detectors on real rounds and on the course, side by side.

Reads two real rounds, ``course/stars/round2_labelled.npz`` and ``round3_labelled.npz``, from the folder named by the
environment variable ANOMALY_LAB_DATA. The likes course is held against the stars coarsened to -1 (0-2 stars), 0 (3)
and 1 (4-5). Printed is the AUC *in-round* (mean over rounds of stratified cross-validation, three parts), *forward*
(trained on one round, scored on the next), *backward* (the other way round) and *next-round* (trained on all labelled
rounds but one). A figure is met if course and real rounds lie within 0.05.

    python experiments/bench/calibrate_course.py --seeds 0 1 2 3 4 --scale likes
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from anomaly_lab.evaluation.engine import run
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import RatingBatch, RatingScale, Round, parse_scale
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.synthetic import make_course
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.tasks.question import Question

DETECTORS: dict[str, dict[str, str]] = {
    "seed-notebook": {},
    "isolation-forest": {"fit_on": "genuine"},
    "random-forest": {"sampler": "smote"},
}
REAL = ("course/stars/round2_labelled.npz", "course/stars/round3_labelled.npz")
COARSE = np.array([-1, -1, -1, 0, 1, 1])


def real_rounds(folder: Path, scale: RatingScale) -> list[Round]:
    rounds = read_rounds([folder / name for name in REAL])
    return rounds if scale.name == "stars" else [coarsened(one, scale) for one in rounds]


def coarsened(one: Round, scale: RatingScale) -> Round:
    batch, labels = one.ratings, one.labels
    assert labels is not None
    ids, items = batch.user_ids[batch.users], batch.item_ids[batch.items]
    coarse = RatingBatch.from_rows(ids, items, COARSE[batch.ratings], scale=scale, source=one.name)
    return Round(coarse, type(labels).for_batch(coarse, batch.user_ids, labels.fake), one.name)


def auc(rounds: Sequence[Round], protocol: str, store: FeatureStore, seeds: Sequence[int]) -> dict[str, float]:
    """Return each detector's AUC on a question, mean over folds and fits."""
    folds = list(Question(tuple(rounds), protocol).folds())
    means = {}
    for name, params in DETECTORS.items():
        fits = [run(name, MODELS.load(name), params, folds, store, seed=seed, thresholds=False) for seed in seeds]
        means[name] = float(np.mean([fit.metrics["auc"] for fit in fits]))
    return means


def measure(rounds: list[Round], n_labelled: int, fits: Sequence[int]) -> pd.DataFrame:
    """Return AUC by question (rows, mean over rounds or pairs) and detector (columns)."""
    store = FeatureStore(DEFAULT_FAMILIES)
    pairs = list(pairwise(rounds))
    labelled = rounds[:n_labelled]
    asked = {
        "in-round": [auc([one], "in-round", store, fits[:1]) for one in labelled],
        "forward": [auc(pair, "forward", store, fits) for pair in pairs],
        "backward": [auc(pair[::-1], "forward", store, fits) for pair in pairs[: n_labelled - 1]],
        "next-round": [auc(labelled, "next-round", store, fits)],
    }
    return pd.DataFrame({question: pd.DataFrame(found).mean() for question, found in asked.items()}).T


def without_kinds(one: Round) -> Round:
    """Forget the kinds, which real rounds do not have, so that folds are stratified by label alone."""
    assert one.labels is not None
    return Round(one.ratings, type(one.labels)(one.labels.fake), one.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="seeds of the course")
    parser.add_argument("--fits", type=int, default=2, help="fits a detector, each with another seed")
    parser.add_argument("--scale", default="likes", choices=["likes", "stars"])
    settings = parser.parse_args()
    scale, fits = parse_scale(settings.scale), range(settings.fits)
    real = measure(real_rounds(Path(os.environ["ANOMALY_LAB_DATA"]), scale), 2, range(2 * settings.fits))
    print(f"real rounds, {scale}\n{real.round(3)}\n", flush=True)
    courses = {}
    for seed in settings.seeds:
        start = time.perf_counter()
        rounds = [without_kinds(one) for one in make_course(seed=seed, scale=scale)]
        seconds = time.perf_counter() - start
        courses[seed] = measure(rounds, len(rounds) - 1, fits)
        print(f"course, seed {seed} ({seconds:.1f} s to generate)\n{courses[seed].round(3)}\n", flush=True)
    report(real, courses)


def report(real: pd.DataFrame, courses: dict[int, pd.DataFrame]) -> None:
    by_seed = pd.concat(courses)
    mean, spread = by_seed.groupby(level=1, sort=False).mean(), by_seed.groupby(level=1, sort=False).std()
    print(f"mean over {len(courses)} course seeds\n{mean.round(3)}\n\nstandard deviation\n{spread.round(3)}\n")
    print(f"course - real\n{(mean - real).round(3)}\n\nwithin 0.05\n{(mean - real).abs() <= 0.05}")
    first = min(courses)
    print(f"\nseed {first} - real\n{(courses[first] - real).round(3)}")


if __name__ == "__main__":
    main()
