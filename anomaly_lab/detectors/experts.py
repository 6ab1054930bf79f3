"""Experts: what one learns from labels, from simulated fakes or from both, each three learners of different kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from anomaly_lab.detectors.base import early_stop_meant
from anomaly_lab.types import AnyArray, Float32Array, FloatArray

FURTHEST = 3.0
LEAST = 1e-4
"""Probabilities closer to 0 or 1 than this count as this close: beyond it, trees differ by chance only."""


class ClippedRanks(QuantileTransformer):  # type: ignore[misc]
    """Map each column to a normal distribution by its ranks, no entry further out than `FURTHEST`."""

    def transform(self, X: AnyArray) -> AnyArray:
        """Return the scaled columns."""
        clipped: AnyArray = np.clip(super().transform(X), -FURTHEST, FURTHEST)
        return clipped


@dataclass(frozen=True)
class Mixture:
    """What an expert counts as generated, each part's weight beside that of all known genuine users.

    Parameters
    ----------
    labels, bank, strays, hybrids : float
        Weight of the known fakes, of the simulated ones with made-up ratings, of real users with some items replaced,
        and of hybrids of two users.
    """

    labels: float = 0.0
    bank: float = 0.0
    strays: float = 0.0
    hybrids: float = 0.0


@dataclass(frozen=True, eq=False)
class Material:
    """Rows of features to learn from.

    Parameters
    ----------
    genuine : ndarray of shape (n_genuine, n_features)
        Known genuine users, or everyone where none is known.
    parts : dict of str to ndarray of shape (n, n_features)
        Fakes by the name of their part of a `Mixture`; a part may be empty.
    everyone : ndarray of shape (n_users, n_features)
        All users of the question, by whose ranks columns are scaled.
    """

    genuine: Float32Array
    parts: Mapping[str, Float32Array]
    everyone: Float32Array

    def sample(self, mixture: Mixture) -> tuple[Float32Array, AnyArray, FloatArray]:
        """Return rows, labels and weights of an expert, shape (n, n_features), (n,) and (n,); weights have mean 1."""
        shares = {name: getattr(mixture, name) for name in self.parts}
        used = [name for name, rows in self.parts.items() if shares[name] > 0 and len(rows)]
        rows = [self.genuine, *(self.parts[name] for name in used)]
        weights = [1.0, *(shares[name] * len(self.genuine) / len(self.parts[name]) for name in used)]
        lengths = [len(one) for one in rows]
        y = np.repeat([0, *(1 for _ in used)], lengths)
        w = np.repeat(weights, lengths)
        return np.vstack(rows), y, w / w.mean()


@dataclass
class Expert:
    """Boosted trees, randomised trees and networks on one mixture of fakes; each gives a log-odds.

    Randomised trees are those of Geurts, Ernst and Wehenkel (2006), boosting is LightGBM's (Ke et al., 2017).

    Parameters
    ----------
    learners : list of estimators
        Fitted.
    """

    learners: list[Any]

    @classmethod
    def fit(cls, material: Material, mixture: Mixture, *, n_trees: int, n_networks: int, seed: int) -> Expert:
        """Fit the learners on a mixture of fakes against the genuine users."""
        X, y, w = material.sample(mixture)
        learners = [boosted(n_trees, seed), randomised(n_trees // 2, seed)]
        for learner in learners:
            learner.fit(X, y, sample_weight=w)
        scaler = ClippedRanks(
            n_quantiles=min(200, len(material.everyone)), output_distribution="normal", random_state=0
        ).fit(material.everyone)
        ranks = scaler.transform(X)
        networks = [network(seed + number) for number in range(n_networks)]
        with early_stop_meant():
            for one in networks:
                one.fit(ranks, y, sample_weight=w)
        return cls([*learners, Networks(scaler, networks)])

    def gains(self, rows: Float32Array) -> FloatArray:
        """Return what each column adds to the log-odds of the boosted trees, shape (n_rows, n_features).

        These are the Shapley values of trees (Lundberg et al., 2020), as LightGBM computes them.
        """
        values: FloatArray = self.learners[0].predict_proba(rows, pred_contrib=True)[:, :-1]
        return values

    def log_odds(self, rows: Float32Array) -> FloatArray:
        """Return each learner's log-odds of being generated, shape (n_learners, n_rows)."""
        return np.stack([_log_odds(learner.predict_proba(rows)[:, 1]) for learner in self.learners])


@dataclass
class Networks:
    """Small networks on ranks, their log-odds averaged: one alone hangs on where it starts.

    Parameters
    ----------
    scaler : ClippedRanks
        Fitted.
    networks : list of MLPClassifier
        Fitted.
    """

    scaler: Any
    networks: list[Any]

    def predict_proba(self, rows: Float32Array) -> FloatArray:
        """Return the probabilities of both classes, shape (n_rows, 2)."""
        ranks = self.scaler.transform(rows)
        odds = np.mean([_log_odds(one.predict_proba(ranks)[:, 1]) for one in self.networks], axis=0)
        fake = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - fake, fake])


def pooled(experts: Sequence[FloatArray]) -> FloatArray:
    """Return the log of the summed odds of all learners: one that is sure suffices, and none has a veto.

    Parameters
    ----------
    experts : sequence of ndarray of shape (n_learners, n_rows)
        Log-odds.
    """
    pooled_odds: FloatArray = np.logaddexp.reduce(np.concatenate(list(experts)), axis=0)
    return pooled_odds


def boosted(n_trees: int, seed: int) -> Any:
    """Return the boosted trees."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=n_trees,
        learning_rate=12.5 / n_trees,  # fewer trees take larger steps: as far in all
        num_leaves=15,
        min_child_samples=20,
        colsample_bytree=0.2,
        subsample=0.5,
        subsample_freq=1,
        reg_lambda=5.0,
        max_bin=63,
        random_state=seed,
        deterministic=True,
        force_col_wise=True,
        n_jobs=1,
        verbose=-1,
    )


def randomised(n_trees: int, seed: int) -> Any:
    """Return the randomised trees."""
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_trees, min_samples_leaf=2, max_features=0.1, random_state=seed, n_jobs=1)


def network(seed: int) -> Any:
    """Return one network."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((64,), alpha=1.0, learning_rate_init=2e-3, max_iter=15, random_state=seed)


def _log_odds(probability: FloatArray) -> FloatArray:
    odds: FloatArray = np.log(probability + LEAST) - np.log(1 - probability + LEAST)
    return odds
