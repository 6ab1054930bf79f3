"""Next round: experts on labels and on simulated attacks, for fakes made in ways that no label has shown yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from optuna.distributions import FloatDistribution

from anomaly_lab.attacks.bank import BankSettings, make_bank
from anomaly_lab.detectors.base import EstimatorDetector
from anomaly_lab.detectors.experts import Committee, Expert, Material, Mixture, Table, fit_ranks
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.folds import HIDDEN, Train, training_parts
from anomaly_lab.registry import ALL_FAMILIES
from anomaly_lab.types import Float32Array, FloatArray, IntArray

EXPERTS = ("labels", "bank", "strays", "hybrids")
DEFAULT_EXPERTS = ("labels", "bank", "strays")
KEPT = ("strays", "hybrids")
"""Simulated fakes that keep real users' ratings."""
OUT_OF_FOLD_PARTS = 2
SUSPECTED = 0.75
"""At most so many users without a label are suspected, beside the share of fakes among those with one."""
SURE = 3.0
"""Log-odds from which a user is suspected."""
BELIEVED = 0.6
"""At most so many users without a label are believed to be genuine; fewer where fakes are many."""


@dataclass
class NextRoundDetector(EstimatorDetector):
    """Experts on labels, on simulated attacks and on real users with strayed items, who then train themselves.

    Labels know the kinds that stay, the bank knows kinds that no label has shown; all are asked about every user, their
    odds are summed, and one that is sure suffices. Those of whom they are sure among the users without a label then
    count as labelled, and an expert learns again: of the kinds as they are in this very round, rather than as a bank
    imagines them (self-training: Scudder, 1965; Yarowsky, 1995). The fewer they are sure of, the more of the bank it is
    given, too. The last such expert scores, its odds summed with those of the experts on fakes that keep real users'
    ratings (``strays``, ``hybrids``). These are discounted: they see little else than which items occur together and
    are overconfident about odd but genuine tastes. No sampler is used: parts are weighted.
    """

    families: ClassVar[tuple[str, ...] | None] = ALL_FAMILIES
    kind: ClassVar[str] = "supervised"  # type: ignore[assignment]
    components: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{
            f"without {one}": {"experts": tuple(other for other in DEFAULT_EXPERTS if other != one)}
            for one in DEFAULT_EXPERTS
        },
        **{f"{one} alone": {"experts": (one,), "n_self_training": 0} for one in DEFAULT_EXPERTS},
        "without self-training": {"n_self_training": 0},
        "with hybrids": {"experts": EXPERTS},
    }

    label_weight: Annotated[float, FloatDistribution(0.1, 1.6, log=True)] = 0.4
    bank_weight: Annotated[float, FloatDistribution(0.1, 1.6, log=True)] = 0.4
    discount: Annotated[float, FloatDistribution(0.0, 4.0)] = 1.5
    experts: tuple[str, ...] = DEFAULT_EXPERTS
    without: tuple[str, ...] = ()
    n_self_training: int = 2
    n_per_kind: int = 100
    n_strays: int = 200
    n_hybrids: int = 1000
    n_trees: int = 100
    n_networks: int = 1

    def __post_init__(self) -> None:
        for expert in self.experts:
            if expert not in EXPERTS:
                raise ConfigError(f"next-round: experts must be among {', '.join(EXPERTS)}, found '{expert}'")
        if not self.experts:
            raise ConfigError(f"next-round: experts must name at least one of {', '.join(EXPERTS)}, found none")
        if self.n_self_training < 0:
            raise ConfigError(f"next-round: n_self_training must be 0 or more, found {self.n_self_training}")

    def fit_matrix(self, matrix: Float32Array, train: Train, *, seed: int) -> None:
        """Fit every expert on the labelled users and the bank, then train one on pseudo-labels, too."""
        trainer = self._trainer(matrix, train, seed)
        self.estimator_ = trainer.train(train.visible)

    def score_rows(self, rows: Float32Array) -> FloatArray:
        """Return the log of the summed odds of being generated."""
        committee: Committee = self.estimator_
        return committee.log_odds(Table.of(rows, committee.scaler))

    def out_of_fold(self, train: Train, *, rng: np.random.Generator) -> FloatArray:
        """Return scores of the training users, in their order, by experts that have not seen their labels.

        Features and bank stay as they are: describing everyone again for each part would cost more than all fits. The
        labels of a part still reach its own features by who belongs to the reference, and its genuine users are among
        those that fakes are made from.
        """
        matrix = train.features(self.families).matrix
        trainer = self._trainer(matrix, train, int(rng.integers(2**31 - 1)))
        scores = np.empty(len(matrix))
        for part in training_parts(train.pool, train.visible, OUT_OF_FOLD_PARTS):
            visible = train.visible.copy()
            visible[part] = HIDDEN
            scores[part] = trainer.train(visible).log_odds(trainer.everyone[part])
        return scores[train.users]

    def _trainer(self, matrix: Float32Array, train: Train, seed: int) -> _Trainer:
        scaler = fit_ranks(matrix[train.users] if train.inductive else matrix)
        fakes = {}
        if set(self.experts) != {"labels"}:
            bank = make_bank(train.pool, train.visible, self.bank_settings)
            rows = train.store.fakes(train.pool, train.visible, bank, self.families).matrix
            fakes = {name: Table.of(part, scaler) for name, part in bank.parts(rows).items()}
        detector = replace(self, n_self_training=0) if train.inductive else self  # nobody of the round may teach it
        return _Trainer(detector, Table.of(matrix, scaler), fakes, scaler, seed)

    @property
    def bank_settings(self) -> BankSettings:
        """A bank with what the experts look at."""
        numbers = {"strays": self.n_strays, "hybrids": self.n_hybrids}
        used = {name: number if name in self.experts else 0 for name, number in numbers.items()}
        return BankSettings(
            n_hybrids=used["hybrids"],
            n_per_kind=self.n_per_kind if "bank" in self.experts else 0,
            without=tuple(self.without),
            n_strays=used["strays"],
        )


@dataclass(frozen=True, eq=False)
class _Trainer:
    """Everyone and the simulated fakes on one scale, of which experts learn under some visible labels."""

    detector: NextRoundDetector
    everyone: Table
    fakes: Mapping[str, Table]
    scaler: Any
    seed: int

    def train(self, visible: IntArray) -> Committee:
        """Return the experts that score, having learnt from the visible labels and then from pseudo-labels."""
        discount = self.detector.discount
        first = {name: self._expert(name, visible) for name in self.detector.experts}
        committee = Committee(self.scaler, first, dict.fromkeys(KEPT, discount))
        hidden = self.everyone[visible == HIDDEN]
        kept = {name: expert for name, expert in first.items() if name in KEPT}
        for _ in range(self.detector.n_self_training):
            labels, filled = pseudo_labels(visible, committee.log_odds(hidden))
            committee = replace(committee, experts={"self-trained": self._expert("self-trained", labels, filled)})
        return replace(committee, experts=kept | committee.experts) if self.detector.n_self_training else committee

    def _expert(self, name: str, visible: IntArray, filled: float = 0.0) -> Expert:
        labels, bank = self.detector.label_weight, self.detector.bank_weight
        mixture = {
            "labels": Mixture(labels=labels),
            "bank": Mixture(labels=labels, bank=bank),
            "strays": Mixture(labels=labels, strays=0.375 * bank),
            "hybrids": Mixture(labels=labels / 2, hybrids=0.75 * bank),
            "self-trained": Mixture(labels=labels, bank=bank * (1 - filled)),
        }[name]
        material = Material(self.everyone[visible == 0], {"labels": self.everyone[visible == 1], **self.fakes})
        numbers = {"n_trees": self.detector.n_trees, "n_networks": self.detector.n_networks}
        return Expert.fit(material, mixture, **numbers, seed=self.seed)


def pseudo_labels(visible: IntArray, scores: FloatArray) -> tuple[IntArray, float]:
    """Label the users without a label of whom the experts are surest; the others stay hidden.

    Parameters
    ----------
    visible : ndarray of shape (n_users,)
        1 known to be generated, 0 known to be genuine, -1 hidden.
    scores : ndarray of shape (n_hidden,)
        Log-odds of being generated of the users without a label.

    Returns
    -------
    labels : ndarray of shape (n_users,)
        With those suspected and those believed.
    filled : float
        How many are suspected of those who might have been, in [0, 1].
    """
    hidden = np.flatnonzero(visible == HIDDEN)
    share = (visible == 1).sum() / max((visible != HIDDEN).sum(), 1)
    order = hidden[np.argsort(-scores, kind="stable")]
    at_most = int(SUSPECTED * share * len(hidden))
    n_suspected = min(int((scores > SURE).sum()), at_most)
    labels = visible.copy()
    labels[order[:n_suspected]] = 1
    labels[order[len(hidden) - int(max(min(BELIEVED, 1 - 1.5 * share), 0) * len(hidden)) :]] = 0
    return labels, n_suspected / max(at_most, 1)
