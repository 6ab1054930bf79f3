"""RatingNetwork: what neural models of ratings share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution

from anomaly_lab.ratings.interactions import Interactions
from anomaly_lab.recommenders.base import Recommender, Training
from anomaly_lab.recommenders.neural.training import Params, Schedule, adam, train_network
from anomaly_lab.types import AnyArray, Float32Array, FloatArray, IntArray

BLOCK = 16_384
"""Pairs the network is called with at once: its hidden layers of all of them lie in memory together."""


class Rows(NamedTuple):
    """Pairs as a network sees them.

    Parameters
    ----------
    users, items : array of shape (n_rows,)
        Positions.
    own : array of shape (n_rows,)
        The pair's rating less the known ratings' mean where it is one of them, else 0: what a network whose inputs are
        made of known ratings has to take out of them.
    seen : array of shape (n_rows,)
        1 where the pair's rating is a known one, else 0.
    """

    users: Any
    items: Any
    own: Any
    seen: Any


@dataclass
class RatingNetwork(Recommender):
    """Base of neural models of ratings: a function of user and item, fitted by mean squared error.

    It learns ``(rating - centre_) / spread_``, so that learning rates suit every scale of ratings. A subclass has
    `start`, `forward`, and what else of the methods below it needs.
    """

    learning_rate: Annotated[float, FloatDistribution(1e-4, 0.3, log=True)] = 0.003
    l2: Annotated[float, FloatDistribution(0.01, 100.0, log=True)] = 10.0
    batch_size: Annotated[int, IntDistribution(64, 4096, log=True)] = 512
    max_epochs: Annotated[int, IntDistribution(1, 200, log=True)] = 60
    patience: Annotated[int, IntDistribution(1, 10)] = 3
    reads_ratings: ClassVar[bool] = False
    """Whether `prepare` makes inputs of the known ratings, so that `forward` has to take a pair's own out of them."""

    params_: dict[str, AnyArray] = field(init=False, repr=False)
    inputs_: dict[str, AnyArray] = field(init=False, repr=False)
    known_pairs_: IntArray = field(init=False, repr=False)
    known_values_: Float32Array = field(init=False, repr=False)
    mean_: float = field(init=False, repr=False)
    centre_: float = field(init=False, repr=False)
    spread_: float = field(init=False, repr=False)
    low_: float = field(init=False, repr=False)
    high_: float = field(init=False, repr=False)

    @abstractmethod
    def start(self, known: Interactions, rng: np.random.Generator) -> Params:
        """Return the parameters before training; those of one row a user or item are called ``user…`` or ``item…``."""

    @staticmethod
    @abstractmethod
    def forward(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return one number a row: what is to be ``(rating - centre_) / spread_``."""

    @staticmethod
    def penalty(params: Params, inputs: Params, rows: Rows) -> Any:
        """Return what, times `l2`, is added to a minibatch's mean squared error."""
        return 0.0

    def scaling(self, known: Interactions) -> tuple[float, float]:
        """Return `centre_` and `spread_`: the known ratings' mean and standard deviation."""
        return known.mean, max(float(known.values.std(dtype=np.float64)), 1e-3)

    def prepare(self, known: Interactions) -> Params:
        """Return what training reads beside pairs and ratings."""
        return shares(known)

    def inputs_of(self, params: Params, inputs: Params) -> Params:
        """Return what `forward` reads beside the pairs to predict, made of what training reads; nothing here."""
        return {}

    def optimizer(self, n_rows: int) -> Any:
        """Return what turns gradients into steps."""
        return adam(self.learning_rate)

    def fit(self, train: Training, *, rng: np.random.Generator) -> RatingNetwork:
        """Train on some ratings until others are predicted no better."""
        known, held_out = train.parts(rng)
        self.n_items_, self.low_, self.high_, self.mean_ = known.n_items, known.low, known.high, known.mean
        self.centre_, self.spread_ = self.scaling(known)
        remembered = known if self.reads_ratings else known.take(np.zeros(len(known), dtype=bool))
        self.known_pairs_, self.known_values_ = self._pairs(remembered.users, remembered.items), remembered.values
        inputs = {
            **self.prepare(known),
            "l2": np.float32(self.l2),
            "spread": np.float32(self.spread_),
            "centre_above_mean": np.float32(self.centre_ - self.mean_),
        }
        params = train_network(
            self._loss,
            self.start(known, rng),
            (known.users, known.items, ((known.values - self.centre_) / self.spread_).astype(np.float32)),
            inputs=inputs,
            validate=partial(self._rmse, held_out, inputs),
            schedule=Schedule(self.optimizer(len(known)), self.batch_size, self.max_epochs, self.patience),
            report=train.report,
            rng=rng,
        )
        self.params_ = _without_cold_rows(params, known)
        self.inputs_ = {name: np.array(value) for name, value in self.inputs_of(self.params_, inputs).items()}
        return self

    def predict(self, users: AnyArray, items: AnyArray) -> FloatArray:
        """Return ratings between the lowest and the highest possible, shape (n_pairs,)."""
        return self._predict(self.params_, self.inputs_, users, items)

    def _predict(self, params: Params, inputs: Params, users: AnyArray, items: AnyArray) -> FloatArray:
        params, inputs = jax.tree.map(jnp.asarray, (params, inputs))
        predicted = np.empty(len(users), dtype=np.float64)
        for first in range(0, len(users), BLOCK):
            part = slice(first, first + BLOCK)
            rows = self._rows(users[part], items[part])
            predicted[part] = _call(type(self).forward, params, inputs, _padded(rows))[: len(rows.users)]
        return np.clip(self.centre_ + self.spread_ * predicted, self.low_, self.high_)

    def _rows(self, users: AnyArray, items: AnyArray) -> Rows:
        pairs = self._pairs(users, items)
        place = np.searchsorted(self.known_pairs_, pairs)
        seen = np.zeros(len(users), dtype=np.float32)
        inside = place < len(self.known_pairs_)
        seen[inside] = self.known_pairs_[place[inside]] == pairs[inside]
        own = np.zeros(len(users), dtype=np.float32)
        own[seen > 0] = self.known_values_[place[seen > 0]] - self.mean_
        return Rows(users, items, own, seen)

    def _pairs(self, users: AnyArray, items: AnyArray) -> IntArray:
        """Return one number a pair, ascending where users and items do."""
        return users.astype(np.int64) * self.n_items_ + items

    def _rmse(self, held_out: Interactions, inputs: Params, params: Params) -> float:
        predicted = self._predict(params, self.inputs_of(params, inputs), held_out.users, held_out.items)
        return float(np.sqrt(np.mean((predicted - held_out.values) ** 2)))

    @classmethod
    def _loss(cls, params: Params, inputs: Params, batch: tuple[Any, ...], key: Any) -> Any:
        """Return a minibatch's mean squared error and the penalty: of the class alone, so that it is compiled once."""
        users, items, target = batch
        own = inputs["spread"] * target + inputs["centre_above_mean"]
        rows = Rows(users, items, own, jnp.ones_like(own))
        error = cls.forward(params, inputs, rows) - target
        return jnp.mean(error**2) + inputs["l2"] * cls.penalty(params, inputs, rows)


def squares(params: Params, inputs: Params, rows: Rows) -> Any:
    """Return what, over all known ratings, sums to the squares of every user's and item's own parameters.

    Each is taken as often as it is rated and divided by how often it is, so that those with few ratings are held as
    near to 0 as the ridge penalty of matrix factorisation holds them.

    Parameters
    ----------
    params : dict of array
        Those of one row a user or item are called ``user…`` or ``item…``.
    inputs : dict of array
        With what `shares` returns.
    rows : Rows
        A minibatch.
    """
    per_user = sum(jnp.sum(value[rows.users] ** 2, -1) for value in _own(params, "user"))
    per_item = sum(jnp.sum(value[rows.items] ** 2, -1) for value in _own(params, "item"))
    return jnp.mean(per_user * inputs["user_shares"][rows.users] + per_item * inputs["item_shares"][rows.items])


def shares(known: Interactions) -> dict[str, Float32Array]:
    """Return one divided by the number of ratings of each user and item; of one rating for those without."""
    return {
        "user_shares": (1 / np.maximum(known.user_counts, 1)).astype(np.float32),
        "item_shares": (1 / np.maximum(known.item_counts, 1)).astype(np.float32),
    }


def _own(params: Params, kind: str) -> list[Any]:
    """Return the parameters of one row a user or item, as matrices."""
    return [value.reshape(len(value), -1) for name, value in params.items() if name.startswith(kind)]


_call = jax.jit(lambda forward, params, inputs, rows: forward(params, inputs, rows), static_argnums=0)


def _padded(rows: Rows) -> Rows:
    """Return a block of a power of two of rows, so that few shapes are compiled."""
    size = max(1024, 1 << (len(rows.users) - 1).bit_length())
    return Rows(*(np.pad(column, (0, size - len(column))) for column in rows))


def _without_cold_rows(params: dict[str, AnyArray], known: Interactions) -> dict[str, AnyArray]:
    """Return parameters in which users and items without a rating, which training never met, have the others' mean."""
    for kind, counts in (("user", known.user_counts), ("item", known.item_counts)):
        for name, value in params.items():
            if name.startswith(kind):
                value[counts == 0] = value[counts > 0].mean(axis=0)
    return params
