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

EXPERTS = ("labels", "bank", "hybrids")
OUT_OF_FOLD_PARTS = 3


@dataclass
class NextRoundDetector(EstimatorDetector):
    """Three experts, on labels, on labels and a bank of simulated attacks, and on hybrids, whose odds are summed.

    Labels know the kinds that stay; the bank knows kinds that no label has shown; both are asked about every user, and
    one that is sure suffices. The odds of the hybrid expert are discounted: it sees little else than which items occur
    together and is overconfident about odd but genuine tastes. No sampler is used: parts are weighted.
    """

    families: ClassVar[tuple[str, ...] | None] = ALL_FAMILIES
    kind: ClassVar[str] = "supervised"  # type: ignore[assignment]
    components: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{f"without {one}": {"experts": tuple(other for other in EXPERTS if other != one)} for one in EXPERTS},
        **{f"{one} alone": {"experts": (one,)} for one in EXPERTS},
    }

    label_weight: Annotated[float, FloatDistribution(0.1, 1.6, log=True)] = 0.4
    bank_weight: Annotated[float, FloatDistribution(0.1, 1.6, log=True)] = 0.4
    hybrid_discount: Annotated[float, FloatDistribution(0.0, 6.0)] = 2.0
    experts: tuple[str, ...] = EXPERTS
    without: tuple[str, ...] = ()
    n_per_kind: int = 200
    n_hybrids: int = 1000
    n_trees: int = 250
    n_networks: int = 2

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
        return _scored(self.estimator_, rows, self.hybrid_discount)

    def out_of_fold(self, train: Train, *, rng: np.random.Generator) -> FloatArray:
        """Return scores of the training users, in their order, by experts that have not seen their labels.

        Features stay as they are: describing everyone again for each part would cost more than all fits, and the labels
        of a part reach its own features only by who belongs to the reference.
        """
        matrix = train.features(self.families).matrix
        seed = int(rng.integers(2**31 - 1))
        scores = np.empty(len(matrix))
        for part in training_parts(train, OUT_OF_FOLD_PARTS):
            learnt = train.visible != HIDDEN
            learnt[part] = False
            experts = self._fit(matrix, train, learnt, seed)
            scores[part] = _scored(experts, matrix[part], self.hybrid_discount)
        return scores[train.users]

    def _fit(self, matrix: Float32Array, train: Train, learnt: BoolArray, seed: int) -> dict[str, Expert]:
        bank = make_bank(train.pool, train.visible, BankSettings(self.n_hybrids, self.n_per_kind, tuple(self.without)))
        fakes = train.store.fakes(train.pool, train.visible, bank, self.families).matrix
        genuine = matrix[learnt & (train.visible == 0)]
        parts = {
            "labels": matrix[learnt & (train.visible == 1)],
            "bank": fakes[~bank.is_hybrid],
            "hybrids": fakes[bank.is_hybrid],
        }
        material = Material(genuine, parts, matrix)
        mixtures = {
            "labels": Mixture(labels=self.label_weight),
            "bank": Mixture(labels=self.label_weight, bank=self.bank_weight),
            "hybrids": Mixture(labels=self.label_weight / 2, hybrids=0.75 * self.bank_weight),
        }
        return {
            name: Expert.fit(material, mixtures[name], n_trees=self.n_trees, n_networks=self.n_networks, seed=seed)
            for name in self.experts
        }


def _scored(experts: dict[str, Expert], rows: Float32Array, hybrid_discount: float) -> FloatArray:
    discount = {"hybrids": hybrid_discount}
    return pooled([expert.log_odds(rows) - discount.get(name, 0.0) for name, expert in experts.items()])
