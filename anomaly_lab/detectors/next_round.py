"""Next round: experts on labels and on simulated attacks, for fakes made in ways that no label has shown yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution

from anomaly_lab.attacks.bank import BankSettings, make_bank
from anomaly_lab.detectors.base import EstimatorDetector
from anomaly_lab.detectors.experts import Expert, Material, Mixture, pooled
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.folds import HIDDEN, Train, training_parts
from anomaly_lab.registry import ALL_FAMILIES
from anomaly_lab.types import BoolArray, Float32Array, FloatArray

EXPERTS = ("labels", "bank", "strays", "hybrids")
DEFAULT_EXPERTS = ("labels", "bank", "strays")
KEPT = ("strays", "hybrids")
"""Simulated fakes that keep real users' ratings."""
OUT_OF_FOLD_PARTS = 2


@dataclass
class NextRoundDetector(EstimatorDetector):
    """Experts on labels, on a bank of simulated attacks and on real users with strayed items, their odds summed.

    Labels know the kinds that stay; the bank knows kinds that no label has shown; all are asked about every user, and
    one that is sure suffices. The odds of experts on fakes that keep real users' ratings (``strays``, ``hybrids``) are
    discounted: they see little else than which items occur together and are overconfident about odd but genuine tastes.
    No sampler is used: parts are weighted.
    """

    families: ClassVar[tuple[str, ...] | None] = ALL_FAMILIES
    kind: ClassVar[str] = "supervised"  # type: ignore[assignment]
    components: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{
            f"without {one}": {"experts": tuple(other for other in DEFAULT_EXPERTS if other != one)}
            for one in DEFAULT_EXPERTS
        },
        **{f"{one} alone": {"experts": (one,)} for one in DEFAULT_EXPERTS},
        "with hybrids": {"experts": EXPERTS},
    }

    label_weight: Annotated[float, FloatDistribution(0.1, 1.6, log=True)] = 0.4
    bank_weight: Annotated[float, FloatDistribution(0.1, 1.6, log=True)] = 0.4
    discount: Annotated[float, FloatDistribution(0.0, 4.0)] = 1.0
    experts: tuple[str, ...] = DEFAULT_EXPERTS
    without: tuple[str, ...] = ()
    n_per_kind: int = 200
    n_strays: int = 300
    n_hybrids: int = 1000
    n_trees: int = 150
    n_networks: int = 1

    def __post_init__(self) -> None:
        for expert in self.experts:
            if expert not in EXPERTS:
                raise ConfigError(f"next-round: experts must be among {', '.join(EXPERTS)}, found '{expert}'")
        if not self.experts:
            raise ConfigError(f"next-round: experts must name at least one of {', '.join(EXPERTS)}, found none")

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit every expert on the labelled users and the bank."""
        self.estimator_ = self._fit(matrix, train, train.visible != HIDDEN, seed)

    def score_rows(self, rows: Float32Array) -> FloatArray:
        """Return the log of the experts' summed odds of being generated."""
        return _scored(self.estimator_, rows, self.discount)

    def out_of_fold(self, train: Train, *, rng: np.random.Generator) -> FloatArray:
        """Return scores of the training users, in their order, by experts that have not seen their labels.

        Features and bank stay as they are: describing everyone again for each part would cost more than all fits. The
        labels of a part still reach its own features by who belongs to the reference, and its genuine users are among
        those that fakes are made from.
        """
        matrix = train.features(self.families).matrix
        seed = int(rng.integers(2**31 - 1))
        scores = np.empty(len(matrix))
        for part in training_parts(train.pool, train.visible, OUT_OF_FOLD_PARTS):
            learnt = train.visible != HIDDEN
            learnt[part] = False
            experts = self._fit(matrix, train, learnt, seed)
            scores[part] = _scored(experts, matrix[part], self.discount)
        return scores[train.users]

    def _fit(self, matrix: Float32Array, train: Train, learnt: BoolArray, seed: int) -> dict[str, Expert]:
        parts = {"labels": matrix[learnt & (train.visible == 1)]}
        if set(self.experts) != {"labels"}:
            bank = make_bank(train.pool, train.visible, self._settings())
            parts |= bank.parts(train.store.fakes(train.pool, train.visible, bank, self.families).matrix)
        material = Material(matrix[learnt & (train.visible == 0)], parts, matrix)
        labels, bank_weight = self.label_weight, self.bank_weight
        mixtures = {
            "labels": Mixture(labels=labels),
            "bank": Mixture(labels=labels, bank=bank_weight),
            "strays": Mixture(labels=labels, strays=0.375 * bank_weight),
            "hybrids": Mixture(labels=labels / 2, hybrids=0.75 * bank_weight),
        }
        return {
            name: Expert.fit(material, mixtures[name], n_trees=self.n_trees, n_networks=self.n_networks, seed=seed)
            for name in self.experts
        }

    def _settings(self) -> BankSettings:
        """Return a bank with what the experts look at."""
        numbers = {"strays": self.n_strays, "hybrids": self.n_hybrids}
        used = {name: number if name in self.experts else 0 for name, number in numbers.items()}
        return BankSettings(
            n_hybrids=used["hybrids"],
            n_per_kind=self.n_per_kind if "bank" in self.experts else 0,
            without=tuple(self.without),
            n_strays=used["strays"],
        )


def _scored(experts: dict[str, Expert], rows: Float32Array, discount: float) -> FloatArray:
    return pooled([expert.log_odds(rows) - discount * (name in KEPT) for name, expert in experts.items()])
