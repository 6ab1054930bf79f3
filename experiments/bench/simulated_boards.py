"""Boards of simulated courses: runs of several detectors and trials, beside what each really scores afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler

from anomaly_lab.attacks.course import simulate_course
from anomaly_lab.attacks.rating_kinds import RATING_KINDS
from anomaly_lab.errors import DataError
from anomaly_lab.evaluation.engine import RunResult, run
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings import RatingBatch, RatingScale, Round, parse_scale
from anomaly_lab.ratings.pool import pool
from anomaly_lab.ratings.synthetic import Difficulty, make_course
from anomaly_lab.registry import ATTACKS, DEFAULT_FAMILIES, MODELS
from anomaly_lab.space import search_space
from anomaly_lab.tasks.fake_users import LEAVE_KIND_OUT, query_round
from anomaly_lab.tasks.question import Question

DETECTORS: dict[str, dict[str, Any]] = {
    "logistic-regression": {},
    "gradient-boosting": {"n_estimators": 50},
    "gaussian-mixture": {},
    "knn-distance": {},
    "lof": {},
    "mahalanobis": {},
    "next-round": {},
}
"""Detectors with parameters that are not drawn; all but the last take well below a second a fit."""
TRIALS = 3
AT_DEFAULTS_ONLY = "next-round"
UNSEEN = tuple(sorted(set(ATTACKS.built_in) - {*RATING_KINDS, "hybrid"}))
"""Attacks of which no bank has a kind: the shilling literature's profiles."""
OTHER_GENERATOR = 3
"""Every course whose seed this divides is an embedded one, whose fakes another generator makes."""


@dataclass(frozen=True, eq=False)
class Course:
    """A course and how it was drawn.

    Parameters
    ----------
    rounds : list of Round
        Oldest first; the last one is the round to come.
    facts : dict of str to Any
        What was drawn.
    """

    rounds: list[Round]
    facts: dict[str, Any]


def draw_course(seed: int, genuine: RatingBatch | None = None) -> Course:
    """Return a small course of random size, difficulty and attacks, with one, two or three labelled rounds.

    Parameters
    ----------
    seed : int
        Of everything.
    genuine : RatingBatch, optional
        A log of genuine users; by default people of the embedded population.
    """
    rng = np.random.default_rng([seed, 7])
    n_labelled = 1 + seed // OTHER_GENERATOR % 3
    n_users = int(rng.integers(300, 501))
    share = float(rng.uniform(0.08, 0.25))
    scale = parse_scale(["stars", "likes"][int(rng.integers(2))])
    facts = {"n_labelled": n_labelled, "n_users": n_users, "fake_share": share, "scale": scale.name}
    if seed % OTHER_GENERATOR == 0 and genuine is None:
        difficulty = Difficulty(slips=float(rng.uniform(0.3, 0.9)), novelty=float(rng.uniform(0.4, 0.9)))
        rounds = make_course(
            seed=seed, n_rounds=n_labelled + 1, n_users=n_users, n_items=300, scale=scale, fake_share=share,
            difficulty=difficulty,
        )  # fmt: skip
        return Course(rounds, {**facts, "generator": "embedded", "novelty": difficulty.novelty})
    attacks = _draw_attacks(n_labelled, rng)
    camouflage = float(rng.uniform(0, 0.6))
    course = simulate_course(
        _people(n_users * (n_labelled + 1), scale, seed) if genuine is None else genuine,
        n_rounds=n_labelled + 1,
        difficulty=camouflage,
        fake_share=share,
        attacks=attacks,
        seed=seed,
    )
    return Course(course.rounds, {**facts, "generator": "attacks", "difficulty": camouflage, "attacks": attacks})


def run_board(course: Course, seed: int) -> dict[str, Any]:
    """Return the AUC of every run of every detector on a course's labelled rounds, and on the round to come."""
    start = time.process_time()
    labelled = course.rounds[:-1]
    question = Question.of(labelled)
    store = FeatureStore(DEFAULT_FAMILIES)
    folds = list(question.folds())
    last = [query_round(pool([one.ratings for one in course.rounds]), course.rounds, len(labelled))]
    runs: list[dict[str, Any]] = []
    for name, params in _trials(seed):
        model = MODELS.load(name)
        board, real = (run(name, model, params, asked, store, seed=seed, thresholds=False) for asked in (folds, last))
        runs.append({"detector": name, "params": params, **_aucs(board, "board"), **_aucs(real, "real")})
    best = max(runs, key=lambda one: float(np.mean(one["board_auc"])))
    return {
        "seed": seed,
        **course.facts,
        "protocol": question.protocol,
        "runs": runs,
        "kind_out": _kind_out(best["detector"], best["params"], labelled, store, seed),
        "seconds": time.process_time() - start,
    }


def _draw_attacks(n_labelled: int, rng: np.random.Generator) -> list[str]:
    """Return one or two attacks a round; those of the last are in no bank and in no other round."""
    each = int(rng.integers(1, 3))
    last = [str(name) for name in rng.permutation(UNSEEN)[:each]]
    earlier = rng.permutation(sorted(set(ATTACKS.built_in) - set(last)))[: each * n_labelled]
    return [*map(str, earlier), *last]


def _people(n_users: int, scale: RatingScale, seed: int) -> RatingBatch:
    """Return genuine users of the embedded population, on a catalogue of their own."""
    n_all = round(n_users / 0.95)
    one = make_course(seed=seed, n_rounds=1, n_users=n_all, n_items=300, scale=scale, fake_share=0.05)[0]
    assert one.labels is not None
    return one.ratings.select(one.labels.fake == 0)


def _trials(seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name, fixed in DETECTORS.items():
        yield name, fixed
        space = {key: one for key, one in search_space(MODELS.load(name)).items() if key not in fixed}
        study = optuna.create_study(sampler=RandomSampler(seed=seed))
        for _ in range(TRIALS - 1 if space and name != AT_DEFAULTS_ONLY else 0):
            yield name, {**study.ask(fixed_distributions=space).params, **fixed}


def _kind_out(
    name: str, params: dict[str, Any], labelled: list[Round], store: FeatureStore, seed: int
) -> list[float] | None:
    """Return a run's AUC of each kind that is left out; None where labels name one kind only."""
    try:
        folds = list(Question(tuple(labelled), LEAVE_KIND_OUT).folds())
    except DataError:
        return None
    result = run(name, MODELS.load(name), params, folds, store, seed=seed, thresholds=False)
    return [fold.metrics["auc"] for fold in result.folds]


def _aucs(result: RunResult, prefix: str) -> dict[str, list[float]]:
    return {f"{prefix}_{name}": [fold.metrics[name] for fold in result.folds] for name in ("auc", "auc_variance")}
