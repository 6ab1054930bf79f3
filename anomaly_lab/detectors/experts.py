"""Experts: what one learns from labels, from simulated fakes or from both, each three learners of different kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from anomaly_lab.detectors.base import early_stop_meant
from anomaly_lab.detectors.bounded_forest import bound_trees
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


@dataclass(frozen=True, eq=False)
class Table:
    """Users' features beside their ranks: trees learn from the one, networks from the other.

    Parameters
    ----------
    values, ranks : ndarray of shape (n_users, n_features)
        Features as they are, and as `ClippedRanks` maps them.
    """

    values: Float32Array
    ranks: AnyArray

    @classmethod
    def of(cls, values: Float32Array, scaler: ClippedRanks) -> Table:
        """Return features with their ranks."""
        return cls(values, scaler.transform(values))

    @classmethod
    def stacked(cls, tables: Sequence[Table]) -> Table:
        """Return the rows of several tables, one after the other."""
        return cls(np.vstack([one.values for one in tables]), np.vstack([one.ranks for one in tables]))

    def __getitem__(self, chosen: AnyArray) -> Table:
        """Return chosen rows."""
        return Table(self.values[chosen], self.ranks[chosen])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)


def fit_ranks(everyone: Float32Array) -> ClippedRanks:
    """Return the scaler by whose ranks columns are scaled, fitted on all users of a question."""
    n_quantiles = min(200, len(everyone))
    scaler = ClippedRanks(n_quantiles=n_quantiles, output_distribution="normal", random_state=0)
    scaler.fit(everyone)
    return scaler


@dataclass(frozen=True)
class Mixture:
    """What an expert counts as generated, each part's weight beside that of all genuine users it learns from.

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
    """Rows to learn from.

    Parameters
    ----------
    genuine : Table
        Known genuine users, or everyone where none is known.
    parts : dict of str to Table
        Fakes by the name of their part of a `Mixture`.
    """

    genuine: Table
    parts: Mapping[str, Table]

    def sample(self, mixture: Mixture) -> tuple[Table, AnyArray, FloatArray]:
        """Return rows, labels and weights of an expert, n of each; weights have mean 1."""
        shares = {name: getattr(mixture, name) for name in self.parts}
        used = [name for name, rows in self.parts.items() if shares[name] > 0 and len(rows)]
        rows = [self.genuine, *(self.parts[name] for name in used)]
        weights = [1.0, *(shares[name] * len(self.genuine) / len(self.parts[name]) for name in used)]
        lengths = [len(one) for one in rows]
        y = np.repeat([0, *(1 for _ in used)], lengths)
        w = np.repeat(weights, lengths)
        return Table.stacked(rows), y, w / w.mean()


@dataclass
class Expert:
    """Boosted trees, randomised trees and networks on one mixture of fakes; each gives a log-odds.

    Randomised trees are those of Geurts, Ernst and Wehenkel (2006), boosting is LightGBM's (Ke et al., 2017).

    Parameters
    ----------
    trees : list of estimators
        Boosted and randomised trees, fitted.
    networks : list of MLPClassifier
        Fitted; their log-odds are averaged, for one alone hangs on where it starts.
    """

    trees: list[Any]
    networks: list[Any]

    @classmethod
    def fit(cls, material: Material, mixture: Mixture, *, n_trees: int, n_networks: int, seed: int) -> Expert:
        """Fit the learners on a mixture of fakes against the genuine users."""
        rows, y, w = material.sample(mixture)
        trees = [boosted(n_trees, seed), randomised(n_trees // 4, len(y), seed)]
        for one in trees:
            one.fit(rows.values, y, sample_weight=w)
        networks = [network(seed + number) for number in range(n_networks)]
        with early_stop_meant():
            for one in networks:
                one.fit(rows.ranks, y, sample_weight=w)
        return cls(trees, networks)

    def log_odds(self, rows: Table) -> FloatArray:
        """Return each learner's log-odds of being generated, shape (3, n_rows)."""
        networks = np.mean([_log_odds(one.predict_proba(rows.ranks)) for one in self.networks], axis=0)
        return np.stack([*(_log_odds(one.predict_proba(rows.values)) for one in self.trees), networks])


@dataclass
class Committee:
    """Experts whose odds are summed, and the ranks that they see.

    Parameters
    ----------
    scaler : ClippedRanks
        Fitted on all users of the question.
    experts : dict of str to Expert
        By name.
    discounts : dict of str to float
        What is taken from the log-odds of some experts.
    """

    scaler: Any
    experts: dict[str, Expert]
    discounts: dict[str, float] = field(default_factory=dict)

    def log_odds(self, rows: Table) -> FloatArray:
        """Return the log of the summed odds, shape (n_rows,)."""
        return pooled([one.log_odds(rows) - self.discounts.get(name, 0.0) for name, one in self.experts.items()])


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


def randomised(n_trees: int, n_rows: int, seed: int) -> Any:
    """Return the randomised trees, each to be grown on `n_rows` rows or on those that a bounded forest draws."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(n_trees, min_samples_leaf=2, max_features=0.1, random_state=seed, n_jobs=1)
    return bound_trees(forest, n_rows)


def shallow_forest(n_trees: int, leaf: int, columns: float, seed: int) -> Any:
    """Return a forest whose trees cannot single out few rows.

    Trees on random rows (Breiman, 2001) with cuts drawn at random (Geurts, Ernst and Wehenkel, 2006). By LightGBM, for
    it says what each column adds to a score.

    Parameters
    ----------
    n_trees : int
        Trees.
    leaf : int
        Rows in a leaf, at least.
    columns : float
        Share of the columns that a split chooses from.
    seed : int
        Randomness of rows, columns and cuts.
    """
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        boosting_type="rf",
        extra_trees=True,
        n_estimators=n_trees,
        min_child_samples=leaf,
        feature_fraction_bynode=columns,
        subsample=0.632,
        subsample_freq=1,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )


def network(seed: int) -> Any:
    """Return one network."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((64,), alpha=1.0, learning_rate_init=2e-3, max_iter=15, random_state=seed)


def _log_odds(probabilities: FloatArray) -> FloatArray:
    fake = probabilities[:, 1]
    odds: FloatArray = np.log(fake + LEAST) - np.log(1 - fake + LEAST)
    return odds
